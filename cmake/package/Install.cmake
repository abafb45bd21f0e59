# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where, in four components: runtime, compiler (the two libraries), development, tools.
# The build tree gets the same CMake package, below lib/cmake/Sinter: CMAKE_PREFIX_PATH=<build folder> finds it.

set(SINTER_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/Sinter)
set(build_package ${PROJECT_BINARY_DIR}/lib/cmake/Sinter)

# -- Libraries and tools ---------------------------------------------------------------------------------------------

install(TARGETS SinterRuntimeShared EXPORT SinterRuntimeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(TARGETS SinterShared EXPORT SinterCompilerTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT compiler NAMELINK_COMPONENT development)
set(exports SinterRuntimeTargets SinterCompilerTargets)
if(SINTER_BUILD_TOOLS)
  install(TARGETS graph-compile graph-run fused-bench EXPORT SinterToolsTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
  list(APPEND exports SinterToolsTargets)
endif()

# -- Headers: what the roots reach, found when they are installed -----------------------------------------------------

set(script ${CMAKE_CURRENT_BINARY_DIR}/InstallHeaders.cmake)
configure_file(InstallHeaders.cmake.in ${script} @ONLY)
install(SCRIPT ${script} COMPONENT development)

# -- CMake package ------------------------------------------------------------------------------------------------------

include(CMakePackageConfigHelpers)
configure_file(SinterConfig.cmake.in ${build_package}/SinterConfig.cmake @ONLY)
configure_file(SinterCompile.cmake ${build_package}/SinterCompile.cmake COPYONLY)
write_basic_package_version_file(${build_package}/SinterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${build_package}/SinterConfig.cmake ${build_package}/SinterConfigVersion.cmake
  DESTINATION ${SINTER_CMAKE_DIR} COMPONENT development)
foreach(export ${exports})
  set(component development)
  if(export STREQUAL SinterToolsTargets)
    set(component tools)
  endif()
  export(EXPORT ${export} NAMESPACE Sinter:: FILE ${build_package}/${export}.cmake)
  install(EXPORT ${export} NAMESPACE Sinter:: DESTINATION ${SINTER_CMAKE_DIR} COMPONENT ${component})
endforeach()
if(SINTER_BUILD_TOOLS)
  install(FILES ${build_package}/SinterCompile.cmake DESTINATION ${SINTER_CMAKE_DIR} COMPONENT tools)
endif()

# -- pkg-config -----------------------------------------------------------------------------------------------------------

# The prefix is where the file lies, so that an installed tree may be moved.
file(RELATIVE_PATH SINTER_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name sinter sinter-runtime)
  configure_file(${name}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endforeach()

# -- Manual pages and completion, from the tools' own --help ----------------------------------------------------------------

if(SINTER_BUILD_TOOLS)
  set(manual ${CMAKE_CURRENT_BINARY_DIR}/manual)
  set(pages)
  foreach(tool graph-compile graph-run fused-bench)
    set(files ${manual}/${tool}.1 ${manual}/${tool}.bash ${manual}/_${tool} ${manual}/${tool}.fish)
    add_custom_command(OUTPUT ${files}
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/MakeManual.py --version ${PROJECT_VERSION}
              --output ${manual} $<TARGET_FILE:${tool}>
      DEPENDS MakeManual.py HelpText.py ${tool}
      COMMENT "Writing the manual page and completions of ${tool}" VERBATIM)
    list(APPEND pages ${files})
    install(FILES ${manual}/${tool}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
    install(FILES ${manual}/${tool}.bash RENAME ${tool}
      DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tools)
    install(FILES ${manual}/${tool}.fish
      DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT tools)
    # zsh looks into site-functions below /usr/local, and on Debian into vendor-completions below /usr.
    foreach(folder site-functions vendor-completions)
      install(FILES ${manual}/_${tool} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${folder} COMPONENT tools)
    endforeach()
  endforeach()
  add_custom_target(SinterManual ALL DEPENDS ${pages})
endif()

# -- All of it, without tests and examples ------------------------------------------------------------------------------------

add_custom_target(SinterInstallable DEPENDS SinterRuntimeShared SinterShared)
if(SINTER_BUILD_TOOLS)
  add_dependencies(SinterInstallable SinterManual)
endif()
