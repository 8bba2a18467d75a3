#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <qwen3_tts/result.h>

#include "stages/frame_maker.h"

namespace qwen3_tts {

/// Milliseconds that a piece's frames took: its share of the calls that it was in, which all that shared one bear
/// alike.
struct FrameTimes {
  double talker_ms = 0;
  double code_predictor_ms = 0;
  double sampler_ms = 0;
};

/// Frames that were made: the codes of all, and the tokens that were drawn for them, with the one that ended the piece.
struct MadeFrames {
  std::vector<int64_t> tokens;
  std::vector<int64_t> codes;  ///< [frames, G]
};

/// A piece of a text while frames are made of it, which a FrameLoop does. `stream` is that of who began the piece, and
/// from FrameLoop::add() to remove() the loop's; all else is guarded by the loop.
struct SpokenPiece {
  explicit SpokenPiece(std::unique_ptr<FrameStream> its_stream) : stream(std::move(its_stream)) {}
  SpokenPiece(const SpokenPiece&) = delete;
  SpokenPiece& operator=(const SpokenPiece&) = delete;

  /// Begins a piece whose prompt is read: at most so many tokens.
  void begin(int64_t num_tokens, bool before_its_turn) {
    max_tokens = num_tokens;
    is_ahead = before_its_turn;
    num_frames = 0;
    wanted_frames = 0;
    allowed_frames = 0;
    made = {};
    has_ended = false;
    status = {};
  }

  const std::unique_ptr<FrameStream> stream;
  int64_t max_tokens = 0;
  int64_t num_frames = 0;      ///< Made.
  int64_t wanted_frames = 0;   ///< Somebody waits until there are so many.
  int64_t allowed_frames = 0;  ///< There may be so many.
  MadeFrames made;             ///< What nobody has taken yet.
  FrameTimes times;            ///< The same.
  bool has_ended = false;      ///< Its last token is drawn.
  Status status;               ///< What went wrong with it; no other frame is made.
  bool is_ahead = false;       ///< Of the one that is heard: it leaves its place when no other frame is made.
  bool is_in_call = false;
};

}  // namespace qwen3_tts
