#include "program/state_lease.h"

#include <cstdint>
#include <mutex>
#include <utility>

namespace qwen3_tts {
namespace {

std::mutex mutex;  // Of what follows.
const void* owner = nullptr;
int64_t num_leases = 0;

}  // namespace

Result<StateLease> StateLease::take(const void* engine) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (num_leases > 0 && owner != engine) {
    return Error{ErrorCode::kInvalidState,
                 "one model for a GPU speaks at a time in a process, and another engine has sessions; destroy those "
                 "first, or speak in another process"};
  }
  owner = engine;
  ++num_leases;
  return StateLease();
}

StateLease::StateLease(StateLease&& other) noexcept : is_held_(std::exchange(other.is_held_, false)) {}

StateLease::~StateLease() {
  if (is_held_) {
    const std::lock_guard<std::mutex> lock(mutex);
    --num_leases;
  }
}

}  // namespace qwen3_tts
