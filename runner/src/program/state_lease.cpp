#include "program/state_lease.h"

#include <atomic>
#include <utility>

namespace qwen3_tts {
namespace {

std::atomic<bool> is_taken{false};

}  // namespace

Result<StateLease> StateLease::take() {
  if (is_taken.exchange(true)) {
    return Error{
        ErrorCode::kInvalidState,
        "a model for a GPU speaks one utterance at a time, and another session of this process has it; destroy "
        "that session first, or speak in another process"};
  }
  return StateLease();
}

StateLease::StateLease(StateLease&& other) noexcept : is_held_(std::exchange(other.is_held_, false)) {}

StateLease::~StateLease() {
  if (is_held_) {
    is_taken = false;
  }
}

}  // namespace qwen3_tts
