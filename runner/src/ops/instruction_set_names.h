#pragma once

#include "base/names.h"
#include "ops/instruction_set.h"

namespace qwen3_tts {

template <>
struct Names<InstructionSet> {
  static constexpr Name<InstructionSet> kAll[] = {{InstructionSet::kBaseline, "baseline"},
                                                  {InstructionSet::kAvx2, "avx2"},
                                                  {InstructionSet::kAvxVnni, "avxvnni"},
                                                  {InstructionSet::kAvx512, "avx512"},
                                                  {InstructionSet::kDotprod, "dotprod"}};
};

}  // namespace qwen3_tts
