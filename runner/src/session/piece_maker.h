#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/text_splitter.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// A piece of the text.
struct Piece {
  std::vector<int64_t> text_ids;
  int64_t pause_before = 0;  ///< Samples of silence.
};

/// Cuts texts that the tokenizer takes into pieces, one after the other. Borrows the tokenizer, and what texts() views.
class PieceMaker {
 public:
  PieceMaker(const PieceLimits& limits, const TextTokenizer& tokenizer, int64_t sample_rate)
      : limits_(limits), tokenizer_(tokenizer), sample_rate_(sample_rate) {}

  /// Silence before the next text, in seconds.
  void pause(double seconds);

  /// Pieces without words, such as a row of stars, are left out: nobody can say them.
  void add(std::string_view text);

  /// The same, with `pause_between` seconds between the paragraphs.
  void add_paragraphs(std::string_view text, double pause_between);

  /// The pieces since the last take().
  std::vector<Piece> take();
  /// What these pieces are made of.
  const std::vector<std::string_view>& texts() const { return texts_; }
  /// Samples of silence after the last piece.
  int64_t final_pause() const { return pause_; }

  /// How many tokens a text has. A part of a text that can be tokenized can be tokenized.
  static CountTokens counter(const TextTokenizer& tokenizer);

 private:
  PieceLimits limits_;
  const TextTokenizer& tokenizer_;
  int64_t sample_rate_;
  std::vector<Piece> pieces_;
  std::vector<std::string_view> texts_;
  int64_t pause_ = 0;
};

}  // namespace qwen3_tts
