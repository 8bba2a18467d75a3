#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include <executorch/runtime/kernel/kernel_includes.h>
#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include "ops/checks.h"
#include "ops/kernels/attention_kernels.h"
#include "ops/ops.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;

namespace {

constexpr int64_t kMaxQueries = 8;  // That read the stored rows together: their scores are kept until all are known.
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

/// A cache [L, 2, KVH, C, D] as bytes: rows of D elements, and the kernels for their type.
struct Cache {
  std::byte* data;
  int64_t row_bytes;
  const StoredRowsKernels& kernels;

  std::byte* rows(const Shape& shape, int64_t layer, int64_t is_value, int64_t kv_head) const {
    return data + ((layer * 2 + is_value) * shape.num_kv_heads + kv_head) * shape.capacity * row_bytes;
  }
};

Cache to_cache(const Tensor& kv) {
  const bool is_float = kv.scalar_type() == ScalarType::Float;
  const AttentionKernels& kernels = attention_kernels();
  // The cache belongs to the session, which passes it in to be written (qwen3_tts/export/ops.py).
  auto* data = static_cast<std::byte*>(const_cast<void*>(kv.const_data_ptr()));
  return {data, kv.size(4) * static_cast<int64_t>(kv.element_size()),
          is_float ? kernels.float_rows : kernels.half_rows};
}

/// What all heads share.
struct Inputs {
  const Shape& shape;
  const Cache& cache;
  const float* qkv;
  const float* q_norm;
  const float* k_norm;
  const float* rope;
  float eps;
  int64_t layer;
  float* out;

  const float* head(int64_t row, int64_t index) const { return qkv + row * shape.qkv_size() + index * shape.head_dim; }

  void norm_and_rotate(const float* x, const float* weight, int64_t row, float* to) const {
    attention_kernels().norm_and_rotate(x, weight, rope + row * shape.head_dim, eps, shape.head_dim, to);
  }
};

/// Calls `visit(slot, count, offset)` for `count` stored positions from `oldest` on, in contiguous runs of slots.
/// The order does not depend on how the utterance was cut into calls, so neither do the sums.
template <typename Visit>
void for_each_run(const Shape& shape, int64_t oldest, int64_t count, const Visit& visit) {
  for (int64_t done = 0; done < count;) {
    const int64_t slot = (oldest + done) % shape.capacity;
    const int64_t run = std::min(count - done, shape.capacity - slot);
    visit(slot, run, done);
    done += run;
  }
}

/// Writes the new rows' keys and values. `row` [D] is scratch.
void store_rows(const Inputs& in, int64_t kv_head, float* row) {
  const Shape& shape = in.shape;
  std::byte* keys = in.cache.rows(shape, in.layer, 0, kv_head);
  std::byte* values = in.cache.rows(shape, in.layer, 1, kv_head);
  for (int64_t r = 0; r < shape.num_rows; ++r) {
    const int64_t offset = (shape.first + r) % shape.capacity * in.cache.row_bytes;
    in.norm_and_rotate(in.head(r, shape.num_heads + kv_head), in.k_norm, r, row);
    in.cache.kernels.store_row(row, shape.head_dim, keys + offset);
    in.cache.kernels.store_row(in.head(r, shape.num_heads + shape.num_kv_heads + kv_head), shape.head_dim,
                               values + offset);
  }
}

/// Softmax of each query's scores [num_queries, count] over the positions its row sees; no weight for the others.
void weigh(const Shape& shape, int64_t begin, int64_t end, int64_t oldest, int64_t count, float* scores) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = i / shape.heads_per_kv_head();
    float* first_seen = scores + shape.oldest(row) - oldest;
    float* last_seen = first_seen + shape.num_seen(row);
    std::fill(scores, first_seen, 0.0F);
    attention_kernels().softmax(first_seen, shape.num_seen(row));
    scores += count;
    std::fill(last_seen, scores, 0.0F);
  }
}

/// Queries `begin` … `end` - 1 of a kv head, counted row by row and head by head, over all positions that any of them
/// sees. Scratch: `queries` [end - begin, D] and `scores` [end - begin, positions].
void attend(const Inputs& in, int64_t kv_head, int64_t begin, int64_t end, float* queries, float* scores) {
  const Shape& shape = in.shape;
  const int64_t group = shape.heads_per_kv_head();
  const int64_t head_dim = shape.head_dim;
  const int64_t num_queries = end - begin;
  const int64_t oldest = shape.oldest(begin / group);
  const int64_t count = shape.first + (end - 1) / group + 1 - oldest;
  for (int64_t i = begin; i < end; ++i) {
    in.norm_and_rotate(in.head(i / group, kv_head * group + i % group), in.q_norm, i / group,
                       queries + (i - begin) * head_dim);
  }
  const std::byte* keys = in.cache.rows(shape, in.layer, 0, kv_head);
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  for_each_run(shape, oldest, count, [&](int64_t slot, int64_t run, int64_t offset) {
    in.cache.kernels.dot_products(queries, num_queries, keys + slot * in.cache.row_bytes, run, head_dim, scale,
                                  scores + offset, count);
  });
  weigh(shape, begin, end, oldest, count, scores);
  float* sums = queries;  // Nobody needs the queries any more.
  std::fill_n(sums, num_queries * head_dim, 0.0F);
  const std::byte* values = in.cache.rows(shape, in.layer, 1, kv_head);
  for_each_run(shape, oldest, count, [&](int64_t slot, int64_t run, int64_t offset) {
    in.cache.kernels.add_weighted(scores + offset, count, num_queries, values + slot * in.cache.row_bytes, run,
                                  head_dim, sums);
  });
  for (int64_t i = begin; i < end; ++i) {
    const int64_t head = kv_head * group + i % group;
    std::copy_n(sums + (i - begin) * head_dim, head_dim, in.out + (i / group * shape.num_heads + head) * head_dim);
  }
}

bool valid_norm(const std::optional<Tensor>& norm, int64_t head_dim) {
  return !norm.has_value() || (is_float(*norm, 1) && norm->numel() == head_dim);
}

bool is_cache(const Tensor& kv) {
  return kv.dim() == 5 && (kv.scalar_type() == ScalarType::Float || kv.scalar_type() == ScalarType::Half);
}

bool valid_arguments(const Tensor& qkv, const std::optional<Tensor>& q_norm, const std::optional<Tensor>& k_norm,
                     const Tensor& rope, const Tensor& position, const Tensor& kv, int64_t layer, int64_t num_heads,
                     int64_t window) {
  if (!is_float(qkv, 2) || !is_float(rope, 2) || !is_cache(kv) || !is_position(position)) {
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

  const int64_t longest = shape.first + shape.num_rows - shape.oldest(0);
  const int64_t num_queries = shape.num_rows * shape.heads_per_kv_head();
  const int64_t block = std::min(num_queries, kMaxQueries);
  const int64_t scratch_size = block * (longest + head_dim);  // Of one kv head.
  const auto scratch_result =
      context.allocate_temp(static_cast<size_t>(shape.num_kv_heads * scratch_size) * sizeof(float));
  ET_KERNEL_CHECK(context, scratch_result.ok(), MemoryAllocationFailed, out);
  auto* const scratch = static_cast<float*>(scratch_result.get());

  const Cache cache = to_cache(kv);
  const Inputs inputs = {shape,
                         cache,
                         qkv.const_data_ptr<float>(),
                         q_norm.has_value() ? q_norm->const_data_ptr<float>() : nullptr,
                         k_norm.has_value() ? k_norm->const_data_ptr<float>() : nullptr,
                         rope.const_data_ptr<float>(),
                         static_cast<float>(eps),
                         layer,
                         out.mutable_data_ptr<float>()};
  // Everything of one kv head is independent of the others.
  const auto run_kv_head = [&](int64_t kv_head) {
    float* queries = scratch + kv_head * scratch_size;
    store_rows(inputs, kv_head, queries);
    for (int64_t begin = 0; begin < num_queries; begin += block) {
      attend(inputs, kv_head, begin, std::min(begin + block, num_queries), queries, queries + block * head_dim);
    }
  };
  const int64_t work = 2 * num_queries * longest * head_dim;  // Of one kv head.
  const int64_t grain = std::max<int64_t>(1, kMinWorkPerThread / std::max<int64_t>(1, work));
  executorch::extension::parallel_for(0, shape.num_kv_heads, grain, [&](int64_t begin, int64_t end) {
    for (int64_t kv_head = begin; kv_head < end; ++kv_head) {
      run_kv_head(kv_head);
    }
  });
  return out;
}

}  // namespace qwen3_tts
