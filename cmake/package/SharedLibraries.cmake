# SPDX-License-Identifier: Apache-2.0
# libsinter_runtime.so (loads and runs; no LLVM) and libsinter.so (builds graphs and compiles them), from the objects of
# the static libraries, so that nothing is compiled twice. libsinter.so takes the device half from the other library:
# linking objects rather than archives makes a second copy of it an error, not an accident.
#
# Before 1.0 every minor version may change the ABI, so that the soname has it: libsinter.so.0.1.

set(SINTER_SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# sinter_shared_library(<target> EXPORT <name> OUTPUT <name> HALVES <static library>... LIBS <target>...)
# HALVES: whose objects it holds.
function(sinter_shared_library name)
  cmake_parse_arguments(arg "" "EXPORT;OUTPUT" "HALVES;PUBLIC;LIBS" ${ARGN})
  set(objects)
  foreach(half ${arg_HALVES})
    list(APPEND objects $<TARGET_OBJECTS:${half}>)
  endforeach()
  add_library(${name} SHARED ${objects})
  add_library(Sinter::${arg_EXPORT} ALIAS ${name})
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/exports.map)
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${arg_OUTPUT} EXPORT_NAME ${arg_EXPORT} LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION} SOVERSION ${SINTER_SOVERSION}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
    INSTALL_RPATH "$ORIGIN" LINK_DEPENDS ${map})
  target_include_directories(${name} INTERFACE
    $<BUILD_INTERFACE:${SINTER_INCLUDE_DIR}> $<BUILD_INTERFACE:${SINTER_GENERATED_DIR}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${name} INTERFACE cxx_std_20) # the public headers need it
  target_link_libraries(${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_LIBS})
  target_link_options(${name} PRIVATE LINKER:--version-script=${map} LINKER:-z,defs LINKER:--as-needed
    LINKER:--gc-sections)
endfunction()

sinter_shared_library(SinterRuntimeShared EXPORT runtime OUTPUT sinter_runtime
  HALVES SinterBase SinterDevice
  LIBS ZLIB::ZLIB Threads::Threads ${CMAKE_DL_LIBS})
set(SINTER_RELATIVE_RELOCATIONS OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND SINTER_LLD)
  set(SINTER_RELATIVE_RELOCATIONS ON) # since glibc 2.36
  target_link_options(SinterRuntimeShared PRIVATE LINKER:--icf=safe LINKER:-z,pack-relative-relocs)
endif()

sinter_shared_library(SinterShared EXPORT sinter OUTPUT sinter
  HALVES SinterIR SinterFrontend SinterPasses SinterCodegen SinterRuntime SinterOnnxProto SinterOnnx
  PUBLIC SinterRuntimeShared
  LIBS SinterMLIR SinterLLD protobuf::libprotobuf-lite Threads::Threads ${CMAKE_DL_LIBS})
