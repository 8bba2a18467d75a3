#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <qwen3_tts/result.h>

#include "base/draw_options.h"
#include "program/mapped_tensor.h"
#include "stages/prompt.h"

namespace qwen3_tts {

/// One utterance as a FrameMaker sees it, between two calls: everything that is its own. A maker adds its state.
struct FrameStream {
  FrameStream() = default;
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;
  virtual ~FrameStream() = default;

  /// Of a new piece, no token is drawn. `max_tokens` of them may be.
  void begin_tokens(uint32_t new_piece, int64_t max_tokens) {
    piece = new_piece;
    tokens.clear();
    tokens.reserve(static_cast<size_t>(max_tokens));
  }

  Prompt prompt;                ///< Of the piece that is spoken; its text rows go with the frames.
  DrawOptions draw{};           ///< How tokens are drawn.
  uint32_t piece = 0;           ///< Its number in the text, which says which random numbers are drawn with.
  std::vector<int64_t> tokens;  ///< Drawn in this piece, the last one of which becomes no frame.
  std::vector<int64_t> codes;   ///< [G] of the last frame, code 0 first.
  Status status;                ///< What went wrong with this utterance alone in the last draw() or complete().
};

/// Makes the frames of utterances, several of which may share a call: each is the same to the last bit, alone or not.
/// For one thread at a time, but for what says otherwise.
///
/// Of a piece: take_place(), begin(), read() until the prompt is read, and then draw() and complete() for every frame;
/// after a token that ends the piece there is no complete(). Nothing of an utterance is kept here but in its
/// FrameStream.
class FrameMaker {
 public:
  using Streams = std::vector<FrameStream*>;

  virtual ~FrameMaker() = default;

  /// Pieces that can be spoken at once.
  virtual int64_t max_streams() const = 0;

  /// Most rows of a prompt that are read while others wait for their frames.
  virtual int64_t slice_rows() const = 0;

  /// The state of a new utterance, which this maker alone can use. kInvalidState when there are as many as can be, of
  /// those that have their place from the beginning.
  virtual Result<std::unique_ptr<FrameStream>> create_stream() = 0;

  /// Gives the stream the place that a piece needs, from begin() to leave_place() or rest(), unless it has one. False
  /// where others have all places. Takes no memory.
  virtual bool take_place(FrameStream& stream) = 0;
  virtual bool has_place(const FrameStream& stream) const = 0;
  /// No other frame of its piece is made: others may have its place.
  virtual void leave_place(FrameStream& stream) = 0;

  /// Begins the piece with this number of at most `max_tokens` tokens: no row is read, no token drawn.
  virtual void begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) = 0;

  /// Reads rows of the prompt after those so far: [num_rows, H], at most max_rows of them. How a prompt is cut into
  /// calls may change the last bits of what comes of it. Safe from any thread, for a stream of its own.
  virtual Status read(FrameStream& stream, const float* rows, int64_t num_rows) = 0;

  /// Draws the next token of every stream, which its `tokens` end with. An error is one of the call and of all streams;
  /// one of a stream alone is its `status`.
  virtual Status draw(const Streams& streams) = 0;

  /// Completes the frames that begin with those tokens: `codes` of every stream.
  virtual Status complete(const Streams& streams) = 0;

  /// What there is to remember of the rows that were read, and how large that is for `num_rows` of them. Nothing where
  /// the program keeps it.
  virtual Snapshot snapshot(const FrameStream& stream) const = 0;
  virtual size_t snapshot_bytes(const FrameStream& stream, int64_t num_rows) const = 0;

  /// Takes what was remembered of `num_rows` rows in place of reading them.
  virtual void restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) = 0;

  /// Nothing of it is needed until the next begin(): gives back the memory that its rows took. Takes none.
  virtual void rest(FrameStream& stream) = 0;
};

}  // namespace qwen3_tts
