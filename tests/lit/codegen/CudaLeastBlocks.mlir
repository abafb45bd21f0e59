// Kernels that ptxas would give a stack for the sake of more blocks say how few blocks are enough: in double precision one,
// where places are looked up a quarter of a multiprocessor's threads, for reductions of sm_8x half of them. Others leave it to
// ptxas.
// RUN: split-file %s %t
// RUN: graph-compile %t/double.mlir --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=ONE
// RUN: graph-compile %t/lookup.mlir --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=QUARTER
// RUN: graph-compile %t/sum.mlir --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=HALF
// RUN: graph-compile %t/sum.mlir --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=ANY
// RUN: sed 's/f64/f32/g' %t/double.mlir | graph-compile - --target=cuda:sm_90a --emit=cuda | FileCheck %s --check-prefix=ANY
// ONE: __launch_bounds__(256, 1)
// QUARTER: __launch_bounds__(256, 2)
// HALF: __launch_bounds__(256, 4)
// ANY: __launch_bounds__(256) {{[a-z_]+}}(

//--- double.mlir
!m = !sinter.tensor<f64[N, 64]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!m {sinter.name = "y"}) {
  %0 = sinter.add %x, %x : (!m, !m) -> !m
  return %0 : !m
}

//--- lookup.mlir
!m = !sinter.tensor<f32[100, 64]>
!i = !sinter.tensor<i32[N, 64]>
!y = !sinter.tensor<f32[N, 64]>
func.func @main(%x: !m {sinter.name = "x"}, %i: !i {sinter.name = "i"}) -> (!y {sinter.name = "y"}) {
  %0 = sinter.gather %x, %i {dims = array<i64: -1, 1>} : (!m, !i) -> !y
  %1 = sinter.add %0, %0 : (!y, !y) -> !y
  return %1 : !y
}

//--- sum.mlir
!m = !sinter.tensor<f32[4000, 64]>
!v = !sinter.tensor<f32[64]>
func.func @main(%x: !m {sinter.name = "x"}) -> (!v {sinter.name = "y"}) {
  %0 = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !v
  return %0 : !v
}
