#include "ops/instruction_set.h"

#include <atomic>

#ifdef QWEN3_TTS_X86_KERNELS
#include <cpuid.h>
#endif
#ifdef QWEN3_TTS_ARM_KERNELS
#ifdef __APPLE__
#include <sys/sysctl.h>
#else
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace qwen3_tts {
namespace {

#ifdef QWEN3_TTS_X86_KERNELS
/// Older compilers know no name for it.
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

/// Nor for this.
bool has_avx_vnni() {
  constexpr unsigned kExtendedFeatures = 7;
  constexpr unsigned kAvxVnni = 1U << 4;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(kExtendedFeatures, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnni) != 0;
}

bool is_available(InstructionSet set) {
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512vnni");
  switch (set) {
    case InstructionSet::kAvx512:
      return has_avx2 && has_avx512;
    case InstructionSet::kAvxVnni:
      return has_avx2 && has_avx_vnni();
    case InstructionSet::kAvx2:
      return has_avx2;
    default:
      return set == InstructionSet::kBaseline;
  }
}
#elif defined(QWEN3_TTS_ARM_KERNELS)
bool has_dot_products() {
#ifdef __APPLE__
  int is_there = 0;
  size_t size = sizeof(is_there);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &is_there, &size, nullptr, 0) == 0 && is_there != 0;
#else
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
}

bool is_available(InstructionSet set) {
  return set == InstructionSet::kBaseline || (set == InstructionSet::kDotprod && has_dot_products());
}
#else
bool is_available(InstructionSet set) { return set == InstructionSet::kBaseline; }
#endif

std::atomic<InstructionSet>& chosen() {
  static std::atomic<InstructionSet> set = available_instruction_sets().back();
  return set;
}

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const auto set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvxVnni,
                         InstructionSet::kAvx512, InstructionSet::kDotprod}) {
    if (is_available(set)) {
      sets.push_back(set);
    }
  }
  return sets;
}

InstructionSet instruction_set() { return chosen().load(std::memory_order_relaxed); }

void set_instruction_set(InstructionSet set) { chosen().store(set, std::memory_order_relaxed); }

}  // namespace qwen3_tts
