# Flags for our own programs (tests, examples, benchmarks); users of the library inherit none of them.
add_library(rlvr_program_flags INTERFACE)
target_compile_options(rlvr_program_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion>)
if(RLVR_WARNINGS_AS_ERRORS)
  target_compile_options(rlvr_program_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(RLVR_NATIVE)
  target_compile_options(rlvr_program_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
if(RLVR_SANITIZE)
  target_compile_options(rlvr_program_flags INTERFACE
    -fsanitize=${RLVR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(rlvr_program_flags INTERFACE -fsanitize=${RLVR_SANITIZE})
endif()
