#include "stages/codec_decoder.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ops/ops.h"
#include "program/contract.h"
#include "program/program.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::must;

constexpr int64_t kFrames = 40;

/// With an fp32 codec decoder, and with one in integers.
class CodecDecoderTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    register_ops();
    program_ = must(Program::create(testing::model_path(GetParam())));
    metadata_ = must(ModelMetadata::parse(must(program_->read_string(contract::kContractMethod))));
    decoder_ = std::make_unique<CodecDecoder>(*program_, metadata_, nullptr);
    state_ = must(decoder_->create_state());
    for (int64_t i = 0; i < kFrames * metadata_.num_code_groups; ++i) {
      codes_.push_back(i * 7919 % metadata_.code_vocab_size);
    }
  }

  /// All frames, in calls of the given sizes, over and over.
  std::vector<float> decode(const std::vector<int64_t>& sizes) {
    std::vector<float> samples(static_cast<size_t>(kFrames * metadata_.samples_per_frame));
    EXPECT_TRUE(state_.clear().ok());
    size_t next = 0;
    for (int64_t frame = 0; frame < kFrames;) {
      const int64_t count = std::min(sizes[next++ % sizes.size()], kFrames - frame);
      const Status status = decoder_->decode(state_, codes_.data() + frame * metadata_.num_code_groups, count,
                                             samples.data() + frame * metadata_.samples_per_frame);
      EXPECT_TRUE(status.ok());
      frame += count;
    }
    return samples;
  }

  std::unique_ptr<Program> program_;
  ModelMetadata metadata_;
  std::unique_ptr<CodecDecoder> decoder_;
  DecoderState state_;
  std::vector<int64_t> codes_;
};

INSTANTIATE_TEST_SUITE_P(Both, CodecDecoderTest, ::testing::Values("tiny-base", "tiny-customvoice-small"),
                         [](const auto& test) { return test.index == 0 ? "Fp32" : "Integers"; });

TEST_P(CodecDecoderTest, AnySplitGivesTheSameBytes) {
  ASSERT_EQ(metadata_.max_decode_frames, 4);
  const std::vector<float> largest = decode({metadata_.max_decode_frames});
  EXPECT_GT(*std::max_element(largest.begin(), largest.end()), 0.0F);
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{1}, {2}, {3}, {1, 4, 2, 3}}) {
    EXPECT_EQ(decode(sizes), largest) << "calls of " << sizes[0] << " frames";
  }
}

TEST_P(CodecDecoderTest, LaterFramesDoNotReachBack) {
  const std::vector<float> before = decode({4});
  std::fill(codes_.end() - metadata_.num_code_groups, codes_.end(), 0);
  const std::vector<float> after = decode({4});
  const auto last = static_cast<int64_t>(before.size()) - metadata_.samples_per_frame;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + last, after.begin()));
  EXPECT_NE(before, after);
}

TEST_P(CodecDecoderTest, RestoredStateGoesOnWhereItWasTaken) {
  const std::vector<float> whole = decode({4});
  const int64_t known = 21;  // not a multiple of a call's frames
  const auto groups = static_cast<std::ptrdiff_t>(metadata_.num_code_groups);
  std::vector<float> samples(static_cast<size_t>(3 * metadata_.samples_per_frame));
  ASSERT_TRUE(state_.clear().ok());
  for (int64_t frame = 0; frame < known; frame += 3) {
    ASSERT_TRUE(decoder_->decode(state_, codes_.data() + frame * groups, 3, samples.data()).ok());
  }
  const Snapshot snapshot = state_.snapshot();
  EXPECT_EQ(snapshot.size(), state_.snapshot_bytes());
  decode({4});
  DecoderState other = must(decoder_->create_state());
  other.restore(snapshot, known);
  ASSERT_TRUE(decoder_->decode(other, codes_.data() + known * groups, 3, samples.data()).ok());
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), whole.begin() + known * metadata_.samples_per_frame));
}

}  // namespace
}  // namespace qwen3_tts
