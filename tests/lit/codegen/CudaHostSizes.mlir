// What follows from named sizes is an entry of the size table, which the host computes once a call; indices are divided by
// multiplying with entries that stand for the divisors.
// RUN: graph-compile %s --target=cuda:sm_80 --emit=cuda | FileCheck %s --implicit-check-not='quotient({{[^,()]*}}, N)' --implicit-check-not='modulo({{[^,()]*}}, N)'
// Known sizes are no entries.
// RUN: sed 's/\[M, N/[96, 48/g; s/\[N/[48/g' %s | graph-compile - --target=cuda:sm_80 --emit=cuda | FileCheck %s --check-prefix=KNOWN
// CHECK: long long at[{{[0-9]+}}];
// CHECK: __global__ void
// CHECK: {{quotient|modulo}}({{.*}}, table[{{[0-9]+}}])
// KNOWN: __global__ void
// KNOWN-NOT: table[
!x = !sinter.tensor<f32[M, N, 3]>
!b = !sinter.tensor<f32[N]>
!y = !sinter.tensor<f32[M, N, 3]>
func.func @main(%x: !x {sinter.name = "x"}, %b: !b {sinter.name = "b"}) -> (!y {sinter.name = "y"}) {
  %0 = sinter.broadcast %b {dimensions = array<i64: 1>} : (!b) -> !y
  %1 = sinter.add %x, %0 : (!x, !y) -> !y
  return %1 : !y
}
