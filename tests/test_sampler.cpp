#include "base/sampler.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/philox.h"
#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kAlmostOne = 1.0f - 0x1p-24f;  // the largest value of uniform()

int64_t pick(const std::vector<float>& logits, const SamplingParams& params, float uniform) {
  Sampler sampler;
  return sampler.pick(logits.data(), static_cast<int64_t>(logits.size()), params, uniform);
}

/// Every id that some uniform selects, in ascending order.
std::vector<int64_t> reachable(const std::vector<float>& logits, const SamplingParams& params) {
  std::vector<int64_t> ids;
  constexpr int kSteps = 1 << 12;
  for (int step = 0; step < kSteps; ++step) {
    const int64_t id = pick(logits, params, static_cast<float>(step) / kSteps);
    if (ids.empty() || ids.back() != id) {
      ids.push_back(id);
    }
  }
  return ids;
}

using Ids = std::vector<int64_t>;

TEST(PhiloxTest, KnownAnswers) {
  // Random123, kat_vectors, philox4x32 10.
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, UniformUsesEveryPartOfItsArguments) {
  EXPECT_EQ(uniform(0, 0, 0), static_cast<float>(0x6627e8d5 >> 8) * 0x1p-24f);
  const float base = uniform(1, 2, 3);
  EXPECT_EQ(uniform(1, 2, 3), base);
  EXPECT_NE(uniform(1, 2, 4), base);
  EXPECT_NE(uniform(1, 3, 3), base);
  EXPECT_NE(uniform(2, 2, 3), base);
  EXPECT_NE(uniform(1 + (uint64_t{1} << 32), 2, 3), base);
  EXPECT_NE(uniform(1, 2 + (uint64_t{1} << 32), 3), base);
  EXPECT_EQ(uniform(1, 2, 3, 0), base);
  EXPECT_NE(uniform(1, 2, 3, 1), base);
}

TEST(PhiloxTest, UniformStaysBelowOneAndIsFlat) {
  constexpr int kDraws = 100000;
  constexpr int kDrawsOfABin = kDraws / 10;
  std::array<int, 10> bins{};
  for (uint64_t frame = 0; frame < kDraws; ++frame) {
    const float value = uniform(42, frame, 1);
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    ++bins[static_cast<size_t>(value * 10)];
  }
  for (const int count : bins) {
    EXPECT_NEAR(count, kDrawsOfABin, 5 * std::sqrt(kDrawsOfABin));
  }
}

TEST(SamplerTest, GreedyTakesTheLowestOfTheLargest) {
  EXPECT_EQ(pick({1, 3, 2, 3}, {0, 1, 1}, kAlmostOne), 1);
  EXPECT_EQ(pick({-kInfinity, -5}, {0, 0, 1}, 0), 1);
  EXPECT_EQ(pick({-0.0f, 0.0f}, {0, 0, 1}, 0), 0);
}

TEST(SamplerTest, UniformWalksIdsInAscendingOrder) {
  // Probabilities 1/4, 1/2, 1/4.
  const std::vector<float> logits = {0, std::log(2.0f), 0};
  const SamplingParams params = {1, 0, 1};
  EXPECT_EQ(pick(logits, params, 0.0f), 0);
  EXPECT_EQ(pick(logits, params, 0.24f), 0);
  EXPECT_EQ(pick(logits, params, 0.26f), 1);
  EXPECT_EQ(pick(logits, params, 0.74f), 1);
  EXPECT_EQ(pick(logits, params, 0.76f), 2);
  EXPECT_EQ(pick(logits, params, kAlmostOne), 2);
  EXPECT_EQ(pick(logits, params, 1.0f), 2);
}

TEST(SamplerTest, BoundaryBelongsToTheNextId) {
  // Equal logits: exp is exactly 1, so the boundaries are exact.
  EXPECT_EQ(pick({7, 7, 7, 7}, {1, 0, 1}, 0.25f), 1);
  EXPECT_EQ(pick({7, 7, 7, 7}, {1, 0, 1}, 0.75f), 3);
}

TEST(SamplerTest, TopKKeepsTiesOfTheLastOne) {
  const std::vector<float> logits = {1, 2, 0, 1, 3};
  EXPECT_EQ(reachable(logits, {1, 1, 1}), (Ids{4}));
  EXPECT_EQ(reachable(logits, {1, 2, 1}), (Ids{1, 4}));
  EXPECT_EQ(reachable(logits, {1, 3, 1}), (Ids{0, 1, 3, 4}));
  EXPECT_EQ(reachable(logits, {1, 4, 1}), (Ids{0, 1, 3, 4}));
  for (const int64_t off : {0, 5, 6, 1000000}) {
    EXPECT_EQ(reachable(logits, {1, off, 1}), (Ids{0, 1, 2, 3, 4})) << off;
  }
}

TEST(SamplerTest, TopPDropsTheTail) {
  // Eight times 1/8: the sums are exact.
  const std::vector<float> logits = {5, 5, 5, 5, 5, 5, 5, 5};
  EXPECT_EQ(reachable(logits, {1, 0, 0.5f}), (Ids{4, 5, 6, 7}));    // 4/8 <= 1 - 0.5 goes
  EXPECT_EQ(reachable(logits, {1, 0, 0.51f}), (Ids{3, 4, 5, 6, 7}));
  EXPECT_EQ(reachable(logits, {1, 0, 1e-6f}), (Ids{7}));            // the largest, by index, always stays
  EXPECT_EQ(reachable({0, 10, 0}, {1, 0, 0.5f}), (Ids{1}));
}

TEST(SamplerTest, TopPSeesOnlyWhatTopKLeft) {
  // Of all: 3 x 1/4 + 2 x 1/8. Of the three largest: 1/3 each, so two of them go below 0.7.
  const float half = std::log(0.5f);
  const std::vector<float> logits = {0, half, 0, half, 0};
  EXPECT_EQ(reachable(logits, {1, 3, 0.3f}), (Ids{4}));
  EXPECT_EQ(reachable(logits, {1, 3, 0.5f}), (Ids{2, 4}));
}

TEST(SamplerTest, TemperatureSharpens) {
  const std::vector<float> logits = {0, std::log(2.0f)};
  // Temperature 1/2 squares the ratio: 1/5 to 4/5.
  EXPECT_EQ(pick(logits, {0.5f, 0, 1}, 0.19f), 0);
  EXPECT_EQ(pick(logits, {0.5f, 0, 1}, 0.21f), 1);
}

TEST(SamplerTest, TinyTemperatureIsGreedy) {
  EXPECT_EQ(pick({-2, 1, 3, 2}, {1e-45f, 0, 1}, 0.9f), 2);
  EXPECT_EQ(pick({-2, -1, -3}, {1e-45f, 0, 0.5f}, 0.0f), 1);
  EXPECT_EQ(pick({-2, 1, 3, 2}, {1e-30f, 2, 0.9f}, 0.0f), 2);
}

TEST(SamplerTest, BannedLogitsAreNeverDrawn) {
  const std::vector<float> logits = {-kInfinity, 1, -kInfinity, 1, -kInfinity};
  for (const int64_t top_k : {0, 1, 2, 3, 4}) {
    EXPECT_EQ(reachable(logits, {0.9f, top_k, 1}), (Ids{1, 3})) << top_k;
  }
  EXPECT_EQ(reachable(logits, {0.9f, 4, 0.9f}), (Ids{1, 3}));
  EXPECT_EQ(pick(logits, {1, 0, 1}, 1.0f), 3);
}

TEST(SamplerTest, WeightsThatUnderflowAreNotDrawnAtZero) {
  EXPECT_EQ(pick({-10000, 0, -10000}, {1, 0, 1}, 0.0f), 1);
  EXPECT_EQ(pick({-10000, 0, -10000}, {1, 0, 1}, kAlmostOne), 1);
}

TEST(SamplerTest, BrokenLogitsDrawNothing) {
  for (const float temperature : {0.0f, 1.0f}) {
    EXPECT_EQ(pick({-kInfinity, -kInfinity}, {temperature, 0, 1}, 0.5f), -1);
    EXPECT_EQ(pick({1, std::nanf("")}, {temperature, 0, 1}, 0.5f), -1);
    EXPECT_EQ(pick({1, kInfinity}, {temperature, 0, 1}, 0.5f), -1);
  }
}

TEST(SamplerTest, OneSamplerServesManySizes) {
  Sampler sampler;
  const std::vector<float> wide(3000, 0.0f);
  const std::vector<float> narrow = {0, 9};
  EXPECT_EQ(sampler.pick(wide.data(), 3000, {1, 0, 0.5f}, kAlmostOne), 2999);
  EXPECT_EQ(sampler.pick(narrow.data(), 2, {1, 1, 0.5f}, kAlmostOne), 1);
  EXPECT_EQ(sampler.pick(wide.data(), 3000, {1, 0, 1}, 0.0f), 0);
}

TEST(SamplerTest, FrequenciesFollowTheProbabilities) {
  const std::vector<float> logits = {0.3f, -1.2f, 2.0f, 0.9f, -0.4f, 1.1f};
  const SamplingParams params = {0.8f, 5, 1.0f};
  std::vector<double> expected(logits.size());
  double total = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    expected[id] = id == 1 ? 0 : std::exp(static_cast<double>(logits[id]) / 0.8);  // top_k drops the smallest
    total += expected[id];
  }
  constexpr int kDraws = 200000;
  std::vector<int> counts(logits.size());
  Sampler sampler;
  for (uint64_t frame = 0; frame < kDraws; ++frame) {
    ++counts[static_cast<size_t>(sampler.pick(logits.data(), 6, params, uniform(7, frame, 0)))];
  }
  double chi_square = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double mean = kDraws * expected[id] / total;
    if (id == 1) {
      EXPECT_EQ(counts[id], 0);
    } else {
      chi_square += (counts[id] - mean) * (counts[id] - mean) / mean;
    }
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom, p = 0.001
}

class TalkerLogitsProcessorTest : public ::testing::Test {
 protected:
  // 8 codes, 24 rows, end token 10.
  TalkerLogitsProcessor processor_{testing::tiny_metadata()};

  std::vector<float> process(float logit, float penalty, const std::vector<int64_t>& generated) {
    std::vector<float> logits(24, logit);
    processor_.process(logits.data(), penalty, /*min_new_tokens=*/2, generated);
    return logits;
  }
};

TEST_F(TalkerLogitsProcessorTest, BansControlRowsButTheEndToken) {
  const std::vector<float> logits = process(1, 1, {0, 1});
  for (size_t id = 0; id < logits.size(); ++id) {
    EXPECT_EQ(logits[id], id < 8 || id == 10 ? 1 : -kInfinity) << id;
  }
}

TEST_F(TalkerLogitsProcessorTest, EndTokenNeedsEnoughTokens) {
  EXPECT_EQ(process(1, 1, {})[10], -kInfinity);
  EXPECT_EQ(process(1, 1, {3})[10], -kInfinity);
  EXPECT_EQ(process(1, 1, {3, 3})[10], 1);
}

TEST_F(TalkerLogitsProcessorTest, PenaltyPushesEveryDistinctTokenDownOnce) {
  const std::vector<float> positive = process(3, 2, {1, 4, 1, 1});
  EXPECT_EQ(positive[1], 1.5f);
  EXPECT_EQ(positive[4], 1.5f);
  EXPECT_EQ(positive[0], 3.0f);
  const std::vector<float> negative = process(-3, 2, {1, 4, 1, 1});
  EXPECT_EQ(negative[1], -6.0f);
  EXPECT_EQ(negative[0], -3.0f);
}

TEST_F(TalkerLogitsProcessorTest, ForgetsEarlierCalls) {
  process(3, 2, {1});
  EXPECT_EQ(process(3, 2, {2})[1], 3.0f);
  EXPECT_EQ(process(3, 2, {2})[2], 1.5f);
}

}  // namespace
}  // namespace qwen3_tts
