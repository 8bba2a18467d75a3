#include "ops/instruction_set.h"

#include <atomic>

namespace qwen3_tts {
namespace {

#ifdef QWEN3_TTS_X86_KERNELS
bool is_available(InstructionSet set) {
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512vnni");
  switch (set) {
    case InstructionSet::kAvx512:
      return has_avx2 && has_avx512;
    case InstructionSet::kAvx2:
      return has_avx2;
    default:
      return true;
  }
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
  for (const auto set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (is_available(set)) {
      sets.push_back(set);
    }
  }
  return sets;
}

InstructionSet instruction_set() { return chosen().load(std::memory_order_relaxed); }

void set_instruction_set(InstructionSet set) { chosen().store(set, std::memory_order_relaxed); }

}  // namespace qwen3_tts
