#include "ops/kernels/column_kernels.h"

#include <cstring>

#include "ops/kernels/sine.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

#define ALWAYS_INLINE inline __attribute__((always_inline))

constexpr int64_t kLanes = 16;
using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Bytes = uint8_t __attribute__((vector_size(16)));

constexpr int64_t kPrefetchedValues = 512;  // ahead: columns come from memory in one stream
constexpr float kSmallestPeak = 1e-30F;  // below, a column counts as zeros: its inverse would overflow
constexpr float kLargestPeak = 3e38F;    // above it, no code
constexpr float kOneDigit = 127.0F;
constexpr float kTwoDigits = 127.0F * kDigitBase + 127.0F;
constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest even integer

#ifdef __AVX512F__
ALWAYS_INLINE __mmask16 lane_mask(int64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : (1 << count) - 1);
}
#endif

/// The first `count` values, then zeros.
ALWAYS_INLINE Floats load(const float* values, int64_t count) {
#ifdef __AVX512F__
  return reinterpret_cast<Floats>(_mm512_maskz_loadu_ps(lane_mask(count), values));
#else
  Floats lanes = {};
  std::memcpy(&lanes, values, static_cast<size_t>(count >= kLanes ? kLanes : count) * sizeof(float));
  return lanes;
#endif
}

ALWAYS_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }

ALWAYS_INLINE float largest_of(Floats x) {
  x = larger(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  x = larger(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  x = larger(x, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  x = larger(x, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return x[0];
}

ALWAYS_INLINE Floats round_even(Floats x) { return (x + kRounder) - kRounder; }

/// round_even(x * factor) of the rounded product, as torch rounds it: no fused multiplication may skip its rounding.
ALWAYS_INLINE Floats round_product(Floats x, float factor) {
#ifdef __AVX512F__
  const auto product = _mm512_mul_ps(reinterpret_cast<__m512>(x), _mm512_set1_ps(factor));
  return reinterpret_cast<Floats>(_mm512_maskz_roundscale_ps(lane_mask(kLanes), product, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  __m256 halves[2];
  std::memcpy(halves, &x, sizeof(x));
  for (__m256& half : halves) {
    half = _mm256_round_ps(_mm256_mul_ps(half, _mm256_set1_ps(factor)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  std::memcpy(&x, halves, sizeof(x));
  return x;
#else
  return round_even(x * factor);
#endif
}

ALWAYS_INLINE Floats snake(const ConvolutionColumn& column, int64_t i) {
  const int64_t count = column.width - i;
  const Floats x = load(column.values + i, count);
  return x + sin_squared(x * load(column.alpha + i, count)) * load(column.inv_beta + i, count);
}

ALWAYS_INLINE Floats magnitude(Floats x) { return x < 0.0F ? -x : x; }

/// Writes what is quantized to `scratch` and returns its largest magnitude.
template <bool kHasSnake>
ALWAYS_INLINE float prepare(const ConvolutionColumn& column, float* scratch) {
  Floats peaks = {};
  for (int64_t i = 0; i < column.width; i += kLanes) {
    __builtin_prefetch(column.values + i + kPrefetchedValues);
    const Floats x = kHasSnake ? snake(column, i) : load(column.values + i, column.width - i);
    const Floats size = magnitude(x);
    peaks = larger(size, peaks);
    std::memcpy(scratch + i, &x, sizeof(x));
  }
  return largest_of(peaks);
}

ALWAYS_INLINE void store_codes(Floats integers, uint8_t* codes) {
  const Ints shifted = __builtin_convertvector(integers, Ints) + kCodeOffset;
  const Bytes bytes = __builtin_convertvector(shifted, Bytes);
  std::memcpy(codes, &bytes, sizeof(bytes));
}

template <int64_t kDigits>
ALWAYS_INLINE void write_codes(const float* scratch, float inverse, int64_t depth, uint8_t* codes) {
  for (int64_t i = 0; i < depth; i += kLanes) {
    const Floats x = round_product(load(scratch + i, kLanes), inverse);
    if constexpr (kDigits == 1) {
      store_codes(x, codes + i);
    } else {
      const Floats high = round_even(x * (1.0F / kDigitBase));
      store_codes(high, codes + i);
      store_codes(x - high * static_cast<float>(kDigitBase), codes + depth + i);
    }
  }
}

float quantize(const ConvolutionColumn& column, float* scratch, uint8_t* codes) {
  const float peak = column.alpha == nullptr ? prepare<false>(column, scratch) : prepare<true>(column, scratch);
  const bool has_codes = peak > kSmallestPeak && peak < kLargestPeak;
  if (!has_codes) {
    std::memset(codes, kCodeOffset, static_cast<size_t>(column.digits * column.depth));
    return 0.0F;
  }
  if (column.digits == 1) {
    write_codes<1>(scratch, kOneDigit / peak, column.depth, codes);
    return peak / kOneDigit;
  }
  write_codes<2>(scratch, kTwoDigits / peak, column.depth, codes);
  return peak / kTwoDigits;
}

ALWAYS_INLINE void store(Floats x, float* values, int64_t count) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(values, lane_mask(count), reinterpret_cast<__m512>(x));
#else
  std::memcpy(values, &x, static_cast<size_t>(count >= kLanes ? kLanes : count) * sizeof(float));
#endif
}

void finish(const PanelOutputs& outputs, const float* sums) {
  for (int64_t i = 0; i < outputs.width; i += kLanes) {
    const int64_t count = outputs.width - i;
    const Floats scales = load(outputs.scales + i, count);
    const Floats biases = outputs.biases == nullptr ? Floats{} : load(outputs.biases + i, count);
    for (int64_t t = 0; t < outputs.columns; ++t) {
      Floats x = load(sums + t * kPanelOutputs + i, kLanes) * scales + biases;
      const int64_t place = t * outputs.stride + i;
      if (outputs.residual != nullptr) {
        x += load(outputs.residual + place, count);
      }
      store(x, outputs.out + place, count);
    }
  }
}

}  // namespace

const ColumnKernels column_kernels = {quantize, finish};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
