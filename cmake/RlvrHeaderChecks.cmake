# rlvr_add_header_checks(<name> LINK <target> EXT <cpp|cu> HEADERS <header>...)
# One translation unit per header, with warnings as errors.  Linking the objects twice turns a function that lacks
# `inline` into a duplicate-symbol error.
function(rlvr_add_header_checks name)
  cmake_parse_arguments(arg "" "LINK;EXT" "HEADERS" ${ARGN})
  set(sources)
  foreach(path IN LISTS arg_HEADERS)
    file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${path})
    set(source ${CMAKE_CURRENT_BINARY_DIR}/header_checks/${name}/${header}.${arg_EXT})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/header_check.in ${source} @ONLY)
    list(APPEND sources ${source})
  endforeach()
  foreach(copy a b)
    add_library(${name}_${copy} OBJECT EXCLUDE_FROM_ALL ${sources})
    target_link_libraries(${name}_${copy} PRIVATE ${arg_LINK})
    target_compile_options(${name}_${copy} PRIVATE
      $<$<COMPILE_LANGUAGE:CXX>:-O0 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror>
      $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Wall,-Wextra>)
  endforeach()
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/header_checks/${name}/main.cpp "int main() {}\n")
  add_executable(${name} EXCLUDE_FROM_ALL ${CMAKE_CURRENT_BINARY_DIR}/header_checks/${name}/main.cpp
                 $<TARGET_OBJECTS:${name}_a> $<TARGET_OBJECTS:${name}_b>)
  target_link_libraries(${name} PRIVATE ${arg_LINK})
endfunction()
