// RUN: graph-compile %s --stop-after=planned | FileCheck %s
// How kernels of look-ups, scatters, sorts and running reductions are launched.

!m = !sinter.tensor<f32[N, 64]>
!i = !sinter.tensor<i64[N, 64]>
!long = !sinter.tensor<f32[1000000]>

func.func @main(%x: !m {sinter.name = "x"}, %l: !long {sinter.name = "l"}, %u: !sinter.tensor<f32[M, 64]> {sinter.name = "u"}, %p: !sinter.tensor<i32[M]> {sinter.name = "p"})
    -> (!m {sinter.name = "a"}, !m {sinter.name = "b"}, !long {sinter.name = "c"}, !m {sinter.name = "d"}) {
  // Two running reductions in one kernel, a row per unit; what else reads x goes along.
  // CHECK-DAG: launch exp_cumsum_cumprod_log_gather (cumulative) over N by {{.*}} x {{.*}}=a =b
  %e = sinter.exp %x : (!m) -> !m
  %s = sinter.cumsum %e {axis = 1 : i64} : (!m) -> !m
  %r = sinter.cumprod %s {axis = 1 : i64, exclusive} : (!m) -> !m
  %q = sinter.log %r : (!m) -> !m
  // A sort needs its words twice per worker, and counters; what it sorts is another kernel.
  // CHECK-DAG: launch argsort (sort) over N by {{.*}} x arena[{{.*}} +1024*$workers]
  %o = sinter.argsort %x {axis = 1 : i64} : (!m) -> !i
  %g = sinter.gather %x, %o {dims = array<i64: 0, -1>} : (!m, !i) -> !m
  // The totals of chunks, then what runs on from them.
  // CHECK-DAG: launch cumsum (cumulative) over 31 by
  // CHECK-DAG: launch cumsum (cumulative, then 1) over 31 by
  %c = sinter.cumsum %l {axis = 0 : i64} : (!long) -> !long
  // Few columns: the workers share the places.
  // CHECK-DAG: launch scatter (scatter) over $workers by 1: {{.*}}p{{.*}}=d
  %b = sinter.broadcast %p {dimensions = array<i64: 0>} : (!sinter.tensor<i32[M]>) -> !sinter.tensor<i32[M, 64]>
  %d = sinter.scatter %x, %u, %b {dims = array<i64: -1, 1>, mode = "add"} : (!m, !sinter.tensor<f32[M, 64]>, !sinter.tensor<i32[M, 64]>) -> !m
  return %q, %g, %c, %d : !m, !m, !long, !m
}
