// Pauses in a text.

#include "base/unicode_nfc.h"
#include "fuzzing.h"
#include "text/pause_markup.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const std::string_view text = testing::text_of(data, size);
  if (!decode_utf8(text).ok()) {
    return 0;  // refused before
  }
  const auto stretches = read_pauses(text);
  if (!stretches.ok()) {
    return 0;
  }
  testing::require(!stretches->empty(), "a text has a stretch");
  for (const Stretch& stretch : *stretches) {
    testing::require(stretch.pause_before >= 0 && stretch.pause_before <= kLongestPause, "pauses have their limits");
  }
  static_cast<void>(without_pauses(text));
  return 0;
}
