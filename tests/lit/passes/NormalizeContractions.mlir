// RUN: sinter-opt %s -sinter-normalize-contractions | FileCheck %s
// RUN: sinter-opt %s -sinter-normalize-contractions -sinter-normalize-contractions | FileCheck %s

!a = !sinter.tensor<f32[2, 3, 4, 5]>

// CHECK-LABEL: @scattered_contracting_dims_are_gathered
// CHECK: %[[T:.*]] = sinter.transpose %arg0 {permutation = array<i64: 0, 2, 1, 3>}
// CHECK: sinter.dot_general %[[T]], %arg1 {{.*}}lhsContract = array<i64: 2, 3>{{.*}}rhsContract = array<i64: 0, 1>
func.func @scattered_contracting_dims_are_gathered(%a: !a, %b: !sinter.tensor<f32[3, 5, 6]>) -> !sinter.tensor<f32[2, 4, 6]> {
  %d = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1, 3>, rhsContract = array<i64: 0, 1>}
     : (!a, !sinter.tensor<f32[3, 5, 6]>) -> !sinter.tensor<f32[2, 4, 6]>
  return %d : !sinter.tensor<f32[2, 4, 6]>
}

// The contracting dims are paired, so both sides keep one order.
// CHECK-LABEL: @reversed_contracting_dims_are_sorted
// CHECK: %[[T:.*]] = sinter.transpose %arg0 {permutation = array<i64: 0, 1, 3, 2>}
// CHECK: sinter.dot_general %[[T]], %arg1 {{.*}}lhsContract = array<i64: 2, 3>{{.*}}rhsContract = array<i64: 0, 1>
func.func @reversed_contracting_dims_are_sorted(%a: !a, %b: !sinter.tensor<f32[5, 4, 6]>) -> !sinter.tensor<f32[2, 3, 6]> {
  %d = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 3, 2>, rhsContract = array<i64: 0, 1>}
     : (!a, !sinter.tensor<f32[5, 4, 6]>) -> !sinter.tensor<f32[2, 3, 6]>
  return %d : !sinter.tensor<f32[2, 3, 6]>
}

// CHECK-LABEL: @plain_and_batched_products_stay
// CHECK-NOT: sinter.transpose
// CHECK: return
func.func @plain_and_batched_products_stay(%a: !a, %b: !sinter.tensor<f32[5, 6]>, %c: !sinter.tensor<f32[2, 3, 5, 6]>)
    -> (!sinter.tensor<f32[2, 3, 4, 6]>, !sinter.tensor<f32[2, 3, 4, 6]>) {
  %d = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 3>, rhsContract = array<i64: 0>}
     : (!a, !sinter.tensor<f32[5, 6]>) -> !sinter.tensor<f32[2, 3, 4, 6]>
  %e = sinter.dot_general %a, %c {lhsBatch = array<i64: 0, 1>, rhsBatch = array<i64: 0, 1>, lhsContract = array<i64: 3>, rhsContract = array<i64: 2>}
     : (!a, !sinter.tensor<f32[2, 3, 5, 6]>) -> !sinter.tensor<f32[2, 3, 4, 6]>
  return %d, %e : !sinter.tensor<f32[2, 3, 4, 6]>, !sinter.tensor<f32[2, 3, 4, 6]>
}

// Dims of size 1 between the others take no room in memory.
// CHECK-LABEL: @sizes_of_one_do_not_matter
// CHECK-NOT: sinter.transpose
// CHECK: return
func.func @sizes_of_one_do_not_matter(%a: !sinter.tensor<f32[3, 1, 4]>, %b: !sinter.tensor<f32[3, 4, 6]>) -> !sinter.tensor<f32[1, 6]> {
  %d = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 0, 2>, rhsContract = array<i64: 0, 1>}
     : (!sinter.tensor<f32[3, 1, 4]>, !sinter.tensor<f32[3, 4, 6]>) -> !sinter.tensor<f32[1, 6]>
  return %d : !sinter.tensor<f32[1, 6]>
}

// 16-bit floats and narrow integers are converted by the kernel. Wide integers have no sign there.
// CHECK-LABEL: @narrow_dtypes_stay
// CHECK-NOT: sinter.cast
// CHECK: sinter.dot_general %arg0, %arg1 {{.*}} -> !sinter.tensor<f16[2, 4]>
// CHECK-NOT: sinter.cast
// CHECK: sinter.dot_general %arg2, %arg2 {{.*}} -> !sinter.tensor<ui8[2, 2]>
// CHECK: %[[D:.*]] = sinter.cast %arg3 : (!sinter.tensor<ui64[2, 2]>) -> !sinter.tensor<i64[2, 2]>
// CHECK: sinter.dot_general %[[D]], {{.*}} -> !sinter.tensor<i64[2, 2]>
// CHECK: sinter.cast {{.*}} -> !sinter.tensor<ui64[2, 2]>
func.func @narrow_dtypes_stay(%a: !sinter.tensor<f16[2, 3]>, %b: !sinter.tensor<f16[3, 4]>,
    %c: !sinter.tensor<ui8[2, 2]>, %d: !sinter.tensor<ui64[2, 2]>)
    -> (!sinter.tensor<f16[2, 4]>, !sinter.tensor<ui8[2, 2]>, !sinter.tensor<ui64[2, 2]>) {
  %0 = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<f16[2, 3]>, !sinter.tensor<f16[3, 4]>) -> !sinter.tensor<f16[2, 4]>
  %1 = sinter.dot_general %c, %c {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<ui8[2, 2]>, !sinter.tensor<ui8[2, 2]>) -> !sinter.tensor<ui8[2, 2]>
  %2 = sinter.dot_general %d, %d {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<ui64[2, 2]>, !sinter.tensor<ui64[2, 2]>) -> !sinter.tensor<ui64[2, 2]>
  return %0, %1, %2 : !sinter.tensor<f16[2, 4]>, !sinter.tensor<ui8[2, 2]>, !sinter.tensor<ui64[2, 2]>
}

// Narrow columns of the left operand would be packed for every block of columns of the result; wide ones are read where they
// are, and few columns are not worth a copy.
// CHECK-LABEL: @narrow_columns_become_rows
// CHECK: %[[T:.*]] = sinter.transpose %arg0 {permutation = array<i64: 1, 0>}
// CHECK: sinter.dot_general %[[T]], %arg1 {{.*}}lhsContract = array<i64: 1>
// CHECK-NOT: sinter.transpose
// CHECK: return
func.func @narrow_columns_become_rows(%a: !sinter.tensor<bf16[N, 64]>, %b: !sinter.tensor<bf16[N, 256]>, %c: !sinter.tensor<bf16[N, 8]>,
    %d: !sinter.tensor<f32[N, 64]>, %e: !sinter.tensor<f32[N, 256]>)
    -> (!sinter.tensor<bf16[64, 256]>, !sinter.tensor<bf16[64, 8]>, !sinter.tensor<f32[64, 256]>) {
  %0 = sinter.dot_general %a, %b {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 0>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<bf16[N, 64]>, !sinter.tensor<bf16[N, 256]>) -> !sinter.tensor<bf16[64, 256]>
  %1 = sinter.dot_general %a, %c {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 0>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<bf16[N, 64]>, !sinter.tensor<bf16[N, 8]>) -> !sinter.tensor<bf16[64, 8]>
  %2 = sinter.dot_general %d, %e {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 0>, rhsContract = array<i64: 0>}
     : (!sinter.tensor<f32[N, 64]>, !sinter.tensor<f32[N, 256]>) -> !sinter.tensor<f32[64, 256]>
  return %0, %1, %2 : !sinter.tensor<bf16[64, 256]>, !sinter.tensor<bf16[64, 8]>, !sinter.tensor<f32[64, 256]>
}
