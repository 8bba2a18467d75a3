#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <qwen3_tts/synthesis_session.h>

#include "audio/leading_silence.h"
#include "base/scoped_timer.h"
#include "program/state_lease.h"
#include "session/engine_impl.h"
#include "session/resolved_options.h"
#include "session/utterance_plan.h"
#include "stages/code_predictor.h"
#include "stages/codec_decoder.h"
#include "stages/decode_worker.h"
#include "stages/embedding.h"
#include "stages/frame_step.h"
#include "stages/prompt.h"
#include "stages/talker.h"

namespace qwen3_tts {

/// One utterance after the other: the stages with their state, and the loop that passes data on.
struct SynthesisSession::Impl {
  /// Borrows `engine`.
  static Result<std::unique_ptr<Impl>> create(Engine::Impl& engine);

  Status check(const SynthesisRequest& request, const SynthesisOptions& options) const;
  Status start(const SynthesisRequest& request, const SynthesisOptions& options);
  Result<AudioChunk> next();
  Result<SynthesisStats> synthesize(const SynthesisRequest& request, const SynthesisOptions& options, AudioSink& sink);
  Status decode(const std::vector<int64_t>& codes, AudioSink& sink);
  void stop() { is_stopped_ = true; }
  void reset();

  const std::vector<int64_t>& codes() const { return codes_; }
  const std::vector<int64_t>& talker_tokens() const { return tokens_; }
  const SynthesisStats& stats() const { return stats_; }

 private:
  enum class State { kIdle, kRunning, kFinished, kPoisoned };

  /// Tokens that may be drawn for a piece, and what it says when they are.
  struct PieceLimit {
    int64_t num_tokens;
    FinishReason reason;
  };

  Impl(Engine::Impl& engine, std::optional<StateLease> lease)
      : engine_(engine), lease_(std::move(lease)), embedding_(*engine.program, engine.metadata) {}

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
  Status load_methods(Task task);

  // start(), and every piece of the text after the first
  Status prepare(const SynthesisRequest& request, const SynthesisOptions& options);
  Status begin_piece();
  PieceLimit piece_limit(const PromptPlan& plan, int64_t num_text_tokens) const;
  Status read_prompt(const PromptPlan& plan);
  Status make_prompt(const PromptPlan& plan, int64_t num_known);
  Status prime_codec(const std::vector<int64_t>& codes);

  // next()
  Result<AudioChunk> make_chunk();
  void drop_frames_ahead();
  Status make_frames(int64_t count);
  Status make_frames_beside(int64_t first, int64_t count);
  Status make_frame();
  Result<int64_t> next_token();
  /// The codes that go with `token`, the last one.
  Result<const std::vector<int64_t>*> complete_frame(int64_t token);
  Status end_piece(FinishReason reason);
  Status decode_pending();
  Status wait_for_samples();
  void finish(FinishReason reason);

  Status write(const AudioChunk& chunk, AudioSink& sink);
  /// Takes a copy: the caller may hand in this session's own codes().
  Status decode_into(std::vector<int64_t> codes, AudioSink& sink);

  Engine::Impl& engine_;
  std::optional<StateLease> lease_;  ///< Of a program that keeps its state.
  Embedding embedding_;
  std::unique_ptr<Talker> talker_;
  std::unique_ptr<FrameStep> frame_step_;  ///< In place of the talker's steps and the code predictor; or null.
  std::unique_ptr<CodePredictor> code_predictor_;  ///< Null if there is a frame_step_.
  std::unique_ptr<CodecDecoder> codec_decoder_;
  std::unique_ptr<DecodeWorker> decode_worker_;  ///< Does nothing unless the engine is pipelined.

  State state_ = State::kIdle;
  std::atomic<bool> is_stopped_{false};
  ResolvedOptions options_{};
  SynthesisRequest request_;  ///< Without its text.
  UtterancePlan plan_;
  size_t next_piece_ = 0;                         ///< Of the plan.
  PieceLimit limit_{};                            ///< Of the piece that is spoken.
  FinishReason end_reason_ = FinishReason::kEos;  ///< Of the first piece that a limit ended.
  Prompt prompt_;
  int64_t num_frames_ = 0;      ///< Frames made.
  int64_t decoded_frames_ = 0;  ///< Frames turned into samples, or being so.
  size_t decoded_tokens_ = 0;   ///< Tokens drawn up to there.
  bool has_ended_ = false;      ///< No more frames are made; the last ones may have no samples yet.
  std::vector<int64_t> tokens_;  ///< Drawn by the talker, the last one of every piece too.
  std::vector<int64_t> codes_;   ///< [num_frames_, G]
  std::vector<float> samples_;   ///< Of the chunk being made.
  LeadingSilence leading_silence_;
  Clock::time_point start_time_;
  SynthesisStats stats_;
};

}  // namespace qwen3_tts
