#include "recording/resampler.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "sound_files.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::must;
using testing::sine;

constexpr int64_t kTo = 24000;

/// Resamples in pieces of `piece` samples.
std::vector<float> resample(const std::vector<float>& samples, int64_t from, size_t piece) {
  Resampler resampler = must(Resampler::create(from, kTo));
  std::vector<float> output;
  for (size_t begin = 0; begin < samples.size(); begin += piece) {
    const Status status = resampler.write(samples.data() + begin, std::min(piece, samples.size() - begin), output);
    EXPECT_TRUE(status.ok());
  }
  EXPECT_TRUE(resampler.finish(output).ok());
  return output;
}

TEST(Resampler, KeepsATone) {
  for (const int64_t from : {8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000}) {
    const auto output = resample(sine(440, 1, from), from, 4096);
    const auto expected = sine(440, 1, kTo);
    ASSERT_EQ(output.size(), expected.size()) << from;
    for (size_t i = 2400; i + 2400 < output.size(); ++i) {  // The ends ring: a tone that begins at once is no tone.
      ASSERT_NEAR(output[i], expected[i], 2e-5) << from << " Hz, sample " << i;
    }
  }
}

TEST(Resampler, RemovesWhatTheNewRateCannotHold) {
  const auto output = resample(sine(15000, 1, 48000), 48000, 4096);  // Above 12 kHz: it would come back as 9 kHz.
  for (size_t i = 2400; i + 2400 < output.size(); ++i) {
    ASSERT_NEAR(output[i], 0, 2e-5);
  }
}

TEST(Resampler, PiecesChangeNothing) {
  for (const int64_t from : {16000, 24000, 44100}) {
    const auto samples = sine(1000, 0.7, from);
    const auto whole = resample(samples, from, samples.size());
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, size_t{65536}}) {
      EXPECT_EQ(resample(samples, from, piece), whole) << from << " Hz in pieces of " << piece;
    }
  }
}

TEST(Resampler, MakesAsManySamplesAsTheReference) {
  for (const int64_t from : {8000, 16000, 22050, 24000, 44100, 48000, 768000}) {
    for (const int64_t count : {0, 1, 2, 3, 100, 1001, 44099, 44101}) {
      const int64_t expected = (count * kTo + from - 1) / from;  // ceil(count * to / from)
      EXPECT_EQ(resample(std::vector<float>(static_cast<size_t>(count), 0.1F), from, 512).size(),
                static_cast<size_t>(expected))
          << count << " samples of " << from << " Hz";
    }
  }
}

TEST(Resampler, EqualRatesAreACopy) {
  const auto samples = sine(440, 0.1, kTo);
  EXPECT_EQ(resample(samples, kTo, 100), samples);
}

TEST(Resampler, ImpossibleRateIsAnError) {
  const auto resampler = Resampler::create(0, kTo);
  ASSERT_FALSE(resampler.ok());
  EXPECT_NE(resampler.error().message.find("0 Hz"), std::string::npos) << resampler.error().message;
}

}  // namespace
}  // namespace qwen3_tts
