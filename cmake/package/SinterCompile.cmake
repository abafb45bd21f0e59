# SPDX-License-Identifier: Apache-2.0

# sinter_compile(<target> MODEL <file> [NAME <program>] [OPTIONS <option of graph-compile>...])
# A library target made by graph-compile from a graph (.mlir) or an ONNX model: link it, and include "<NAME>.h". NAME is
# <target> unless given. What links it needs neither Sinter nor LLVM.
function(sinter_compile target)
  cmake_parse_arguments(arg "" "MODEL;NAME" "OPTIONS" ${ARGN})
  if(NOT arg_MODEL OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "sinter_compile(${target}): usage: sinter_compile(<target> MODEL <file> [NAME <program>] [OPTIONS <option>...])")
  endif()
  if(NOT arg_NAME)
    set(arg_NAME ${target})
  endif()
  get_filename_component(model ${arg_MODEL} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}.sinter)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${folder}/lib${arg_NAME}.a ${folder}/${arg_NAME}.h
    COMMAND Sinter::graph-compile ${model} --emit=static --name ${arg_NAME} ${arg_OPTIONS} -o ${folder}/lib${arg_NAME}.a
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${folder}/lib${arg_NAME}.h ${folder}/${arg_NAME}.h
    DEPENDS ${model} Sinter::graph-compile
    COMMENT "Compiling ${arg_MODEL}" VERBATIM)
  add_custom_target(${target}.sinter DEPENDS ${folder}/lib${arg_NAME}.a ${folder}/${arg_NAME}.h)
  add_library(${target} STATIC IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${folder}/lib${arg_NAME}.a
    INTERFACE_INCLUDE_DIRECTORIES ${folder} INTERFACE_LINK_LIBRARIES "m;pthread")
  add_dependencies(${target} ${target}.sinter)
endfunction()
