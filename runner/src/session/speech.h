#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/stats.h>

#include "audio/leading_silence.h"
#include "base/scoped_timer.h"
#include "session/frame_loop.h"
#include "session/prefix_cache.h"
#include "session/spoken_piece.h"
#include "session/utterance.h"
#include "stages/decode_pool.h"
#include "stages/frame_decoder.h"
#include "stages/frame_maker.h"

namespace qwen3_tts {

/// One utterance after the other, from pieces of text to samples. A FrameLoop makes the frames, of the piece that is
/// heard and of some behind it; a FrameDecoder turns them into samples, in the order of the text; an Utterance keeps
/// the books.
class Speech {
 public:
  /// What it runs on; all borrowed.
  struct Parts {
    const ModelMetadata& metadata;
    RowSource& rows;
    FrameMaker& frames;
    FrameLoop& loop;
    FrameDecoder& decoder;
    DecodePool* pool;  ///< Null: the decoder has its turn, after the frames.
    PrefixCache& prefixes;
  };

  static Result<std::unique_ptr<Speech>> create(const Parts& parts);
  ~Speech();
  Speech(const Speech&) = delete;
  Speech& operator=(const Speech&) = delete;

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

  /// Gives back what the utterance took of the frame maker's memory, when it has ended or nobody wants more of it:
  /// next() may not be called before start().
  void rest() { drop_pieces(); }

  /// No more samples come.
  bool is_finished() const { return is_finished_; }

  const Utterance& utterance() const { return utterance_; }
  /// The stages' times and counts; the others are the caller's.
  SynthesisStats& stats() { return stats_; }

 private:
  Speech(const Parts& parts, std::unique_ptr<FrameStream> stream, DecoderState decoder_state);

  /// One more piece that is not in use.
  void add_spare(std::unique_ptr<FrameStream> stream);

  // Before the first frame of a piece: speech_start.cpp
  void count(const Piece& piece);
  Status begin_piece();
  Status begin_ahead();
  bool wants_piece_ahead() const;
  void drop_pieces();
  void drop(SpokenPiece& piece);
  SpokenPiece* take_spare();
  void leave_spare_places();
  Status read_piece(SpokenPiece& piece, const PieceStart& start, bool is_ahead);
  bool wait_for_place(SpokenPiece& piece);
  Status read_prompt(SpokenPiece& piece, const PromptPlan& plan);
  Status read_rows(SpokenPiece& piece, const float* rows, int64_t num_rows);
  Status make_prompt(SpokenPiece& piece, const PromptPlan& plan, int64_t num_known);
  Status prime_codec(const std::vector<int64_t>& codes);
  Status decode_unheard(const std::vector<int64_t>& codes);

  // Frames and samples: speech.cpp
  int64_t chunk_frames() const;
  Status make_samples(int64_t num_frames);
  Status make_speech(int64_t num_frames);
  void make_silence(int64_t num_frames);
  Status make_frames(int64_t first, int64_t count);
  Status make_some(int64_t count);
  void take_frames(int64_t count);
  bool makes_frames() const {
    return !utterance_.has_ended() && utterance_.pause_samples() == 0 && !utterance_.needs_text();
  }
  bool is_all_heard() const;
  bool needs_text() const { return utterance_.needs_text() && is_all_heard(); }
  Status decode_pending();
  bool decodes_in_pool() const;
  Status wait_for_samples();
  void note_progress();

  const Parts parts_;
  std::vector<std::unique_ptr<SpokenPiece>> pieces_;  ///< All there are, used one after the other.
  std::vector<SpokenPiece*> spare_;                   ///< Those that are not in use.
  SpokenPiece* heard_ = nullptr;                      ///< The one whose frames come next; null: none was begun.
  int64_t heard_frames_ = 0;                          ///< Taken of it.
  std::deque<SpokenPiece*> ahead_;                    ///< Those behind it, in the order of the text.
  DecoderState decoder_state_;
  DecodeJob decode_job_;

  std::atomic<bool> is_stopped_{false};
  Utterance utterance_;
  bool is_finished_ = false;
  int64_t decoded_frames_ = 0;  ///< Frames turned into samples, or being so.
  std::vector<float> samples_;  ///< Of the chunk being made.
  LeadingSilence leading_silence_;
  SynthesisStats stats_;
  Clock::time_point first_heard_;  ///< When the first samples were delivered.
};

}  // namespace qwen3_tts
