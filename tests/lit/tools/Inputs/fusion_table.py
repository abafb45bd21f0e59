# SPDX-License-Identifier: Apache-2.0
# What fusion makes of the graphs of the benchmark: launches and bytes moved may fall, not rise, and
# the arena is as large as what is live at once. Arguments: a folder for the graphs, names of cases.
import json
import os
import subprocess
import sys

# Launches, bytes moved.
table = {
  'adamw_25m': (25, 704643288),
  'attention_causal_12x1024x64': (1, 12582912),
  'attention_causal_fwd_bwd_12x1024x64': (3, 41091072),
  'avgpool_3x3_64_112': (2, 32113088),
  'chain10_16m': (1, 134217728),
  'conv2d_1x1_64_56': (1, 6438912),
  'conv2d_3x3_64_56': (1, 6569984),
  'conv2d_3x3_fwd_bwd_64_56': (4, 10076160),
  'conv2d_depthwise_3x3_64_56': (1, 6424832),
  'conv_transpose_4x4_64_56': (1, 4276224),
  'cumsum_16m': (2, 134217728),
  'cumsum_columns_4096x4096': (1, 134217728),
  'diff_square_sum_256': (1, 786432),
  'embedding_fwd_bwd_64k_256': (2, 200278016),
  'gather_64k_rows': (1, 38936576),
  'gemm_16x4096x4096': (1, 67633152),
  'gemm_batched_256x64': (1, 12582912),
  'gemm_bf16_1024': (1, 6291456),
  'gemm_f32_1024': (1, 12582912),
  'gemv_4096': (1, 67141632),
  'gpt_mini_bf16_train_step': (256, 1830889524),
  'gpt_mini_train_step': (194, 2710287156),
  'layernorm_4096x1024': (1, 33562624),
  'layernorm_fwd_bwd_4096x1024': (2, 67125248),
  'linear_gelu_128x768x3072': (1, 11415552),
  'maxpool_2x2_64_112': (1, 32112640),
  'maxpool_2x2_fwd_bwd_64_112': (2, 89915392),
  'mlp_train_step': (10, 13941548),
  'rbf_8192_fwd_grad': (1, 393216),
  'resnet8_train_step': (109, 186221580),
  'resnet_conv3x3_set': (4, 24579840),
  'scatter_add_64k_rows': (1, 44056576),
  'softmax_4096x1024': (1, 33554432),
  'softmax_fwd_bwd_4096x1024': (1, 67108864),
  'sort_10000x100': (2, 28000000),
  'sort_1m': (2, 28000000),
  'vww_inference': (29, 2808464),
}

bad = []
for name in sys.argv[2:] or table:
    launches, moved = table[name]
    path = os.path.join(sys.argv[1], name + '.mlir')
    with open(path, 'w') as graph:
        subprocess.run(['fused-bench', '--graph', name], stdout=graph, check=True)
    text = subprocess.run(['graph-compile', path, '--stats=json', '--stop-after=planned', '-o', path + '.txt'],
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    stats = json.loads(text)
    if stats['launches'] > launches or stats['bytes_moved'] > moved:
        bad.append(f"{name}: {stats['launches']} launches, {stats['bytes_moved']} bytes; "
                   f"the table says {launches} and {moved}")
    if stats['arena_bytes'] > 1.05 * stats['live_bytes']:
        bad.append(f"{name}: an arena of {stats['arena_bytes']} for {stats['live_bytes']} bytes live at once")
    if sum(kernel['bytes_moved'] for kernel in stats['kernels']) > stats['bytes_moved']:
        bad.append(f"{name}: kernels move more than the program")
print('\n'.join(bad) or f"{len(sys.argv[2:]) or len(table)} graphs are as in the table")
sys.exit(1 if bad else 0)
