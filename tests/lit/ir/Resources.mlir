// RUN: sinter-opt %s | FileCheck %s

// Large data lies beside the IR.
// CHECK: sinter.constant dense_resource<two> : tensor<2xi32> : !sinter.tensor<i32[2]>
// CHECK: two: "0x040000000100000002000000"
func.func @reads_blobs() {
  %c = sinter.constant dense_resource<two> : tensor<2xi32> : !sinter.tensor<i32[2]>
  return
}

{-#
  dialect_resources: {
    builtin: {
      two: "0x040000000100000002000000"
    }
  }
#-}
