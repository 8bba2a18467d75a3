// The tokenizer's tables of a program.

#include "fuzzing.h"
#include "text/text_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const auto tokenizer = TextTokenizer::create(data, size);
  if (!tokenizer.ok()) {
    return 0;
  }
  const auto ids = tokenizer->encode("Hello there, it's 3 o'clock. \xE4\xBD\xA0\xE5\xA5\xBD");
  testing::require(ids.ok(), "any text has tokens");
  for (const int64_t id : *ids) {
    testing::require(id >= 0 && id < tokenizer->num_ids(), "ids are of the table");
  }
  return 0;
}
