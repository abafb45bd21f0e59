// Softmax, reductions of both kinds, running sums, sorting, gathering, scattering, a convolution and its gradient.
!m = !sinter.tensor<f32[N, 40]>
!r = !sinter.tensor<f32[N]>
!p = !sinter.tensor<f32[2, 4, 9, 9]>
!k = !sinter.tensor<f32[6, 4, 3, 3]>
!q = !sinter.tensor<f32[2, 6, 9, 9]>
func.func @main(%x: !m {sinter.name = "x"}, %i: !sinter.tensor<i32[N]> {sinter.name = "i"}, %image: !p {sinter.name = "image"},
                %kernel: !k {sinter.name = "kernel"})
    -> (!m {sinter.name = "softmax"}, !sinter.tensor<f32[40]> {sinter.name = "columns"}, !sinter.tensor<i64[N]> {sinter.name = "argmax"},
        !m {sinter.name = "running"}, !sinter.tensor<i64[N, 40]> {sinter.name = "order"}, !m {sinter.name = "gathered"},
        !sinter.tensor<f32[4, 40]> {sinter.name = "scattered"}, !q {sinter.name = "convolution"}, !k {sinter.name = "gradient"}) {
  %0 = sinter.reduce_max %x {axes = array<i64: 1>} : (!m) -> !r
  %1 = sinter.broadcast %0 {dimensions = array<i64: 0>} : (!r) -> !m
  %2 = sinter.sub %x, %1 : (!m, !m) -> !m
  %3 = sinter.exp %2 : (!m) -> !m
  %4 = sinter.reduce_sum %3 {axes = array<i64: 1>} : (!m) -> !r
  %5 = sinter.broadcast %4 {dimensions = array<i64: 0>} : (!r) -> !m
  %softmax = sinter.div %3, %5 : (!m, !m) -> !m
  %columns = sinter.reduce_sum %x {axes = array<i64: 0>} : (!m) -> !sinter.tensor<f32[40]>
  %argmax = sinter.argmax %x {axis = 1 : i64} : (!m) -> !sinter.tensor<i64[N]>
  %running = sinter.cumsum %x {axis = 1 : i64} : (!m) -> !m
  %order = sinter.argsort %x {axis = 1 : i64} : (!m) -> !sinter.tensor<i64[N, 40]>
  %gathered = sinter.gather_rows %softmax, %i : (!m, !sinter.tensor<i32[N]>) -> !m
  %scattered = sinter.scatter_add_rows %i, %x : (!sinter.tensor<i32[N]>, !m) -> !sinter.tensor<f32[4, 40]>
  %convolution = sinter.convolution %image, %kernel {part = "y", low = [1, 1], strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (!p, !k) -> !q
  %6 = sinter.mul %convolution, %convolution : (!q, !q) -> !q
  %7 = sinter.reduce_sum %6 {axes = array<i64: 0, 1, 2, 3>} : (!q) -> !sinter.tensor<f32[]>
  %8 = sinter.full 1.0 : f32 : !sinter.tensor<f32[]>
  %gradient = sinter.gradients %7 wrt %kernel seed %8 : (!sinter.tensor<f32[]>, !k, !sinter.tensor<f32[]>) -> !k
  return %softmax, %columns, %argmax, %running, %order, %gathered, %scattered, %convolution, %gradient : !m, !sinter.tensor<f32[40]>, !sinter.tensor<i64[N]>, !m, !sinter.tensor<i64[N, 40]>, !m, !sinter.tensor<f32[4, 40]>, !q, !k
}
