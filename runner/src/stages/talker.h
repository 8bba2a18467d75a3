#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "base/draw_options.h"
#include "base/sampler.h"
#include "program/program.h"
#include "stages/slot_numbers.h"
#include "stages/slot_pool.h"

namespace qwen3_tts {

/// What the talker keeps of one utterance.
struct TalkerState {
  std::optional<Slot> slot;   ///< Its keys and values. None: the program's,
  std::optional<SlotNumber> place;  ///< in this slot, while a piece is spoken.
  int64_t position = 0;       ///< Rows read: where the next one goes.
  std::vector<float> logits;  ///< [V] of the last row.
  std::vector<float> hidden;  ///< [H] of the last row, after the final norm; the code predictor reads it.
};

/// The language model: reads rows, gives code 0 of every frame.
class Talker {
 public:
  /// Borrows `program` and `metadata`. When `program_keeps_kv`, it has max_batch slots itself.
  static Result<std::unique_ptr<Talker>> create(Program& program, const ModelMetadata& metadata, bool program_keeps_kv);
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// The state of an utterance. kInvalidState when all slots are taken, unless they are the program's.
  Result<TalkerState> create_state();

  /// Leases a slot of the program, for who has none. False when all are taken; takes no memory.
  bool take_place(TalkerState& state);
  bool has_place(const TalkerState& state) const { return slots_ != nullptr || state.place.has_value(); }
  static void leave_place(TalkerState& state) { state.place.reset(); }

  /// Reads rows after those so far: [num_rows, H], at most max_rows of them. Safe from any thread, for states of their
  /// own.
  Status read(TalkerState& state, const float* rows, int64_t num_rows);

  /// Reads one more row of each: `rows` [states, H], at most max_batch of them, and one where the program keeps keys
  /// and values. For one thread at a time.
  Status step(const std::vector<TalkerState*>& states, float* rows);

  /// Draws the next token from what the last row gave: not the end before `draw.min_new_tokens` of them. `tokens`:
  /// those drawn before it in this piece. For one thread at a time.
  Result<int64_t> sample(TalkerState& state, const DrawOptions& draw, const std::vector<int64_t>& tokens,
                         float uniform);

  /// States that there can be at once.
  int64_t max_states() const { return slots_ == nullptr ? places_.size() : slots_->num_slots(); }

 private:
  Talker(Program& program, const ModelMetadata& metadata, std::unique_ptr<SlotPool> slots);

  /// When the program keeps the state: by a method that takes max_rows rows, with padding before them. What the padding
  /// is made of lasts for the call, as others may read their prompts.
  Status read_padded(TalkerState& state, const float* rows, int64_t num_rows);
  Status step_in_program(TalkerState& state, float* row);

  Program& program_;
  int64_t hidden_size_;
  int64_t vocab_size_;
  int64_t max_rows_;
  std::string method_;
  std::string prefill_method_;
  std::unique_ptr<SlotPool> slots_;  ///< Null: the program keeps keys and values.
  SlotNumbers places_;               ///< Those of the program, when it keeps them.
  std::vector<int64_t> positions_;   ///< [max_batch], as the four below.
  std::vector<int64_t> slot_indices_;
  std::vector<int64_t> outputs_;  ///< 0, 1, 2, …
  std::vector<float> logits_;     ///< [max_batch, V]
  std::vector<float> hidden_;     ///< [max_batch, H]
  TalkerLogitsProcessor processor_;
  Sampler sampler_;
};

}  // namespace qwen3_tts
