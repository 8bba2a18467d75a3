#include "stages/code_predictor.h"

#include <algorithm>
#include <utility>

#include "base/philox.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Result<std::unique_ptr<CodePredictor>> CodePredictor::create(Program& program, Embedding& embedding,
                                                             const ModelMetadata& metadata, bool is_fused,
                                                             bool program_keeps_kv) {
  std::optional<MappedTensor> kv;
  if (!program_keeps_kv) {
    ASSIGN_OR_RETURN(const TensorSpec spec, is_fused ? program.state_spec(contract::kCpGenerate, 4)
                                                     : program.state_spec(contract::kCodePredictor, 2));
    ASSIGN_OR_RETURN(MappedTensor made, MappedTensor::create(spec));
    kv.emplace(std::move(made));
  }
  return std::unique_ptr<CodePredictor>(new CodePredictor(program, embedding, metadata, is_fused, std::move(kv)));
}

CodePredictor::CodePredictor(Program& program, Embedding& embedding, const ModelMetadata& metadata, bool is_fused,
                             std::optional<MappedTensor> kv)
    : program_(program),
      embedding_(embedding),
      metadata_(metadata),
      is_fused_(is_fused),
      cp_generate_(contract::kCpGenerate),
      code_predictor_(contract::kCodePredictor),
      cp_head_(contract::kCpHead),
      kv_(std::move(kv)),
      codes_(static_cast<size_t>(metadata.num_code_groups)),
      frame_embedding_(static_cast<size_t>(metadata.hidden_size)),
      uniforms_(codes_.size() - 1),
      sampling_(3),
      rows_(2 * frame_embedding_.size()),
      state_(static_cast<size_t>(metadata.code_predictor_hidden_size)),
      logits_(uniforms_.size() * static_cast<size_t>(metadata.code_vocab_size)) {
  const auto width = static_cast<SizesType>(metadata.hidden_size);
  hidden_tensor_ = make_tensor_ptr({1, width}, rows_.data());
  code0_tensor_ = make_tensor_ptr({1}, codes_.data(), ScalarType::Long);
  uniforms_tensor_ = make_tensor_ptr({static_cast<SizesType>(uniforms_.size())}, uniforms_.data());
  sampling_tensor_ = make_tensor_ptr({3}, sampling_.data());
  rows_tensor_ = make_tensor_ptr({2, width}, rows_.data());
  position_tensor_ = make_tensor_ptr({1}, &position_, ScalarType::Long);
  state_tensor_ = make_tensor_ptr({1, static_cast<SizesType>(state_.size())}, state_.data());
  generate_inputs_ = {*hidden_tensor_, *code0_tensor_, *uniforms_tensor_, *sampling_tensor_};
  first_inputs_ = {*rows_tensor_, *position_tensor_};
  step_inputs_ = {*hidden_tensor_, *position_tensor_};
  head_inputs_ = {*state_tensor_};
  if (kv_) {
    for (auto* inputs : {&generate_inputs_, &first_inputs_, &step_inputs_}) {
      inputs->emplace_back(kv_->tensor());
    }
  }
}

Status CodePredictor::predict(const std::vector<float>& hidden, int64_t code0, const DrawOptions& draw,
                              uint64_t frame) {
  params_ = draw.subtalker;
  sampling_ = {params_.temperature, static_cast<float>(params_.top_k), params_.top_p};
  std::copy(hidden.begin(), hidden.end(), rows_.begin());
  codes_[0] = code0;
  for (size_t i = 0; i < uniforms_.size(); ++i) {
    uniforms_[i] = uniform(draw.seed, frame, static_cast<uint32_t>(i + 1));
  }
  RETURN_IF_ERROR(is_fused_ ? predict_fused() : predict_stepwise());
  const bool is_valid = std::all_of(codes_.begin(), codes_.end(),
                                    [&](int64_t code) { return code >= 0 && code < metadata_.code_vocab_size; });
  if (!is_valid) {
    return Error{ErrorCode::kExecution,
                 "the codes of frame " + std::to_string(frame) + " are out of range; the model is damaged"};
  }
  return {};
}

Status CodePredictor::predict_fused() {
  return program_.execute(cp_generate_, generate_inputs_,
                          {{codes_.data(), static_cast<int64_t>(codes_.size())},
                           {frame_embedding_.data(), static_cast<int64_t>(frame_embedding_.size())}});
}

Status CodePredictor::predict_stepwise() {
  std::fill(frame_embedding_.begin(), frame_embedding_.end(), -0.0F);  // Plus x gives x, whatever its sign.
  RETURN_IF_ERROR(embed(0, rows_.data() + metadata_.hidden_size));
  position_ = 0;
  int64_t num_rows = 2;
  if (!kv_) {
    RETURN_IF_ERROR(read_first_row());
    num_rows = 1;
  }
  for (size_t group = 1; group < codes_.size(); ++group) {
    RETURN_IF_ERROR(predict_group(group, num_rows));
    RETURN_IF_ERROR(embed(group, rows_.data()));
    position_ += num_rows;
    num_rows = 1;
  }
  return {};
}

Status CodePredictor::read_first_row() {
  Status status =
      program_.execute(code_predictor_, step_inputs_, {{state_.data(), static_cast<int64_t>(state_.size())}});
  std::copy_n(rows_.begin() + metadata_.hidden_size, metadata_.hidden_size, rows_.begin());
  ++position_;
  return status;
}

Status CodePredictor::predict_group(size_t group, int64_t num_rows) {
  RETURN_IF_ERROR(program_.execute(code_predictor_, num_rows == 2 ? first_inputs_ : step_inputs_,
                                   {{state_.data(), static_cast<int64_t>(state_.size())}}));
  RETURN_IF_ERROR(program_.execute(cp_head_, head_inputs_, {{logits_.data(), static_cast<int64_t>(logits_.size())}}));
  const int64_t size = metadata_.code_vocab_size;
  const float* logits = logits_.data() + static_cast<int64_t>(group - 1) * size;
  codes_[group] = sampler_.pick(logits, size, params_, uniforms_[group - 1]);
  if (codes_[group] < 0) {
    return Error{ErrorCode::kExecution,
                 "the logits of code group " + std::to_string(group) + " are not numbers; the model is damaged"};
  }
  return {};
}

Status CodePredictor::embed(size_t group, float* row) {
  const int64_t id = metadata_.group_offsets[group] + codes_[group];
  Status status = embedding_.codec_embed(&id, 1, row);
  for (size_t i = 0; i < frame_embedding_.size(); ++i) {
    frame_embedding_[i] += row[i];
  }
  return status;
}

}  // namespace qwen3_tts
