// SpeedSink in a library that is built without libsonic: no_time_scale.cpp stands in this program.

#include <qwen3_tts/speed_sink.h>

#include <string>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

struct Counter : AudioSink {
  Status write(const float* /*samples*/, int64_t num_samples) override {
    count += num_samples;
    return {};
  }
  Status close() override { return {}; }

  int64_t count = 0;
};

TEST(NoTimeScaleTest, AnotherSpeedSaysWhatIsMissing) {
  Counter counter;
  const auto sink = SpeedSink::create(counter, 24000, 1.5);
  ASSERT_FALSE(sink.ok());
  EXPECT_NE(sink.error().message.find("built without libsonic"), std::string::npos) << sink.error().message;
}

TEST(NoTimeScaleTest, SpeedOneNeedsNothing) {
  Counter counter;
  const auto sink = SpeedSink::create(counter, 24000, 1);
  ASSERT_TRUE(sink.ok());
  const float sample = 0.5F;
  EXPECT_TRUE((*sink)->write(&sample, 1).ok() && (*sink)->close().ok());
  EXPECT_EQ(counter.count, 1);
}

}  // namespace
}  // namespace qwen3_tts
