#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A tensor inside the bytes of a safetensors file.
struct TensorView {
  std::string dtype;           ///< "F32", "I32", …
  std::vector<int64_t> shape;
  std::string_view data;       ///< Into the bytes that were parsed; not aligned.
};

struct SafeTensors {
  std::map<std::string, TensorView> tensors;
  std::map<std::string, std::string> metadata;

  /// Parses the bytes of a file, which must outlive the result. Strict: tensors of the dtypes F32 and I32 only, sizes
  /// that agree with dtype and shape, and data that is covered from the first byte to the last without overlap.
  static Result<SafeTensors> parse(std::string_view bytes);
};

/// The bytes of a file with these tensors and metadata, in their order; the header is filled up with blanks, so that
/// the data lies at a multiple of 8 bytes. Names and values must be UTF-8.
std::string write_safetensors(const std::vector<std::pair<std::string, TensorView>>& tensors,
                              const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace qwen3_tts
