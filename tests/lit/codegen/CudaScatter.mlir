// Many updates are sorted by their place, digit by digit; a place then takes its updates in order.
// RUN: graph-compile %s --emit=cuda | FileCheck %s
// RUN: graph-compile %s --emit=cuda | sed -n '/__global__/,$p' | FileCheck %s --check-prefix=NOT
// Nothing is added up by atomics, in whatever order they come.
// NOT-NOT: atomicAdd
// A bad index belongs to the place behind the last one.
// CHECK: updates whose place is looked up
// CHECK: compareExchange(status, 0, 1)
// CHECK: ? [[ID:.*]] : 5000;
// 5000 places are two digits of 7 bits.
// CHECK: sortCount([[KEYS:.*]], [[COUNTS:.*]], 600, 0, 128);
// CHECK: sortScan([[COUNTS]], [[TOTALS:.*]], 600, 128);
// CHECK: sortPlace([[KEYS]], [[ORDER:.*]], [[COUNTS]], [[TOTALS]], [[OTHER:.*]], [[OTHERS:.*]], 600, 0, 128, true);
// CHECK: sortCount([[OTHER]], [[COUNTS]], 600, 7, 128);
// CHECK: sortPlace([[OTHER]], [[OTHERS]], [[COUNTS]], [[TOTALS]], [[KEYS]], [[ORDER]], 600, 7, 128, false);
// CHECK: sortStarts([[KEYS]], [[STARTS:.*]], 600, 5000);
// CHECK: threads of places that combine their updates in order
// The product is made where an update is read: it is never stored.
// CHECK: for (
// CHECK: [[ORDER]]
// CHECK: * 2.0f
!i = !sinter.tensor<i64[600]>
!u = !sinter.tensor<f32[600, 16]>
!r = !sinter.tensor<f32[5000, 16]>
func.func @main(%i: !i {sinter.name = "i"}, %u: !u {sinter.name = "u"}) -> (!r {sinter.name = "r"}) {
  %two = sinter.constant dense<2.0> : tensor<f32> : !sinter.tensor<f32[]>
  %b = sinter.broadcast %two {dimensions = array<i64>} : (!sinter.tensor<f32[]>) -> !u
  %0 = sinter.mul %u, %b : (!u, !u) -> !u
  %1 = sinter.scatter_add_rows %i, %0 : (!i, !u) -> !r
  return %1 : !r
}
