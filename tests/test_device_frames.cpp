#include "stages/device_frames.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ops/ops.h"
#include "program/model_file.h"
#include "test_models.h"

/// Frames of three utterances by a program for three (tests/gpu_program.py), one of which breaks.
namespace qwen3_tts {
namespace {

using testing::must;
using Stream = std::unique_ptr<FrameStream>;
using Frames = std::vector<std::vector<int64_t>>;

constexpr int64_t kPromptRows = 5;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class DeviceFramesTest : public ::testing::Test {
 protected:
  DeviceFramesTest() : model_(open()), frames_(must(DeviceFrames::create(*model_.program, model_.metadata))) {}

  static ModelFile open() {
    register_ops();
    EngineOptions options;
    options.model_path = testing::model_path("tiny-customvoice-gpu-batch");
    ModelFile model = must(open_model(options));
    EXPECT_TRUE(open_weights(model, options).ok());
    return model;
  }

  std::vector<float> rows(int64_t count, uint32_t seed) const {
    std::minstd_rand random(seed);
    std::vector<float> values(static_cast<size_t>(count * model_.metadata.hidden_size));
    for (float& value : values) {
      value = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
    }
    return values;
  }

  /// An utterance whose prompt is to be read; rows are `seed`'s.
  Stream make_stream(uint32_t seed) {
    Stream stream = must(frames_->create_stream());
    stream->prompt.trailing = rows(1, seed + 1000);
    stream->prompt.num_trailing = 1;
    stream->prompt.pad_row = rows(1, seed + 2000);
    stream->draw = {{0.9F, 50, 1.0F}, {0.8F, 20, 0.9F}, 1.05F, 2, seed};
    EXPECT_TRUE(frames_->take_place(*stream));
    frames_->begin(*stream, 0, 10);
    return stream;
  }

  void read(FrameStream& stream, const std::vector<float>& rows) {
    const Status status = frames_->read(stream, rows.data(), kPromptRows);
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  Stream begun(uint32_t seed) {
    Stream stream = make_stream(seed);
    read(*stream, rows(kPromptRows, seed));
    return stream;
  }

  void draw(const FrameMaker::Streams& streams) {
    ASSERT_TRUE(frames_->draw(streams).ok());
    ASSERT_TRUE(frames_->complete(streams).ok());
  }

  ModelFile model_;
  std::unique_ptr<DeviceFrames> frames_;
};

TEST_F(DeviceFramesTest, AnErrorIsThatOfItsOwnUtterance) {
  Frames expected;
  {
    const Stream alone = begun(1);
    for (int i = 0; i < 3; ++i) {
      draw({alone.get()});
      ASSERT_TRUE(alone->status.ok());
      expected.push_back(alone->codes);
    }
  }
  const Stream breaks_first = make_stream(3);
  read(*breaks_first, std::vector<float>(static_cast<size_t>(kPromptRows * model_.metadata.hidden_size), kNan));
  const Stream breaks_later = begun(2);
  const Stream good = begun(1);
  breaks_later->prompt.trailing.front() = kNan;
  draw({good.get(), breaks_first.get(), breaks_later.get()});
  ASSERT_FALSE(breaks_first->status.ok());
  EXPECT_EQ(breaks_first->status.error().message,
            "the talker's logits of token 0 are not numbers; the model is damaged");
  EXPECT_TRUE(breaks_later->status.ok()) << "its prompt is right";
  EXPECT_EQ(good->codes, expected[0]);
  draw({good.get(), breaks_later.get()});
  ASSERT_FALSE(breaks_later->status.ok());
  EXPECT_EQ(breaks_later->status.error().message,
            "the codes of frame 1 are out of range, so logits were not numbers; the model is damaged");
  EXPECT_EQ(breaks_later->tokens.size(), 1U) << "no token was drawn";
  EXPECT_EQ(good->codes, expected[1]);
  draw({good.get()});
  EXPECT_EQ(good->codes, expected[2]);
}

/// A row that begins its piece is made by another method, and the others share their call without it.
TEST_F(DeviceFramesTest, WhoBeginsMayShareACallWithWhoGoesOn) {
  Frames expected;
  for (const uint32_t seed : {1U, 2U}) {
    const Stream alone = begun(seed);
    draw({alone.get()});
    expected.push_back(alone->codes);
    draw({alone.get()});
    expected.push_back(alone->codes);
  }
  const Stream idle = begun(4);
  const Stream first = begun(1);
  draw({first.get()});
  EXPECT_EQ(first->codes, expected[0]);
  const Stream second = begun(2);
  draw({second.get(), first.get()});
  EXPECT_EQ(second->codes, expected[2]);
  EXPECT_EQ(first->codes, expected[1]);
  draw({second.get()});
  EXPECT_EQ(second->codes, expected[3]);
}

TEST_F(DeviceFramesTest, AsManyPiecesAsSlotsHaveAPlace) {
  EXPECT_EQ(frames_->max_streams(), 3);
  std::vector<Stream> streams;
  for (uint32_t seed = 0; seed < 3; ++seed) {
    streams.push_back(make_stream(seed));
  }
  const Stream fourth = must(frames_->create_stream());
  EXPECT_FALSE(frames_->take_place(*fourth));
  EXPECT_TRUE(frames_->take_place(*streams[1])) << "it has one";
  EXPECT_FALSE(frames_->take_place(*fourth));
  frames_->leave_place(*streams[1]);
  EXPECT_TRUE(frames_->take_place(*fourth));
  EXPECT_FALSE(frames_->take_place(*streams[1]));
  frames_->rest(*fourth);
  EXPECT_TRUE(frames_->take_place(*streams[1]));
  streams.pop_back();
  EXPECT_TRUE(frames_->take_place(*fourth));
}

}  // namespace
}  // namespace qwen3_tts
