#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <executorch/extension/threadpool/threadpool_guard.h>

#include <qwen3_tts/result.h>

#include "stages/frame_decoder.h"

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

/// A thread that turns frames into samples while its owner makes the next ones. It works alone: nothing that it calls
/// uses the thread pool. Parked until there is something to do, and not there before that.
class DecodeWorker {
 public:
  /// Borrows both, which nobody else may use between start() and wait().
  DecodeWorker(FrameDecoder& decoder, DecoderState& state) : decoder_(decoder), state_(state) {}
  DecodeWorker(const DecodeWorker&) = delete;
  DecodeWorker& operator=(const DecodeWorker&) = delete;
  /// Waits for what was started.
  ~DecodeWorker();

  /// Begins to decode frames [num_frames, G], at most max_decode_frames of them, into `samples`. Nothing may be under
  /// way.
  void start(std::vector<int64_t> codes, int64_t num_frames, float* samples);

  /// Whether something is being decoded.
  bool is_busy() const;

  /// Waits for what was started, and says how it ended; ok when nothing was.
  Status wait();

  /// Milliseconds spent in decoding since the last call. Nothing may be under way.
  double take_decode_ms() { return std::exchange(decode_ms_, 0.0); }

 private:
  void run();

  FrameDecoder& decoder_;
  DecoderState& state_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
  bool is_busy_ = false;
  bool is_over_ = false;
  std::vector<int64_t> codes_;
  int64_t num_frames_ = 0;
  float* samples_ = nullptr;
  Status status_;
  double decode_ms_ = 0;
};

}  // namespace qwen3_tts
