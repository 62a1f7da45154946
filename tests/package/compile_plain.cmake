# Compiles SOURCE with COMPILER and nothing but -Iinclude, shows that no file from outside the project and the
# toolchain is read, and runs it.
execute_process(COMMAND ${COMPILER} -std=c++20 -Wall -Wextra -Werror -I${INCLUDE} ${SOURCE} -o ${PROGRAM}
                -MD -MF ${PROGRAM}.d RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "plain -Iinclude does not compile")
endif()
file(READ ${PROGRAM}.d read)
foreach(library fmt range/v3 Eigen nlohmann pcre2)
  if(read MATCHES "/${library}[/.]")
    message(FATAL_ERROR "an objective and a reward must need the standard library alone, but ${library} was read")
  endif()
endforeach()
execute_process(COMMAND ${PROGRAM} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "the program's result is wrong: ${result}")
endif()
