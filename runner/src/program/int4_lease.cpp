#include "program/int4_lease.h"

#include <cstdint>
#include <mutex>
#include <utility>

namespace qwen3_tts {
namespace {

std::mutex mutex;  // Of what follows.
const void* owner = nullptr;
int64_t num_leases = 0;

}  // namespace

Result<Int4Lease> Int4Lease::take(const void* engine) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (num_leases > 0 && owner != engine) {
    return Error{ErrorCode::kInvalidState,
                 "one model with int4 layers speaks on a GPU at a time in a process, and another engine has sessions; "
                 "destroy those first, speak in another process, or export without 4w"};
  }
  owner = engine;
  ++num_leases;
  return Int4Lease();
}

Int4Lease::Int4Lease(Int4Lease&& other) noexcept : is_held_(std::exchange(other.is_held_, false)) {}

Int4Lease::~Int4Lease() {
  if (is_held_) {
    const std::lock_guard<std::mutex> lock(mutex);
    --num_leases;
  }
}

}  // namespace qwen3_tts
