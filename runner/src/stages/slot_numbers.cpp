#include "stages/slot_numbers.h"

#include <numeric>
#include <utility>

namespace qwen3_tts {

SlotNumber::SlotNumber(SlotNumber&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), value_(other.value_) {}

SlotNumber& SlotNumber::operator=(SlotNumber&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(value_, other.value_);
  return *this;
}

SlotNumber::~SlotNumber() {
  if (owner_ != nullptr) {
    owner_->give_back(value_);
  }
}

SlotNumbers::SlotNumbers(int64_t size) : size_(size), free_(static_cast<size_t>(size)) {
  std::iota(free_.rbegin(), free_.rend(), 0);
}

std::optional<SlotNumber> SlotNumbers::lease() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    return std::nullopt;
  }
  const int64_t value = free_.back();
  free_.pop_back();
  return SlotNumber(this, value);
}

void SlotNumbers::give_back(int64_t value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(value);
}

}  // namespace qwen3_tts
