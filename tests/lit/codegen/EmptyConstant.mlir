// RUN: rm -rf %t && graph-run %s --cache-dir %t | FileCheck %s
// RUN: graph-run %s --cache-dir %t | FileCheck %s
// RUN: graph-compile %s -o %t.so && graph-run %t.so | FileCheck %s
// A constant without elements has an address all the same: in the JIT, out of the cache, and in a library.

// CHECK: y = f64[0, 16]
module {
  func.func @main() -> (!sinter.tensor<f64[0, 16]> {sinter.name = "y"}) {
    %0 = sinter.constant dense<> : tensor<0x16xf64> : !sinter.tensor<f64[0, 16]>
    %1 = sinter.neg %0 : (!sinter.tensor<f64[0, 16]>) -> !sinter.tensor<f64[0, 16]>
    return %1 : !sinter.tensor<f64[0, 16]>
  }
}
