#pragma once

#include <optional>

#include <executorch/extension/threadpool/threadpool_guard.h>

namespace qwen3_tts {

/// Keeps what this thread calls from using the thread pool, if another core is busy: its share would be waited for.
class OneCore {
 public:
  explicit OneCore(bool is_other_busy) {
    if (is_other_busy) {
      guard_.emplace();
    }
  }

 private:
  std::optional<executorch::extension::threadpool::NoThreadPoolGuard> guard_;
};

}  // namespace qwen3_tts
