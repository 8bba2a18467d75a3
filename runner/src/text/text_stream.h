#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/result.h>

#include "text/text_splitter.h"

namespace qwen3_tts {

/// A text that is still being written, cut into parts that can be spoken before the rest is known. The parts depend on
/// the text alone, and not on how it comes: bytes may be cut anywhere, also inside a character.
///
/// A part is a sentence. The first one may be a clause, so that speech begins early. A sentence that a piece does not
/// carry is cut at a clause, or between words.
class TextStream {
 public:
  /// `has_markup`: what stands in brackets, as pauses do, stays whole.
  TextStream(const PieceLimits& limits, CountTokens count, bool has_markup);

  /// Takes the next bytes, and gives the parts that they complete. A byte order mark before the first ones is dropped.
  /// kInvalidArgument when they are no UTF-8.
  Result<std::vector<std::string>> append(std::string_view bytes);

  /// No more bytes come: gives the rest, which may be blank. kInvalidArgument when the last character is cut off.
  Result<std::vector<std::string>> finish();

 private:
  Status take(std::string_view bytes);
  std::vector<std::string> cut_parts(bool is_all);
  size_t part_end(std::string_view window, bool is_all) const;

  PieceLimits limits_;
  CountTokens count_;
  bool has_markup_;
  size_t num_bytes_ = 0;   ///< Taken so far.
  std::string undecoded_;  ///< The begin of a character.
  std::string text_;       ///< From the begin of the next part.
  bool is_first_ = true;   ///< No part had words.
};

}  // namespace qwen3_tts
