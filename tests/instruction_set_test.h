#pragma once

#include <string>

#include <gtest/gtest.h>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// Runs a test's kernels in the instruction set that is its parameter:
///
///     using SumsTest = InstructionSetTest;
///     INSTANTIATE_INSTRUCTION_SETS(SumsTest);
///     TEST_P(SumsTest, AreTheSame) { ... }
class InstructionSetTest : public ::testing::TestWithParam<InstructionSet> {
 protected:
  InstructionSetTest() { set_instruction_set(GetParam()); }
  ~InstructionSetTest() override { set_instruction_set(available_instruction_sets().back()); }

 public:
  static std::string name(const ::testing::TestParamInfo<InstructionSet>& info) {
    switch (info.param) {
      case InstructionSet::kAvx512:
        return "Avx512";
      case InstructionSet::kAvx2:
        return "Avx2";
      default:
        return "Baseline";
    }
  }
};

#define INSTANTIATE_INSTRUCTION_SETS(Test) \
  INSTANTIATE_TEST_SUITE_P(Every, Test, ::testing::ValuesIn(available_instruction_sets()), Test::name)

}  // namespace qwen3_tts
