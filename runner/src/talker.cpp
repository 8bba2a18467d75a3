#include "talker.h"

#include <algorithm>
#include <utility>

#include "contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Result<std::unique_ptr<Talker>> Talker::create(Program& program, const ModelMetadata& metadata) {
  const auto spec = program.state_spec(contract::kTalker, 2);
  if (!spec.ok()) {
    return spec.error();
  }
  auto kv = MappedTensor::create(*spec);
  if (!kv.ok()) {
    return kv.error();
  }
  return std::unique_ptr<Talker>(new Talker(program, metadata, std::move(*kv)));
}

Talker::Talker(Program& program, const ModelMetadata& metadata, MappedTensor kv)
    : program_(program),
      hidden_size_(metadata.hidden_size),
      max_rows_(metadata.max_rows),
      method_(contract::kTalker),
      kv_(std::move(kv)),
      row_(static_cast<size_t>(metadata.hidden_size)),
      logits_(static_cast<size_t>(metadata.talker_vocab_size)),
      hidden_(static_cast<size_t>(metadata.hidden_size)),
      row_tensor_(make_tensor_ptr({1, static_cast<SizesType>(hidden_size_)}, row_.data())),
      position_tensor_(make_tensor_ptr({1}, &position_, ScalarType::Long)),
      step_inputs_{*row_tensor_, *position_tensor_, kv_.tensor()},
      processor_(metadata) {}

void Talker::reset(int64_t max_tokens) {
  tokens_.clear();
  tokens_.reserve(static_cast<size_t>(max_tokens));
}

Status Talker::prefill(const float* rows, int64_t num_rows) {
  position_ = 0;
  while (position_ < num_rows) {
    const int64_t count = std::min(max_rows_, num_rows - position_);
    // The method only reads its rows; ExecuTorch has no type for that.
    auto* piece = const_cast<float*>(rows + position_ * hidden_size_);
    const auto tensor = make_tensor_ptr({static_cast<SizesType>(count), static_cast<SizesType>(hidden_size_)}, piece);
    Status status =
        program_.execute(method_, {*tensor, *position_tensor_, kv_.tensor()},
                         {{logits_.data(), static_cast<int64_t>(logits_.size())}, {hidden_.data(), hidden_size_}});
    if (!status.ok()) {
      return status;
    }
    position_ += count;
  }
  return {};
}

Status Talker::step(const float* frame_embedding, const float* text_row) {
  std::transform(frame_embedding, frame_embedding + hidden_size_, text_row, row_.begin(),
                 [](float code, float text) { return code + text; });
  Status status = program_.execute(
      method_, step_inputs_, {{logits_.data(), static_cast<int64_t>(logits_.size())}, {hidden_.data(), hidden_size_}});
  ++position_;
  return status;
}

Result<int64_t> Talker::sample(const SamplingParams& params, float repetition_penalty, float uniform) {
  processor_.process(logits_.data(), repetition_penalty, tokens_);
  const int64_t token = sampler_.pick(logits_.data(), static_cast<int64_t>(logits_.size()), params, uniform);
  if (token < 0) {
    return Error{ErrorCode::kExecution, "the talker's logits of token " + std::to_string(tokens_.size()) +
                                            " are not numbers; the model is damaged"};
  }
  tokens_.push_back(token);
  return token;
}

}  // namespace qwen3_tts
