# SPDX-License-Identifier: Apache-2.0

# sinter_tablegen(<variable> <source.td> <generator> <output>...)
# Each <output> is "<name>=<mlir-tblgen option>[,<option>...]"; the file is written to the generated tree of the
# current folder, and its path is appended to <variable>. A depfile tracks every included .td file.
function(sinter_tablegen variable source)
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
  set(outputs ${${variable}})
  foreach(spec ${ARGN})
    string(REPLACE "=" ";" parts ${spec})
    list(POP_FRONT parts name)
    string(JOIN "=" options ${parts})
    string(REPLACE "," ";" options ${options})
    set(output ${SINTER_GENERATED_DIR}/sinter/${folder}/${name})
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${SINTER_MLIR_TBLGEN} ${options} -I ${SINTER_INCLUDE_DIR} -I ${CMAKE_CURRENT_SOURCE_DIR} -I ${MLIR_INCLUDE_DIRS}
              ${CMAKE_CURRENT_SOURCE_DIR}/${source} --write-if-changed -o ${output} -d ${output}.d
      DEPENDS ${source}
      DEPFILE ${output}.d
      COMMENT "Generating sinter/${folder}/${name}"
      VERBATIM)
    list(APPEND outputs ${output})
  endforeach()
  set(${variable} ${outputs} PARENT_SCOPE)
endfunction()

# sinter_tablegen_json(<absolute path of source.td> <output>): the records of <source.td> as JSON, for generators in Python.
function(sinter_tablegen_json source output)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${SINTER_LLVM_TBLGEN} --dump-json -I ${SINTER_INCLUDE_DIR} -I ${CMAKE_CURRENT_SOURCE_DIR} -I ${MLIR_INCLUDE_DIRS}
            ${source} --write-if-changed -o ${output} -d ${output}.d
    DEPENDS ${source}
    DEPFILE ${output}.d
    COMMENT "Dumping the records of ${source}"
    VERBATIM)
endfunction()
