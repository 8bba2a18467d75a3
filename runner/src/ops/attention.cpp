#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <executorch/runtime/kernel/kernel_includes.h>
#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include "ops/checks.h"
#include "ops/kernels/attention_kernels.h"
#include "ops/ops.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMinWorkPerThread = 1 << 16;  // Multiply-adds; below this a second thread costs more than it gives.

struct Shape {
  int64_t num_rows;
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t capacity;
  int64_t first;  // Position of row 0.
  int64_t window;  // 0: all positions.

  int64_t heads_per_kv_head() const { return num_heads / num_kv_heads; }
  int64_t qkv_size() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
  int64_t oldest(int64_t row) const { return window == 0 ? 0 : std::max<int64_t>(0, first + row - window + 1); }
  int64_t num_seen(int64_t row) const { return first + row + 1 - oldest(row); }
};

/// RMS norm (when `weight` is given), then rotation of split halves: [head_dim] -> [head_dim].
void norm_and_rotate(const float* x, const float* weight, const float* rope, float eps, int64_t head_dim, float* out) {
  const int64_t half = head_dim / 2;
  float scale = 1.0F;
  if (weight != nullptr) {
    float sum = 0.0F;
    for (int64_t i = 0; i < head_dim; ++i) {
      sum += x[i] * x[i];
    }
    scale = 1.0F / std::sqrt(sum / static_cast<float>(head_dim) + eps);
  }
  for (int64_t i = 0; i < half; ++i) {
    const float a = weight == nullptr ? x[i] : weight[i] * (x[i] * scale);
    const float b = weight == nullptr ? x[half + i] : weight[half + i] * (x[half + i] * scale);
    out[i] = a * rope[i] - b * rope[half + i];
    out[half + i] = b * rope[i] + a * rope[half + i];
  }
}

/// Turns scores into softmax weights.
void softmax(float* scores, int64_t count) {
  const float highest = *std::max_element(scores, scores + count);
  float sum = 0.0F;
  for (int64_t p = 0; p < count; ++p) {
    scores[p] = std::exp(scores[p] - highest);
    sum += scores[p];
  }
  const float scale = 1.0F / sum;
  for (int64_t p = 0; p < count; ++p) {
    scores[p] *= scale;
  }
}

/// Calls `visit(slot, count, offset)` for the stored positions a row sees, oldest first, in contiguous runs of slots.
/// The order does not depend on how the utterance was cut into calls, so neither do the sums.
template <typename Visit>
void for_each_run(const Shape& shape, int64_t row, const Visit& visit) {
  const int64_t count = shape.num_seen(row);
  for (int64_t done = 0; done < count;) {
    const int64_t slot = (shape.oldest(row) + done) % shape.capacity;
    const int64_t run = std::min(count - done, shape.capacity - slot);
    visit(slot, run, done);
    done += run;
  }
}

/// One query row of one head over the stored keys and values [capacity, head_dim] of its kv head.
void attend(const Shape& shape, int64_t row, const float* query, const float* keys, const float* values, float* scores,
            float* out) {
  const int64_t head_dim = shape.head_dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  const AttentionKernels& kernels = attention_kernels();
  for_each_run(shape, row, [&](int64_t slot, int64_t run, int64_t offset) {
    kernels.dot_products(query, keys + slot * head_dim, run, head_dim, scale, scores + offset);
  });
  softmax(scores, shape.num_seen(row));
  std::fill_n(out, head_dim, 0.0F);
  for_each_run(shape, row, [&](int64_t slot, int64_t run, int64_t offset) {
    kernels.add_weighted(scores + offset, values + slot * head_dim, run, head_dim, out);
  });
}

bool valid_norm(const std::optional<Tensor>& norm, int64_t head_dim) {
  return !norm.has_value() || (is_float(*norm, 1) && norm->numel() == head_dim);
}

bool valid_arguments(const Tensor& qkv, const std::optional<Tensor>& q_norm, const std::optional<Tensor>& k_norm,
                     const Tensor& rope, const Tensor& position, const Tensor& kv, int64_t layer, int64_t num_heads,
                     int64_t window) {
  if (!is_float(qkv, 2) || !is_float(rope, 2) || !is_float(kv, 5) || !is_position(position)) {
    return false;
  }
  const int64_t num_rows = qkv.size(0);
  const int64_t num_kv_heads = kv.size(2);
  const int64_t capacity = kv.size(3);
  const int64_t head_dim = kv.size(4);
  const int64_t first = *position.const_data_ptr<int64_t>();
  // A ring must keep the window behind its first new row; without a window nothing may be overwritten.
  const bool fits = window == 0 ? first <= capacity - num_rows : window - 1 + num_rows <= capacity;
  return layer >= 0 && layer < kv.size(0) && kv.size(1) == 2 && num_heads > 0 && num_heads % num_kv_heads == 0 &&
         qkv.size(1) == (num_heads + 2 * num_kv_heads) * head_dim && rope.size(0) == num_rows &&
         rope.size(1) == head_dim && head_dim % 2 == 0 && window >= 0 && fits && valid_norm(q_norm, head_dim) &&
         valid_norm(k_norm, head_dim);
}

}  // namespace

Tensor& attention_out(KernelRuntimeContext& context, const Tensor& qkv, const std::optional<Tensor>& q_norm,
                      const std::optional<Tensor>& k_norm, const Tensor& rope, const Tensor& position, const Tensor& kv,
                      int64_t layer, int64_t num_heads, int64_t window, double eps, Tensor& out) {
  ET_KERNEL_CHECK(context, valid_arguments(qkv, q_norm, k_norm, rope, position, kv, layer, num_heads, window),
                  InvalidArgument, out);
  const Shape shape = {qkv.size(0), num_heads, kv.size(2), kv.size(4), kv.size(3), *position.const_data_ptr<int64_t>(),
                       window};
  const int64_t head_dim = shape.head_dim;
  const std::array<int64_t, 2> sizes = {shape.num_rows, num_heads * head_dim};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);

  const int64_t longest = shape.num_seen(shape.num_rows - 1);
  const auto scratch_values = static_cast<size_t>(shape.num_kv_heads * (longest + head_dim));
  const auto scratch_result = context.allocate_temp(scratch_values * sizeof(float));
  ET_KERNEL_CHECK(context, scratch_result.ok(), MemoryAllocationFailed, out);
  auto* scratch = static_cast<float*>(scratch_result.get());

  const auto* input = qkv.const_data_ptr<float>();
  const auto* rotation = rope.const_data_ptr<float>();
  const float* q_weight = q_norm.has_value() ? q_norm->const_data_ptr<float>() : nullptr;
  const float* k_weight = k_norm.has_value() ? k_norm->const_data_ptr<float>() : nullptr;
  // The cache belongs to the session, which passes it in to be written (qwen3_tts/ops.py).
  float* const cache = const_cast<float*>(kv.const_data_ptr<float>());
  float* const result = out.mutable_data_ptr<float>();
  const int64_t plane = shape.num_kv_heads * shape.capacity * head_dim;
  const auto float_eps = static_cast<float>(eps);

  // Everything of one kv head is independent of the others.
  const auto run_kv_head = [&](int64_t kv_head) {
    float* keys = cache + layer * 2 * plane + kv_head * shape.capacity * head_dim;
    float* values = keys + plane;
    float* scores = scratch + kv_head * (longest + head_dim);
    float* query = scores + longest;
    for (int64_t row = 0; row < shape.num_rows; ++row) {
      const int64_t slot = (shape.first + row) % shape.capacity;
      const float* source = input + row * shape.qkv_size() + (num_heads + kv_head) * head_dim;
      norm_and_rotate(source, k_weight, rotation + row * head_dim, float_eps, head_dim, keys + slot * head_dim);
      std::memcpy(values + slot * head_dim, source + shape.num_kv_heads * head_dim,
                  static_cast<size_t>(head_dim) * sizeof(float));
    }
    for (int64_t row = 0; row < shape.num_rows; ++row) {
      for (int64_t g = 0; g < shape.heads_per_kv_head(); ++g) {
        const int64_t head = kv_head * shape.heads_per_kv_head() + g;
        norm_and_rotate(input + row * shape.qkv_size() + head * head_dim, q_weight, rotation + row * head_dim,
                        float_eps, head_dim, query);
        attend(shape, row, query, keys, values, scores, result + (row * num_heads + head) * head_dim);
      }
    }
  };
  const int64_t work = 2 * shape.num_rows * shape.heads_per_kv_head() * longest * head_dim;  // Of one kv head.
  const int64_t grain = std::max<int64_t>(1, kMinWorkPerThread / std::max<int64_t>(1, work));
  executorch::extension::parallel_for(0, shape.num_kv_heads, grain, [&](int64_t begin, int64_t end) {
    for (int64_t kv_head = begin; kv_head < end; ++kv_head) {
      run_kv_head(kv_head);
    }
  });
  return out;
}

}  // namespace qwen3_tts
