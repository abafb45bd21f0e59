# SPDX-License-Identifier: Apache-2.0
"""The cases that are compared: those of fused-bench that peers can run, numbered as in the benchmark matrix."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    number: int  # in the matrix
    title: str
    kind: str = "kernel"  # "kernel" and "model" count in the geometric mean; "compile" and "call" do not
    error: str = "largest"  # or "norm": how results are compared, see common.difference
    tolerance: float = 1e-3
    target: float = 0.95  # the ratio to reach against the best peer
    option: str = ""  # the case of that name, with an option of ours that is off by default; not counted

    @property
    def graph(self):
        """What fused-bench calls the case."""
        return self.option or self.name

    @property
    def ours(self):
        """What fused-bench prepares: with default options, unless the case is about one."""
        return self.graph if self.option else self.graph + " direct"


CASES = [
    Case("gemm_f32_1024", 1, "GEMM f32 1024³", target=0.99),
    Case("gemm_bf16_1024", 2, "GEMM bf16 1024³", tolerance=2e-2, target=0.99),
    Case("linear_gelu_128x768x3072", 3, "linear + bias + GELU 128×768→3072", target=1.2),
    Case("gemm_16x4096x4096", 4, "16 rows × fixed 4096² weights", target=1.15),
    Case("gemv_4096", 5, "GEMV, fixed 4096² weights"),
    Case("gemm_batched_256x64", 6, "256 GEMMs 64³", target=1.3),
    Case("chain10_16m", 7, "ten-op chain over 16M"),
    Case("diff_square_sum_256", 8, "squared distances of 256² pairs, width 256"),
    Case("rbf_8192_fwd_grad", 9, "RBF 8192² pairs, forward + gradient"),
    Case("softmax_4096x1024", 10, "softmax 4096×1024", target=1.3),
    Case("layernorm_fwd_bwd_4096x1024", 11, "layer norm 4096×1024, forward + backward", target=1.5),
    Case("attention_causal_fwd_bwd_12x1024x64", 12, "causal attention 12×1024×64, forward + backward", target=1.3),
    Case("resnet_conv3x3_set", 13, "ResNet's 3×3 convolutions, 4 images", target=1.5),
    Case("resnet_conv3x3_set_winograd", 13, "ResNet's 3×3 convolutions, 4 images, option Winograd", target=1.5,
         option="resnet_conv3x3_set"),
    Case("vww_inference", 14, "MobileNetV1 0.25 (VWW), one image", kind="model", target=3.0),
    Case("resnet8_train_step", 15, "ResNet-8 training step, batch 32", kind="model", error="norm", tolerance=2e-2,
         target=1.5),
    Case("resnet8_train_step_winograd", 15, "ResNet-8 training step, batch 32, option Winograd", kind="model",
         error="norm", tolerance=2e-2, target=1.5, option="resnet8_train_step"),
    Case("conv_transpose_4x4_64_56", 16, "transposed 4×4 convolution, stride 2", target=1.5),
    Case("conv2d_3x3_fwd_bwd_64_56", 16, "3×3 convolution and both gradients", target=1.5),
    Case("conv2d_3x3_fwd_bwd_64_56_winograd", 16, "3×3 convolution and both gradients, option Winograd", target=1.5,
         option="conv2d_3x3_fwd_bwd_64_56"),
    Case("embedding_fwd_bwd_64k_256", 17, "embedding 64k×256 and its gradient", target=2.0),
    Case("adamw_25m", 18, "AdamW over 25M parameters"),
    Case("gpt_mini_train_step", 21, "GPT-mini training step, f32", kind="model", error="norm", tolerance=1e-2),
    Case("gpt_mini_bf16_train_step", 21, "GPT-mini training step, bf16 products", kind="model", error="norm",
         tolerance=5e-2),
    Case("cold_compile_resnet8", 22, "cold compile of the ResNet-8 step", kind="compile", target=10),
    Case("cold_compile_gpt_mini", 22, "cold compile of the GPT-mini step", kind="compile", target=10),
    Case("empty_call", 23, "empty call", kind="call", target=10),
]

# Which case a cold compile compiles.
COMPILED = {"cold_compile_resnet8": "resnet8_train_step", "cold_compile_gpt_mini": "gpt_mini_train_step"}

PEERS = ["torch", "jax", "onnxruntime", "onednn", "openblas"]
