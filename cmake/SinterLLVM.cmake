# SPDX-License-Identifier: Apache-2.0
# Finds MLIR, LLVM and lld 22 and offers them as two interface libraries, so that only the layers that name one
# of them see those headers.

set(SINTER_LLVM_ROOT /usr/lib/llvm-22 CACHE PATH "Where LLVM and MLIR 22 are installed")
find_package(MLIR 22.1 REQUIRED CONFIG HINTS ${SINTER_LLVM_ROOT}/lib/cmake/mlir)
find_package(LLD REQUIRED CONFIG HINTS ${SINTER_LLVM_ROOT}/lib/cmake/lld)
message(STATUS "MLIR ${LLVM_PACKAGE_VERSION} in ${LLVM_TOOLS_BINARY_DIR}")

add_library(SinterMLIR INTERFACE)
target_include_directories(SinterMLIR SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(SinterMLIR INTERFACE MLIR LLVM)

# lld as a library: object and shared-library emission call no outside program.
add_library(SinterLLD INTERFACE)
target_link_libraries(SinterLLD INTERFACE lldELF lldCommon)

find_program(SINTER_MLIR_TBLGEN mlir-tblgen HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
find_program(SINTER_LLVM_TBLGEN llvm-tblgen HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
