#pragma once

#include <atomic>
#include <string>

#include <qwen3_tts/result.h>

namespace qwen3_tts::c_api {

/// Takes what one thread at a time may use, for as long as it lives, if nobody else has it.
class InUse {
 public:
  explicit InUse(std::atomic_flag& flag) : flag_(flag), is_mine_(!flag.test_and_set(std::memory_order_acquire)) {}
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() {
    if (is_mine_) {
      flag_.clear(std::memory_order_release);
    }
  }

  /// kInvalidState when somebody else has it. `name` is the parameter's.
  Status check(const std::string& name) const {
    return is_mine_ ? Status()
                    : Error{ErrorCode::kInvalidState,
                            name + ": another call uses it; use it from one thread at a time, and not in a callback"};
  }

 private:
  std::atomic_flag& flag_;
  const bool is_mine_;
};

}  // namespace qwen3_tts::c_api
