#include "stages/talker.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

/// Calls `visit(bytes, num_bytes)` for the keys or values of every head at the first `num_rows` positions.
template <typename Visit>
void visit_positions(const MappedTensor& kv, int64_t num_rows, const Visit& visit) {
  const auto& tensor = kv.tensor();  // [L, 2, KVH, C, D]
  const auto num_heads = static_cast<size_t>(tensor.size(0) * tensor.size(1) * tensor.size(2));
  const size_t head_bytes = kv.size_bytes() / num_heads;
  const size_t position_bytes = head_bytes / static_cast<size_t>(tensor.size(3));
  for (size_t head = 0; head < num_heads; ++head) {
    visit(kv.data() + head * head_bytes, static_cast<size_t>(num_rows) * position_bytes);
  }
}

}  // namespace

size_t TalkerState::snapshot_bytes(int64_t num_rows) const {
  return kv ? kv->size_bytes() / static_cast<size_t>(kv->tensor().size(3)) * static_cast<size_t>(num_rows) : 0;
}

Snapshot TalkerState::snapshot() const {
  Snapshot snapshot;
  if (kv) {
    snapshot.reserve(snapshot_bytes(position));
    visit_positions(*kv, position,
                    [&](const std::byte* from, size_t size) { snapshot.insert(snapshot.end(), from, from + size); });
  }
  return snapshot;
}

void TalkerState::restore(const Snapshot& snapshot, int64_t num_rows) {
  if (kv) {
    const std::byte* from = snapshot.data();
    visit_positions(*kv, num_rows, [&](std::byte* to, size_t size) {
      std::copy_n(from, size, to);
      from += size;
    });
  }
  position = num_rows;
}

Talker::Talker(Program& program, const ModelMetadata& metadata)
    : program_(program),
      hidden_size_(metadata.hidden_size),
      vocab_size_(metadata.talker_vocab_size),
      max_rows_(metadata.max_rows),
      method_(contract::kTalker),
      prefill_method_(contract::kTalkerPrefill),
      row_(static_cast<size_t>(metadata.hidden_size)),
      row_tensor_(make_tensor_ptr({1, static_cast<SizesType>(hidden_size_)}, row_.data())),
      processor_(metadata) {}

Result<TalkerState> Talker::create_state(bool program_keeps_kv) const {
  TalkerState state;
  state.logits.resize(static_cast<size_t>(vocab_size_));
  state.hidden.resize(static_cast<size_t>(hidden_size_));
  if (!program_keeps_kv) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program_.state_spec(method_, 2));
    ASSIGN_OR_RETURN(MappedTensor kv, MappedTensor::create(spec));
    state.kv.emplace(std::move(kv));
  }
  return state;
}

Status Talker::read(TalkerState& state, const float* rows, int64_t num_rows) {
  if (!state.kv) {
    return read_padded(state, rows, num_rows);
  }
  // The method only reads its rows; ExecuTorch has no type for that.
  const auto tensor = make_tensor_ptr({static_cast<SizesType>(num_rows), static_cast<SizesType>(hidden_size_)},
                                      const_cast<float*>(rows));
  RETURN_IF_ERROR(run(*tensor, state));
  state.position += num_rows;
  return {};
}

Status Talker::read_padded(TalkerState& state, const float* rows, int64_t num_rows) {
  padded_rows_.resize(static_cast<size_t>(max_rows_ * hidden_size_));
  const auto first = padded_rows_.end() - num_rows * hidden_size_;
  std::fill(padded_rows_.begin(), first, 0.0F);
  std::copy_n(rows, num_rows * hidden_size_, first);
  const auto tensor =
      make_tensor_ptr({static_cast<SizesType>(max_rows_), static_cast<SizesType>(hidden_size_)}, padded_rows_.data());
  const auto position = make_tensor_ptr({1}, &state.position, ScalarType::Long);
  const auto count = make_tensor_ptr({1}, &num_rows, ScalarType::Long);
  RETURN_IF_ERROR(program_.execute(prefill_method_, {*tensor, *position, *count},
                                   {{state.logits.data(), vocab_size_}, {state.hidden.data(), hidden_size_}}));
  state.position += num_rows;
  return {};
}

Status Talker::run(const executorch::aten::Tensor& rows, TalkerState& state) {
  const auto position = make_tensor_ptr({1}, &state.position, ScalarType::Long);
  std::vector<executorch::runtime::EValue> inputs = {rows, *position};
  if (state.kv) {
    inputs.emplace_back(state.kv->tensor());
  }
  return program_.execute(method_, inputs, {{state.logits.data(), vocab_size_}, {state.hidden.data(), hidden_size_}});
}

Status Talker::step(TalkerState& state, const float* frame_embedding, const float* text_row) {
  std::transform(frame_embedding, frame_embedding + hidden_size_, text_row, row_.begin(),
                 [](float code, float text) { return code + text; });
  RETURN_IF_ERROR(run(*row_tensor_, state));
  ++state.position;
  return {};
}

Result<int64_t> Talker::sample(TalkerState& state, const DrawOptions& draw, const std::vector<int64_t>& tokens,
                               float uniform) {
  processor_.process(state.logits.data(), draw.repetition_penalty, draw.min_new_tokens, tokens);
  const int64_t token = sampler_.pick(state.logits.data(), vocab_size_, draw.talker, uniform);
  if (token < 0) {
    return Error{ErrorCode::kExecution, "the talker's logits of token " + std::to_string(tokens.size()) +
                                            " are not numbers; the model is damaged"};
  }
  return token;
}

}  // namespace qwen3_tts
