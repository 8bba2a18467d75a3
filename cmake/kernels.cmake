# Kernels that are compiled once for each instruction set and chosen while the program runs (ops/instruction_set.h). Who
# includes that needs `kernel_definition`.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(kernel_instruction_sets avx2 avx512)
  set(kernel_definition QWEN3_TTS_X86_KERNELS)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$" AND NOT APPLE)  # Apple's baseline has it.
  set(kernel_instruction_sets dotprod)
  set(kernel_definition QWEN3_TTS_ARM_KERNELS)
endif()
set(kernel_options_avx2 -mavx2 -mfma -mf16c)
set(kernel_options_avx512 ${kernel_options_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
                          -mprefer-vector-width=512)
set(kernel_options_dotprod -march=armv8.2-a+dotprod)

set(kernel_options -Wno-psabi)  # Functions that take vectors stay in their file.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND kernel_options -Wno-maybe-uninitialized)  # gcc 12 says it of its own intrinsics (GCC PR105593).
endif()

# Adds sources to `target`: each compiled for the architecture's baseline, and by a file that includes it for every
# other instruction set.
function(qwen3_tts_add_kernels target)
  target_sources(${target} PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=baseline
                                                 COMPILE_OPTIONS "${kernel_options}")
  foreach(set IN LISTS kernel_instruction_sets)
    foreach(source IN LISTS ARGN)
      cmake_path(GET source STEM name)
      cmake_path(ABSOLUTE_PATH source)
      set(copy "${PROJECT_BINARY_DIR}/kernels/${name}.${set}.cpp")
      file(CONFIGURE OUTPUT "${copy}" CONTENT "#include \"${source}\"\n")
      target_sources(${target} PRIVATE "${copy}")
      set_source_files_properties("${copy}" PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=${set}
                                                       COMPILE_OPTIONS "${kernel_options};${kernel_options_${set}}")
    endforeach()
  endforeach()
endfunction()
