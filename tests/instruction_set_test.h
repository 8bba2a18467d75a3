#pragma once

#include <string>

#include <gtest/gtest.h>

#include "ops/instruction_set_names.h"

namespace qwen3_tts {

/// Runs the kernels of one instruction set as long as it lives.
class ChosenInstructionSet {
 public:
  explicit ChosenInstructionSet(InstructionSet set) { set_instruction_set(set); }
  ChosenInstructionSet(const ChosenInstructionSet&) = delete;
  ChosenInstructionSet& operator=(const ChosenInstructionSet&) = delete;
  ~ChosenInstructionSet() { set_instruction_set(available_instruction_sets().back()); }
};

/// A test whose parameter is the instruction set that runs:
///
///     using SumsTest = InstructionSetTest;
///     INSTANTIATE_INSTRUCTION_SETS(SumsTest);
///     TEST_P(SumsTest, AreTheSame) { ... }
class InstructionSetTest : public ::testing::TestWithParam<InstructionSet> {
  const ChosenInstructionSet chosen_{GetParam()};
};

#define INSTANTIATE_INSTRUCTION_SETS(Test)                                                 \
  INSTANTIATE_TEST_SUITE_P(Every, Test, ::testing::ValuesIn(available_instruction_sets()), \
                           [](const auto& tested) { return std::string(name_of(tested.param)); })

}  // namespace qwen3_tts
