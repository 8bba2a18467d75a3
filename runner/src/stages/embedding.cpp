#include "stages/embedding.h"

#include <algorithm>

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "program/contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;

Embedding::Embedding(Program& program, const ModelMetadata& metadata)
    : program_(program),
      hidden_size_(metadata.hidden_size),
      ids_(static_cast<size_t>(metadata.max_rows)),
      ids_tensor_(executorch::extension::make_tensor_ptr({static_cast<SizesType>(metadata.max_rows)}, ids_.data(),
                                                         ScalarType::Long)),
      inputs_{*ids_tensor_},
      encode_text_(contract::kEncodeText),
      codec_embed_(contract::kCodecEmbed) {}

Status Embedding::encode_text(const int64_t* ids, int64_t num_ids, float* rows) {
  return run(encode_text_, ids, num_ids, rows);
}

Status Embedding::codec_embed(const int64_t* ids, int64_t num_ids, float* rows) {
  return run(codec_embed_, ids, num_ids, rows);
}

Status Embedding::run(const std::string& method, const int64_t* ids, int64_t num_ids, float* rows) {
  std::copy_n(ids, num_ids, ids_.begin());
  const auto size = static_cast<SizesType>(num_ids);
  if (executorch::runtime::resize_tensor(*ids_tensor_, {&size, 1}) != executorch::runtime::Error::Ok) {
    return Error{ErrorCode::kExecution, "'" + method + "' cannot take " + std::to_string(num_ids) + " ids"};
  }
  return program_.execute(method, inputs_, {{rows, num_ids * hidden_size_}});
}

}  // namespace qwen3_tts
