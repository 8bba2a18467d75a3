# Kernels that are compiled once for each instruction set and chosen while the program runs (ops/instruction_set.h). Who
# includes that needs `kernel_definition`.

if(APPLE AND CMAKE_OSX_ARCHITECTURES)  # of which CMAKE_SYSTEM_PROCESSOR, the machine that builds, may be none
  set(kernel_processor "${CMAKE_OSX_ARCHITECTURES}")
else()
  set(kernel_processor "${CMAKE_SYSTEM_PROCESSOR}")
endif()
list(LENGTH kernel_processor count)
if(count GREATER 1)  # Options for one of them stop the compiler of the other.
  message(STATUS "For several architectures at once kernels are built for each one's baseline alone")
elseif(kernel_processor MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(kernel_instruction_sets avx2 avxvnni avx512)
  set(kernel_definition QWEN3_TTS_X86_KERNELS)
elseif(kernel_processor MATCHES "^(aarch64|arm64)$" AND NOT CMAKE_SYSTEM_NAME STREQUAL "Darwin")  # macOS has all that.
  set(kernel_instruction_sets dotprod)
  set(kernel_definition QWEN3_TTS_ARM_KERNELS)
endif()
set(kernel_options_avx2 -mavx2 -mfma -mf16c)
set(kernel_options_avxvnni ${kernel_options_avx2} -mavxvnni)
set(kernel_options_avx512 ${kernel_options_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
                          -mprefer-vector-width=512)
set(kernel_options_dotprod -march=armv8.2-a+dotprod)

set(kernel_options -Wno-psabi)  # Functions that take vectors stay in their file.
if(NOT CMAKE_CXX_FLAGS_RELEASE MATCHES "-O3")
  list(APPEND kernel_options $<$<CONFIG:Release>:-O3>)  # also where all else is built to be small
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND kernel_options -Wno-maybe-uninitialized)  # gcc 12 says it of its own intrinsics (GCC PR105593).
  if(kernel_definition STREQUAL "QWEN3_TTS_ARM_KERNELS")
    list(APPEND kernel_options -fno-schedule-insns)  # which moves loads so far ahead that sums leave the registers
  endif()
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND kernel_options -Wno-pass-failed)  # Debug builds unroll no loop.
  # For the sanitizers, checking how each of the many unrolled loads reckons its address would take as long as all else
  # that compiles them; AddressSanitizer looks where they read.
  list(APPEND kernel_options -fno-sanitize=pointer-overflow)
endif()

# Adds sources to `target`: each compiled for the architecture's baseline, and by a file that includes it for every
# other instruction set.
function(qwen3_tts_add_kernels target)
  target_sources(${target} PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=baseline
                                                 COMPILE_OPTIONS "${kernel_options}" SKIP_PRECOMPILE_HEADERS ON)
  foreach(set IN LISTS kernel_instruction_sets)
    foreach(source IN LISTS ARGN)
      cmake_path(GET source STEM name)
      cmake_path(ABSOLUTE_PATH source)
      set(copy "${PROJECT_BINARY_DIR}/kernels/${name}.${set}.cpp")
      file(CONFIGURE OUTPUT "${copy}" CONTENT "#include \"${source}\"\n")
      target_sources(${target} PRIVATE "${copy}")
      set_source_files_properties("${copy}" PROPERTIES COMPILE_DEFINITIONS QWEN3_TTS_INSTRUCTION_SET=${set}
                                                       COMPILE_OPTIONS "${kernel_options};${kernel_options_${set}}"
                                                       SKIP_PRECOMPILE_HEADERS ON)
    endforeach()
  endforeach()
endfunction()
