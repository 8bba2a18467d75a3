#include "failing_allocations.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace qwen3_tts::testing {
namespace {

std::atomic<int64_t> num_left{0};  // Until one fails.
std::atomic<bool> is_armed{false};
std::atomic<Failing> failing{Failing::kOne};

void* allocate(size_t size, size_t alignment) {
  if (is_armed) {
    const int64_t left = --num_left;
    if (left == 0 || (left < 0 && failing == Failing::kAllFromThere)) {
      throw std::bad_alloc();
    }
  }
  const size_t rounded = (std::max<size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace

void fail_allocations(int64_t number, Failing how) {
  failing = how;
  num_left = number;
  is_armed = true;
}

bool heal_allocations() {
  is_armed = false;
  return num_left <= 0;
}

}  // namespace qwen3_tts::testing

using qwen3_tts::testing::allocate;

void* operator new(size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(size_t size, const std::nothrow_t& /*nothrow*/) noexcept {
  try {
    return allocate(size, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(size_t size, std::align_val_t alignment) { return allocate(size, static_cast<size_t>(alignment)); }
void* operator new[](size_t size, std::align_val_t alignment) { return allocate(size, static_cast<size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t /*size*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t /*size*/, std::align_val_t /*alignment*/) noexcept { std::free(memory); }

// Of ExecuTorch's: it loses the memory that it has just got when its list of such memory cannot grow.
// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer's name
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:executorch::extension::MallocMemoryAllocator::allocate";
}
// NOLINTEND(bugprone-reserved-identifier)
