// A contraction is a kernel of the prelude; the region's elements are functions of a struct that it calls.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s
// f32 is multiplied exactly: no tensor core without being asked.
// CHECK-NOT: gemmMatrix<{{.*}}(region)
// CHECK: struct [[NAME:.*]]_Region {
// CHECK: const float *x;
// CHECK: float lhs(long long batch, long long m, long long k) const {
// CHECK: void store_element(long long batch, long long m, long long n, float sum, const float *b_in, float *y_out) const {
// CHECK: tanhf(
// The bias runs along the columns, and is read in packs of them; rows of 12 floats keep packs aligned.
// CHECK: loadPack<(V < 4 ? V : 4)>(b_in + i, b_in_at + i);
// CHECK: storePack<(V < 4 ? V : 4)>(y_out_at + i, y_out + i);
// CHECK: extern "C" __global__ void {{.*}} [[NAME]](
// CHECK: gemmSimt<{{[0-9]+}}, {{[0-9]+}}, {{[0-9]+}}, {{[0-9]+}}, {{[0-9]+}}>(region);
func.func @main(%x: !sinter.tensor<f32[N, 8]> {sinter.name = "x"}, %w: !sinter.tensor<f32[8, 12]> {sinter.name = "w"},
                %b: !sinter.tensor<f32[12]> {sinter.name = "b"})
    -> (!sinter.tensor<f32[N, 12]> {sinter.name = "y"}) {
  %0 = sinter.dot_general %x, %w {lhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsBatch = array<i64>, rhsContract = array<i64: 0>} : (!sinter.tensor<f32[N, 8]>, !sinter.tensor<f32[8, 12]>) -> !sinter.tensor<f32[N, 12]>
  %1 = sinter.broadcast %b {dimensions = array<i64: 1>} : (!sinter.tensor<f32[12]>) -> !sinter.tensor<f32[N, 12]>
  %2 = sinter.add %0, %1 : (!sinter.tensor<f32[N, 12]>, !sinter.tensor<f32[N, 12]>) -> !sinter.tensor<f32[N, 12]>
  %3 = sinter.tanh %2 : (!sinter.tensor<f32[N, 12]>) -> !sinter.tensor<f32[N, 12]>
  return %3 : !sinter.tensor<f32[N, 12]>
}
