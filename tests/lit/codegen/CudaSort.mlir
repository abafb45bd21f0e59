// Short rows: a block sorts some of them in shared memory.
// RUN: sed -e 's/LENGTH/100/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=SHORT
// SHORT: : sort, N rows, 16 a block, sorted in shared memory
// SHORT: __shared__ int keys[2048];
// SHORT: __shared__ int numbers[2048];
// SHORT: sortRuns<2048, 128>(keys, numbers);
// SHORT: y[
// SHORT-NOT: __global__

// Others: by the digits of their keys, then by their rows; a launch each to count, add up and move.
// RUN: sed -e 's/LENGTH/100000/' %s | graph-compile - --emit=cuda | FileCheck %s --check-prefix=LONG
// LONG: : sort, 100000*N elements that get keys
// LONG-COUNT-4: sortPlace({{.*}}, 256, {{true|false}});
// LONG: elements whose row is their key
// LONG: : sort, 100000*N elements in order
// LONG: y[
// LONG-NOT: sortRuns
!m = !sinter.tensor<f32[N, LENGTH]>
!i = !sinter.tensor<i64[N, LENGTH]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!i {sinter.name = "y"}) {
  %0 = sinter.argsort %x {axis = 1 : i64} : (!m) -> !i
  return %0 : !i
}
