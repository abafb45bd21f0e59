# SPDX-License-Identifier: Apache-2.0
# Four Debian packages, one of each component (scripts/package):
#   libsinter-runtime0.1  libsinter_runtime.so.0.1, which needs no LLVM
#   libsinter0.1          libsinter.so.0.1
#   libsinter-dev         headers, CMake package, pkg-config
#   sinter-tools          graph-compile, graph-run, fused-bench with manual pages and completions

set(CPACK_PACKAGE_NAME sinter)
set(CPACK_PACKAGE_VENDOR Sinter)
# Debian's policy asks for "Name <address>". Sinter has no address; one below .invalid (RFC 2606) is well-formed and
# reaches nobody, which is true. Who distributes the packages puts his own there.
set(SINTER_PACKAGE_CONTACT "Sinter developers <sinter@package.invalid>" CACHE STRING "Maintainer of the .deb packages")
set(CPACK_PACKAGE_CONTACT ${SINTER_PACKAGE_CONTACT})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 1) # what xz writes depends on it
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime compiler development tools)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(exact "(= ${PROJECT_VERSION})")
# sinter_debian(<component> <package> <section> <text> [<dependency>...])
macro(sinter_debian component package section text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${text}")
  set(depends ${ARGN}) # ARGN is no variable in a macro
  list(JOIN depends ", " CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endmacro()

# Relative relocations need a dynamic linker that knows them; dpkg-shlibdeps goes by functions alone.
set(glibc)
if(SINTER_RELATIVE_RELOCATIONS)
  set(glibc "libc6 (>= 2.36)")
endif()
set(runtime_package libsinter-runtime${SINTER_SOVERSION})
set(compiler_package libsinter${SINTER_SOVERSION})
sinter_debian(runtime ${runtime_package} libs
  "Loads libraries that graph-compile has made, and runs them on the CPU or an NVIDIA GPU. It needs no LLVM."
  ${glibc})
sinter_debian(compiler ${compiler_package} libs
  "The compiler as a library: graphs with gradients and optimizers, compiled inside of a C++ program to fused vector code or CUDA kernels."
  "${runtime_package} ${exact}")
sinter_debian(development libsinter-dev libdevel
  "What is needed to build programs against Sinter: headers, the CMake package Sinter, pkg-config."
  "${compiler_package} ${exact}" "${runtime_package} ${exact}" "libstdc++-12-dev | libstdc++-dev")
sinter_debian(tools sinter-tools devel
  "graph-compile makes libraries with a C header of graphs and ONNX models, graph-run runs them, fused-bench measures.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)

include(CPack)
