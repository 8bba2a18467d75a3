#include "stages/slot_pool.h"

#include <algorithm>
#include <numeric>
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

Slot::Slot(Slot&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(index_, other.index_);
  return *this;
}

Slot::~Slot() {
  if (pool_ != nullptr) {
    pool_->give_back(index_);
  }
}

size_t Slot::snapshot_bytes(int64_t num_positions) const {
  return pool_->slot_bytes() / static_cast<size_t>(pool_->tensor().size(4)) * static_cast<size_t>(num_positions);
}

Snapshot Slot::snapshot(int64_t num_positions) const {
  Snapshot snapshot;
  snapshot.reserve(snapshot_bytes(num_positions));
  const size_t size = pool_->slot_bytes();
  visit_positions(pool_->tensor(), pool_->kv_.data() + static_cast<size_t>(index_) * size, size, num_positions,
                  [&](const std::byte* from, size_t count) { snapshot.insert(snapshot.end(), from, from + count); });
  return snapshot;
}

void Slot::restore(const Snapshot& snapshot, int64_t num_positions) {
  const std::byte* from = snapshot.data();
  const size_t size = pool_->slot_bytes();
  visit_positions(pool_->tensor(), pool_->kv_.data() + static_cast<size_t>(index_) * size, size, num_positions,
                  [&](std::byte* to, size_t count) {
                    std::copy_n(from, count, to);
                    from += count;
                  });
}

void Slot::clear() { pool_->discard(index_); }

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

SlotPool::SlotPool(MappedTensor kv) : kv_(std::move(kv)), free_(static_cast<size_t>(num_slots())) {
  std::iota(free_.rbegin(), free_.rend(), 0);
}

Result<Slot> SlotPool::lease() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    return Error{ErrorCode::kInvalidState,
                 "all " + std::to_string(num_slots()) +
                     " places for utterances are taken; destroy a session that is not needed"};
  }
  const int64_t index = free_.back();
  free_.pop_back();
  return Slot(this, index);
}

void SlotPool::give_back(int64_t index) {
  discard(index);
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(index);
}

}  // namespace qwen3_tts
