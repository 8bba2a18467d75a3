#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace qwen3_tts {

class SlotNumbers;

/// The number of a slot, which nobody else has. Gives it back at the end of its life.
class SlotNumber {
 public:
  SlotNumber(SlotNumber&& other) noexcept;
  SlotNumber& operator=(SlotNumber&& other) noexcept;
  SlotNumber(const SlotNumber&) = delete;
  SlotNumber& operator=(const SlotNumber&) = delete;
  ~SlotNumber();

  int64_t value() const { return value_; }
  /// Whether it was not moved from.
  bool is_held() const { return owner_ != nullptr; }

 private:
  friend class SlotNumbers;
  SlotNumber(SlotNumbers* owner, int64_t value) : owner_(owner), value_(value) {}

  SlotNumbers* owner_;  ///< Null once it was moved from.
  int64_t value_;
};

/// Slots that are numbers to who leases them, 0 to size() - 1: what they stand for is somewhere else. Thread-safe.
class SlotNumbers {
 public:
  explicit SlotNumbers(int64_t size);
  SlotNumbers(const SlotNumbers&) = delete;
  SlotNumbers& operator=(const SlotNumbers&) = delete;

  /// One that nobody has, or nothing where all are taken. This must outlive it.
  std::optional<SlotNumber> lease();

  int64_t size() const { return size_; }

 private:
  friend class SlotNumber;
  /// Takes no memory.
  void give_back(int64_t value);

  const int64_t size_;
  std::mutex mutex_;           ///< Of free_.
  std::vector<int64_t> free_;  ///< The last one is the next.
};

}  // namespace qwen3_tts
