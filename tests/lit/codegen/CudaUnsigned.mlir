// RUN: graph-compile %s --emit=cuda | FileCheck %s
// Registers have no sign: what depends on it names the unsigned type, the lanes of a row too.
// CHECK-DAG: = (signed char)larger<unsigned char>(
// CHECK-DAG: = acrossLanes<4, As<unsigned char, Max>>(
// CHECK-DAG: = acrossLanes<4, As<unsigned int, Min>>(
// CHECK-DAG: = indexAcrossLanes<4, As<unsigned short, ArgMax>>(
// CHECK-DAG: = acrossLanes<4, Sum>(
!a = !sinter.tensor<ui8[N, 70]>
!b = !sinter.tensor<ui32[N, 70]>
!c = !sinter.tensor<ui16[N, 70]>
func.func @main(%a: !a {sinter.name = "a"}, %b: !b {sinter.name = "b"}, %c: !c {sinter.name = "c"})
    -> (!sinter.tensor<ui8[N]> {sinter.name = "max"}, !sinter.tensor<ui32[N]> {sinter.name = "min"},
        !sinter.tensor<i64[N]> {sinter.name = "argmax"}, !sinter.tensor<ui32[N]> {sinter.name = "sum"},
        !a {sinter.name = "quotient"}, !sinter.tensor<f32[N, 70]> {sinter.name = "float"}) {
  %0 = sinter.reduce_max %a {axes = array<i64: 1>} : (!a) -> !sinter.tensor<ui8[N]>
  %1 = sinter.reduce_min %b {axes = array<i64: 1>} : (!b) -> !sinter.tensor<ui32[N]>
  %2 = sinter.argmax %c {axis = 1 : i64} : (!c) -> !sinter.tensor<i64[N]>
  %3 = sinter.reduce_sum %b {axes = array<i64: 1>} : (!b) -> !sinter.tensor<ui32[N]>
  %7 = sinter.full 7 : ui8 : !a
  %4 = sinter.div %a, %7 : (!a, !a) -> !a
  %5 = sinter.cast %b : (!b) -> !sinter.tensor<f32[N, 70]>
  return %0, %1, %2, %3, %4, %5 : !sinter.tensor<ui8[N]>, !sinter.tensor<ui32[N]>, !sinter.tensor<i64[N]>, !sinter.tensor<ui32[N]>, !a, !sinter.tensor<f32[N, 70]>
}
