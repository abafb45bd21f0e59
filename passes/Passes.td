# SPDX-License-Identifier: Apache-2.0
foreach(subject Graph Broadcast Structural Composite Mistakes Gradients Init Optim GraphText)
  sinter_test(${subject}Test ${subject}Test.cpp LIBS SinterFrontend LABELS unit)
endforeach()
sinter_test(ExtractTest ExtractTest.cpp LIBS SinterFrontend SinterIR MLIR LABELS unit)
sinter_test(CustomGradientTest CustomGradientTest.cpp LIBS SinterRuntime LABELS unit)
sinter_test(OptimStepsTest OptimStepsTest.cpp LIBS SinterRuntime LABELS unit)
