# SPDX-License-Identifier: Apache-2.0
# Finds MLIR, LLVM and lld 22 and offers them as two interface libraries, so that only the layers that name one
# of them see those headers.

set(SINTER_LLVM_ROOT /usr/lib/llvm-22 CACHE PATH "Where LLVM and MLIR 22 are installed")
find_package(MLIR 22.1 REQUIRED CONFIG HINTS ${SINTER_LLVM_ROOT}/lib/cmake/mlir)
find_package(LLD REQUIRED CONFIG HINTS ${SINTER_LLVM_ROOT}/lib/cmake/lld)
message(STATUS "MLIR ${LLVM_PACKAGE_VERSION} in ${LLVM_TOOLS_BINARY_DIR}")

# libMLIR.so and libLLVM.so cost the dynamic linker 30 ms at every start. A program or shared library with this property,
# which the option sets for all, contains what it uses of LLVM in their place: 76 MB stripped, started in 5 ms, and
# nothing of LLVM need be installed where it runs.
option(SINTER_STATIC_LLVM "Link LLVM and MLIR statically" OFF)
define_property(TARGET PROPERTY SINTER_STATIC_LLVM INITIALIZE_FROM_VARIABLE SINTER_STATIC_LLVM)
file(GLOB llvm_archives ${LLVM_LIBRARY_DIR}/libMLIR*.a ${LLVM_LIBRARY_DIR}/libLLVM*.a)
if(SINTER_STATIC_LLVM AND NOT llvm_archives)
  message(FATAL_ERROR "SINTER_STATIC_LLVM: there are no static libraries in ${LLVM_LIBRARY_DIR}")
endif()
list(JOIN llvm_archives "\n" llvm_archives)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/llvm-archives.rsp
     CONTENT "--start-group\n@llvm_archives@\n--end-group\n" @ONLY)
set(is_static $<BOOL:$<TARGET_PROPERTY:SINTER_STATIC_LLVM>>)

add_library(SinterMLIR INTERFACE)
target_include_directories(SinterMLIR SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_link_libraries(SinterMLIR INTERFACE
  "$<IF:${is_static},-Wl$<COMMA>@${PROJECT_BINARY_DIR}/llvm-archives.rsp;zstd::libzstd_shared;ZLIB::ZLIB,MLIR;LLVM>")
target_link_options(SinterMLIR INTERFACE $<${is_static}:LINKER:--gc-sections>)

# lld as a library: object and shared-library emission call no outside program. Files, because the package's targets
# bring libLLVM.so along. lld sets up every target of LLVM; those that nothing here makes code for stay out. A copy of it
# calls codegen/cpu/LinkerTargets.cpp in their place: LLVM's own names stay free for who links Sinter's archives.
set(SINTER_OTHER_TARGETS ${PROJECT_BINARY_DIR}/generated/sinter/codegen/OtherTargets.inc)
set(others "")
set(renamed "")
foreach(target ${LLVM_TARGETS_TO_BUILD})
  if(NOT target MATCHES "^(X86|AArch64)$")
    foreach(part TargetInfo Target TargetMC AsmPrinter AsmParser)
      string(APPEND others "SINTER_LEFT_OUT(sinterLeaveOut${target}${part})\n")
      string(APPEND renamed "LLVMInitialize${target}${part} sinterLeaveOut${target}${part}\n")
    endforeach()
  endif()
endforeach()
file(CONFIGURE OUTPUT ${SINTER_OTHER_TARGETS} CONTENT "@others@" @ONLY)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/lld-targets.txt CONTENT "@renamed@" @ONLY)
find_program(SINTER_OBJCOPY NAMES objcopy llvm-objcopy HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
set(lld_copy ${PROJECT_BINARY_DIR}/lld/libSinterLldELF.a)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/lld)
add_custom_command(
  OUTPUT ${lld_copy}
  COMMAND ${SINTER_OBJCOPY} --redefine-syms=${PROJECT_BINARY_DIR}/lld-targets.txt $<TARGET_FILE:lldELF> ${lld_copy}
  DEPENDS ${PROJECT_BINARY_DIR}/lld-targets.txt $<TARGET_FILE:lldELF>
  COMMENT "Copying lld without LLVM's other targets"
  VERBATIM)
add_custom_target(SinterLldCopy DEPENDS ${lld_copy})
add_library(SinterLldELF STATIC IMPORTED GLOBAL)
set_target_properties(SinterLldELF PROPERTIES IMPORTED_LOCATION ${lld_copy})
add_dependencies(SinterLldELF SinterLldCopy)
add_library(SinterLLD INTERFACE)
target_link_libraries(SinterLLD INTERFACE SinterLldELF $<TARGET_FILE:lldCommon> SinterMLIR
  zstd::libzstd_shared ZLIB::ZLIB)

find_program(SINTER_MLIR_TBLGEN mlir-tblgen HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
find_program(SINTER_LLVM_TBLGEN llvm-tblgen HINTS ${LLVM_TOOLS_BINARY_DIR} REQUIRED)
