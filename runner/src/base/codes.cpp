#include "base/codes.h"

#include "base/error.h"

namespace qwen3_tts {
namespace {

Status check(const std::vector<int64_t>& codes, const ModelMetadata& metadata) {
  const auto num_groups = static_cast<size_t>(metadata.num_code_groups);
  if (codes.size() % num_groups != 0) {
    return invalid_argument(std::to_string(codes.size()) + " codes are not whole frames of " +
                            std::to_string(num_groups) + " codes");
  }
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] < 0 || codes[i] >= metadata.code_vocab_size) {
      return invalid_argument("code " + std::to_string(codes[i]) + " of frame " + std::to_string(i / num_groups) +
                              ", group " + std::to_string(i % num_groups) + " is not in 0.." +
                              std::to_string(metadata.code_vocab_size - 1) + "; these are not codes of this model");
    }
  }
  return {};
}

}  // namespace

Status check_codes(const std::vector<int64_t>& codes, const ModelMetadata& metadata, const std::string& source) {
  return about("'" + source + "'", check(codes, metadata));
}

}  // namespace qwen3_tts
