#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/program.h"
#include "stages/prompt.h"

namespace qwen3_tts {

/// Rows from the methods `encode_text` and `codec_embed`.
class Embedding : public RowSource {
 public:
  /// Borrows `program`.
  Embedding(Program& program, const ModelMetadata& metadata);

  Status encode_text(const int64_t* ids, int64_t num_ids, float* rows) override;
  Status codec_embed(const int64_t* ids, int64_t num_ids, float* rows) override;

 private:
  Status run(const std::string& method, const int64_t* ids, int64_t num_ids, float* rows);

  Program& program_;
  int64_t hidden_size_;
  std::vector<int64_t> ids_;  ///< [max_rows]
  executorch::extension::TensorPtr ids_tensor_;
  std::vector<executorch::runtime::EValue> inputs_;
  std::string encode_text_;  ///< Method names: ExecuTorch takes them as strings.
  std::string codec_embed_;
};

}  // namespace qwen3_tts
