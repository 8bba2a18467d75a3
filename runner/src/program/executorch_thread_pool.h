#pragma once

#include <cstddef>
#include <cstdint>

/// ExecuTorch's thread pool: the wheel exports its symbols, but ships no header of it.
namespace executorch::extension::threadpool {

class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t num_threads);
  size_t get_thread_count() const;
};

/// The pool of the process; null when it could not be made.
ThreadPool* get_threadpool();

}  // namespace executorch::extension::threadpool
