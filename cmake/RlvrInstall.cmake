# Install rules and the CMake package: find_package(rlvr CONFIG COMPONENTS cpu host cuda).
include(CMakePackageConfigHelpers)

set(rlvr_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/rlvr)
foreach(target IN LISTS rlvr_targets)
  if(target STREQUAL "rlvr")
    install(TARGETS rlvr EXPORT rlvr-targets FILE_SET host)
  elseif(target STREQUAL "rlvr_cuda")
    install(TARGETS rlvr_cuda EXPORT rlvr-targets FILE_SET device)
  else()
    install(TARGETS ${target} EXPORT rlvr-targets)
  endif()
endforeach()
install(EXPORT rlvr-targets NAMESPACE rlvr:: DESTINATION ${rlvr_package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/rlvr-config.cmake.in rlvr-config.cmake
                              INSTALL_DESTINATION ${rlvr_package_dir})
write_basic_package_version_file(rlvr-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/rlvr-config.cmake ${PROJECT_BINARY_DIR}/rlvr-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/RlvrCudaStandard.cmake
        DESTINATION ${rlvr_package_dir})
