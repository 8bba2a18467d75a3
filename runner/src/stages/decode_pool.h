#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <qwen3_tts/result.h>

#include "stages/frame_decoder.h"

namespace qwen3_tts {

/// One call of a FrameDecoder for a DecodePool. Its owner touches it only while it is not under way.
struct DecodeJob {
  DecoderState* state = nullptr;
  std::vector<int64_t> codes;  ///< [num_frames, G], at most max_decode_frames of them.
  int64_t num_frames = 0;
  float* samples = nullptr;  ///< [num_frames * samples_per_frame]
  bool is_urgent = false;    ///< Before those that are not: somebody has heard nothing yet.

  Status status;         ///< How it ended.
  double decode_ms = 0;  ///< What it took.
  std::atomic<bool> is_under_way{false};
};

/// Threads that turn frames into samples beside those that make frames. Each works alone, for one utterance at a time:
/// nothing that it calls uses the thread pool. Parked until there is something to do, and not there before that.
class DecodePool {
 public:
  /// Makes the decoder of one more thread.
  using MakeDecoder = std::function<Result<std::unique_ptr<FrameDecoder>>()>;

  /// At most `max_threads`, one for each job that is under way. `on_end` is called after each job, by the thread that
  /// did it.
  DecodePool(size_t max_threads, MakeDecoder make_decoder, std::function<void()> on_end);
  DecodePool(const DecodePool&) = delete;
  DecodePool& operator=(const DecodePool&) = delete;
  /// No job may be under way.
  ~DecodePool();

  /// Begins a job that is not under way, after those that wait.
  void start(DecodeJob& job);

  /// Whether any job is under way.
  bool is_busy() const { return num_jobs_ > 0; }

 private:
  void run();
  /// Says that a job that was begun is over.
  void end(DecodeJob& job, Status status);

  const size_t max_threads_;
  const MakeDecoder make_decoder_;
  const std::function<void()> on_end_;
  std::atomic<int64_t> num_jobs_{0};
  std::mutex mutex_;  ///< Of what follows.
  std::condition_variable changed_;
  std::deque<DecodeJob*> waiting_;
  std::vector<std::thread> threads_;
  bool is_over_ = false;
};

}  // namespace qwen3_tts
