#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/checks.h"
#include "ops/kernels/attention_kernels.h"
#include "ops/ops.h"
#include "ops/parallel.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;

namespace {

constexpr int64_t kMaxQueries = 8;  // That read the stored rows together: their scores are kept until all are known.
constexpr int64_t kMinWorkPerThread = 1 << 16;  // Multiply-adds; below this a second thread costs more than it gives.

/// Consecutive rows of one utterance.
struct Run {
  int64_t begin;  // Its first row.
  int64_t num_rows;
  int64_t first;  // Position of that row.
  int64_t slot;
  int64_t window;  // 0: all positions.

  int64_t oldest(int64_t row) const { return window == 0 ? 0 : std::max<int64_t>(0, first + row - window + 1); }
  int64_t num_seen(int64_t row) const { return first + row + 1 - oldest(row); }
  int64_t longest() const { return first + num_rows - oldest(0); }
};

struct Shape {
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t capacity;

  int64_t heads_per_kv_head() const { return num_heads / num_kv_heads; }
  int64_t qkv_size() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
};

/// A cache [N, L, 2, KVH, C, D] as bytes: rows of D elements, and the kernels for their type.
struct Cache {
  std::byte* data;
  int64_t num_layers;
  int64_t row_bytes;
  const StoredRowsKernels& kernels;

  std::byte* rows(const Shape& shape, int64_t slot, int64_t layer, int64_t is_value, int64_t kv_head) const {
    const int64_t heads = ((slot * num_layers + layer) * 2 + is_value) * shape.num_kv_heads + kv_head;
    return data + heads * shape.capacity * row_bytes;
  }
};

Cache to_cache(const Tensor& kv) {
  const bool is_float = kv.scalar_type() == ScalarType::Float;
  const AttentionKernels& kernels = attention_kernels();
  // The cache belongs to the caller, who passes it in to be written (qwen3_tts/export/ops.py).
  auto* data = static_cast<std::byte*>(const_cast<void*>(kv.const_data_ptr()));
  return {data, kv.size(1), kv.size(5) * static_cast<int64_t>(kv.element_size()),
          is_float ? kernels.float_rows : kernels.half_rows};
}

/// What all rows and heads share.
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

/// Calls `visit(place, count, offset)` for `count` stored positions from `oldest` on, in contiguous stretches of the
/// cache. The order does not depend on how the utterance was cut into calls, so neither do the sums.
template <typename Visit>
void for_each_stretch(const Shape& shape, int64_t oldest, int64_t count, const Visit& visit) {
  for (int64_t done = 0; done < count;) {
    const int64_t place = (oldest + done) % shape.capacity;
    const int64_t length = std::min(count - done, shape.capacity - place);
    visit(place, length, done);
    done += length;
  }
}

/// Writes the new rows' keys and values. `key` [D] is scratch.
void store_rows(const Inputs& in, const Run& run, int64_t kv_head, float* key) {
  const Shape& shape = in.shape;
  std::byte* keys = in.cache.rows(shape, run.slot, in.layer, 0, kv_head);
  std::byte* values = in.cache.rows(shape, run.slot, in.layer, 1, kv_head);
  for (int64_t r = 0; r < run.num_rows; ++r) {
    const int64_t row = run.begin + r;
    const int64_t offset = (run.first + r) % shape.capacity * in.cache.row_bytes;
    in.norm_and_rotate(in.head(row, shape.num_heads + kv_head), in.k_norm, row, key);
    in.cache.kernels.store_row(key, shape.head_dim, keys + offset);
    in.cache.kernels.store_row(in.head(row, shape.num_heads + shape.num_kv_heads + kv_head), shape.head_dim,
                               values + offset);
  }
}

/// Softmax of each query's scores [num_queries, count] over the positions its row sees; no weight for the others.
void weigh(const Shape& shape, const Run& run, int64_t begin, int64_t end, int64_t oldest, int64_t count,
           float* scores) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = i / shape.heads_per_kv_head();
    float* first_seen = scores + run.oldest(row) - oldest;
    float* last_seen = first_seen + run.num_seen(row);
    std::fill(scores, first_seen, 0.0F);
    attention_kernels().softmax(first_seen, run.num_seen(row));
    scores += count;
    std::fill(last_seen, scores, 0.0F);
  }
}

/// Queries `begin` … `end` - 1 of a kv head, counted row by row of the run and head by head, over all positions that
/// any of them sees. Scratch: `queries` [end - begin, D] and `scores` [end - begin, positions].
void attend(const Inputs& in, const Run& run, int64_t kv_head, int64_t begin, int64_t end, float* queries,
            float* scores) {
  const Shape& shape = in.shape;
  const int64_t group = shape.heads_per_kv_head();
  const int64_t head_dim = shape.head_dim;
  const int64_t num_queries = end - begin;
  const int64_t oldest = run.oldest(begin / group);
  const int64_t count = run.first + (end - 1) / group + 1 - oldest;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = run.begin + i / group;
    in.norm_and_rotate(in.head(row, kv_head * group + i % group), in.q_norm, row, queries + (i - begin) * head_dim);
  }
  const std::byte* keys = in.cache.rows(shape, run.slot, in.layer, 0, kv_head);
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim));
  for_each_stretch(shape, oldest, count, [&](int64_t place, int64_t length, int64_t offset) {
    in.cache.kernels.dot_products(queries, num_queries, keys + place * in.cache.row_bytes, length, head_dim, scale,
                                  scores + offset, count);
  });
  weigh(shape, run, begin, end, oldest, count, scores);
  float* sums = queries;  // Nobody needs the queries any more.
  std::fill_n(sums, num_queries * head_dim, 0.0F);
  const std::byte* values = in.cache.rows(shape, run.slot, in.layer, 1, kv_head);
  for_each_stretch(shape, oldest, count, [&](int64_t place, int64_t length, int64_t offset) {
    in.cache.kernels.add_weighted(scores + offset, count, num_queries, values + place * in.cache.row_bytes, length,
                                  head_dim, sums);
  });
  for (int64_t i = begin; i < end; ++i) {
    const int64_t head = (run.begin + i / group) * shape.num_heads + kv_head * group + i % group;
    std::copy_n(sums + (i - begin) * head_dim, head_dim, in.out + head * head_dim);
  }
}

bool valid_norm(const std::optional<Tensor>& norm, int64_t head_dim) {
  return !norm.has_value() || (is_float(*norm, 1) && norm->numel() == head_dim);
}

bool is_cache(const Tensor& kv) {
  return kv.dim() == 6 && (is_of(kv, ScalarType::Float) || is_of(kv, ScalarType::Half));
}

bool valid_arguments(const Tensor& qkv, const std::optional<Tensor>& q_norm, const std::optional<Tensor>& k_norm,
                     const Tensor& rope, const Tensor& positions, const std::optional<Tensor>& slots, const Tensor& kv,
                     int64_t layer, int64_t num_heads, int64_t window) {
  if (!is_float(qkv, 2) || !is_float(rope, 2) || !is_cache(kv)) {
    return false;
  }
  const int64_t num_rows = qkv.size(0);
  const int64_t num_kv_heads = kv.size(3);
  const int64_t head_dim = kv.size(5);
  return num_rows > 0 && kv.numel() > 0 && is_indices(positions, num_rows) &&
         (!slots.has_value() || is_indices(*slots, num_rows)) && layer >= 0 && layer < kv.size(1) && kv.size(2) == 2 &&
         num_heads > 0 && num_heads <= qkv.size(1) && num_heads % num_kv_heads == 0 &&
         qkv.size(1) == (num_heads + 2 * num_kv_heads) * head_dim && rope.size(0) == num_rows &&
         rope.size(1) == head_dim && head_dim % 2 == 0 && window >= 0 && window <= kv.size(4) &&
         valid_norm(q_norm, head_dim) && valid_norm(k_norm, head_dim);
}

/// The rows as few runs.
std::vector<Run> to_runs(const int64_t* positions, const int64_t* slots, int64_t num_rows, int64_t window) {
  std::vector<Run> runs;
  for (int64_t row = 0; row < num_rows; ++row) {
    const int64_t slot = slots == nullptr ? 0 : slots[row];
    if (!runs.empty() && runs.back().slot == slot && positions[row] - runs.back().num_rows == runs.back().first) {
      ++runs.back().num_rows;
    } else {
      runs.push_back({row, 1, positions[row], slot, window});
    }
  }
  return runs;
}

/// Whether the cache has room for all. A ring must keep the window behind its first new row, so it takes one run;
/// without a window nothing may be overwritten.
bool fit(const std::vector<Run>& runs, const Tensor& kv, int64_t window) {
  const int64_t capacity = kv.size(4);
  const auto fits = [&](const Run& run) {
    const bool has_room = window == 0 ? run.first <= capacity - run.num_rows : run.num_rows <= capacity - (window - 1);
    return run.slot < kv.size(0) && has_room;
  };
  return (window == 0 || runs.size() == 1) && std::all_of(runs.begin(), runs.end(), fits);
}

}  // namespace

Tensor& attention_out(KernelRuntimeContext& context, const Tensor& qkv, const std::optional<Tensor>& q_norm,
                      const std::optional<Tensor>& k_norm, const Tensor& rope, const Tensor& positions,
                      const std::optional<Tensor>& slots, const Tensor& kv, int64_t layer, int64_t num_heads,
                      int64_t window, double eps, Tensor& out) {
  ET_KERNEL_CHECK(context, valid_arguments(qkv, q_norm, k_norm, rope, positions, slots, kv, layer, num_heads, window),
                  InvalidArgument, out);
  const std::vector<Run> runs =
      to_runs(positions.const_data_ptr<int64_t>(), slots.has_value() ? slots->const_data_ptr<int64_t>() : nullptr,
              qkv.size(0), window);
  ET_KERNEL_CHECK(context, fit(runs, kv, window), InvalidArgument, out);
  const Shape shape = {num_heads, kv.size(3), kv.size(5), kv.size(4)};
  const int64_t head_dim = shape.head_dim;
  const std::array<int64_t, 2> sizes = {qkv.size(0), num_heads * head_dim};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);

  int64_t longest = 0;
  int64_t most_queries = 0;
  int64_t work = 0;  // Multiply-adds of one kv head.
  for (const Run& run : runs) {
    const int64_t num_queries = run.num_rows * shape.heads_per_kv_head();
    longest = std::max(longest, run.longest());
    most_queries = std::max(most_queries, num_queries);
    work += 2 * num_queries * run.longest() * head_dim;
  }
  const int64_t block = std::min(most_queries, kMaxQueries);
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
    for (const Run& run : runs) {
      store_rows(inputs, run, kv_head, queries);
    }
    for (const Run& run : runs) {
      const int64_t num_queries = run.num_rows * shape.heads_per_kv_head();
      for (int64_t begin = 0; begin < num_queries; begin += block) {
        attend(inputs, run, kv_head, begin, std::min(begin + block, num_queries), queries, queries + block * head_dim);
      }
    }
  };
  const int64_t grain = std::max<int64_t>(1, kMinWorkPerThread / std::max<int64_t>(1, work));
  parallel_for(shape.num_kv_heads, grain, [&](int64_t begin, int64_t end) {
    for (int64_t kv_head = begin; kv_head < end; ++kv_head) {
      run_kv_head(kv_head);
    }
  });
  return out;
}

}  // namespace qwen3_tts
