# SPDX-License-Identifier: Apache-2.0
# The default compiler is clang-22: with its precompiled headers the build is about five times faster than with g++.
# -DCMAKE_CXX_COMPILER=g++ (or CXX=g++) is respected.

if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  find_program(SINTER_CLANGXX NAMES clang++-22 PATHS /usr/lib/llvm-22/bin)
  find_program(SINTER_CLANG NAMES clang-22 PATHS /usr/lib/llvm-22/bin)
  if(SINTER_CLANGXX AND SINTER_CLANG)
    set(CMAKE_CXX_COMPILER ${SINTER_CLANGXX})
    set(CMAKE_C_COMPILER ${SINTER_CLANG})
  endif()
endif()

find_program(SINTER_CCACHE ccache)
if(SINTER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without this sloppiness ccache refuses every unit that uses a precompiled header.
  set(launcher env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${SINTER_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()
