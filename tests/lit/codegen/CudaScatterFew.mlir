// A few updates are not worth sorting: each column scans them. What was there is copied unless it lies
// where the result does.
// RUN: graph-compile %s --emit=cuda | FileCheck %s
// CHECK-NOT: sortCount({{.*}}, 4, 0
// CHECK: elements before the updates
// CHECK: const bool [[MOVED:.*]] = isElsewhere(x, r);
// CHECK-NEXT: if ([[MOVED]]) {
// CHECK: columns that scan the updates, a thread each
// CHECK: for ({{.*}} < 4;
// CHECK-NOT: threads of places
!i = !sinter.tensor<i64[4, 16]>
!u = !sinter.tensor<f32[4, 16]>
!r = !sinter.tensor<f32[N, 16]>
func.func @main(%x: !r {sinter.name = "x"}, %i: !i {sinter.name = "i"}, %u: !u {sinter.name = "u"}) -> (!r {sinter.name = "r"}) {
  %0 = sinter.scatter %x, %u, %i {dims = array<i64: -1, 1>, mode = "max"} : (!r, !u, !i) -> !r
  return %0 : !r
}
