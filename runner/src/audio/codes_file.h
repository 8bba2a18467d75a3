#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A codes file holds an utterance's frames: int32 little-endian T and G, then T * G codes, row-major.

/// Reads the codes, [num_frames * num_code_groups] row-major. A file of another size or group count, or a code out of
/// range, is an error.
Result<std::vector<int64_t>> read_codes_file(const std::string& path, const ModelMetadata& metadata);

/// Writes `codes`, [num_frames * num_code_groups] row-major, in one step: no reader sees a part of the file.
Status write_codes_file(const std::string& path, const std::vector<int64_t>& codes, const ModelMetadata& metadata);

}  // namespace qwen3_tts
