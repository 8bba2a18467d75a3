#include "stages/slot_pool.h"

#include <algorithm>
#include <string>
#include <utility>

namespace qwen3_tts {
namespace {

/// Calls `visit(bytes, num_bytes)` for the keys or values of every head of a slot at the first `num_positions`.
template <typename Visit>
void visit_positions(const executorch::aten::Tensor& kv, std::byte* slot, size_t slot_bytes, int64_t num_positions,
                     const Visit& visit) {
  const auto num_heads = static_cast<size_t>(kv.size(1) * kv.size(2) * kv.size(3));
  const size_t head_bytes = slot_bytes / num_heads;
  const size_t position_bytes = head_bytes / static_cast<size_t>(kv.size(4));
  for (size_t head = 0; head < num_heads; ++head) {
    visit(slot + head * head_bytes, static_cast<size_t>(num_positions) * position_bytes);
  }
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// A slot

Slot& Slot::operator=(Slot&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(number_, other.number_);
  return *this;
}

Slot::~Slot() {
  if (number_.is_held()) {
    pool_->discard(index());  // Before anybody else has it.
  }
}

size_t Slot::snapshot_bytes(int64_t num_positions) const {
  return pool_->slot_bytes() / static_cast<size_t>(pool_->tensor().size(4)) * static_cast<size_t>(num_positions);
}

Snapshot Slot::snapshot(int64_t num_positions) const {
  Snapshot snapshot;
  snapshot.reserve(snapshot_bytes(num_positions));
  const size_t size = pool_->slot_bytes();
  visit_positions(pool_->tensor(), pool_->kv_.data() + static_cast<size_t>(index()) * size, size, num_positions,
                  [&](const std::byte* from, size_t count) { snapshot.insert(snapshot.end(), from, from + count); });
  return snapshot;
}

void Slot::restore(const Snapshot& snapshot, int64_t num_positions) {
  const std::byte* from = snapshot.data();
  const size_t size = pool_->slot_bytes();
  visit_positions(pool_->tensor(), pool_->kv_.data() + static_cast<size_t>(index()) * size, size, num_positions,
                  [&](std::byte* to, size_t count) {
                    std::copy_n(from, count, to);
                    from += count;
                  });
}

void Slot::clear() { pool_->discard(index()); }

// ---------------------------------------------------------------------------------------------------------------------
// The pool

Result<std::unique_ptr<SlotPool>> SlotPool::create(TensorSpec spec) {
  while (true) {
    auto kv = MappedTensor::create(spec);
    if (kv.ok()) {
      return std::unique_ptr<SlotPool>(new SlotPool(*std::move(kv)));
    }
    if (spec.sizes[0] <= 1) {
      return kv.error();
    }
    spec.sizes[0] /= 2;
  }
}

SlotPool::SlotPool(MappedTensor kv) : kv_(std::move(kv)), numbers_(num_slots()) {}

Result<Slot> SlotPool::lease() {
  auto number = numbers_.lease();
  if (!number.has_value()) {
    return Error{ErrorCode::kInvalidState,
                 "all " + std::to_string(num_slots()) +
                     " places for utterances are taken; destroy a session that is not needed"};
  }
  return Slot(this, *std::move(number));
}

}  // namespace qwen3_tts
