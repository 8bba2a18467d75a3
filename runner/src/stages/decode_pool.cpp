#include "stages/decode_pool.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "base/catching.h"
#include "base/scoped_timer.h"
#include "base/try.h"
#include "ops/parallel.h"
#include "stages/one_core.h"

namespace qwen3_tts {

DecodePool::DecodePool(size_t max_threads, MakeDecoder make_decoder, std::function<void()> on_end)
    : max_threads_(max_threads), make_decoder_(std::move(make_decoder)), on_end_(std::move(on_end)) {}

DecodePool::~DecodePool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void DecodePool::start(DecodeJob& job) {
  std::string error;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto first_of_others =
        std::find_if(waiting_.begin(), waiting_.end(), [](const DecodeJob* other) { return !other->is_urgent; });
    waiting_.insert(job.is_urgent ? first_of_others : waiting_.end(), &job);
    job.is_under_way = true;
    ++num_jobs_;
    if (static_cast<size_t>(num_jobs_) > threads_.size() && threads_.size() < max_threads_) {
      try {
        threads_.emplace_back([this] { run(); });
      } catch (const std::exception& exception) {  // The system has no thread left, or no memory.
        error = exception.what();
      }
    }
    if (threads_.empty()) {
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &job));
    } else {
      error.clear();  // There are threads that will come to it.
    }
  }
  changed_.notify_one();
  if (!error.empty()) {
    end(job, catching([&]() -> Status {
          return Error{ErrorCode::kExecution,
                       "no thread to decode with could be started (" + error + "); give one thread, which needs none"};
        }));
  }
}

void DecodePool::run() {
  const OneCore one_core(true);
  auto decoder = catching(make_decoder_);
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !waiting_.empty() || is_over_; });
    if (waiting_.empty()) {
      return;
    }
    DecodeJob& job = *waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    if (!decoder.ok()) {  // What was missing may be there now.
      decoder = catching(make_decoder_);
    }
    end(job, catching([&]() -> Status {
          RETURN_IF_ERROR(decoder);
          job.decode_ms = 0;
          const ScopedTimer timer(job.decode_ms);
          const TakenCore taken;
          return (*decoder)->decode(*job.state, job.codes.data(), job.num_frames, job.samples);
        }));
    lock.lock();
  }
}

void DecodePool::end(DecodeJob& job, Status status) {
  job.status = std::move(status);
  --num_jobs_;
  job.is_under_way = false;
  on_end_();
}

}  // namespace qwen3_tts
