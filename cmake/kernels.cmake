# Kernels that are compiled once for each instruction set and chosen while the program runs (ops/instruction_set.h).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(kernel_instruction_sets avx2 avx512)
endif()
set(kernel_options_avx2 -mavx2 -mfma)
set(kernel_options_avx512 ${kernel_options_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
                          -mprefer-vector-width=512)

# Adds sources to `target`: each compiled for the architecture's baseline, and by a file that includes it for every
# other instruction set.
function(add_kernels target)
  target_sources(${target} PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=baseline
                                                 COMPILE_OPTIONS -Wno-psabi)
  foreach(set IN LISTS kernel_instruction_sets)
    foreach(source IN LISTS ARGN)
      cmake_path(GET source STEM name)
      cmake_path(ABSOLUTE_PATH source)
      set(copy "${PROJECT_BINARY_DIR}/kernels/${name}.${set}.cpp")
      file(CONFIGURE OUTPUT "${copy}" CONTENT "#include \"${source}\"\n")
      target_sources(${target} PRIVATE "${copy}")
      set_source_files_properties("${copy}" PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=${set}
                                                       COMPILE_OPTIONS "-Wno-psabi;${kernel_options_${set}}")
    endforeach()
  endforeach()
  if(kernel_instruction_sets)
    target_compile_definitions(${target} PUBLIC QWEN3_TTS_X86_KERNELS)
  endif()
endfunction()
