#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "ops/checks.h"
#include "ops/parallel.h"

/// What the convolutions of columns [T, width] share.
namespace qwen3_tts {

constexpr auto kValueBytes = static_cast<int64_t>(sizeof(float));
constexpr int64_t kMaxWorkers = 64;
constexpr int64_t kCachedColumns = 96;  // whose sums of one panel stay in the first cache
constexpr int64_t kMaxWidth = 1 << 15;  // Products of more bytes could leave 32 bits.
constexpr int64_t kMaxTaps = 1 << 10;
constexpr int64_t kMaxDilation = 1 << 10;

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// How many threads so many multiply-adds are worth.
inline int64_t num_workers(int64_t work) {
  constexpr int64_t kMinWorkPerThread = 1 << 17;  // Below this a second thread costs more than it gives.
  const int64_t threads = std::min<int64_t>(executorch::extension::get_thread_count(), kMaxWorkers);
  return std::clamp<int64_t>(work / kMinWorkPerThread, 1, threads);
}

/// The columns of a block, at most kCachedColumns, when every worker gets as many blocks.
inline int64_t block_size(int64_t columns, int64_t workers) {
  return ceil_div(columns, workers * ceil_div(columns, workers * kCachedColumns));
}

/// [T, width], one column after another.
inline bool has_columns(const executorch::aten::Tensor& tensor) {
  return is_float(tensor, 2) && tensor.size(0) > 0 && tensor.size(1) > 0 && tensor.strides()[1] == 1 &&
         tensor.strides()[0] == tensor.size(1);
}

inline bool is_vector(const std::optional<executorch::aten::Tensor>& tensor, int64_t size) {
  return !tensor.has_value() || (is_float(*tensor, 1) && tensor->numel() == size);
}

/// [2, width]: alpha, inv_beta.
inline bool is_snake(const std::optional<executorch::aten::Tensor>& tensor, int64_t width) {
  return !tensor.has_value() || (is_float(*tensor, 2) && tensor->size(0) == 2 && tensor->size(1) == width);
}

inline bool resize_columns(executorch::aten::Tensor& out, int64_t columns, int64_t width) {
  return is_float(out, 2) && resize_output(out, std::array<int64_t, 2>{columns, width}) && has_columns(out);
}

/// Room for `size` values from `offset` on.
inline bool has_room(const executorch::aten::Tensor& history, int64_t offset, int64_t size) {
  return is_float(history, 1) && offset >= 0 && offset <= history.numel() && size <= history.numel() - offset;
}

/// The history belongs to the session, which passes it in to be written (qwen3_tts/export/ops.py).
inline float* past_in(const executorch::aten::Tensor& history, int64_t offset) {
  return const_cast<float*>(history.const_data_ptr<float>()) + offset;
}

/// Calls visit(task, worker) for every task; whoever is free takes the next one, in their order.
template <typename Visit>
void for_each_task(int64_t num_tasks, int64_t num_workers, const Visit& visit) {
  std::atomic<int64_t> next{0};
  parallel_for(num_workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      for (int64_t task = next.fetch_add(1); task < num_tasks; task = next.fetch_add(1)) {
        visit(task, worker);
      }
    }
  });
}

}  // namespace qwen3_tts
