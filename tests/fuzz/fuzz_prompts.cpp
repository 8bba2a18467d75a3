// Prompts files.

#include "fuzzing.h"
#include "prompt_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const testing::BytesAsFile file(data, size);
  static_cast<void>(read_text_file(file.path()));
  auto lines = PromptLines::open(file.path(), [] { return false; });
  int64_t number = 0;
  while (lines.ok()) {
    const auto line = lines->next();
    if (!line.ok() || !line->has_value()) {
      break;
    }
    testing::require((*line)->number > number, "lines come in their order");
    number = (*line)->number;
  }
  return 0;
}
