// Math, roundings, casts, narrow floats and integers, on one loop each.
!m = !sinter.tensor<f32[N, 3]>
!h = !sinter.tensor<f16[N, 3]>
!b = !sinter.tensor<bf16[N, 3]>
!d = !sinter.tensor<f64[N, 3]>
!i = !sinter.tensor<i32[N, 3]>
!l = !sinter.tensor<i64[N, 3]>
!c = !sinter.tensor<i8[N, 3]>
func.func @main(%x: !m {sinter.name = "x"}, %y: !m {sinter.name = "y"}, %k: !i {sinter.name = "k"})
    -> (!m {sinter.name = "math"}, !m {sinter.name = "trigonometry"}, !m {sinter.name = "roundings"}, !d {sinter.name = "wide"},
        !m {sinter.name = "half"}, !m {sinter.name = "brain"}, !i {sinter.name = "integers"}, !c {sinter.name = "narrow"}) {
  %0 = sinter.exp %x : (!m) -> !m
  %1 = sinter.abs %y : (!m) -> !m
  %2 = sinter.log %1 : (!m) -> !m
  %3 = sinter.tanh %y : (!m) -> !m
  %4 = sinter.erf %x : (!m) -> !m
  %5 = sinter.pow %0, %y : (!m, !m) -> !m
  %6 = sinter.add %2, %3 : (!m, !m) -> !m
  %7 = sinter.mul %4, %5 : (!m, !m) -> !m
  %math = sinter.add %6, %7 : (!m, !m) -> !m
  %8 = sinter.sin %x : (!m) -> !m
  %9 = sinter.tan %y : (!m) -> !m
  %10 = sinter.sqrt %1 : (!m) -> !m
  %11 = sinter.div %8, %10 : (!m, !m) -> !m
  %trig = sinter.max %9, %11 : (!m, !m) -> !m
  %12 = sinter.floor %x : (!m) -> !m
  %13 = sinter.ceil %y : (!m) -> !m
  %14 = sinter.round %x : (!m) -> !m
  %15 = sinter.rem %x, %y : (!m, !m) -> !m
  %16 = sinter.mul %12, %13 : (!m, !m) -> !m
  %17 = sinter.sub %16, %14 : (!m, !m) -> !m
  %round = sinter.add %17, %15 : (!m, !m) -> !m
  %18 = sinter.cast %x : (!m) -> !d
  %19 = sinter.exp %18 : (!d) -> !d
  %20 = sinter.cast %k : (!i) -> !d
  %wide = sinter.mul %19, %20 : (!d, !d) -> !d
  %21 = sinter.cast %x : (!m) -> !h
  %half = sinter.cast %21 : (!h) -> !m
  %22 = sinter.cast %x : (!m) -> !b
  %brain = sinter.cast %22 : (!b) -> !m
  %23 = sinter.cast %y : (!m) -> !i
  %24 = sinter.mul %k, %23 : (!i, !i) -> !i
  %integers = sinter.add %24, %k : (!i, !i) -> !i
  %narrow = sinter.cast %integers : (!i) -> !c
  return %math, %trig, %round, %wide, %half, %brain, %integers, %narrow : !m, !m, !m, !d, !m, !m, !i, !c
}
