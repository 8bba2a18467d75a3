#include "stages/decode_worker.h"

#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "ops/ops.h"
#include "program/contract.h"
#include "program/program.h"
#include "stages/codec_decoder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::must;

class DecodeWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    register_ops();
    program_ = must(Program::create(testing::model_path("tiny-base")));
    metadata_ = must(ModelMetadata::parse(must(program_->read_string(contract::kContractMethod))));
    decoder_ = std::make_unique<CodecDecoder>(*program_, metadata_, false);
    state_ = must(decoder_->create_state());
  }

  /// Codes of one frame.
  std::vector<int64_t> frame(int64_t index) const {
    std::vector<int64_t> codes;
    for (int64_t group = 0; group < metadata_.num_code_groups; ++group) {
      codes.push_back((index * 31 + group * 7) % metadata_.code_vocab_size);
    }
    return codes;
  }

  std::vector<float> silence() const { return std::vector<float>(static_cast<size_t>(metadata_.samples_per_frame)); }

  std::unique_ptr<Program> program_;
  ModelMetadata metadata_;
  std::unique_ptr<CodecDecoder> decoder_;
  DecoderState state_;
};

TEST_F(DecodeWorkerTest, DecodesPieceAfterPiece) {
  std::vector<std::vector<float>> expected(3, silence());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(decoder_->decode(state_, frame(static_cast<int64_t>(i)).data(), 1, expected[i].data()).ok());
  }
  ASSERT_TRUE(state_.clear().ok());
  DecodeWorker worker(*decoder_, state_);
  for (size_t i = 0; i < expected.size(); ++i) {
    std::vector<float> samples = silence();
    worker.start(frame(static_cast<int64_t>(i)), 1, samples.data());
    ASSERT_TRUE(worker.wait().ok());
    EXPECT_FALSE(worker.is_busy());
    EXPECT_EQ(samples, expected[i]) << i;
  }
  EXPECT_GT(worker.take_decode_ms(), 0.0);
  EXPECT_EQ(worker.take_decode_ms(), 0.0);
}

TEST_F(DecodeWorkerTest, SaysHowItEndedOnce) {
  DecodeWorker worker(*decoder_, state_);
  EXPECT_TRUE(worker.wait().ok()) << "there was nothing to wait for";
  std::vector<float> samples(static_cast<size_t>((metadata_.max_decode_frames + 1) * metadata_.samples_per_frame));
  worker.start({}, 0, samples.data());
  const Status status = worker.wait();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("decode_audio"), std::string::npos) << status.error().message;
  EXPECT_TRUE(worker.wait().ok());
  worker.start(frame(0), 1, samples.data());
  EXPECT_TRUE(worker.wait().ok()) << "the worker goes on after an error";
}

TEST_F(DecodeWorkerTest, WaitsBeforeItGoes) {
  std::vector<float> samples = silence();
  {
    DecodeWorker worker(*decoder_, state_);
    worker.start(frame(5), 1, samples.data());
  }
  EXPECT_NE(samples, silence());
}

}  // namespace
}  // namespace qwen3_tts
