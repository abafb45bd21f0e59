# SPDX-License-Identifier: Apache-2.0
find_package(GTest REQUIRED)

if(SINTER_PCH)
  sinter_add_pch(SinterPchTest ${CMAKE_CURRENT_LIST_DIR}/PrecompiledTest.h GTest::gtest)
endif()

# No test depends on what its user's cache holds.
set(SINTER_TEST_ENVIRONMENT "SINTER_CACHE=0")
# What scripts/setup-cuda has fetched.
file(GLOB nvrtc ${PROJECT_SOURCE_DIR}/build/cuda/nvidia/*/lib/libnvrtc.so.1[23])
if(nvrtc AND NOT DEFINED ENV{SINTER_NVRTC})
  list(GET nvrtc -1 nvrtc)
  list(APPEND SINTER_TEST_ENVIRONMENT "SINTER_NVRTC=${nvrtc}")
endif()
# Code in LLVM's headers poisons its allocators under AddressSanitizer, the packaged libraries never unpoison.
if(SINTER_SANITIZE)
  list(APPEND SINTER_TEST_ENVIRONMENT
      "ASAN_OPTIONS=allow_user_poisoning=0"
      "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
endif()

# sinter_add_test(<name> COMMAND <word>... [LABELS <label>...] [TIMEOUT <seconds>] [PROCESSORS <n>]
#                 [WORKING_DIRECTORY <folder>])
function(sinter_add_test name)
  cmake_parse_arguments(arg "" "TIMEOUT;PROCESSORS;WORKING_DIRECTORY" "COMMAND;LABELS" ${ARGN})
  if(NOT arg_WORKING_DIRECTORY)
    set(arg_WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 1)
  endif()
  add_test(NAME ${name} COMMAND ${arg_COMMAND} COMMAND_EXPAND_LISTS
           WORKING_DIRECTORY ${arg_WORKING_DIRECTORY})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${arg_TIMEOUT} PROCESSORS ${arg_PROCESSORS} LABELS "${arg_LABELS}"
    ENVIRONMENT "${SINTER_TEST_ENVIRONMENT}" SKIP_RETURN_CODE 77)
endfunction()

# sinter_level_tests(<program> LEVELS <level>... [LABELS <label>...])
# A ctest <program>.<level> for each level of x86-64 that tests Levels/* of the program are for. One that this machine
# cannot run shows as skipped; the program's own ctest leaves them out (--gtest_filter=-Levels/*).
function(sinter_level_tests program)
  cmake_parse_arguments(arg "" "" "LEVELS;LABELS" ${ARGN})
  foreach(level ${arg_LEVELS})
    sinter_add_test(${program}.${level} COMMAND ${program} --gtest_filter=Levels/*/${level}
      LABELS ${arg_LABELS} TIMEOUT 1200)
    set_tests_properties(${program}.${level} PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]"
      FAIL_REGULAR_EXPRESSION "0 tests from 0 test suites ran")
  endforeach()
endfunction()

# sinter_test(<name> <source>... LIBS <target>... [MLIR] [ARGS <word>...] [LABELS <label>...] [TIMEOUT <s>]
#             [PROCESSORS <n>])
# A GoogleTest program in build/<preset>/bin/tests and one ctest of the same name that runs it. MLIR: its units
# include MLIR headers. See tests/README.md.
function(sinter_test name)
  cmake_parse_arguments(arg "MLIR" "TIMEOUT;PROCESSORS" "LIBS;ARGS;LABELS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(arg_MLIR)
    sinter_use_mlir(${name})
  elseif(SINTER_PCH)
    target_precompile_headers(${name} REUSE_FROM SinterPchTest)
  endif()
  sinter_add_test(${name} COMMAND ${name} --gtest_brief=1 ${arg_ARGS}
    LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} PROCESSORS ${arg_PROCESSORS})
endfunction()
