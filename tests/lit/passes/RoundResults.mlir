// RUN: sinter-opt %s -sinter-round-results | FileCheck %s

!h = !sinter.tensor<bf16[N]>

// CHECK-LABEL: @results_that_round_are_rounded
// CHECK: %[[M:.*]] = sinter.mul %arg0, %arg0
// CHECK: %[[W:.*]] = sinter.cast %[[M]] : (!sinter.tensor<bf16[N]>) -> !sinter.tensor<f32[N]>
// CHECK: %[[R:.*]] = sinter.cast %[[W]] : (!sinter.tensor<f32[N]>) -> !sinter.tensor<bf16[N]>
// CHECK: %[[X:.*]] = sinter.max %[[R]], %arg0
// CHECK-NEXT: return %[[X]]
func.func @results_that_round_are_rounded(%x: !h) -> !h {
  %0 = sinter.mul %x, %x : (!h, !h) -> !h
  %1 = sinter.max %0, %x : (!h, !h) -> !h
  return %1 : !h
}

// A look-up moves numbers, running sums and positions make some.
// CHECK-LABEL: @structural_results
// CHECK: %[[S:.*]] = sinter.cumsum %arg0
// CHECK: %[[W:.*]] = sinter.cast %[[S]] : (!sinter.tensor<bf16[N]>) -> !sinter.tensor<f32[N]>
// CHECK: %[[R:.*]] = sinter.cast %[[W]] : (!sinter.tensor<f32[N]>) -> !sinter.tensor<bf16[N]>
// CHECK: %[[I:.*]] = sinter.iota
// CHECK: %[[J:.*]] = sinter.cast %[[I]]
// CHECK: %[[P:.*]] = sinter.cast %[[J]]
// CHECK: %[[G:.*]] = sinter.gather %[[R]], %arg1
// CHECK-NEXT: return %[[G]], %[[P]]
func.func @structural_results(%x: !h, %i: !sinter.tensor<i64[N]>) -> (!h, !h) {
  %0 = sinter.cumsum %x {axis = 0 : i64} : (!h) -> !h
  %1 = sinter.iota {axis = 0 : i64} : !h
  %2 = sinter.gather %0, %i {dims = array<i64: -1>} : (!h, !sinter.tensor<i64[N]>) -> !h
  return %2, %1 : !h, !h
}

// What follows a product in its kernel takes the rounded one.
// CHECK-LABEL: @products
// CHECK: %[[D:.*]] = sinter.dot_general %arg0, %arg0
// CHECK: %[[W:.*]] = sinter.cast %[[D]] : (!sinter.tensor<bf16[4, 4]>) -> !sinter.tensor<f32[4, 4]>
// CHECK: %[[R:.*]] = sinter.cast %[[W]] : (!sinter.tensor<f32[4, 4]>) -> !sinter.tensor<bf16[4, 4]>
// CHECK: sinter.add %[[R]], %arg0
// CHECK: %[[C:.*]] = sinter.convolution %arg1, %arg1
// CHECK: %[[V:.*]] = sinter.cast %[[C]]
// CHECK: %[[Q:.*]] = sinter.cast %[[V]]
// CHECK: return {{.*}}, %[[Q]]
func.func @products(%x: !sinter.tensor<bf16[4, 4]>, %w: !sinter.tensor<bf16[2, 2, 3]>) -> (!sinter.tensor<bf16[4, 4]>, !sinter.tensor<bf16[2, 2, 1]>) {
  %0 = sinter.dot_general %x, %x {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>} : (!sinter.tensor<bf16[4, 4]>, !sinter.tensor<bf16[4, 4]>) -> !sinter.tensor<bf16[4, 4]>
  %1 = sinter.add %0, %x : (!sinter.tensor<bf16[4, 4]>, !sinter.tensor<bf16[4, 4]>) -> !sinter.tensor<bf16[4, 4]>
  %2 = sinter.convolution %w, %w {part = "y", low = [0], strides = array<i64: 1>, dilations = array<i64: 1>, groups = 1 : i64} : (!sinter.tensor<bf16[2, 2, 3]>, !sinter.tensor<bf16[2, 2, 3]>) -> !sinter.tensor<bf16[2, 2, 1]>
  return %1, %2 : !sinter.tensor<bf16[4, 4]>, !sinter.tensor<bf16[2, 2, 1]>
}

// CHECK-LABEL: @other_dtypes_stay
// CHECK-NOT: sinter.cast
// CHECK: return
func.func @other_dtypes_stay(%x: !sinter.tensor<f32[N]>, %u: !sinter.tensor<ui8[N]>) -> (!sinter.tensor<f32[N]>, !sinter.tensor<ui8[N]>) {
  %0 = sinter.mul %x, %x : (!sinter.tensor<f32[N]>, !sinter.tensor<f32[N]>) -> !sinter.tensor<f32[N]>
  %1 = sinter.mul %u, %u : (!sinter.tensor<ui8[N]>, !sinter.tensor<ui8[N]>) -> !sinter.tensor<ui8[N]>
  return %0, %1 : !sinter.tensor<f32[N]>, !sinter.tensor<ui8[N]>
}
