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

# Programs that instantiate models are compiled without UBSan's check of every pointer that is used: it is a third of
# the time that compiling them takes.  AddressSanitizer reports null pointers as well, and golden_tests and the programs
# of formats and of emulated kernels keep the check of alignment.
# To be linked behind rlvr_program_flags: the last option holds.
add_library(rlvr_model_program_flags INTERFACE)
target_link_libraries(rlvr_model_program_flags INTERFACE rlvr_program_flags)
if(RLVR_SANITIZE MATCHES "undefined")
  target_compile_options(rlvr_model_program_flags INTERFACE -fno-sanitize=null,alignment)
endif()
