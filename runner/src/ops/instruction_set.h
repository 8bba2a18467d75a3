#pragma once

#include <array>
#include <cstddef>
#include <vector>

/// Kernels that are compiled once for each instruction set; which one runs is chosen while the program runs.
///
/// The source of a kernel stands in `ops/kernels/` and in CMake's `kernel_sources`. A header beside it declares a table
/// of functions, `struct ExampleKernels { void (*add)(...); };`, and ends with
///
///     QWEN3_TTS_DECLARE_KERNELS(ExampleKernels, example_kernels)
///
/// The source defines that table in the namespace of the compilation at hand, with everything else in an unnamed one:
///
///     namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
///     namespace { void add(...) { ... } }
///     const ExampleKernels example_kernels = {add};
///     }
///
/// `example_kernels().add(...)` calls the best one. The linker keeps one copy of an inline function or template that
/// several files share, and that copy may hold instructions the processor lacks: a kernel calls none but its own (a
/// test reads the objects' symbols). It may use intrinsics where the compiler defines __AVX2__, __AVXVNNI__,
/// __AVX512VNNI__, __aarch64__ or __ARM_FEATURE_DOTPROD.
#ifdef QWEN3_TTS_X86_KERNELS  // from CMake, which compiles them
#define QWEN3_TTS_DECLARE_KERNELS(Type, name)                                                             \
  namespace baseline {                                                                                    \
  extern const Type name;                                                                                 \
  }                                                                                                       \
  namespace avx2 {                                                                                        \
  extern const Type name;                                                                                 \
  }                                                                                                       \
  namespace avxvnni {                                                                                     \
  extern const Type name;                                                                                 \
  }                                                                                                       \
  namespace avx512 {                                                                                      \
  extern const Type name;                                                                                 \
  }                                                                                                       \
  inline const Type& name() {                                                                             \
    return *choose_kernels<Type>({&baseline::name, &avx2::name, &avxvnni::name, &avx512::name, nullptr}); \
  }
#elif defined(QWEN3_TTS_ARM_KERNELS)
#define QWEN3_TTS_DECLARE_KERNELS(Type, name)                                                   \
  namespace baseline {                                                                          \
  extern const Type name;                                                                       \
  }                                                                                             \
  namespace dotprod {                                                                           \
  extern const Type name;                                                                       \
  }                                                                                             \
  inline const Type& name() {                                                                   \
    return *choose_kernels<Type>({&baseline::name, nullptr, nullptr, nullptr, &dotprod::name}); \
  }
#else
#define QWEN3_TTS_DECLARE_KERNELS(Type, name) \
  namespace baseline {                        \
  extern const Type name;                     \
  }                                           \
  inline const Type& name() { return baseline::name; }
#endif

namespace qwen3_tts {

/// Of each architecture from the narrowest to the widest.
enum class InstructionSet {
  kBaseline,  ///< what every processor of the architecture has: SSE2, NEON, plain C++ elsewhere
  kAvx2,      ///< with FMA and F16C: Intel since Haswell, AMD since Zen
  kAvxVnni,   ///< the same with AVX-VNNI: Intel since Alder Lake, AMD since Zen 5
  kAvx512,    ///< F, BW, DQ, VL and VNNI: Intel since Cascade Lake, AMD since Zen 4
  kDotprod,   ///< of AArch64, products of bytes: Arm's own cores since the Cortex-A55 and A75
};

/// Those that this build holds and this processor runs, narrowest first.
std::vector<InstructionSet> available_instruction_sets();

/// The one whose kernels run: the widest that is available.
InstructionSet instruction_set();

/// For tests and --self_test: runs the kernels of `set`, which must be available, from now on in the whole process.
void set_instruction_set(InstructionSet set);

/// That of `tables` which belongs to the instruction set that runs.
template <typename Kernels>
const Kernels* choose_kernels(const std::array<const Kernels*, 5>& tables) {
  return tables[static_cast<size_t>(instruction_set())];
}

}  // namespace qwen3_tts
