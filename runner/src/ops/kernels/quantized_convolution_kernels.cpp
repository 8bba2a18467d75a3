#include "ops/kernels/quantized_convolution_kernels.h"

#include "ops/kernels/simd.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

// Tiles of a few rows and all outputs of a panel, whose sums stay in registers. The quads of a step are unrolled by
// hand, and so is everything inside: the compiler then keeps pointers few. Where registers are few, a step is one quad,
// or sums would leave them.

#ifdef __AVX512F__
constexpr int64_t kLargestTile = 8;  // 16 independent sums hide the product's latency; more would spill
constexpr int64_t kStepQuads = 4;
constexpr int64_t kPrefetchedBytes = 4096;  // ahead: where columns are few, memory sets the pace
#else
#if defined(__AVX2__) || defined(__aarch64__)
constexpr int64_t kLargestTile = 2;
#else
constexpr int64_t kLargestTile = 1;
#endif
constexpr int64_t kStepQuads = 1;
constexpr int64_t kPrefetchedBytes = 0;  // arithmetic sets the pace
#endif
constexpr int64_t kVectors = kPanelOutputs / kLanes;
constexpr int64_t kQuadBytes = kPanelOutputs * 4;  // the weights of four inputs
/// Of the products of digits: both high, the code's low one, the weight's low one.
constexpr float kFactors[] = {kDigitBase * kWeightBase, kWeightBase, kDigitBase};

QWEN3_TTS_ALWAYS_INLINE void prefetch_weights(const int8_t* weights, int64_t bytes) {
  for (int64_t line = 0; kPrefetchedBytes > 0 && line < bytes; line += 64) {
    __builtin_prefetch(weights + kPrefetchedBytes + line);
  }
}

/// Weights of one digit, or the high digits of two: a byte each.
struct WholeBytes {
  static constexpr int64_t kQuads = kStepQuads;  // of a step
  static constexpr int64_t kStepBytes = kQuads * kQuadBytes;

  /// Vector `v` of the quad that is number kQuad of a step.
  template <int64_t kQuad>
  static Ints read(const int8_t* step, int64_t v) {
    return load<Ints>(step + kQuad * kQuadBytes + v * kRegisterBytes);
  }
};

/// Low digits: two quads share their bytes.
struct HalfBytes {
  static constexpr int64_t kQuads = kStepQuads < 2 ? 2 : kStepQuads;
  static constexpr int64_t kStepBytes = kQuads / 2 * kQuadBytes;

  template <int64_t kQuad>
  static Ints read(const int8_t* step, int64_t v) {
    const auto bytes = load<Bytes>(step + kQuad / 2 * kQuadBytes + v * kRegisterBytes);
    const Bytes digits = kQuad % 2 == 0 ? bytes & 0x0F : shifted_right<4>(bytes);
    return reinterpret_cast<Ints>(digits - static_cast<uint8_t>(kWeightBase / 2));
  }
};

template <int64_t kRows>
using TileSums = Ints[kRows][kVectors];

/// Codes are multiplied as they are stored, too large by an offset whose part of the sums stands in the header; or,
/// where add_wide_products() takes it off, from zero on.
template <int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE void start_sums(const int8_t* header, TileSums<kRows>& sums) {
  static_assert(kWideOffset == 0 || kWideOffset == kCodeOffset);
  QWEN3_TTS_UNROLL
  for (int64_t row = 0; row < kRows; ++row) {
    QWEN3_TTS_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      sums[row][v] = kWideOffset == 0 ? load<Ints>(header + v * kRegisterBytes) : Ints{};
    }
  }
}

QWEN3_TTS_ALWAYS_INLINE Bytes load_codes(const uint8_t* codes) { return reinterpret_cast<Bytes>(splat_quad(codes)); }

template <typename Weights, int64_t kQuad, int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE void multiply_quad(const uint8_t* codes, int64_t stride, const int8_t* weights,
                                           TileSums<kRows>& sums) {
  Bytes inputs[kRows];
  QWEN3_TTS_UNROLL
  for (int64_t row = 0; row < kRows; ++row) {
    inputs[row] = load_codes(codes + 4 * kQuad + row * stride);
  }
  QWEN3_TTS_UNROLL
  for (int64_t v = 0; v < kVectors; ++v) {
    const Ints quads = Weights::template read<kQuad>(weights, v);
    QWEN3_TTS_UNROLL
    for (int64_t row = 0; row < kRows; ++row) {
      sums[row][v] = add_wide_products(sums[row][v], inputs[row], quads);
    }
  }
}

template <int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE void add_scaled(const TileSums<kRows>& sums, const float* scales, float factor, float* out) {
  QWEN3_TTS_UNROLL
  for (int64_t row = 0; row < kRows; ++row) {
    const float scale = scales[row] * factor;
    QWEN3_TTS_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      float* place = out + row * kPanelOutputs + v * kLanes;
      store(place, load(place) + to_floats(sums[row][v]) * scale);
    }
  }
}

template <typename Weights, int64_t kRows>
void multiply_tile(const uint8_t* codes, int64_t stride, const float* scales, float factor, const int8_t* weights,
                   int64_t depth, float* out) {
  TileSums<kRows> sums;
  start_sums<kRows>(weights, sums);
  weights += kSliceHeaderBytes;
  for (int64_t k = 0; k < depth; k += 4 * Weights::kQuads, weights += Weights::kStepBytes) {
    prefetch_weights(weights, Weights::kStepBytes);
    multiply_quad<Weights, 0, kRows>(codes + k, stride, weights, sums);
    if constexpr (Weights::kQuads >= 2) {
      multiply_quad<Weights, 1, kRows>(codes + k, stride, weights, sums);
    }
    if constexpr (Weights::kQuads == 4) {
      multiply_quad<Weights, 2, kRows>(codes + k, stride, weights, sums);
      multiply_quad<Weights, 3, kRows>(codes + k, stride, weights, sums);
    }
  }
  add_scaled<kRows>(sums, scales, factor, out);
}

template <typename Weights, int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE int64_t multiply_tiles(const uint8_t* codes, int64_t stride, const float* scales, float factor,
                                               int64_t row, int64_t rows, const int8_t* weights, int64_t depth,
                                               float* sums) {
  if constexpr (kRows <= kLargestTile) {
    for (; row + kRows <= rows; row += kRows) {
      multiply_tile<Weights, kRows>(codes + row * stride, stride, scales + row, factor, weights, depth,
                                    sums + row * kPanelOutputs);
    }
  }
  return row;
}

template <typename Weights>
void multiply_rows(const uint8_t* codes, int64_t stride, const float* scales, float factor, int64_t rows,
                   const int8_t* weights, int64_t depth, float* sums) {
  int64_t row = 0;
  row = multiply_tiles<Weights, 8>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  row = multiply_tiles<Weights, 4>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  row = multiply_tiles<Weights, 2>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  multiply_tiles<Weights, 1>(codes, stride, scales, factor, row, rows, weights, depth, sums);
}

void multiply(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
              int64_t depth, float* sums) {
  multiply_rows<WholeBytes>(codes, stride, scales, 1.0F, rows, weights, depth, sums);
}

/// Where the low digits of weights stand.
const int8_t* low_digits(const int8_t* weights, int64_t depth) {
  return weights + kSliceHeaderBytes + depth * kPanelOutputs;
}

#ifdef __AVX512F__

template <int64_t kRows>
struct WideSums {
  TileSums<kRows> both_high;
  TileSums<kRows> low_codes;    // with high weights
  TileSums<kRows> low_weights;  // with high codes
};

template <int64_t kQuad, int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE void multiply_wide_quad(const uint8_t* codes, int64_t stride, const int8_t* weights,
                                                const int8_t* pairs, int64_t depth, WideSums<kRows>& sums) {
  codes += 4 * kQuad;
  QWEN3_TTS_UNROLL
  for (int64_t v = 0; v < kVectors; ++v) {
    const Ints high = WholeBytes::read<kQuad>(weights, v);
    const Ints low = HalfBytes::read<kQuad>(pairs, v);
    QWEN3_TTS_UNROLL
    for (int64_t row = 0; row < kRows; ++row) {
      const Bytes high_codes = load_codes(codes + row * stride);
      const Bytes low_codes = load_codes(codes + row * stride + depth);
      sums.both_high[row][v] = add_wide_products(sums.both_high[row][v], high_codes, high);
      sums.low_codes[row][v] = add_wide_products(sums.low_codes[row][v], low_codes, high);
      sums.low_weights[row][v] = add_wide_products(sums.low_weights[row][v], high_codes, low);
    }
  }
}

/// All three sums at once: there are registers for them.
template <int64_t kRows>
void multiply_wide_tile(const uint8_t* codes, int64_t stride, const float* scales, const int8_t* weights, int64_t depth,
                        float* out) {
  const int8_t* pairs = low_digits(weights, depth);
  WideSums<kRows> sums;
  start_sums<kRows>(weights, sums.both_high);
  start_sums<kRows>(weights, sums.low_codes);
  start_sums<kRows>(pairs, sums.low_weights);
  weights += kSliceHeaderBytes;
  pairs += kSliceHeaderBytes;
  for (int64_t k = 0; k < depth; k += 16, weights += WholeBytes::kStepBytes, pairs += HalfBytes::kStepBytes) {
    prefetch_weights(weights, WholeBytes::kStepBytes);
    prefetch_weights(pairs, HalfBytes::kStepBytes);
    multiply_wide_quad<0>(codes + k, stride, weights, pairs, depth, sums);
    multiply_wide_quad<1>(codes + k, stride, weights, pairs, depth, sums);
    multiply_wide_quad<2>(codes + k, stride, weights, pairs, depth, sums);
    multiply_wide_quad<3>(codes + k, stride, weights, pairs, depth, sums);
  }
  add_scaled<kRows>(sums.both_high, scales, kFactors[0], out);
  add_scaled<kRows>(sums.low_codes, scales, kFactors[1], out);
  add_scaled<kRows>(sums.low_weights, scales, kFactors[2], out);
}

/// Four rows take 24 sums; fewer pay more for each weight.
template <int64_t kRows>
QWEN3_TTS_ALWAYS_INLINE int64_t multiply_wide_tiles(const uint8_t* codes, int64_t stride, const float* scales,
                                                    int64_t row, int64_t rows, const int8_t* weights, int64_t depth,
                                                    float* sums) {
  for (; row + kRows <= rows; row += kRows) {
    multiply_wide_tile<kRows>(codes + row * stride, stride, scales + row, weights, depth, sums + row * kPanelOutputs);
  }
  return row;
}

void multiply_wide(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                   int64_t depth, float* sums) {
  int64_t row = multiply_wide_tiles<4>(codes, stride, scales, 0, rows, weights, depth, sums);
  row = multiply_wide_tiles<2>(codes, stride, scales, row, rows, weights, depth, sums);
  multiply_wide_tiles<1>(codes, stride, scales, row, rows, weights, depth, sums);
}

#else

void multiply_wide(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                   int64_t depth, float* sums) {
  multiply_rows<WholeBytes>(codes, stride, scales, kFactors[0], rows, weights, depth, sums);
  multiply_rows<WholeBytes>(codes + depth, stride, scales, kFactors[1], rows, weights, depth, sums);
  multiply_rows<HalfBytes>(codes, stride, scales, kFactors[2], rows, low_digits(weights, depth), depth, sums);
}

#endif

}  // namespace

const QuantizedConvolutionKernels quantized_convolution_kernels = {multiply, multiply_wide};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
