#include "stages/embedding.h"

#include <algorithm>

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "base/error.h"
#include "base/try.h"
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
  RETURN_IF_ERROR(check_kept(ids, num_ids));
  return run(encode_text_, ids, num_ids, rows);
}

/// The model's own tokenizer makes no such ids; another one does, and so did one that a voice was made with.
Status Embedding::check_kept(const int64_t* ids, int64_t num_ids) {
  if (!has_read_kept_ids_) {
    ASSIGN_OR_RETURN(const auto present, program_.method_names());
    if (present.count(contract::kKeptTextIdsMethod) > 0) {
      ASSIGN_OR_RETURN(kept_ids_, program_.read_bytes(contract::kKeptTextIdsMethod));
    }
    has_read_kept_ids_ = true;
  }
  const auto is_pruned = [&](int64_t id) {
    const auto number = static_cast<uint64_t>(id);  // of a negative one, behind all of them
    return number / 8 >= kept_ids_.size() || (kept_ids_[number / 8] >> (number % 8) & 1) == 0;
  };
  const int64_t* const end = ids + num_ids;
  const int64_t* const pruned = kept_ids_.empty() ? end : std::find_if(ids, end, is_pruned);
  if (pruned == end) {
    return {};
  }
  return invalid_argument(
      "'" + program_.name() + "' has no row for text token " + std::to_string(*pruned) +
      ": it was exported with --text-scripts, without that token's script. Its own tokenizer spells "
      "such text in bytes: leave --tokenizer_path out. A voice whose transcript has the token "
      "speaks by its x-vector alone (voice_mode xvector), or with an export of all scripts");
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
