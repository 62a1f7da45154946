# The INTERFACE targets.  Each heavy dependency is a component of its own:
#   rlvr::rlvr  C++20 alone    core, rl, text without tokenizers, reward, kernel, ops, model, train
#   rlvr::cpu   Eigen, threads backend/cpu
#   rlvr::host  fmt, range-v3, nlohmann-json, PCRE2    data, format, report, tokenizers
#   rlvr::cuda  CUDA Toolkit, cuBLASLt                 every .cuh
#   rlvr::nvrtc NVRTC of CUDA 12.8                     objectives compiled at run time
# A dependency that is absent leaves its component undefined; rlvr::rlvr always exists.
include(GNUInstallDirs)

set(rlvr_targets rlvr)
add_library(rlvr INTERFACE)
add_library(rlvr::rlvr ALIAS rlvr)
target_compile_features(rlvr INTERFACE cxx_std_20)
file(GLOB_RECURSE rlvr_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/rlvr/*.hpp)
target_sources(rlvr INTERFACE FILE_SET host TYPE HEADERS
               BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${rlvr_headers})

find_package(Eigen3 3.4 QUIET NO_MODULE)
find_package(Threads QUIET)
if(TARGET Eigen3::Eigen AND TARGET Threads::Threads)
  add_library(rlvr_cpu INTERFACE)
  add_library(rlvr::cpu ALIAS rlvr_cpu)
  set_target_properties(rlvr_cpu PROPERTIES EXPORT_NAME cpu)
  target_link_libraries(rlvr_cpu INTERFACE rlvr::rlvr Eigen3::Eigen Threads::Threads)
  list(APPEND rlvr_targets rlvr_cpu)
endif()

find_package(fmt QUIET)
find_package(range-v3 QUIET)
find_package(nlohmann_json 3.11 QUIET)
find_library(RLVR_PCRE2_LIBRARY pcre2-8)
mark_as_advanced(RLVR_PCRE2_LIBRARY)
if(TARGET fmt::fmt AND TARGET range-v3::range-v3 AND TARGET nlohmann_json::nlohmann_json AND RLVR_PCRE2_LIBRARY)
  add_library(rlvr_host INTERFACE)
  add_library(rlvr::host ALIAS rlvr_host)
  set_target_properties(rlvr_host PROPERTIES EXPORT_NAME host)
  # PCRE2 by its name, not its path, so that the installed package stays relocatable.
  target_link_libraries(rlvr_host INTERFACE rlvr::rlvr fmt::fmt range-v3::range-v3 nlohmann_json::nlohmann_json
                                            Threads::Threads pcre2-8)
  list(APPEND rlvr_targets rlvr_host)
endif()

file(GLOB_RECURSE rlvr_cuda_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/rlvr/*.cuh)
find_package(CUDAToolkit 12.4 QUIET)
if(rlvr_cuda_headers AND TARGET CUDA::cudart)
  add_library(rlvr_cuda INTERFACE)
  add_library(rlvr::cuda ALIAS rlvr_cuda)
  set_target_properties(rlvr_cuda PROPERTIES EXPORT_NAME cuda)
  target_link_libraries(rlvr_cuda INTERFACE rlvr::rlvr CUDA::cudart CUDA::cublasLt)
  target_sources(rlvr_cuda INTERFACE FILE_SET device TYPE HEADERS
                 BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${rlvr_cuda_headers})
  list(APPEND rlvr_targets rlvr_cuda)
  if(TARGET CUDA::nvrtc AND CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8)
    add_library(rlvr_nvrtc INTERFACE)
    add_library(rlvr::nvrtc ALIAS rlvr_nvrtc)
    set_target_properties(rlvr_nvrtc PROPERTIES EXPORT_NAME nvrtc)
    target_link_libraries(rlvr_nvrtc INTERFACE rlvr_cuda CUDA::nvrtc)
    set(installed_headers $<INSTALL_INTERFACE:$<INSTALL_PREFIX>/${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_definitions(rlvr_nvrtc INTERFACE
      "RLVR_INCLUDE_FOLDER=\"$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>${installed_headers}\"")
    list(APPEND rlvr_targets rlvr_nvrtc)
  endif()
endif()
