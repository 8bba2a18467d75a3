// A text that comes bit by bit: its parts do not depend on where it is cut.

#include <algorithm>
#include <optional>
#include <vector>

#include "fuzzing.h"
#include "text/text_stream.h"

namespace qwen3_tts {
namespace {

using Parts = std::vector<std::string>;

/// `step`: bytes that come at once, after one that comes alone. Nothing when the text is refused.
std::optional<Parts> parts_of(std::string_view bytes, size_t step, bool has_markup) {
  const auto count = [](std::string_view text) { return static_cast<int64_t>(text.size()); };
  TextStream stream({40, PieceLimits::kNone}, count, has_markup);
  Parts all;
  for (size_t begin = 0; begin < bytes.size();) {
    const auto parts = stream.append(bytes.substr(begin, begin == 0 ? 1 : step));
    if (!parts.ok()) {
      return std::nullopt;
    }
    all.insert(all.end(), parts->begin(), parts->end());
    begin += begin == 0 ? 1 : step;
  }
  const auto rest = stream.finish();
  if (!rest.ok()) {
    return std::nullopt;
  }
  all.insert(all.end(), rest->begin(), rest->end());
  return all;
}

}  // namespace
}  // namespace qwen3_tts

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  if (size == 0 || size > 4096) {
    return 0;
  }
  const bool has_markup = data[0] % 2 == 1;
  const std::string_view bytes = testing::text_of(data + 1, size - 1);
  const auto at_once = parts_of(bytes, size, has_markup);
  testing::require(parts_of(bytes, 1 + data[0] / 2 % 16, has_markup) == at_once, "parts depend on the text alone");
  return 0;
}
