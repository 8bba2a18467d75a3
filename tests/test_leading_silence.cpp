#include "audio/leading_silence.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

constexpr int64_t kSampleRate = 1000;  // The lead-in is 20 samples.
constexpr size_t kLeadIn = 20;

/// What is left of `samples` that come in pieces of `piece`.
std::vector<float> trimmed(const std::vector<float>& samples, size_t piece) {
  LeadingSilence silence(kSampleRate);
  std::vector<float> kept;
  for (size_t first = 0; first < samples.size(); first += piece) {
    const size_t count = std::min(piece, samples.size() - first);
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<float> part(begin, begin + static_cast<std::ptrdiff_t>(count));
    silence.trim(part);
    kept.insert(kept.end(), part.begin(), part.end());
  }
  return kept;
}

/// `num_silent` samples that count up below the threshold, a loud one, then silence again.
std::vector<float> utterance(size_t num_silent) {
  std::vector<float> samples;
  for (size_t i = 0; i < num_silent; ++i) {
    samples.push_back(static_cast<float>(i % 49) * -0.0001F);
  }
  samples.push_back(-0.005F);
  samples.resize(num_silent + 100, 0.0F);
  return samples;
}

TEST(LeadingSilenceTest, KeepsTheLeadInWhateverThePieces) {
  const std::vector<float> samples = utterance(105);
  const std::vector<float> expected(samples.begin() + 105 - kLeadIn, samples.end());
  for (const size_t piece : std::initializer_list<size_t>{1, 7, 20, 50, 105, 106, 1000}) {
    EXPECT_EQ(trimmed(samples, piece), expected) << piece;
  }
}

TEST(LeadingSilenceTest, ShortSilenceStays) {
  for (const size_t num_silent : {size_t{0}, size_t{1}, kLeadIn}) {
    EXPECT_EQ(trimmed(utterance(num_silent), 6), utterance(num_silent));
  }
  EXPECT_EQ(trimmed(utterance(kLeadIn + 1), 6).size(), utterance(kLeadIn).size());
}

TEST(LeadingSilenceTest, NothingIsLeftOfSilence) { EXPECT_TRUE(trimmed(std::vector<float>(500, 0.0049F), 50).empty()); }

TEST(LeadingSilenceTest, DefaultTrimsNothing) {
  LeadingSilence none;
  std::vector<float> samples(10, 0.0F);
  none.trim(samples);
  EXPECT_EQ(samples.size(), 10U);
}

}  // namespace
}  // namespace qwen3_tts
