#include "stages/decode_worker.h"

#include <string>
#include <system_error>
#include <utility>

#include "base/scoped_timer.h"

namespace qwen3_tts {

DecodeWorker::~DecodeWorker() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DecodeWorker::start(std::vector<int64_t> codes, int64_t num_frames, float* samples) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    codes_ = std::move(codes);
    num_frames_ = num_frames;
    samples_ = samples;
    is_busy_ = true;
  }
  if (thread_.joinable()) {
    changed_.notify_all();
    return;
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {  // The system has no thread left.
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = Error{ErrorCode::kExecution, std::string("no thread to decode with could be started (") + error.what() +
                                               "); give one thread, which needs none"};
    is_busy_ = false;
  }
}

bool DecodeWorker::is_busy() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return is_busy_;
}

Status DecodeWorker::wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !is_busy_; });
  return std::exchange(status_, Status());
}

void DecodeWorker::run() {
  const OneCore one_core(true);
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_busy_ || is_over_; });
    if (!is_busy_) {
      return;
    }
    lock.unlock();  // Until it is done, only this thread touches what start() handed over.
    double milliseconds = 0;
    Status status;
    {
      const ScopedTimer timer(milliseconds);
      status = decoder_.decode(state_, codes_.data(), num_frames_, samples_);
    }
    lock.lock();
    status_ = std::move(status);
    decode_ms_ += milliseconds;
    is_busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace qwen3_tts
