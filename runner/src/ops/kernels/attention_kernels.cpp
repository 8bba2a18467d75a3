#include "ops/kernels/attention_kernels.h"

#include "ops/kernels/half.h"
#include "ops/kernels/simd.h"
#include "ops/kernels/vector_math.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kSums = 8;  // vectors that are added to side by side, for an addition takes four cycles
constexpr int64_t kCacheLine = 64;
constexpr int64_t kPrefetchBytes = 4096;  // ahead: about as much as is read while memory answers
constexpr int64_t kValueRows = 16;  // stay in the first-level cache while they are added piece by piece

struct FloatRows {
  using Element = float;
  static Floats load_lanes(const float* from) { return load(from); }
  static Element narrow(float value) { return value; }
};

struct HalfRows {
  using Element = uint16_t;
  static Floats load_lanes(const uint16_t* from) { return load_halfs(from); }
  static Element narrow(float value) { return to_half(within_halfs(value)); }
};

/// The rest of a row that is no whole vector, with zeros behind it. Sums then have one form, so that the compiler can
/// fuse additions in no other way for some of them.
template <typename Rows>
inline Floats load_rest(const typename Rows::Element* from, int64_t count) {
  typename Rows::Element lanes[kLanes] = {};
  memcpy(lanes, from, static_cast<size_t>(count) * sizeof(lanes[0]));
  return Rows::load_lanes(lanes);
}

template <typename Rows>
void store_row(const float* row, int64_t head_dim, void* stored) {
  auto* to = static_cast<typename Rows::Element*>(stored);
  for (int64_t i = 0; i < head_dim; ++i) {
    to[i] = Rows::narrow(row[i]);
  }
}

/// sums [kQueries][4] += queries * keys, lane by lane, at one place of each: query(q), key(k).
template <int64_t kQueries, int64_t kKeys, typename Query, typename Key>
inline void add_products(const Query& query, const Key& key, Floats (&sums)[kQueries][4]) {
  Floats loaded[kKeys];
  QWEN3_TTS_UNROLL
  for (int64_t k = 0; k < kKeys; ++k) {
    loaded[k] = key(k);
  }
  QWEN3_TTS_UNROLL
  for (int64_t q = 0; q < kQueries; ++q) {
    const Floats factor = query(q);
    QWEN3_TTS_UNROLL
    for (int64_t k = 0; k < kKeys; ++k) {
      sums[q][k] += factor * loaded[k];
    }
  }
}

/// dot_products() of kKeys keys, 1 or 4.
template <typename Rows, int64_t kQueries, int64_t kKeys>
inline void dot_keys(const float* queries, const typename Rows::Element* keys, int64_t head_dim, float scale,
                     float* scores, int64_t stride) {
  Floats sums[kQueries][4] = {};
  int64_t i = 0;
  for (; i + kLanes <= head_dim; i += kLanes) {
    add_products<kQueries, kKeys>([&](int64_t q) { return load(queries + q * head_dim + i); },
                                  [&](int64_t k) { return Rows::load_lanes(keys + k * head_dim + i); }, sums);
  }
  if (i < head_dim) {
    const int64_t rest = head_dim - i;
    add_products<kQueries, kKeys>([&](int64_t q) { return load_rest<FloatRows>(queries + q * head_dim + i, rest); },
                                  [&](int64_t k) { return load_rest<Rows>(keys + k * head_dim + i, rest); }, sums);
  }
  QWEN3_TTS_UNROLL
  for (int64_t q = 0; q < kQueries; ++q) {
    const FourFloats totals = sums_of_lanes(sums[q][0], sums[q][1], sums[q][2], sums[q][3]) * scale;
    memcpy(scores + q * stride, &totals, kKeys * sizeof(float));
  }
}

/// Asks for the rows that are read next. The processor's own prefetching ends at the page, of which a cache has many.
template <typename Element>
inline void prefetch(const Element* from, int64_t count) {
  const auto* bytes = reinterpret_cast<const char*>(from) + kPrefetchBytes;
  for (int64_t i = 0; i < count * static_cast<int64_t>(sizeof(Element)); i += kCacheLine) {
    __builtin_prefetch(bytes + i);
  }
}

template <typename Rows, int64_t kQueries>
inline void dot_queries(const float* queries, const typename Rows::Element* keys, int64_t count, int64_t head_dim,
                        float scale, float* scores, int64_t stride) {
  int64_t p = 0;
  for (; p + 4 <= count; p += 4) {
    prefetch(keys + p * head_dim, 4 * head_dim);
    dot_keys<Rows, kQueries, 4>(queries, keys + p * head_dim, head_dim, scale, scores + p, stride);
  }
  for (; p < count; ++p) {
    dot_keys<Rows, kQueries, 1>(queries, keys + p * head_dim, head_dim, scale, scores + p, stride);
  }
}

template <typename Rows>
void dot_products(const float* queries, int64_t num_queries, const void* keys, int64_t count, int64_t head_dim,
                  float scale, float* scores, int64_t stride) {
  const auto* rows = static_cast<const typename Rows::Element*>(keys);
  int64_t q = 0;
  for (; q + 2 <= num_queries; q += 2) {
    dot_queries<Rows, 2>(queries + q * head_dim, rows, count, head_dim, scale, scores + q * stride, stride);
  }
  if (q < num_queries) {
    dot_queries<Rows, 1>(queries + q * head_dim, rows, count, head_dim, scale, scores + q * stride, stride);
  }
}

/// add_weighted() for kVectors vectors of each value.
template <typename Rows, int64_t kQueries, int64_t kVectors>
inline void add_piece(const float* weights, int64_t stride, const typename Rows::Element* values, int64_t count,
                      int64_t head_dim, float* sums) {
  Floats pieces[kQueries][kVectors];
  QWEN3_TTS_UNROLL
  for (int64_t q = 0; q < kQueries; ++q) {
    for (int64_t v = 0; v < kVectors; ++v) {
      pieces[q][v] = load(sums + q * head_dim + v * kLanes);
    }
  }
  for (int64_t p = 0; p < count; ++p) {
    Floats value[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) {
      value[v] = Rows::load_lanes(values + p * head_dim + v * kLanes);
    }
    for (int64_t q = 0; q < kQueries; ++q) {
      for (int64_t v = 0; v < kVectors; ++v) {
        pieces[q][v] += weights[q * stride + p] * value[v];
      }
    }
  }
  for (int64_t q = 0; q < kQueries; ++q) {
    for (int64_t v = 0; v < kVectors; ++v) {
      store(sums + q * head_dim + v * kLanes, pieces[q][v]);
    }
  }
}

/// add_weighted() for the rest of each value that is no whole vector.
template <typename Rows>
inline void add_rest(const float* weights, const typename Rows::Element* values, int64_t count, int64_t head_dim,
                     float* sums, int64_t rest) {
  Floats sum = load_rest<FloatRows>(sums, rest);
  for (int64_t p = 0; p < count; ++p) {
    sum += weights[p] * load_rest<Rows>(values + p * head_dim, rest);
  }
  store_some(sums, sum, rest);
}

template <typename Rows, int64_t kQueries>
inline void add_rows(const float* weights, int64_t stride, const typename Rows::Element* values, int64_t count,
                     int64_t head_dim, float* sums) {
  constexpr int64_t kVectors = kSums / kQueries;
  int64_t i = 0;
  for (; i + kVectors * kLanes <= head_dim; i += kVectors * kLanes) {
    add_piece<Rows, kQueries, kVectors>(weights, stride, values + i, count, head_dim, sums + i);
  }
  for (; i + kLanes <= head_dim; i += kLanes) {
    add_piece<Rows, kQueries, 1>(weights, stride, values + i, count, head_dim, sums + i);
  }
  for (int64_t q = 0; q < kQueries && i < head_dim; ++q) {
    add_rest<Rows>(weights + q * stride, values + i, count, head_dim, sums + q * head_dim + i, head_dim - i);
  }
}

template <typename Rows>
void add_weighted(const float* weights, int64_t stride, int64_t num_queries, const void* values, int64_t count,
                  int64_t head_dim, float* sums) {
  const auto* rows = static_cast<const typename Rows::Element*>(values);
  for (int64_t p = 0; p < count; p += kValueRows) {
    const int64_t num_rows = count - p < kValueRows ? count - p : kValueRows;
    const auto* piece = rows + p * head_dim;
    prefetch(piece, num_rows * head_dim);
    int64_t q = 0;
    for (; q + 2 <= num_queries; q += 2) {
      add_rows<Rows, 2>(weights + q * stride + p, stride, piece, num_rows, head_dim, sums + q * head_dim);
    }
    if (q < num_queries) {
      add_rows<Rows, 1>(weights + q * stride + p, stride, piece, num_rows, head_dim, sums + q * head_dim);
    }
  }
}

float sum_of_squares(const float* x, int64_t count) {
  Floats sums = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats values = load(x + i);
    sums += values * values;
  }
  const Floats rest = load_rest<FloatRows>(x + i, count - i);
  return sum_of_lanes(sums + rest * rest);
}

/// A vector of each half, or the part of one that `get` loads and `put` stores.
template <typename Load, typename Store>
inline void rotate(const Load& get, const Store& put, const float* x, const float* weight, const float* rope,
                   float scale, int64_t half) {
  Floats a = get(x) * scale;
  Floats b = get(x + half) * scale;
  if (weight != nullptr) {
    a *= get(weight);
    b *= get(weight + half);
  }
  const Floats cosine = get(rope);
  const Floats sine = get(rope + half);
  put(0, a * cosine - b * sine);
  put(half, b * cosine + a * sine);
}

void norm_and_rotate(const float* x, const float* weight, const float* rope, float eps, int64_t head_dim, float* out) {
  const int64_t half = head_dim / 2;
  const float scale =
      weight == nullptr ? 1.0F : 1.0F / sqrtf(sum_of_squares(x, head_dim) / static_cast<float>(head_dim) + eps);
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    rotate([](const float* from) { return load(from); },
           [&](int64_t place, Floats value) { store(out + i + place, value); }, x + i,
           weight == nullptr ? nullptr : weight + i, rope + i, scale, half);
  }
  if (i < half) {
    const int64_t rest = half - i;
    rotate([&](const float* from) { return load_rest<FloatRows>(from, rest); },
           [&](int64_t place, Floats value) { store_some(out + i + place, value, rest); }, x + i,
           weight == nullptr ? nullptr : weight + i, rope + i, scale, half);
  }
}

float largest_of(const float* values, int64_t count) {
  int64_t i = 0;
  Floats largest_lanes = splat(values[0]);
  for (; i + kLanes <= count; i += kLanes) {
    largest_lanes = larger(load(values + i), largest_lanes);
  }
  float largest = largest_lane(largest_lanes);
  for (; i < count; ++i) {
    largest = larger(values[i], largest);
  }
  return largest;
}

void softmax(float* scores, int64_t count) {
  const float largest = largest_of(scores, count);
  Floats sums = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats weights = exp_of_negative(load(scores + i) - largest);
    store(scores + i, weights);
    sums += weights;
  }
  if (i < count) {
    store_some(scores + i, exp_of_negative(load_rest<FloatRows>(scores + i, count - i) - largest), count - i);
    sums += load_rest<FloatRows>(scores + i, count - i);
  }
  const float scale = 1.0F / sum_of_lanes(sums);
  for (i = 0; i < count; ++i) {
    scores[i] *= scale;
  }
}

}  // namespace

const AttentionKernels attention_kernels = {
    {store_row<FloatRows>, dot_products<FloatRows>, add_weighted<FloatRows>},
    {store_row<HalfRows>, dot_products<HalfRows>, add_weighted<HalfRows>},
    norm_and_rotate,
    softmax,
};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
