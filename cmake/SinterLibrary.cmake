# SPDX-License-Identifier: Apache-2.0

# One precompiled header for every unit that includes MLIR; the libraries reuse it.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  option(SINTER_PCH "Use precompiled headers" ON)
  # ccache can share a precompiled header between checkouts only without its time stamp.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
else()
  option(SINTER_PCH "Use precompiled headers" OFF) # 730 MB and 30 s with g++
endif()

function(sinter_add_pch name header)
  file(WRITE ${PROJECT_BINARY_DIR}/pch/${name}.cpp.in "// Owner of a precompiled header.\n")
  configure_file(${PROJECT_BINARY_DIR}/pch/${name}.cpp.in ${PROJECT_BINARY_DIR}/pch/${name}.cpp COPYONLY)
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/pch/${name}.cpp)
  target_link_libraries(${name} PRIVATE ${ARGN})
  target_precompile_headers(${name} PRIVATE ${header})
endfunction()

if(SINTER_PCH)
  sinter_add_pch(SinterPchMLIR ${CMAKE_CURRENT_LIST_DIR}/PrecompiledMLIR.h SinterMLIR)
endif()

# The same sources give the same bytes in whatever folder they lie: std::source_location stores paths.
function(sinter_use_relative_paths name)
  target_compile_options(${name} PRIVATE -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -fmacro-prefix-map=${PROJECT_BINARY_DIR}/=)
endfunction()

# sinter_library(<name> SOURCES <file>... [LIBS <target>...] [PRIVATE_LIBS <target>...] [MLIR])
# A static, position-independent library. MLIR: its units include MLIR headers.
# Generated files that its units include belong to SOURCES as well.
function(sinter_library name)
  cmake_parse_arguments(arg "MLIR" "" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${SINTER_INCLUDE_DIR})
  target_include_directories(${name} SYSTEM PUBLIC ${SINTER_GENERATED_DIR}) # no warnings from generated code
  target_link_libraries(${name} PUBLIC ${arg_LIBS} PRIVATE ${arg_PRIVATE_LIBS})
  sinter_use_relative_paths(${name})
  if(arg_MLIR)
    sinter_use_mlir(${name})
  endif()
endfunction()

# sinter_compact(<name> [FAST <file>...]): a release is compiled for size, but for the files that calls pass through. It is
# for what goes into libsinter_runtime.so: the machine code of checks and messages is half as long, and waits anyway.
function(sinter_compact name)
  cmake_parse_arguments(arg "" "" "FAST" ${ARGN})
  set(flags -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    list(APPEND flags -Oz "SHELL:-mllvm -inline-threshold=15") # inlines more than -Oz would: fewer unwind tables
  else()
    list(APPEND flags -Os)
  endif()
  target_compile_options(${name} PRIVATE "$<$<CONFIG:Release>:${flags}>")
  set_property(SOURCE ${arg_FAST} APPEND PROPERTY COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2>")
endfunction()

# Gives a target the MLIR headers and their precompiled form.
function(sinter_use_mlir name)
  target_link_libraries(${name} PRIVATE SinterMLIR)
  if(SINTER_PCH)
    target_precompile_headers(${name} REUSE_FROM SinterPchMLIR)
  endif()
endfunction()

# sinter_executable(<name> SOURCES <file>... [LIBS <target>...] [MLIR]): a program in build/<preset>/bin.
function(sinter_executable name)
  cmake_parse_arguments(arg "MLIR" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
  if(arg_MLIR)
    sinter_use_mlir(${name})
  endif()
endfunction()
