// RUN: sinter-opt %s -sinter-fuse -split-input-file | FileCheck %s
// RUN: sinter-opt %s "-sinter-fuse=fusion=false" -split-input-file | FileCheck %s --check-prefix=UNFUSED
// What is printed can be read again and prints the same.
// RUN: sinter-opt %s -sinter-fuse -split-input-file | sinter-opt -split-input-file | FileCheck %s

!v = !sinter.tensor<f32[N]>
!m = !sinter.tensor<f32[N, 64]>
!b = !sinter.tensor<i1[N, 64]>

// CHECK-LABEL: @elementwise_chain_is_one_kernel
// CHECK: %[[F:.*]] = sinter.fused "add_exp_mul" (%{{.*}} = %arg0 : !sinter.tensor<f32[N, 64]>, %{{.*}} = %arg1 : !sinter.tensor<f32[N, 64]>)
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]
// UNFUSED-LABEL: @elementwise_chain_is_one_kernel
// UNFUSED: sinter.fused "add"
// UNFUSED: sinter.fused "exp"
// UNFUSED: sinter.fused "mul"
func.func @elementwise_chain_is_one_kernel(%x: !m, %y: !m) -> !m {
  %a = sinter.add %x, %y : (!m, !m) -> !m
  %e = sinter.exp %a : (!m) -> !m
  %r = sinter.mul %e, %x : (!m, !m) -> !m
  return %r : !m
}

// CHECK-LABEL: @several_outputs
// CHECK: %[[F:.*]]:2 = sinter.fused "exp_mul"
// CHECK: sinter.yield %{{.*}}, %{{.*}}
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]#0, %[[F]]#1
func.func @several_outputs(%x: !m) -> (!m, !m) {
  %e = sinter.exp %x : (!m) -> !m
  %r = sinter.mul %e, %x : (!m, !m) -> !m
  return %e, %r : !m, !m
}

// Independent kernels that read one large tensor read it once.
// CHECK-LABEL: @siblings_share_a_read
// CHECK: sinter.fused "exp_sin"
// CHECK-NOT: sinter.fused
func.func @siblings_share_a_read(%x: !m) -> (!m, !m) {
  %e = sinter.exp %x : (!m) -> !m
  %r = sinter.sin %x : (!m) -> !m
  return %e, %r : !m, !m
}

// CHECK-LABEL: @strangers_stay_apart
// CHECK: sinter.fused "exp"
// CHECK: sinter.fused "sin"
func.func @strangers_stay_apart(%x: !m, %y: !m) -> (!m, !m) {
  %e = sinter.exp %x : (!m) -> !m
  %r = sinter.sin %y : (!m) -> !m
  return %e, %r : !m, !m
}

// Each kernel has its own broadcast and its own constant.
// CHECK-LABEL: @broadcasts_and_constants_are_copied
// CHECK: sinter.fused
// CHECK: sinter.broadcast
// CHECK: sinter.fused
// CHECK: sinter.broadcast
// CHECK-NOT: sinter.fused
func.func @broadcasts_and_constants_are_copied(%x: !m, %s: !v, %w: !sinter.tensor<f32[64, 64]>) -> !m {
  %b = sinter.broadcast %s {dimensions = array<i64: 0>} : (!v) -> !m
  %e = sinter.erf %x : (!m) -> !m
  %a = sinter.mul %e, %b : (!m, !m) -> !m
  %d = sinter.dot_general %a, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !sinter.tensor<f32[64, 64]>) -> !m
  %r = sinter.mul %d, %b : (!m, !m) -> !m
  return %r : !m
}

// CHECK-LABEL: @softmax_is_one_kernel
// CHECK: sinter.fused "reduce_max_sub_exp_reduce_sum_div"
// CHECK-NOT: sinter.fused
func.func @softmax_is_one_kernel(%x: !m) -> !m {
  %max = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !m
  %c = sinter.sub %x, %mb : (!m, !m) -> !m
  %e = sinter.exp %c : (!m) -> !m
  %s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!m) -> !v
  %sb = sinter.broadcast %s {dimensions = array<i64: 0>} : (!v) -> !m
  %r = sinter.div %e, %sb : (!m, !m) -> !m
  return %r : !m
}

// The second pass over the tensor needs all of the first, for every column.
// CHECK-LABEL: @keeps_second_pass_after_column_reduction
// CHECK: sinter.fused "reduce_max"
// CHECK: sinter.fused "sub"
func.func @keeps_second_pass_after_column_reduction(%x: !m) -> !m {
  %max = sinter.reduce_max %x {axes = array<i64: 0>} : (!m) -> !sinter.tensor<f32[64]>
  %mb = sinter.broadcast %max {dimensions = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !m
  %c = sinter.sub %x, %mb : (!m, !m) -> !m
  return %c : !m
}

// One long row is no parallel work; two kernels that split it are.
// CHECK-LABEL: @keeps_few_long_rows_apart
// CHECK: sinter.fused "reduce_sum"
// CHECK: sinter.fused "div"
func.func @keeps_few_long_rows_apart(%x: !sinter.tensor<f32[1048576]>) -> !sinter.tensor<f32[1048576]> {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!sinter.tensor<f32[1048576]>) -> !sinter.tensor<f32[]>
  %b = sinter.broadcast %s {dimensions = array<i64>} : (!sinter.tensor<f32[]>) -> !sinter.tensor<f32[1048576]>
  %r = sinter.div %x, %b : (!sinter.tensor<f32[1048576]>, !sinter.tensor<f32[1048576]>) -> !sinter.tensor<f32[1048576]>
  return %r : !sinter.tensor<f32[1048576]>
}

// Loss and gradient of rows of scores, label look-up included.
// CHECK-LABEL: @cross_entropy_rows_are_one_kernel
// CHECK: sinter.fused
// CHECK: sinter.pick
// CHECK: sinter.select
// CHECK: sinter.yield
// CHECK-NOT: sinter.fused
func.func @cross_entropy_rows_are_one_kernel(%x: !m, %y: !sinter.tensor<i32[N]>) -> (!v, !m) {
  %max = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !v
  %mb = sinter.broadcast %max {dimensions = array<i64: 0>} : (!v) -> !m
  %c = sinter.sub %x, %mb : (!m, !m) -> !m
  %e = sinter.exp %c : (!m) -> !m
  %s = sinter.reduce_sum %e {axes = array<i64: 1>} : (!m) -> !v
  %l = sinter.log %s : (!v) -> !v
  %p = sinter.pick %x, %y : (!m, !sinter.tensor<i32[N]>) -> !v
  %d = sinter.sub %p, %max : (!v, !v) -> !v
  %loss = sinter.sub %l, %d : (!v, !v) -> !v
  %yb = sinter.broadcast %y {dimensions = array<i64: 0>} : (!sinter.tensor<i32[N]>) -> !sinter.tensor<i32[N, 64]>
  %i = sinter.iota {axis = 1 : i64} : !sinter.tensor<i32[N, 64]>
  %hot = sinter.equal %i, %yb : (!sinter.tensor<i32[N, 64]>, !sinter.tensor<i32[N, 64]>) -> !b
  %minus = sinter.full -1.0 : f32 : !m
  %zero = sinter.full 0.0 : f32 : !m
  %h = sinter.select %hot, %minus, %zero : (!b, !m, !m) -> !m
  %sb = sinter.broadcast %s {dimensions = array<i64: 0>} : (!v) -> !m
  %q = sinter.div %e, %sb : (!m, !m) -> !m
  %g = sinter.add %h, %q : (!m, !m) -> !m
  return %loss, %g : !v, !m
}

// -----

!v = !sinter.tensor<f32[N]>
!c = !sinter.tensor<f32[64]>
!m = !sinter.tensor<f32[N, 64]>
!w = !sinter.tensor<f32[64, 64]>

// CHECK-LABEL: @matmul_takes_bias_and_activation
// CHECK: sinter.fused "dot_general_add_relu"
// CHECK-NOT: sinter.fused
// UNFUSED-LABEL: @matmul_takes_bias_and_activation
// UNFUSED: sinter.fused "dot_general"
// UNFUSED: sinter.fused "broadcast"
// UNFUSED: sinter.fused "add"
// UNFUSED: sinter.fused "relu"
func.func @matmul_takes_bias_and_activation(%x: !m, %w: !w, %b: !c) -> !m {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  %bb = sinter.broadcast %b {dimensions = array<i64: 1>} : (!c) -> !m
  %a = sinter.add %d, %bb : (!m, !m) -> !m
  %r = sinter.relu %a : (!m) -> !m
  return %r : !m
}

// What is cheap is computed while the contraction packs its operand; what is dear is not.
// CHECK-LABEL: @matmul_takes_cheap_prologue
// CHECK: sinter.fused "relu_dot_general"
// CHECK-NOT: sinter.fused
func.func @matmul_takes_cheap_prologue(%x: !m, %w: !w) -> !m {
  %r = sinter.relu %x : (!m) -> !m
  %d = sinter.dot_general %r, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  return %d : !m
}

// CHECK-LABEL: @keeps_dear_prologue_out_of_matmul
// CHECK: sinter.fused "erf"
// CHECK: sinter.fused "dot_general"
func.func @keeps_dear_prologue_out_of_matmul(%x: !m, %w: !w) -> !m {
  %r = sinter.erf %x : (!m) -> !m
  %d = sinter.dot_general %r, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  return %d : !m
}

// CHECK-LABEL: @keeps_two_matmuls_apart
// CHECK: sinter.fused "dot_general"
// CHECK: sinter.fused "dot_general_add"
func.func @keeps_two_matmuls_apart(%x: !m, %w: !w, %u: !w) -> !m {
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  %e = sinter.dot_general %x, %u {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  %r = sinter.add %d, %e : (!m, !m) -> !m
  return %r : !m
}

// erf → dot → add with erf's result: erf and add cannot be one kernel around the dot.
// CHECK-LABEL: @keeps_cycles_out
// CHECK: %[[E:.*]] = sinter.fused "erf"
// CHECK: sinter.fused "dot_general_add" (%{{.*}} = %[[E]] :
// CHECK-NOT: sinter.fused
func.func @keeps_cycles_out(%x: !m, %w: !w) -> !m {
  %e = sinter.erf %x : (!m) -> !m
  %d = sinter.dot_general %e, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !w) -> !m
  %r = sinter.add %d, %e : (!m, !m) -> !m
  return %r : !m
}

// CHECK-LABEL: @column_reduction_takes_prologue_and_epilogue
// CHECK: sinter.fused "mul_reduce_sum_sub"
// CHECK-NOT: sinter.fused
func.func @column_reduction_takes_prologue_and_epilogue(%x: !m, %b: !c) -> !c {
  %q = sinter.mul %x, %x : (!m, !m) -> !m
  %s = sinter.reduce_sum %q {axes = array<i64: 0>} : (!m) -> !c
  %r = sinter.sub %b, %s : (!c, !c) -> !c
  return %r : !c
}

// CHECK-LABEL: @column_reductions_share_a_pass
// CHECK: %[[F:.*]]:2 = sinter.fused "reduce_sum_mul"
// CHECK-NOT: sinter.fused
func.func @column_reductions_share_a_pass(%x: !m, %y: !m) -> (!c, !c) {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !c
  %q = sinter.mul %x, %y : (!m, !m) -> !m
  %t = sinter.reduce_sum %q {axes = array<i64: 0>} : (!m) -> !c
  return %s, %t : !c, !c
}

// Sums over the rest of a row kernel's dims are its columns; other reductions stay apart.
// CHECK-LABEL: @column_sum_joins_row_sum
// CHECK: %[[F:.*]]:2 = sinter.fused "reduce_sum"
// CHECK-NOT: sinter.fused
func.func @column_sum_joins_row_sum(%x: !m) -> (!c, !v) {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !c
  %t = sinter.reduce_sum %x {axes = array<i64: 1>} : (!m) -> !v
  return %s, %t : !c, !v
}

// -----

!m = !sinter.tensor<f32[N, 8, 64]>
!v = !sinter.tensor<f32[N, 8]>
!c = !sinter.tensor<f32[8, 64]>

// CHECK-LABEL: @keeps_reductions_over_different_axes_apart
// CHECK: sinter.fused "reduce_sum"
// CHECK: sinter.fused "reduce_sum"
func.func @keeps_reductions_over_different_axes_apart(%x: !m) -> (!c, !v) {
  %s = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !c
  %t = sinter.reduce_sum %x {axes = array<i64: 2>} : (!m) -> !v
  return %s, %t : !c, !v
}

// The sum over N needs x - mean: two reads of what is small or there anyway instead of storing it.
// CHECK-LABEL: @recomputes_cheap_values_instead_of_storing_them
// CHECK: %[[F:.*]]:2 = sinter.fused {{.*}} -> (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[N, 8, 64]>)
// CHECK: sinter.fused "sub_mul_reduce_sum" (%{{.*}} = %[[F]]#0 : !sinter.tensor<f32[N, 8]>, %{{.*}} = %arg0
// CHECK-NOT: sinter.fused
func.func @recomputes_cheap_values_instead_of_storing_them(%x: !m) -> (!m, !c) {
  %s = sinter.reduce_max %x {axes = array<i64: 2>} : (!m) -> !v
  %b = sinter.broadcast %s {dimensions = array<i64: 0, 1>} : (!v) -> !m
  %d = sinter.sub %x, %b : (!m, !m) -> !m
  %e = sinter.exp %d : (!m) -> !m
  %y = sinter.mul %d, %x : (!m, !m) -> !m
  %t = sinter.reduce_sum %y {axes = array<i64: 0>} : (!m) -> !c
  return %e, %t : !m, !c
}

// CHECK-LABEL: @stores_dear_values_instead_of_recomputing_them
// CHECK: %[[F:.*]]:2 = sinter.fused {{.*}} -> (!sinter.tensor<f32[N, 8, 64]>, !sinter.tensor<f32[N, 8]>)
// CHECK: sinter.fused "reduce_sum" (%{{.*}} = %[[F]]#0 :
// CHECK-NOT: sinter.fused
func.func @stores_dear_values_instead_of_recomputing_them(%x: !m) -> (!v, !c) {
  %e = sinter.exp %x : (!m) -> !m
  %s = sinter.reduce_sum %e {axes = array<i64: 2>} : (!m) -> !v
  %t = sinter.reduce_sum %e {axes = array<i64: 0>} : (!m) -> !c
  return %s, %t : !v, !c
}

// Of the two results only the sum over N needs the second: stored once instead of both.
// CHECK-LABEL: @moves_work_to_its_only_reader
// CHECK: %[[F:.*]]:2 = sinter.fused "reduce_max_mul" {{.*}} -> (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[N, 8, 64]>)
// CHECK: sinter.fused "sub_exp_reduce_sum" (%{{.*}} = %[[F]]#0 :
// CHECK-NOT: sinter.fused
func.func @moves_work_to_its_only_reader(%x: !m) -> (!m, !c) {
  %s = sinter.reduce_max %x {axes = array<i64: 2>} : (!m) -> !v
  %b = sinter.broadcast %s {dimensions = array<i64: 0, 1>} : (!v) -> !m
  %y = sinter.mul %x, %b : (!m, !m) -> !m
  %d = sinter.sub %x, %b : (!m, !m) -> !m
  %e = sinter.exp %d : (!m) -> !m
  %t = sinter.reduce_sum %e {axes = array<i64: 0>} : (!m) -> !c
  return %y, %t : !m, !c
}

// -----

!m = !sinter.tensor<f32[N, 64]>
!t = !sinter.tensor<f32[64, N]>

// CHECK-LABEL: @transposes_join_elementwise_kernels
// CHECK: sinter.fused "transpose_exp"
// CHECK-NOT: sinter.fused
func.func @transposes_join_elementwise_kernels(%x: !m) -> !t {
  %a = sinter.transpose %x {permutation = array<i64: 1, 0>} : (!m) -> !t
  %e = sinter.exp %a : (!t) -> !t
  return %e : !t
}

// Every phase would read across rows.
// CHECK-LABEL: @keeps_transposes_out_of_row_kernels
// CHECK: sinter.fused "transpose"
// CHECK: sinter.fused "reduce_max_sub"
func.func @keeps_transposes_out_of_row_kernels(%x: !sinter.tensor<f32[64, 32]>) -> !sinter.tensor<f32[32, 64]> {
  %a = sinter.transpose %x {permutation = array<i64: 1, 0>} : (!sinter.tensor<f32[64, 32]>) -> !sinter.tensor<f32[32, 64]>
  %s = sinter.reduce_max %a {axes = array<i64: 1>} : (!sinter.tensor<f32[32, 64]>) -> !sinter.tensor<f32[32]>
  %b = sinter.broadcast %s {dimensions = array<i64: 0>} : (!sinter.tensor<f32[32]>) -> !sinter.tensor<f32[32, 64]>
  %d = sinter.sub %a, %b : (!sinter.tensor<f32[32, 64]>, !sinter.tensor<f32[32, 64]>) -> !sinter.tensor<f32[32, 64]>
  return %d : !sinter.tensor<f32[32, 64]>
}

// CHECK-LABEL: @reshapes_between_views_stay_outside
// CHECK: sinter.fused "broadcast"
// CHECK: sinter.reshape
// CHECK: sinter.fused "pad"
func.func @reshapes_between_views_stay_outside(%x: !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["31*N + 1"]> {
  %b = sinter.broadcast %x {dimensions = array<i64: 1>} : (!sinter.tensor<f32[N]>) -> !sinter.tensor<f32[31, N]>
  %r = sinter.reshape %b : (!sinter.tensor<f32[31, N]>) -> !sinter.tensor<f32["31*N"]>
  %p = sinter.pad %r {high = [0], low = [1], value = 0.000000e+00 : f64} : (!sinter.tensor<f32["31*N"]>) -> !sinter.tensor<f32["31*N + 1"]>
  return %p : !sinter.tensor<f32["31*N + 1"]>
}

// CHECK-LABEL: @keeps_kernels_that_are_there
// CHECK: %[[F:.*]] = sinter.fused "mine"
// CHECK-NOT: sinter.fused
// CHECK: return %[[F]]
func.func @keeps_kernels_that_are_there(%x: !m) -> !m {
  %f = sinter.fused "mine" (%a = %x : !m) -> (!m) {
    %e = sinter.exp %a : (!m) -> !m
    sinter.yield %e : !m
  }
  return %f : !m
}

// CHECK-LABEL: @reductions_over_nothing_go
// CHECK-NEXT: return %arg0
// UNFUSED-LABEL: @reductions_over_nothing_go
// UNFUSED-NEXT: return %arg0
func.func @reductions_over_nothing_go(%x: !m) -> !m {
  %s = sinter.reduce_sum %x {axes = array<i64>} : (!m) -> !m
  return %s : !m
}

// CHECK-LABEL: @dead_ops_go
// CHECK-NEXT: return %arg0
// UNFUSED-LABEL: @dead_ops_go
// UNFUSED-NEXT: return %arg0
func.func @dead_ops_go(%x: !m) -> !m {
  %e = sinter.exp %x : (!m) -> !m
  %d = sinter.neg %e : (!m) -> !m
  return %x : !m
}

// A row kernel computes exp at the points of the row, not where the transpose reads.
// CHECK-LABEL: @keeps_reads_at_other_points_apart
// CHECK: %[[F:.*]]:2 = sinter.fused "exp_reduce_max"
// CHECK: sinter.fused "transpose" (%{{.*}} = %[[F]]#0
func.func @keeps_reads_at_other_points_apart(%x: !sinter.tensor<f32[8, 8, 8]>) -> (!sinter.tensor<f32[8, 8]>, !sinter.tensor<f32[8, 8, 8]>) {
  %e = sinter.exp %x : (!sinter.tensor<f32[8, 8, 8]>) -> !sinter.tensor<f32[8, 8, 8]>
  %m = sinter.reduce_max %e {axes = array<i64: 2>} : (!sinter.tensor<f32[8, 8, 8]>) -> !sinter.tensor<f32[8, 8]>
  %t = sinter.transpose %e {permutation = array<i64: 1, 0, 2>} : (!sinter.tensor<f32[8, 8, 8]>) -> !sinter.tensor<f32[8, 8, 8]>
  return %m, %t : !sinter.tensor<f32[8, 8]>, !sinter.tensor<f32[8, 8, 8]>
}

// CHECK-LABEL: @reshapes_stay_outside
// CHECK: %[[E:.*]] = sinter.fused "exp"
// CHECK: %[[R:.*]] = sinter.reshape %[[E]]
// CHECK: sinter.fused "mul" (%{{.*}} = %[[R]] :
func.func @reshapes_stay_outside(%x: !m, %y: !sinter.tensor<f32["64*N"]>) -> !sinter.tensor<f32["64*N"]> {
  %e = sinter.exp %x : (!m) -> !m
  %r = sinter.reshape %e : (!m) -> !sinter.tensor<f32["64*N"]>
  %p = sinter.mul %r, %y : (!sinter.tensor<f32["64*N"]>, !sinter.tensor<f32["64*N"]>) -> !sinter.tensor<f32["64*N"]>
  return %p : !sinter.tensor<f32["64*N"]>
}

// exp of 64 numbers once, not N times.
// CHECK-LABEL: @keeps_dear_work_out_of_larger_kernels
// CHECK: sinter.fused "exp"
// CHECK: sinter.fused "mul"
func.func @keeps_dear_work_out_of_larger_kernels(%x: !m, %s: !sinter.tensor<f32[64]>) -> !m {
  %e = sinter.exp %s : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[64]>
  %b = sinter.broadcast %e {dimensions = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !m
  %r = sinter.mul %x, %b : (!m, !m) -> !m
  return %r : !m
}

// CHECK-LABEL: @cheap_work_joins_larger_kernels
// CHECK: sinter.fused "neg_mul"
// CHECK-NOT: sinter.fused
func.func @cheap_work_joins_larger_kernels(%x: !m, %s: !sinter.tensor<f32[64]>) -> !m {
  %e = sinter.neg %s : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[64]>
  %b = sinter.broadcast %e {dimensions = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !m
  %r = sinter.mul %x, %b : (!m, !m) -> !m
  return %r : !m
}

// Ten levels of x[i] + x[i+1] in one kernel would be 1,024 reads.
// CHECK-LABEL: @keeps_chains_of_shifts_bounded
// CHECK: sinter.fused
// CHECK: sinter.fused
func.func @keeps_chains_of_shifts_bounded(%x: !sinter.tensor<f32[64]>) -> !sinter.tensor<f32[60]> {
  %a0 = sinter.slice %x {starts = [0], limits = [63], strides = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[63]>
  %a1 = sinter.slice %x {starts = [1], limits = [64], strides = array<i64: 1>} : (!sinter.tensor<f32[64]>) -> !sinter.tensor<f32[63]>
  %a = sinter.mul %a0, %a1 : (!sinter.tensor<f32[63]>, !sinter.tensor<f32[63]>) -> !sinter.tensor<f32[63]>
  %b0 = sinter.slice %a {starts = [0], limits = [62], strides = array<i64: 1>} : (!sinter.tensor<f32[63]>) -> !sinter.tensor<f32[62]>
  %b1 = sinter.slice %a {starts = [1], limits = [63], strides = array<i64: 1>} : (!sinter.tensor<f32[63]>) -> !sinter.tensor<f32[62]>
  %b = sinter.mul %b0, %b1 : (!sinter.tensor<f32[62]>, !sinter.tensor<f32[62]>) -> !sinter.tensor<f32[62]>
  %c0 = sinter.slice %b {starts = [0], limits = [61], strides = array<i64: 1>} : (!sinter.tensor<f32[62]>) -> !sinter.tensor<f32[61]>
  %c1 = sinter.slice %b {starts = [1], limits = [62], strides = array<i64: 1>} : (!sinter.tensor<f32[62]>) -> !sinter.tensor<f32[61]>
  %c = sinter.mul %c0, %c1 : (!sinter.tensor<f32[61]>, !sinter.tensor<f32[61]>) -> !sinter.tensor<f32[61]>
  %d0 = sinter.slice %c {starts = [0], limits = [60], strides = array<i64: 1>} : (!sinter.tensor<f32[61]>) -> !sinter.tensor<f32[60]>
  %d1 = sinter.slice %c {starts = [1], limits = [61], strides = array<i64: 1>} : (!sinter.tensor<f32[61]>) -> !sinter.tensor<f32[60]>
  %d = sinter.mul %d0, %d1 : (!sinter.tensor<f32[60]>, !sinter.tensor<f32[60]>) -> !sinter.tensor<f32[60]>
  return %d : !sinter.tensor<f32[60]>
}

// -----

!w = !sinter.tensor<f32[64, 64]>

// The step of w waits until the dot has read the old one, so that it can happen in place.
// CHECK-LABEL: @update_waits_for_other_readers
// CHECK: sinter.fused "dot_general"
// CHECK: %[[U:.*]] = sinter.fused "sub"
// CHECK: return %{{.*}}, %[[U]]
func.func @update_waits_for_other_readers(
    %x: !w {sinter.kind = "placeholder", sinter.name = "x"}, %w: !w {sinter.kind = "parameter", sinter.name = "w"})
    -> (!w {sinter.name = "y"}, !w {sinter.updates = "w"}) {
  %n = sinter.sub %w, %x : (!w, !w) -> !w
  %d = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!w, !w) -> !w
  return %d, %n : !w, !w
}

// A reader of the old value that needs the new one cannot go first.
// CHECK-LABEL: @update_that_is_needed_first_goes_first
// CHECK: %[[U:.*]] = sinter.fused "erf"
// CHECK: sinter.fused "dot_general" (%{{.*}} = %[[U]] :
func.func @update_that_is_needed_first_goes_first(
    %x: !w {sinter.kind = "placeholder", sinter.name = "x"}, %w: !w {sinter.kind = "parameter", sinter.name = "w"})
    -> (!w {sinter.name = "y"}, !w {sinter.updates = "w"}) {
  %n = sinter.erf %w : (!w) -> !w
  %d = sinter.dot_general %n, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!w, !w) -> !w
  return %d, %n : !w, !w
}

// -----

// Each concat asks for its operand at two places: four of them would read x at 16.
// CHECK-LABEL: @doubled_often
// CHECK: sinter.fused
// CHECK: sinter.fused
// CHECK: return
func.func @doubled_often(%x: !sinter.tensor<f32[N]> {sinter.kind = "placeholder", sinter.name = "x"}) -> !sinter.tensor<f32["16*N"]> {
  %0 = sinter.concat %x, %x {axis = 0 : i64} : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["2*N"]>
  %1 = sinter.concat %0, %0 {axis = 0 : i64} : (!sinter.tensor<f32["2*N"]>, !sinter.tensor<f32["2*N"]>) -> !sinter.tensor<f32["4*N"]>
  %2 = sinter.concat %1, %1 {axis = 0 : i64} : (!sinter.tensor<f32["4*N"]>, !sinter.tensor<f32["4*N"]>) -> !sinter.tensor<f32["8*N"]>
  %3 = sinter.concat %2, %2 {axis = 0 : i64} : (!sinter.tensor<f32["8*N"]>, !sinter.tensor<f32["8*N"]>) -> !sinter.tensor<f32["16*N"]>
  return %3 : !sinter.tensor<f32["16*N"]>
}

// Must not be apart: one place for each of different operands.
// CHECK-LABEL: @joined_often
// CHECK: sinter.fused
// CHECK-NOT: sinter.fused
// CHECK: return
func.func @joined_often(%x: !sinter.tensor<f32[N]> {sinter.kind = "placeholder", sinter.name = "x"},
                        %y: !sinter.tensor<f32[N]> {sinter.kind = "placeholder", sinter.name = "y"}) -> !sinter.tensor<f32["5*N"]> {
  %0 = sinter.concat %x, %y {axis = 0 : i64} : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["2*N"]>
  %1 = sinter.concat %0, %y {axis = 0 : i64} : (!sinter.tensor<f32["2*N"]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["3*N"]>
  %2 = sinter.concat %1, %x {axis = 0 : i64} : (!sinter.tensor<f32["3*N"]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["4*N"]>
  %3 = sinter.concat %2, %y {axis = 0 : i64} : (!sinter.tensor<f32["4*N"]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32["5*N"]>
  return %3 : !sinter.tensor<f32["5*N"]>
}
