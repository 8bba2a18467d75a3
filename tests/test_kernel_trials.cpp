#include "kernel_trials.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "ops/instruction_set_names.h"

namespace qwen3_tts {
namespace {

/// A kernel that gives `other` in place of one half wherever it is not the baseline that runs.
KernelTrial trial_of(float other, double tolerance) {
  const auto outputs = std::make_shared<std::vector<float>>(2, 1.0F);
  const auto num_calls = std::make_shared<int64_t>(0);
  const auto run = [=](int64_t) {
    const bool is_baseline = (*num_calls)++ % 2 == 0;  // It is asked first, also where there is no other set.
    EXPECT_TRUE(!is_baseline || instruction_set() == InstructionSet::kBaseline);
    (*outputs)[1] = is_baseline ? 0.5F : other;
    return true;
  };
  return {"linear, 4 bits", "talker", 8, 1, tolerance, run, outputs};
}

std::string error_of(const KernelTrial& trial) {
  const Status status = compare_with_baseline(trial);
  return status.ok() ? "" : status.error().message;
}

/// The report of a machine names its set, whichever that is.
TEST(KernelTrialTest, EverySetHasAName) {
  for (const InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvxVnni,
                                   InstructionSet::kAvx512, InstructionSet::kDotprod}) {
    EXPECT_EQ(value_named<InstructionSet>(name_of(set)), set) << name_of(set);
  }
}

TEST(KernelTrialTest, OtherBitsAreAnError) {
  const InstructionSet chosen = instruction_set();
  EXPECT_EQ(error_of(trial_of(0.5F, 0)), "");
  const std::string error = error_of(trial_of(0.50000006F, 0));
  EXPECT_NE(error.find("'linear, 4 bits' (talker, 8 rows)"), std::string::npos) << error;
  EXPECT_EQ(error_of(trial_of(0.50000006F, 1e-6)), "");
  EXPECT_NE(error_of(trial_of(0.6F, 1e-6)), "");
  EXPECT_NE(error_of(trial_of(std::nanf(""), 1e-6)), "");
  EXPECT_EQ(instruction_set(), chosen);
}

TEST(KernelTrialTest, KernelThatRefusesIsAnError) {
  KernelTrial trial = trial_of(0.5F, 0);
  trial.run = [](int64_t) { return false; };
  EXPECT_NE(error_of(trial).find("refuses"), std::string::npos);
  EXPECT_FALSE(time_kernel(trial).ok());
}

TEST(KernelTrialTest, EveryKernelOfThisMachineComputesWhatTheBaselineDoes) {
  executorch::runtime::runtime_init();
  std::vector<uint8_t> bytes(size_t{32} << 20);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i * 7919 >> 5);
  }
  for (const KernelTrial& trial : make_kernel_trials(bytes)) {
    EXPECT_EQ(error_of(trial), "") << trial.kernel;
    EXPECT_NE(*trial.outputs, std::vector<float>(trial.outputs->size())) << trial.kernel;
  }
}

}  // namespace
}  // namespace qwen3_tts
