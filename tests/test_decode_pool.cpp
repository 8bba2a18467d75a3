#include "stages/decode_pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
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

class DecodePoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    register_ops();
    program_ = must(Program::create(testing::model_path("tiny-base")));
    metadata_ = must(ModelMetadata::parse(must(program_->read_string(contract::kContractMethod))));
    other_program_ = must(Program::create(testing::model_path("tiny-base")));
    decoder_ = std::make_unique<CodecDecoder>(*program_, metadata_, nullptr);
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

  /// So many threads, for two of which there is a decoder.
  std::unique_ptr<DecodePool> pool(size_t max_threads) {
    return std::make_unique<DecodePool>(
        max_threads,
        [this]() -> Result<std::unique_ptr<FrameDecoder>> {
          if (num_decoders_++ > 1) {
            return Error{ErrorCode::kExecution, "no more decoders"};
          }
          Program& program = num_decoders_ == 1 ? *program_ : *other_program_;
          return std::unique_ptr<FrameDecoder>(std::make_unique<CodecDecoder>(program, metadata_, nullptr));
        },
        [this] {
          const std::lock_guard<std::mutex> lock(mutex_);
          changed_.notify_all();
        });
  }

  /// Prepares a job of one frame.
  void set(DecodeJob& job, DecoderState& state, int64_t index, std::vector<float>& samples) const {
    job.state = &state;
    job.codes = frame(index);
    job.num_frames = 1;
    job.samples = samples.data();
  }

  void wait(const DecodeJob& job) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !job.is_under_way; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> num_decoders_{0};
  std::unique_ptr<Program> program_, other_program_;
  ModelMetadata metadata_;
  std::unique_ptr<CodecDecoder> decoder_;
};

TEST_F(DecodePoolTest, DecodesOneJobAfterTheOther) {
  std::vector<std::vector<float>> expected(3, silence());
  DecoderState state = must(decoder_->create_state());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(decoder_->decode(state, frame(static_cast<int64_t>(i)).data(), 1, expected[i].data()).ok());
  }
  ASSERT_TRUE(state.clear().ok());
  const auto pool = this->pool(1);
  DecodeJob job;
  for (size_t i = 0; i < expected.size(); ++i) {
    std::vector<float> samples = silence();
    set(job, state, static_cast<int64_t>(i), samples);
    pool->start(job);
    wait(job);
    ASSERT_TRUE(job.status.ok()) << job.status.error().message;
    EXPECT_FALSE(pool->is_busy());
    EXPECT_GT(job.decode_ms, 0.0);
    EXPECT_EQ(samples, expected[i]) << i;
  }
}

TEST_F(DecodePoolTest, UtterancesMayBeDecodedAtOnce) {
  constexpr size_t kJobs = 7;
  std::vector<float> expected = silence();
  DecoderState state = must(decoder_->create_state());
  ASSERT_TRUE(decoder_->decode(state, frame(4).data(), 1, expected.data()).ok());
  std::vector<DecoderState> states;
  std::vector<std::vector<float>> samples(kJobs, silence());
  for (size_t i = 0; i < kJobs; ++i) {
    states.push_back(must(decoder_->create_state()));
  }
  const auto pool = this->pool(2);
  std::vector<DecodeJob> jobs(kJobs);
  for (size_t i = 0; i < kJobs; ++i) {
    set(jobs[i], states[i], 4, samples[i]);
    jobs[i].is_urgent = i % 3 == 2;
    pool->start(jobs[i]);
  }
  for (size_t i = 0; i < kJobs; ++i) {
    wait(jobs[i]);
    EXPECT_TRUE(jobs[i].status.ok());
    EXPECT_EQ(samples[i], expected);
  }
}

TEST_F(DecodePoolTest, JobSaysHowItEnded) {
  const auto pool = this->pool(1);
  DecoderState state = must(decoder_->create_state());
  std::vector<float> samples = silence();
  DecodeJob job;
  set(job, state, 0, samples);
  job.codes.clear();
  job.num_frames = 0;
  pool->start(job);
  wait(job);
  ASSERT_FALSE(job.status.ok());
  EXPECT_NE(job.status.error().message.find("decode_audio"), std::string::npos) << job.status.error().message;
  set(job, state, 0, samples);
  pool->start(job);
  wait(job);
  EXPECT_TRUE(job.status.ok()) << "the pool goes on after an error";
}

TEST_F(DecodePoolTest, ThreadWithoutADecoderSaysWhy) {
  num_decoders_ = 2;
  const auto pool = this->pool(1);
  DecoderState state = must(decoder_->create_state());
  std::vector<float> samples = silence();
  DecodeJob job;
  set(job, state, 0, samples);
  pool->start(job);
  wait(job);
  ASSERT_FALSE(job.status.ok());
  EXPECT_EQ(job.status.error().message, "no more decoders");
}

}  // namespace
}  // namespace qwen3_tts
