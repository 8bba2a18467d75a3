# Installation: a prefix that may be moved
#
#   cmake --build --preset cpu && cmake --install build/cpu --prefix PREFIX
#
# `--component NAME` installs a part alone:
#
#   core         the library qwen3_tts
#   audio        the library qwen3_tts_audio
#   programs     qwen3_tts_runner and qwen3_tts_voice
#   static       both libraries as static ones, where the build makes shared ones, too
#   executorch   ExecuTorch's shared libraries
#   python       both shared libraries as the Python package has them: under plain names, since a wheel has no links
#   java         the library qwen3_tts_jni, and the class that loads it as a source
#
# The last four are only installed when they are named. What is installed finds ExecuTorch's libraries beside itself or
# else in the wheel that it was built with: the component executorch makes a prefix that needs no wheel to run.

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_INSTALL_LIBDIR lib CACHE STRING "Where libraries go; ../lib is where the program looks for them")
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/qwen3_tts")
list(TRANSFORM executorch_targets REPLACE "executorch::" "" OUTPUT_VARIABLE executorch_components)
list(JOIN executorch_components " " executorch_components)
set(executorch_release "${executorch_VERSION_MAJOR}.${executorch_VERSION_MINOR}")
set(qwen3_tts_has_sonic FALSE)
if(TARGET qwen3_tts::sonic)
  set(qwen3_tts_has_sonic TRUE)
endif()
configure_package_config_file(cmake/qwen3_ttsConfig.cmake.in qwen3_ttsConfig.cmake INSTALL_DESTINATION "${package_dir}"
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(qwen3_ttsConfigVersion.cmake COMPATIBILITY SameMinorVersion)

# qwen3_tts_install_package(COMPONENT [EXCLUDE_FROM_ALL]): what find_package() reads first.
function(qwen3_tts_install_package component)
  install(FILES "${PROJECT_BINARY_DIR}/qwen3_ttsConfig.cmake" "${PROJECT_BINARY_DIR}/qwen3_ttsConfigVersion.cmake"
                "${PROJECT_SOURCE_DIR}/cmake/sound_libraries.cmake"
          DESTINATION "${package_dir}" COMPONENT ${component} ${ARGN})
endfunction()

# qwen3_tts_install_library(TARGET COMPONENT [EXCLUDE_FROM_ALL])
function(qwen3_tts_install_library target component)
  get_target_property(name ${target} EXPORT_NAME)
  get_target_property(type ${target} TYPE)
  string(REGEX REPLACE "_LIBRARY$" "" kind "${type}")
  string(TOLOWER ${kind} kind)
  install(TARGETS ${target} EXPORT ${target}
          LIBRARY COMPONENT ${component} ${ARGN}
          ARCHIVE COMPONENT ${component} ${ARGN}
          FILE_SET HEADERS COMPONENT ${component} ${ARGN})
  install(EXPORT ${target} FILE ${name}-${kind}.cmake NAMESPACE qwen3_tts:: DESTINATION "${package_dir}"
          COMPONENT ${component} ${ARGN})
endfunction()

qwen3_tts_install_package(core)
if(BUILD_SHARED_LIBS)
  qwen3_tts_install_package(static EXCLUDE_FROM_ALL)
  qwen3_tts_install_library(qwen3_tts core)
  qwen3_tts_install_library(qwen3_tts_static static EXCLUDE_FROM_ALL)
else()
  qwen3_tts_install_library(qwen3_tts_static core)
endif()
if(QWEN3_TTS_AUDIO AND BUILD_SHARED_LIBS)
  qwen3_tts_install_library(qwen3_tts_audio audio)
  qwen3_tts_install_library(qwen3_tts_audio_static static EXCLUDE_FROM_ALL)
elseif(QWEN3_TTS_AUDIO)
  qwen3_tts_install_library(qwen3_tts_audio_static audio)
endif()
foreach(program IN ITEMS qwen3_tts_runner qwen3_tts_voice)
  if(TARGET ${program})
    install(TARGETS ${program} COMPONENT programs)
  endif()
endforeach()
foreach(library IN ITEMS qwen3_tts qwen3_tts_audio)
  if(TARGET ${library})
    install(PROGRAMS "$<TARGET_FILE:${library}>" DESTINATION lib RENAME "$<TARGET_LINKER_FILE_NAME:${library}>"
            COMPONENT python EXCLUDE_FROM_ALL)
  endif()
endforeach()
install(IMPORTED_RUNTIME_ARTIFACTS ${executorch_targets} COMPONENT executorch EXCLUDE_FROM_ALL)
if(TARGET qwen3_tts_jni)
  install(TARGETS qwen3_tts_jni COMPONENT java EXCLUDE_FROM_ALL)
  install(DIRECTORY bindings/java/src/ DESTINATION "${CMAKE_INSTALL_DATADIR}/java/qwen3_tts" COMPONENT java
          EXCLUDE_FROM_ALL)
endif()
