#include "program/gpu_turn.h"

#include <cstddef>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "base/fair_mutex.h"

namespace qwen3_tts {
namespace {

struct Gpu {
  FairMutex entrance;        ///< Who waits to be alone holds it, so that nobody comes in meanwhile.
  std::shared_mutex inside;
};

/// Never destroyed, as an engine may live as long as the process, and in no memory that may be lacking.
Gpu& gpu() {
  alignas(Gpu) static std::byte memory[sizeof(Gpu)];
  static Gpu& instance = *new (memory) Gpu;
  return instance;
}

}  // namespace

GpuTurn::GpuTurn(Kind kind) : kind_(kind) {
  if (kind == Kind::kNone) {
    return;
  }
  const std::lock_guard<FairMutex> entering(gpu().entrance);
  if (kind == Kind::kAlone) {
    gpu().inside.lock();
  } else {
    gpu().inside.lock_shared();
  }
}

GpuTurn::~GpuTurn() {
  if (kind_ == Kind::kAlone) {
    gpu().inside.unlock();
  } else if (kind_ == Kind::kTogether) {
    gpu().inside.unlock_shared();
  }
}

}  // namespace qwen3_tts
