#include <qwen3_tts/speed_sink.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sound_files.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kRate = 24000;
constexpr double kSpeeds[] = {0.5, 0.8, 1.25, 1.5, 2.0};
constexpr int64_t kMostHeld = 960;  // 40 ms.
constexpr double kLongestPeriod = kRate / 65.0;

/// Keeps everything.
struct Ear : AudioSink {
  Status write(const float* data, int64_t size) override {
    samples.insert(samples.end(), data, data + size);
    return failure;
  }
  Status close() override {
    ++num_closed;
    return {};
  }

  std::vector<float> samples;
  int num_closed = 0;
  Status failure;
};

std::unique_ptr<SpeedSink> at(double speed, Ear& ear) {
  auto sink = SpeedSink::create(ear, kRate, speed);
  EXPECT_TRUE(sink.ok()) << sink.error().message;
  return std::move(*sink);
}

/// Like a vowel: a tone of a voice's pitch with its overtones, swelling and fading.
std::vector<float> voice(double hertz, double seconds) {
  std::vector<float> sum(static_cast<size_t>(seconds * kRate));
  for (int overtone = 1; overtone < 6; ++overtone) {
    const std::vector<float> tone = testing::sine(hertz * overtone, seconds, kRate, 0.3 / overtone);
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += tone[i] * (0.6F + 0.4F * std::sin(static_cast<float>(i) / 3000));
    }
  }
  return sum;
}

std::vector<float> heard(const std::vector<float>& samples, double speed, int64_t chunk) {
  Ear ear;
  const auto sink = at(speed, ear);
  const auto size = static_cast<int64_t>(samples.size());
  for (int64_t first = 0; first < size; first += chunk) {
    EXPECT_TRUE(sink->write(samples.data() + first, std::min(chunk, size - first)).ok());
  }
  EXPECT_TRUE(sink->close().ok());
  EXPECT_EQ(ear.num_closed, 1);
  return ear.samples;
}

/// How much the middle of the sound is like what comes `lag` samples later.
double likeness(const std::vector<float>& samples, size_t lag) {
  const size_t begin = samples.size() / 2;
  double product = 0;
  for (size_t i = begin; i < begin + 2400; ++i) {
    product += samples[i] * samples[i + lag];
  }
  return product;
}

/// The first lag, in samples, at which the sound is like itself: its period.
size_t period(const std::vector<float>& samples) {
  const double same = likeness(samples, 0);
  size_t lag = 40;
  while (likeness(samples, lag) < 0.8 * same) {
    ++lag;
  }
  while (likeness(samples, lag) < likeness(samples, lag + 1)) {
    ++lag;
  }
  return lag;
}

TEST(SpeedSinkTest, ChangesTheLengthAndNotThePitch) {
  for (const double hertz : {120.0, 240.0}) {
    const std::vector<float> samples = voice(hertz, 3);
    for (const double speed : kSpeeds) {
      const std::vector<float> output = heard(samples, speed, 1920);
      EXPECT_NEAR(static_cast<double>(output.size()), static_cast<double>(samples.size()) / speed, kLongestPeriod)
          << speed;
      EXPECT_NEAR(static_cast<double>(period(output)), kRate / hertz, 2) << speed;
    }
  }
}

TEST(SpeedSinkTest, DeliveryChangesNothing) {
  const std::vector<float> samples = voice(170, 2);
  for (const double speed : kSpeeds) {
    const std::vector<float> once = heard(samples, speed, 1 << 20);
    EXPECT_EQ(heard(samples, speed, 1920), once) << speed;
    EXPECT_EQ(heard(samples, speed, 77), once) << speed;
  }
}

TEST(SpeedSinkTest, OneIsBypassed) {
  std::vector<float> samples = voice(170, 0.3);
  samples[5] = 1.5F;
  samples[6] = 1e-9F;
  EXPECT_EQ(heard(samples, 1, 1920), samples);
}

TEST(SpeedSinkTest, HoldsLittleBack) {
  const std::vector<float> samples = voice(100, 2);
  for (const double speed : kSpeeds) {
    Ear ear;
    const auto sink = at(speed, ear);
    for (size_t first = 0; first < samples.size(); first += 480) {
      ASSERT_TRUE(sink->write(samples.data() + first, 480).ok());
      const double passed = speed * static_cast<double>(ear.samples.size());
      EXPECT_LE(static_cast<double>(first + 480) - passed, kMostHeld) << speed << " at " << first;
    }
  }
}

TEST(SpeedSinkTest, LoudSoundsAreClippedNotWrapped) {
  const std::vector<float> samples(9600, 1.2F);
  for (const float sample : heard(samples, 1.5, 1920)) {
    ASSERT_LE(std::abs(sample), 1.0F);
    ASSERT_GE(sample, 0.0F);
  }
}

TEST(SpeedSinkTest, EmptyUtteranceStaysEmpty) {
  for (const double speed : kSpeeds) {
    EXPECT_TRUE(heard({}, speed, 1920).empty());
  }
}

TEST(SpeedSinkTest, OtherSpeedsAreRefused) {
  Ear ear;
  for (const double speed : {0.0, -1.0, 0.49, 2.01, std::nan(""), HUGE_VAL}) {
    const auto sink = SpeedSink::create(ear, kRate, speed);
    ASSERT_FALSE(sink.ok());
    EXPECT_EQ(sink.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(sink.error().message.find("; it must be from 0.5 to 2"), std::string::npos) << sink.error().message;
  }
}

TEST(SpeedSinkTest, ErrorsPass) {
  Ear ear;
  const auto sink = at(1.5, ear);
  const float bad = std::nanf("");
  EXPECT_EQ(sink->write(&bad, 1).error().code, ErrorCode::kExecution);
  ear.failure = Error{ErrorCode::kIo, "gone"};
  EXPECT_EQ(sink->write(voice(100, 1).data(), kRate).error().message, "gone");
}

}  // namespace
}  // namespace qwen3_tts
