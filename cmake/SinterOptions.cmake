# SPDX-License-Identifier: Apache-2.0
# Language level, flags and output folders for everything that is built here.

option(SINTER_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(SINTER_FUZZERS "Build the libFuzzer programs of tests/fuzz; everything is instrumented for them" OFF)
option(SINTER_WERROR "Treat warnings as errors" OFF)
# A project that takes Sinter in (add_subdirectory, FetchContent) gets the libraries alone unless it asks.
option(SINTER_BUILD_TOOLS "Build graph-compile, graph-run, fused-bench and the developers' tools" ${PROJECT_IS_TOP_LEVEL})
option(SINTER_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(SINTER_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SINTER_INSTALL "Install rules, the export of the build tree, and packages" ${PROJECT_IS_TOP_LEVEL})

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
# Public headers push the default visibility around what they declare; nothing else leaves a shared library.
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC) # programs share the precompiled headers of the libraries
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON) # installing and packing build no tests: SinterInstallable is what they need
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

if(NOT CMAKE_BUILD_TYPE)
  if(PROJECT_IS_TOP_LEVEL)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  else()
    set(CMAKE_BUILD_TYPE Release) # the other project's own stays as it is
  endif()
endif()

add_compile_options(-Wall -Wextra)
if(SINTER_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-fcolor-diagnostics)
endif()

if(SINTER_SANITIZE)
  # libMLIR and libLLVM are not instrumented: vptr checks would need their type information.
  add_compile_options(-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=vptr
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

if(SINTER_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SINTER_FUZZERS needs clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(SINTER_LLD NAMES ld.lld-22 ld.lld)
if(SINTER_LLD)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_link_options(-fuse-ld=${SINTER_LLD})
  elseif(EXISTS /usr/bin/ld.lld)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

find_package(Threads REQUIRED)
if(NOT Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python3_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "Python for generators; nothing but its standard library")
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)
