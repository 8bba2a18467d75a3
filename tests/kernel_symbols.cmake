# Stops when a kernel's object holds code that the linker may share with other files: cmake -DNM=... -DOBJECTS=... -P
#
# It would be the copy for some instruction set, and run where the processor lacks that.

list(FILTER OBJECTS INCLUDE REGEX "/kernels/[^/]*$")
if(NOT OBJECTS)
  message(FATAL_ERROR "there are no kernels")
endif()
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND "${NM}" --defined-only -C "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* W [^\n]*" shared "${symbols}")
  if(shared)
    list(JOIN shared "\n" shared)
    message(FATAL_ERROR "${object} holds shared code:\n${shared}")
  endif()
endforeach()
