// RUN: graph-run %s --no-cache --input x=5x5x0xf64= | FileCheck %s
// RUN: graph-compile %s --stop-after=scheduled | FileCheck %s --check-prefix=FORM
// A row of no elements is not short where another of its axes has a named size.

// FORM: block = 0 : i64, form = "row"
// CHECK: y = f64[5] = [0, 0, 0, 0, 0]
func.func @main(%x: !sinter.tensor<f64[N, N, 0]> {sinter.kind = "placeholder", sinter.name = "x"})
    -> (!sinter.tensor<f64[N]> {sinter.name = "y"}) {
  %0 = sinter.slice %x {limits = ["N", "N", 0], starts = [0, 0, 0], strides = array<i64: 1, 2, 1>} : (!sinter.tensor<f64[N, N, 0]>) -> !sinter.tensor<f64[N, "ceildiv(N, 2)", 0]>
  %1 = sinter.reduce_sum %0 {axes = array<i64: 1, 2>} : (!sinter.tensor<f64[N, "ceildiv(N, 2)", 0]>) -> !sinter.tensor<f64[N]>
  return %1 : !sinter.tensor<f64[N]>
}
