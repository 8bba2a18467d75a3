# Stops when a file of one room of runner/src includes a later room's, or that room's public header.
#
#   cmake -DSOURCES=runner/src "-DROOMS=base;ops;..." "-D<room>_headers=..." -P room_order.cmake

set(later ${ROOMS})
foreach(room IN LISTS ROOMS)
  list(POP_FRONT later)
  file(GLOB_RECURSE files "${SOURCES}/${room}/*.h" "${SOURCES}/${room}/*.cpp")
  if(NOT files)
    message(FATAL_ERROR "there is no room ${SOURCES}/${room}")
  endif()
  foreach(file IN LISTS files)
    file(STRINGS "${file}" includes REGEX "^#include ")
    foreach(other IN LISTS later)
      set(up ${includes})
      list(TRANSFORM ${other}_headers REPLACE "(.+)" "<\\1>" OUTPUT_VARIABLE public)
      list(JOIN public "|" public)
      list(FILTER up INCLUDE REGEX "\"${other}/|#include (${public}|none)$")
      if(up)
        message(SEND_ERROR "${file} is of the room '${room}', which is below '${other}': ${up}")
      endif()
    endforeach()
  endforeach()
endforeach()
