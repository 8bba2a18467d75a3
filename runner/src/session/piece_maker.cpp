#include "session/piece_maker.h"

#include <cmath>
#include <utility>

#include "text/text_breaks.h"

namespace qwen3_tts {

void PieceMaker::pause(double seconds) { pause_ += std::llround(seconds * static_cast<double>(sample_rate_)); }

void PieceMaker::add(std::string_view text) {
  for (const std::string_view piece : split_text(text, limits_, counter(tokenizer_))) {
    if (has_words(piece)) {
      pieces_.push_back({tokenizer_.encode(piece).value(), std::exchange(pause_, 0)});
      texts_.push_back(piece);
    }
  }
}

void PieceMaker::add_paragraphs(std::string_view text, double pause_between) {
  double seconds = 0;
  for (const std::string_view paragraph : cut_text(text, TextBreak::kParagraph)) {
    if (has_words(paragraph)) {
      pause(std::exchange(seconds, pause_between));
      add(paragraph);
    }
  }
}

std::vector<Piece> PieceMaker::take() {
  texts_.clear();
  return std::exchange(pieces_, {});
}

CountTokens PieceMaker::counter(const TextTokenizer& tokenizer) {
  return [&tokenizer](std::string_view text) { return static_cast<int64_t>(tokenizer.encode(text).value().size()); };
}

}  // namespace qwen3_tts
