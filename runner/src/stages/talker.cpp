#include "stages/talker.h"

#include <algorithm>
#include <utility>

#include "program/contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Result<std::unique_ptr<Talker>> Talker::create(Program& program, const ModelMetadata& metadata, bool keeps_state) {
  if (keeps_state) {
    return std::unique_ptr<Talker>(new Talker(program, metadata, std::nullopt));
  }
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

Talker::Talker(Program& program, const ModelMetadata& metadata, std::optional<MappedTensor> kv)
    : program_(program),
      hidden_size_(metadata.hidden_size),
      max_rows_(metadata.max_rows),
      method_(contract::kTalker),
      prefill_method_(contract::kTalkerPrefill),
      kv_(std::move(kv)),
      row_(static_cast<size_t>(metadata.hidden_size)),
      logits_(static_cast<size_t>(metadata.talker_vocab_size)),
      hidden_(static_cast<size_t>(metadata.hidden_size)),
      row_tensor_(make_tensor_ptr({1, static_cast<SizesType>(hidden_size_)}, row_.data())),
      position_tensor_(make_tensor_ptr({1}, &position_, ScalarType::Long)),
      step_inputs_{*row_tensor_, *position_tensor_},
      processor_(metadata) {
  if (kv_) {
    step_inputs_.emplace_back(kv_->tensor());
  } else {
    padded_rows_.resize(static_cast<size_t>(max_rows_ * hidden_size_));
  }
}

void Talker::reset(int64_t max_tokens) {
  position_ = 0;
  tokens_.clear();
  tokens_.reserve(static_cast<size_t>(max_tokens));
}

Status Talker::read(const float* rows, int64_t num_rows) {
  for (int64_t first = 0; first < num_rows;) {
    const int64_t count = std::min(max_rows_, num_rows - first);
    const float* piece = rows + first * hidden_size_;
    if (Status status = kv_ ? read_piece(piece, count) : read_padded(piece, count); !status.ok()) {
      return status;
    }
    first += count;
    position_ += count;
  }
  return {};
}

Status Talker::read_piece(const float* rows, int64_t num_rows) {
  // The method only reads its rows; ExecuTorch has no type for that.
  const auto tensor = make_tensor_ptr({static_cast<SizesType>(num_rows), static_cast<SizesType>(hidden_size_)},
                                      const_cast<float*>(rows));
  return run(method_, {*tensor, *position_tensor_, kv_->tensor()});
}

Status Talker::read_padded(const float* rows, int64_t num_rows) {
  const auto first = padded_rows_.end() - num_rows * hidden_size_;
  std::fill(padded_rows_.begin(), first, 0.0F);
  std::copy_n(rows, num_rows * hidden_size_, first);
  const auto tensor =
      make_tensor_ptr({static_cast<SizesType>(max_rows_), static_cast<SizesType>(hidden_size_)}, padded_rows_.data());
  const auto count = make_tensor_ptr({1}, &num_rows, ScalarType::Long);
  return run(prefill_method_, {*tensor, *position_tensor_, *count});
}

Status Talker::run(const std::string& method, const std::vector<executorch::runtime::EValue>& inputs) {
  return program_.execute(method, inputs,
                          {{logits_.data(), static_cast<int64_t>(logits_.size())}, {hidden_.data(), hidden_size_}});
}

template <typename Visit>
void Talker::visit_positions(int64_t num_rows, const Visit& visit) const {
  const auto& kv = kv_->tensor();  // [L, 2, KVH, C, D]
  const auto num_heads = static_cast<size_t>(kv.size(0) * kv.size(1) * kv.size(2));
  const size_t head_bytes = kv_->size_bytes() / num_heads;
  const size_t position_bytes = head_bytes / static_cast<size_t>(kv.size(3));
  for (size_t head = 0; head < num_heads; ++head) {
    visit(kv_->data() + head * head_bytes, static_cast<size_t>(num_rows) * position_bytes);
  }
}

size_t Talker::state_bytes(int64_t num_rows) const {
  return kv_ ? kv_->size_bytes() / static_cast<size_t>(kv_->tensor().size(3)) * static_cast<size_t>(num_rows) : 0;
}

Snapshot Talker::state() const {
  Snapshot state;
  state.reserve(state_bytes(position_));
  visit_positions(position_, [&](const std::byte* from, size_t size) { state.insert(state.end(), from, from + size); });
  return state;
}

void Talker::set_state(const Snapshot& state, int64_t num_rows) {
  const std::byte* from = state.data();
  visit_positions(num_rows, [&](std::byte* to, size_t size) {
    std::copy_n(from, size, to);
    from += size;
  });
  position_ = num_rows;
}

Status Talker::step(const float* frame_embedding, const float* text_row) {
  std::transform(frame_embedding, frame_embedding + hidden_size_, text_row, row_.begin(),
                 [](float code, float text) { return code + text; });
  Status status = run(method_, step_inputs_);
  ++position_;
  return status;
}

void Talker::accept(int64_t token) {
  ++position_;
  tokens_.push_back(token);
}

Result<int64_t> Talker::sample(const SamplingParams& params, float repetition_penalty, int64_t min_new_tokens,
                               float uniform) {
  processor_.process(logits_.data(), repetition_penalty, min_new_tokens, tokens_);
  const int64_t token = sampler_.pick(logits_.data(), static_cast<int64_t>(logits_.size()), params, uniform);
  if (token < 0) {
    return Error{ErrorCode::kExecution, "the talker's logits of token " + std::to_string(tokens_.size()) +
                                            " are not numbers; the model is damaged"};
  }
  tokens_.push_back(token);
  return token;
}

}  // namespace qwen3_tts
