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
  /// kInvalidArgument for an id that the model was exported without.
  Status check_kept(const int64_t* ids, int64_t num_ids);
  Status run(const std::string& method, const int64_t* ids, int64_t num_ids, float* rows);

  Program& program_;
  int64_t hidden_size_;
  std::vector<int64_t> ids_;  ///< [max_rows]
  executorch::extension::TensorPtr ids_tensor_;
  std::vector<executorch::runtime::EValue> inputs_;
  std::string encode_text_;  ///< Method names: ExecuTorch takes them as strings.
  std::string codec_embed_;
  bool has_read_kept_ids_ = false;
  std::vector<uint8_t> kept_ids_;  ///< A bit for each text id, the lowest first; empty: all have rows.
};

}  // namespace qwen3_tts
