#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <qwen3_tts/synthesis_session.h>

#include "base/catching.h"
#include "base/scoped_timer.h"
#include "program/int4_lease.h"
#include "session/engine_impl.h"
#include "session/open_text.h"
#include "session/speech.h"
#include "stages/embedding.h"
#include "stages/frame_decoder.h"

namespace qwen3_tts {

/// The stages that a session speaks with, and what callers see of it: order of calls, poisoning, sinks, total
/// times.
struct SynthesisSession::Impl {
  static Result<std::unique_ptr<Impl>> create(std::shared_ptr<Engine::Impl> engine);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status start(const SynthesisRequest& request, const SynthesisOptions& options);
  Status append(std::string_view utf8);
  Status finish_text();
  Result<AudioChunk> next();
  Result<SynthesisStats> synthesize(const SynthesisRequest& request, const SynthesisOptions& options, AudioSink& sink);
  Status decode(const std::vector<int64_t>& codes, AudioSink& sink);
  void stop() { speech_->stop(); }

  /// What `work` returns. An exception is an error, after which nobody knows how far it came.
  template <typename Work>
  auto guarded(const Work& work) {
    bool has_returned = false;
    auto result = catching([&] {
      auto returned = work();
      has_returned = true;
      return returned;
    });
    if (!has_returned) {
      state_ = State::kPoisoned;
    }
    return result;
  }

  void reset();

  const Utterance& utterance() const { return speech_->utterance(); }
  const SynthesisStats& stats() const { return speech_->stats(); }

 private:
  enum class State { kIdle, kRunning, kFinished, kPoisoned };

  Impl(std::shared_ptr<Engine::Impl> engine, std::optional<Int4Lease> lease);

  /// Remembers that `result` is an error, and returns it.
  template <typename T>
  T poison_on_error(T result) {
    if (!result.ok()) {
      state_ = State::kPoisoned;
    }
    return result;
  }

  Status require_not_poisoned() const;
  /// Forgets the utterance before.
  Status begin();
  Status load_methods(Workload workload);
  Status prepare(const SynthesisRequest& request, const SynthesisOptions& options);
  /// What was written since the last call, for the loop.
  Status take_text();
  void close_text();
  Status write(const AudioChunk& chunk, AudioSink& sink);
  bool is_first(const AudioChunk& chunk) const;
  Status decode_into(const std::vector<int64_t>& codes, AudioSink& sink);
  /// A stop() was about the utterance that has now ended.
  void finish();

  std::shared_ptr<Engine::Impl> engine_;
  std::optional<Int4Lease> lease_;  ///< Of a program with int4 layers for a GPU.
  Embedding embedding_;
  std::unique_ptr<FrameDecoder> decoder_;
  std::unique_ptr<Speech> speech_;
  std::mutex text_mutex_;               ///< Of text_.
  std::unique_ptr<OpenText> text_;  ///< Of an utterance that takes more of it, else null.
  State state_ = State::kIdle;
  Clock::time_point start_time_;
};

}  // namespace qwen3_tts
