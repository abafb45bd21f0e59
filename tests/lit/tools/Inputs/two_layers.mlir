// Two layers with the same weights.
!m = !sinter.tensor<f32[512, 512]>
func.func @main(%x: !m {sinter.kind = "placeholder", sinter.name = "x"},
                %w: !m {sinter.kind = "parameter", sinter.name = "w"})
    -> (!m {sinter.name = "y"}) {
  %a = sinter.dot_general %x, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !m) -> !m
  %h = sinter.tanh %a : (!m) -> !m
  %y = sinter.dot_general %h, %w {lhsBatch = array<i64>, rhsBatch = array<i64>, lhsContract = array<i64: 1>, rhsContract = array<i64: 0>}
     : (!m, !m) -> !m
  return %y : !m
}
