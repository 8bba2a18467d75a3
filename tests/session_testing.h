#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/synthesis_session.h>

#include "test_models.h"

/// What the tests of a session say, hear and compare.
namespace qwen3_tts::testing {

using Samples = std::vector<float>;

/// Keeps what it gets; may fail, stop a session after some writes, or take its time.
class MemorySink : public AudioSink {
 public:
  Status write(const float* samples, int64_t num_samples) override {
    ++num_writes;
    std::this_thread::sleep_for(delay);
    if (num_writes == fail_at_write) {
      return Error{ErrorCode::kIo, "the disk is full"};
    }
    if (num_writes == stop_at_write) {
      session->stop();
    }
    received.insert(received.end(), samples, samples + num_samples);
    return {};
  }
  Status close() override {
    is_closed = true;
    return {};
  }

  Samples received;
  bool is_closed = false;
  int num_writes = 0;
  int fail_at_write = 0;
  int stop_at_write = 0;
  SynthesisSession* session = nullptr;
  std::chrono::milliseconds delay{0};
};

/// What one utterance gave.
struct Utterance {
  Samples samples;
  std::vector<int64_t> codes;
  std::vector<int64_t> tokens;
  SynthesisStats stats;
};

inline Utterance speak(SynthesisSession& session, const SynthesisRequest& request, const SynthesisOptions& options) {
  MemorySink sink;
  const SynthesisStats stats = must(session.synthesize(request, options, sink));
  EXPECT_TRUE(sink.is_closed);
  return {sink.received, session.codes(), session.talker_tokens(), stats};
}

inline void expect_equal(const Utterance& left, const Utterance& right) {
  EXPECT_EQ(left.tokens, right.tokens);
  EXPECT_EQ(left.codes, right.codes);
  EXPECT_EQ(left.samples, right.samples);  // Bit for bit.
}

inline SynthesisRequest request(const std::string& text) {
  SynthesisRequest request;
  request.text = text;
  return request;
}

inline SynthesisOptions options(int64_t max_new_tokens, uint64_t seed = 42) {
  SynthesisOptions options;
  options.max_new_tokens = max_new_tokens;
  options.seed = seed;
  return options;
}

/// Codes that look like speech enough to be decoded.
inline std::vector<int64_t> some_codes(int64_t num_frames, const ModelMetadata& metadata) {
  std::vector<int64_t> codes(static_cast<size_t>(num_frames * metadata.num_code_groups));
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<int64_t>(i * 7919) % metadata.code_vocab_size;
  }
  return codes;
}

inline std::shared_ptr<Voice> some_voice(int64_t num_frames, const ModelMetadata& metadata) {
  auto shared = std::make_shared<Voice>();
  Voice& voice = *shared;
  voice.name = "Ann";
  for (int64_t i = 0; i < metadata.hidden_size; ++i) {
    voice.x_vector.push_back(static_cast<float>(i % 5) * 0.01F);
  }
  voice.codes = some_codes(num_frames, metadata);
  if (num_frames > 0) {
    voice.text_ids = {10, 11, 12, 13};
  }
  return shared;
}

}  // namespace qwen3_tts::testing
