#include "ops/kernels/column_kernels.h"

#include "ops/kernels/simd.h"
#include "ops/kernels/vector_math.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kPrefetchedValues = 512;  // ahead: columns come from memory in one stream
constexpr float kSmallestPeak = 1e-30F;  // below, a column counts as zeros: its inverse would overflow
constexpr float kLargestPeak = 3e38F;    // above it, no code
constexpr float kOneDigit = 127.0F;
constexpr float kTwoDigits = 127.0F * kDigitBase + 127.0F;
constexpr int64_t kVectors = kDepthMultiple / kLanes;  // whose codes are stored together

/// Writes what is quantized to `scratch`, zeros behind it, and returns its largest magnitude.
template <bool kHasSnake>
inline float prepare(const ConvolutionColumn& column, float* scratch) {
  Floats peaks = {};
  int64_t i = 0;
  for (; i < column.width; i += kLanes) {
    const int64_t count = column.width - i;
    __builtin_prefetch(column.values + i + kPrefetchedValues);
    Floats x = load_up_to(column.values + i, count);
    if constexpr (kHasSnake) {
      x = snake(x, load_up_to(column.alpha + i, count), load_up_to(column.inv_beta + i, count));
    }
    peaks = larger(magnitude(x), peaks);
    store(scratch + i, x);
  }
  for (; i < column.depth; i += kLanes) {
    store(scratch + i, Floats{});
  }
  return largest_lane(peaks);
}

/// Whole numbers as codes, narrowed side by side.
inline void store_codes(const Floats (&integers)[kVectors], uint8_t* codes) {
  using Wide = int32_t __attribute__((vector_size(kDepthMultiple * 4)));
  using Narrow = uint8_t __attribute__((vector_size(kDepthMultiple)));
  Ints shifted[kVectors];
  QWEN3_TTS_UNROLL
  for (int64_t v = 0; v < kVectors; ++v) {
    shifted[v] = __builtin_convertvector(integers[v], Ints) + kCodeOffset;
  }
  const auto bytes = __builtin_convertvector(load<Wide>(shifted), Narrow);
  memcpy(codes, &bytes, sizeof(bytes));
}

template <int64_t kDigits>
inline void write_codes(const float* scratch, float inverse, int64_t depth, uint8_t* codes) {
  for (int64_t i = 0; i < depth; i += kDepthMultiple) {
    Floats high[kVectors];
    Floats low[kVectors];
    QWEN3_TTS_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      const Floats x = round_product(load(scratch + i + v * kLanes), inverse);
      high[v] = kDigits == 1 ? x : round_even(x * (1.0F / kDigitBase));
      low[v] = x - high[v] * static_cast<float>(kDigitBase);
    }
    store_codes(high, codes + i);
    if constexpr (kDigits == 2) {
      store_codes(low, codes + depth + i);
    }
  }
}

float quantize(const ConvolutionColumn& column, float* scratch, uint8_t* codes) {
  const float peak = column.alpha == nullptr ? prepare<false>(column, scratch) : prepare<true>(column, scratch);
  const bool has_codes = peak > kSmallestPeak && peak < kLargestPeak;
  if (!has_codes) {
    memset(codes, kCodeOffset, static_cast<size_t>(column.digits * column.depth));
    return 0.0F;
  }
  if (column.digits == 1) {
    write_codes<1>(scratch, kOneDigit / peak, column.depth, codes);
    return peak / kOneDigit;
  }
  write_codes<2>(scratch, kTwoDigits / peak, column.depth, codes);
  return peak / kTwoDigits;
}

void finish(const PanelOutputs& outputs, const float* sums) {
  for (int64_t i = 0; i < outputs.width; i += kLanes) {
    const int64_t count = outputs.width - i;
    const Floats scales = outputs.scales == nullptr ? splat(1.0F) : load_up_to(outputs.scales + i, count);
    const Floats biases = outputs.biases == nullptr ? Floats{} : load_up_to(outputs.biases + i, count);
    for (int64_t t = 0; t < outputs.columns; ++t) {
      Floats x = load(sums + t * kPanelOutputs + i) * scales + biases;
      const int64_t place = t * outputs.stride + i;
      if (outputs.residual != nullptr) {
        x += load_up_to(outputs.residual + place, count);
      }
      store_up_to(outputs.out + place, x, count);
    }
  }
}

}  // namespace

const ColumnKernels column_kernels = {quantize, finish};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
