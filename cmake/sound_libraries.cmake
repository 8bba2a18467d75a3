# What the component audio links, qwen3_tts_sound_targets: qwen3_tts::sndfile, qwen3_tts::mpg123, qwen3_tts::soxr and,
# where it is there or qwen3_tts_needs_sonic is true, qwen3_tts::sonic. qwen3_tts_missing_libraries names what is not
# there. Debian's packages bring nothing for CMake. This file is installed, too: users of the static library link the
# same.

set(qwen3_tts_sound_targets "")
set(qwen3_tts_missing_libraries "")
foreach(library IN ITEMS sndfile mpg123 soxr sonic)
  find_path(QWEN3_TTS_${library}_INCLUDE_DIR ${library}.h)
  find_library(QWEN3_TTS_${library}_LIBRARY ${library})
  mark_as_advanced(QWEN3_TTS_${library}_INCLUDE_DIR QWEN3_TTS_${library}_LIBRARY)
  if(QWEN3_TTS_${library}_INCLUDE_DIR AND QWEN3_TTS_${library}_LIBRARY)
    list(APPEND qwen3_tts_sound_targets qwen3_tts::${library})
    if(NOT TARGET qwen3_tts::${library})
      add_library(qwen3_tts::${library} UNKNOWN IMPORTED)
      set_target_properties(qwen3_tts::${library} PROPERTIES
        IMPORTED_LOCATION "${QWEN3_TTS_${library}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${QWEN3_TTS_${library}_INCLUDE_DIR}")
    endif()
  elseif(NOT library STREQUAL "sonic" OR qwen3_tts_needs_sonic)
    list(APPEND qwen3_tts_missing_libraries lib${library})
  endif()
endforeach()
list(JOIN qwen3_tts_missing_libraries " and " qwen3_tts_missing_libraries)
