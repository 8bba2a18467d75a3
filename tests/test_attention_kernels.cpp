#include "ops/kernels/attention_kernels.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_set_test.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kCount = 5;
constexpr int64_t kHeadDim = 40;  // no multiple of a vector's lanes

class AttentionKernelsTest : public InstructionSetTest {
 protected:
  static std::vector<float> numbers(int64_t count, float phase) {
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = std::sin(static_cast<float>(i) + phase);
    }
    return values;
  }

  const std::vector<float> stored_ = numbers(kCount * kHeadDim, 0.0F);
};

INSTANTIATE_INSTRUCTION_SETS(AttentionKernelsTest);

TEST_P(AttentionKernelsTest, TheChosenInstructionSetRuns) {
  EXPECT_EQ(instruction_set(), GetParam());
#ifdef QWEN3_TTS_X86_KERNELS
  const std::vector<const AttentionKernels*> tables = {&baseline::attention_kernels, &avx2::attention_kernels,
                                                       &avx512::attention_kernels};
  EXPECT_EQ(&attention_kernels(), tables[static_cast<size_t>(GetParam())]);
#endif
}

TEST_P(AttentionKernelsTest, DotProducts) {
  const std::vector<float> query = numbers(kHeadDim, 0.5F);
  std::vector<float> scores(kCount);
  attention_kernels().dot_products(query.data(), stored_.data(), kCount, kHeadDim, 0.25F, scores.data());
  for (size_t p = 0; p < kCount; ++p) {
    double sum = 0.0;
    for (size_t i = 0; i < kHeadDim; ++i) {
      sum += 0.25 * static_cast<double>(query[i]) * static_cast<double>(stored_[p * kHeadDim + i]);
    }
    EXPECT_NEAR(scores[p], sum, 1e-6) << p;
  }
}

TEST_P(AttentionKernelsTest, AddWeighted) {
  const std::vector<float> weights = numbers(kCount, 0.5F);
  std::vector<float> sums = numbers(kHeadDim, 0.25F);
  const std::vector<float> before = sums;
  attention_kernels().add_weighted(weights.data(), stored_.data(), kCount, kHeadDim, sums.data());
  for (size_t i = 0; i < kHeadDim; ++i) {
    double sum = before[i];
    for (size_t p = 0; p < kCount; ++p) {
      sum += static_cast<double>(weights[p]) * static_cast<double>(stored_[p * kHeadDim + i]);
    }
    EXPECT_NEAR(sums[i], sum, 1e-6) << i;
  }
}

}  // namespace
}  // namespace qwen3_tts
