// SPDX-License-Identifier: Apache-2.0
// mlir-opt for Sinter's dialect and passes: what the lit tests run.
#include "sinter/ir/Dialect.h"
#include "sinter/passes/Passes.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  sinter::ir::registerAll(registry);
  sinter::passes::registerPasses();
  mlir::registerTransformsPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Runs passes over graphs of the sinter dialect\n", registry));
}
