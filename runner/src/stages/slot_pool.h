#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <qwen3_tts/result.h>

#include "program/mapped_tensor.h"
#include "stages/slot_numbers.h"

namespace qwen3_tts {

class SlotPool;

/// An utterance's place in a SlotPool, which it gives back with its memory.
class Slot {
 public:
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();

  int64_t index() const { return number_.value(); }

  /// Keys and values at the first `num_positions`, head by head.
  Snapshot snapshot(int64_t num_positions) const;
  size_t snapshot_bytes(int64_t num_positions) const;
  /// Takes them in place of what stands there.
  void restore(const Snapshot& snapshot, int64_t num_positions);
  /// Gives its memory back and stays leased: whole pages are zeros then, and the rest is anything.
  void clear();

 private:
  friend class SlotPool;
  Slot(SlotPool* pool, SlotNumber number) : pool_(pool), number_(std::move(number)) {}

  SlotPool* pool_;
  SlotNumber number_;  ///< Not held once this was moved from.
};

/// Keys and values of many utterances in one tensor, so that one call of the talker takes rows of any of them. It is
/// address space: memory follows what is written, and positions behind an utterance's last one are never read, so
/// nothing is cleared. Thread-safe but for the content of the slots, which is that of who leased them.
class SlotPool {
 public:
  /// `spec`: [slots, L, 2, KVH, C, D], of which there may be fewer slots: as many as the address space has room for.
  static Result<std::unique_ptr<SlotPool>> create(TensorSpec spec);
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  /// A slot that nobody has. kInvalidState when there is none; the pool must outlive it.
  Result<Slot> lease();

  const executorch::aten::Tensor& tensor() const { return kv_.tensor(); }
  int64_t num_slots() const { return kv_.tensor().size(0); }

 private:
  friend class Slot;

  explicit SlotPool(MappedTensor kv);

  void discard(int64_t index) const { kv_.discard(static_cast<size_t>(index) * slot_bytes(), slot_bytes()); }
  size_t slot_bytes() const { return kv_.size_bytes() / static_cast<size_t>(num_slots()); }

  MappedTensor kv_;
  SlotNumbers numbers_;
};

}  // namespace qwen3_tts
