#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/stats.h>

#include "audio/leading_silence.h"
#include "session/prefix_cache.h"
#include "session/utterance.h"
#include "stages/decode_worker.h"
#include "stages/frame_decoder.h"
#include "stages/frame_maker.h"

namespace qwen3_tts {

/// The one loop from text to samples: one utterance after the other, frame by frame. It makes frames with a FrameMaker,
/// turns them into samples with a FrameDecoder, beside each other where that pays, and leaves all bookkeeping to an
/// Utterance.
class SpeechLoop {
 public:
  /// What it runs on; all borrowed.
  struct Parts {
    const ModelMetadata& metadata;
    RowSource& rows;
    FrameMaker& frames;
    FrameDecoder& decoder;
    PrefixCache& prefixes;
    bool decodes_beside;  ///< On a thread of its own while the next frames are made.
  };

  static Result<std::unique_ptr<SpeechLoop>> create(const Parts& parts);

  /// Forgets the utterance before, but not a stop().
  Status clear();

  /// Reads the prompt of the first piece.
  Status start(UtterancePlan plan, const ResolvedOptions& options);

  /// More of an open text.
  void add_pieces(std::vector<Piece> pieces);
  /// No more of it comes.
  void close_text(int64_t final_pause) { utterance_.close_text(final_pause); }

  /// The samples of the next frames; `samples` stay valid until the next call.
  Result<AudioChunk> next();

  /// Turns whole frames of codes into samples, without the language model, and hands them to `deliver`.
  Status decode(const std::vector<int64_t>& codes, const std::function<Status(const AudioChunk&)>& deliver);

  /// Ends the utterance at the next frame, or the next one before its first. Safe from any thread and signal handler.
  void stop() { is_stopped_ = true; }
  void forget_stop() { is_stopped_ = false; }

  /// No more samples come.
  bool is_finished() const { return is_finished_; }

  const Utterance& utterance() const { return utterance_; }
  /// The stages' times and counts; the others are the caller's.
  SynthesisStats& stats() { return stats_; }

 private:
  SpeechLoop(const Parts& parts, std::unique_ptr<FrameStream> stream, DecoderState decoder_state);

  // Before the first frame of a piece: speech_start.cpp
  void count(const Piece& piece);
  Status begin_piece();
  Status read_prompt(const PromptPlan& plan);
  Status read_rows(const float* rows, int64_t num_rows);
  Status make_prompt(const PromptPlan& plan, int64_t num_known);
  Status prime_codec(const std::vector<int64_t>& codes);
  Status decode_unheard(const std::vector<int64_t>& codes);

  // Frames and samples: speech_loop.cpp
  Status make_samples(int64_t num_frames);
  Status make_speech(int64_t num_frames);
  void make_silence(int64_t num_frames);
  Status make_frames(int64_t first, int64_t count);
  Status make_frame();
  bool makes_frames() const {
    return !utterance_.has_ended() && utterance_.pause_samples() == 0 && !utterance_.needs_text();
  }
  bool is_all_heard() const;
  bool needs_text() const { return utterance_.needs_text() && is_all_heard(); }
  Status draw_token();
  Status complete_frame();
  Status decode_pending();
  Status wait_for_samples();
  void note_progress();

  const Parts parts_;
  std::unique_ptr<FrameStream> stream_;
  const FrameMaker::Streams streams_;  ///< That one.
  DecoderState decoder_state_;
  DecodeWorker decode_worker_;  ///< Has nothing to do unless parts_.decodes_beside.

  std::atomic<bool> is_stopped_{false};
  Utterance utterance_;
  bool is_finished_ = false;
  int64_t decoded_frames_ = 0;  ///< Frames turned into samples, or being so.
  size_t decoded_tokens_ = 0;   ///< Tokens drawn up to there.
  std::vector<float> samples_;  ///< Of the chunk being made.
  LeadingSilence leading_silence_;
  SynthesisStats stats_;
};

}  // namespace qwen3_tts
