// Texts: checks, normalization, tokens and pieces.

#include <algorithm>

#include "base/unicode_nfc.h"
#include "fuzzing.h"
#include "text/text_checks.h"
#include "text/text_splitter.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {
namespace {

using testing::require;

/// Every byte is a token, and some pairs are.
TextTokenizer make_tokenizer() {
  std::string table = "Q3TTSTOK";
  const auto append_u32 = [&](uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
      table.push_back(static_cast<char>(value >> shift & 0xFF));
    }
  };
  const std::string pairs = "the  aandeer";
  append_u32(1);
  append_u32(300);
  append_u32(static_cast<uint32_t>(pairs.size() / 2));
  for (uint32_t byte = 0; byte < 256; ++byte) {
    append_u32(byte);
  }
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    table += pairs.substr(i, 2) + '\0';
  }
  return TextTokenizer::create(reinterpret_cast<const uint8_t*>(table.data()), table.size()).value();
}

void cut(std::string_view utf8, const TextTokenizer& tokenizer, int64_t max_tokens) {
  const auto count = [&](std::string_view part) { return static_cast<int64_t>(tokenizer.encode(part).value().size()); };
  const char* end = utf8.data();
  for (const std::string_view piece : split_text(utf8, {max_tokens, 3}, count)) {
    require(!piece.empty() && trim(piece).size() == piece.size(), "pieces have words, and no whitespace at their ends");
    require(piece.data() >= end && piece.data() + piece.size() <= utf8.data() + utf8.size(), "pieces are in order");
    require(trim(std::string_view(end, static_cast<size_t>(piece.data() - end))).empty(), "nothing is lost");
    end = piece.data() + piece.size();
  }
  require(trim(std::string_view(end, static_cast<size_t>(utf8.data() + utf8.size() - end))).empty(), "nor at the end");
}

}  // namespace
}  // namespace qwen3_tts

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  static const TextTokenizer tokenizer = make_tokenizer();
  if (size == 0) {
    return 0;
  }
  const std::string_view bytes = testing::text_of(data + 1, size - 1);
  static_cast<void>(check_text(bytes));
  static_cast<void>(describe_start(bytes));
  const auto ids = tokenizer.encode(bytes);
  testing::require(ids.ok() == decode_utf8(bytes).ok(), "UTF-8 has tokens, and nothing else");
  if (ids.ok()) {
    const bool are_ids = std::all_of(ids->begin(), ids->end(), [](int64_t id) { return id >= 0 && id < 300; });
    testing::require(are_ids, "ids are of the table");
    cut(bytes, tokenizer, 1 + data[0] % 64);
  }
  return 0;
}
