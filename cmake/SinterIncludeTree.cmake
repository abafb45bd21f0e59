# SPDX-License-Identifier: Apache-2.0
# One spelling for every include, before and after installation: "sinter/<folder>/<File>.h".
# The build tree reaches the sources through links; generated files have a tree of their own.

set(SINTER_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
set(SINTER_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${SINTER_INCLUDE_DIR}/sinter)
foreach(folder ir frontend passes codegen runtime)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${SINTER_INCLUDE_DIR}/sinter/${folder} SYMBOLIC)
  file(MAKE_DIRECTORY ${SINTER_GENERATED_DIR}/sinter/${folder})
endforeach()
foreach(header sinter.h runtime.h)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/runtime/${header} ${SINTER_INCLUDE_DIR}/sinter/${header} SYMBOLIC)
endforeach()
