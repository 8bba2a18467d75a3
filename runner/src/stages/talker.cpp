#include "stages/talker.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;

constexpr size_t kKvInput = 4;  // Of the method, when the caller keeps the state.

TensorPtr matrix(float* data, int64_t num_rows, int64_t width) {
  return make_tensor_ptr({static_cast<SizesType>(num_rows), static_cast<SizesType>(width)}, data);
}

TensorPtr numbers(int64_t* data, size_t count) {
  return make_tensor_ptr({static_cast<SizesType>(count)}, data, ScalarType::Long);
}

}  // namespace

Result<std::unique_ptr<Talker>> Talker::create(Program& program, const ModelMetadata& metadata, bool program_keeps_kv) {
  std::unique_ptr<SlotPool> slots;
  if (!program_keeps_kv) {
    ASSIGN_OR_RETURN(TensorSpec spec, program.state_spec(contract::kTalker, kKvInput));
    ASSIGN_OR_RETURN(slots, SlotPool::create(std::move(spec)));
  }
  return std::unique_ptr<Talker>(new Talker(program, metadata, std::move(slots)));
}

Talker::Talker(Program& program, const ModelMetadata& metadata, std::unique_ptr<SlotPool> slots)
    : program_(program),
      hidden_size_(metadata.hidden_size),
      vocab_size_(metadata.talker_vocab_size),
      max_rows_(metadata.max_rows),
      method_(contract::kTalker),
      prefill_method_(contract::kTalkerPrefill),
      slots_(std::move(slots)),
      places_(metadata.max_batch),
      positions_(static_cast<size_t>(metadata.max_batch)),
      slot_indices_(positions_.size()),
      outputs_(positions_.size()),
      logits_(positions_.size() * static_cast<size_t>(vocab_size_)),
      hidden_(positions_.size() * static_cast<size_t>(hidden_size_)),
      processor_(metadata) {
  std::iota(outputs_.begin(), outputs_.end(), 0);
}

Result<TalkerState> Talker::create_state() {
  TalkerState state;
  state.logits.resize(static_cast<size_t>(vocab_size_));
  state.hidden.resize(static_cast<size_t>(hidden_size_));
  if (slots_ != nullptr) {
    ASSIGN_OR_RETURN(Slot slot, slots_->lease());
    state.slot.emplace(std::move(slot));
  }
  return state;
}

bool Talker::take_place(TalkerState& state) {
  if (slots_ == nullptr && !state.place.has_value()) {
    state.place = places_.lease();
  }
  return has_place(state);
}

Status Talker::read(TalkerState& state, const float* rows, int64_t num_rows) {
  if (slots_ == nullptr) {
    return read_padded(state, rows, num_rows);
  }
  const auto count = static_cast<size_t>(num_rows);
  std::vector<int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), state.position);
  std::vector<int64_t> slots(count, state.slot->index());
  int64_t last = num_rows - 1;
  // The method only reads its rows; ExecuTorch has no type for that.
  const auto rows_tensor = matrix(const_cast<float*>(rows), num_rows, hidden_size_);
  const auto positions_tensor = numbers(positions.data(), count);
  const auto slots_tensor = numbers(slots.data(), count);
  const auto last_tensor = numbers(&last, 1);
  RETURN_IF_ERROR(program_.execute(method_,
                                   {*rows_tensor, *positions_tensor, *slots_tensor, *last_tensor, slots_->tensor()},
                                   {{state.logits.data(), vocab_size_}, {state.hidden.data(), hidden_size_}}));
  state.position += num_rows;
  return {};
}

Status Talker::read_padded(TalkerState& state, const float* rows, int64_t num_rows) {
  std::vector<float> padded(static_cast<size_t>(max_rows_ * hidden_size_));
  std::copy_n(rows, num_rows * hidden_size_, padded.end() - num_rows * hidden_size_);
  int64_t slot_index = state.place->value();
  const auto tensor = matrix(padded.data(), max_rows_, hidden_size_);
  const auto position = numbers(&state.position, 1);
  const auto count = numbers(&num_rows, 1);
  const auto slot = numbers(&slot_index, 1);
  RETURN_IF_ERROR(program_.execute(prefill_method_, {*tensor, *position, *count, *slot},
                                   {{state.logits.data(), vocab_size_}, {state.hidden.data(), hidden_size_}}));
  state.position += num_rows;
  return {};
}

Status Talker::step(const std::vector<TalkerState*>& states, float* rows) {
  if (slots_ == nullptr) {
    return step_in_program(*states.front(), rows);
  }
  const size_t count = states.size();
  for (size_t i = 0; i < count; ++i) {
    positions_[i] = states[i]->position;
    slot_indices_[i] = states[i]->slot->index();
  }
  const auto num_rows = static_cast<int64_t>(count);
  const auto rows_tensor = matrix(rows, num_rows, hidden_size_);
  const auto positions_tensor = numbers(positions_.data(), count);
  const auto slots_tensor = numbers(slot_indices_.data(), count);
  const auto outputs_tensor = numbers(outputs_.data(), count);
  RETURN_IF_ERROR(
      program_.execute(method_, {*rows_tensor, *positions_tensor, *slots_tensor, *outputs_tensor, slots_->tensor()},
                       {{logits_.data(), num_rows * vocab_size_}, {hidden_.data(), num_rows * hidden_size_}}));
  const float* logits = logits_.data();
  const float* hidden = hidden_.data();
  for (TalkerState* state : states) {
    std::copy_n(logits, vocab_size_, state->logits.begin());
    std::copy_n(hidden, hidden_size_, state->hidden.begin());
    ++state->position;
    logits += vocab_size_;
    hidden += hidden_size_;
  }
  return {};
}

Status Talker::step_in_program(TalkerState& state, float* row) {
  int64_t slot_index = state.place->value();
  const auto tensor = matrix(row, 1, hidden_size_);
  const auto position = numbers(&state.position, 1);
  const auto slot = numbers(&slot_index, 1);
  RETURN_IF_ERROR(program_.execute(method_, {*tensor, *position, *slot},
                                   {{state.logits.data(), vocab_size_}, {state.hidden.data(), hidden_size_}}));
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
