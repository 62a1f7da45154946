# rlvr_add_header_checks(<name> LINK <target> EXT <cpp|cu> HEADERS <header>... [TOGETHER <header>...] [ONCE <header>...])
# One translation unit per header, with warnings as errors, and one unit that includes them all and those of TOGETHER.
# Every header is thus in at least two objects of one program: a function that lacks `inline` becomes a
# duplicate-symbol error.  Those of ONCE, meant for one unit of a program, are checked alone.
function(rlvr_add_header_checks name)
  cmake_parse_arguments(arg "" "LINK;EXT" "HEADERS;TOGETHER;ONCE" ${ARGN})
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/header_checks/${name})
  set(sources)
  foreach(path IN LISTS arg_HEADERS arg_ONCE)
    file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${path})
    set(source ${folder}/${header}.${arg_EXT})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/header_check.in ${source} @ONLY)
    list(APPEND sources ${source})
  endforeach()
  set(all "int main() {}\n")
  foreach(path IN LISTS arg_HEADERS arg_TOGETHER)
    file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${path})
    string(PREPEND all "#include <${header}>\n")
  endforeach()
  file(CONFIGURE OUTPUT ${folder}/all.${arg_EXT} CONTENT "${all}" @ONLY)
  add_executable(${name} EXCLUDE_FROM_ALL ${folder}/all.${arg_EXT} ${sources})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME ${name}_program)  # the generated folder has the plain name
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-O0 -Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Wall,-Wextra>)
endfunction()
