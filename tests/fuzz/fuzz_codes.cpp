// Codes files.

#include <algorithm>

#include "audio/codes_file.h"
#include "fuzzing.h"
#include "tiny_contract.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  static const ModelMetadata metadata = testing::tiny_metadata();
  const testing::BytesAsFile file(data, size);
  const auto codes = read_codes_file(file.path(), metadata);
  if (codes.ok()) {
    const bool are_codes = std::all_of(codes->begin(), codes->end(),
                                       [](int64_t code) { return code >= 0 && code < metadata.code_vocab_size; });
    testing::require(are_codes && codes->size() % static_cast<size_t>(metadata.num_code_groups) == 0, "whole frames");
  }
  return 0;
}
