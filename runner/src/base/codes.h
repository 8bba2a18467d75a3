#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// kInvalidArgument when `codes` is not whole frames of codes in range. `source` is how the error calls them.
Status check_codes(const std::vector<int64_t>& codes, const ModelMetadata& metadata, const std::string& source);

}  // namespace qwen3_tts
