# SPDX-License-Identifier: Apache-2.0
# cmake --install: the binary, the libraries with their CMake package, and data/ where the binary finds it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY SILICAST_LIBRARIES)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/silicast)
install(TARGETS ${libraries} EXPORT silicastTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT silicastTargets NAMESPACE silicast:: DESTINATION ${package_dir})
if(TARGET silicast)
  install(TARGETS silicast RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY data/ DESTINATION ${CMAKE_INSTALL_DATADIR}/silicast/data)
# What --plot draws with, where ./dev has installed it.
install(DIRECTORY build/plot/ DESTINATION ${CMAKE_INSTALL_DATADIR}/silicast/plot OPTIONAL
  PATTERN "npm" EXCLUDE PATTERN ".stamp" EXCLUDE PATTERN ".failed" EXCLUDE)
foreach(folder base hardware workloads model calibration planning report)
  install(DIRECTORY ${folder} DESTINATION include/silicast FILES_MATCHING PATTERN "*.h")
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/silicastConfig.cmake.in
  ${PROJECT_BINARY_DIR}/silicastConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/silicastConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/silicastConfig.cmake ${PROJECT_BINARY_DIR}/silicastConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindPcre2.cmake ${PROJECT_SOURCE_DIR}/cmake/Findhwloc.cmake
  ${PROJECT_SOURCE_DIR}/cmake/Findlibyaml.cmake
  DESTINATION ${package_dir})
