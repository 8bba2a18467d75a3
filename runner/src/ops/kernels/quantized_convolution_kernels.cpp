#include "ops/kernels/quantized_convolution_kernels.h"

#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#elif defined(__aarch64__)
#include "ops/kernels/lanes.h"
#endif

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Tiles of a few rows and all outputs of a panel, whose sums stay in registers.

constexpr int64_t kHeaderBytes = kPanelOutputs * 4;  // in front of a panel's weights
constexpr int64_t kQuadBytes = kPanelOutputs * 4;    // the weights of four inputs
/// Of the products of digits: both high, the code's low one, the weight's low one.
constexpr float kFactors[] = {kDigitBase * kWeightBase, kWeightBase, kDigitBase};

#ifdef __AVX512VNNI__

constexpr int64_t kLargestTile = 8;
constexpr int64_t kPrefetchedBytes = 4096;  // ahead: where columns are few, memory sets the pace
constexpr int64_t kVectors = kPanelOutputs / 16;
using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));

ALWAYS_INLINE void prefetch_weights(const int8_t* weights, int64_t bytes) {
  for (int64_t line = 0; line < bytes; line += 64) {
    __builtin_prefetch(weights + kPrefetchedBytes + line);
  }
}

/// The four quads of a step are unrolled by hand, and so is everything inside: the compiler then keeps sums in
/// registers and pointers few. 16 independent sums hide the product's latency; more would spill.
template <int64_t kRows>
ALWAYS_INLINE void multiply_quad(const uint8_t* codes, int64_t stride, const int8_t* weights,
                                 __m512i (&sums)[kRows][kVectors]) {
  const __m512i low = _mm512_loadu_si512(weights);
  const __m512i high = _mm512_loadu_si512(weights + 64);
#pragma GCC unroll 8
  for (int64_t row = 0; row < kRows; ++row) {
    int32_t quad = 0;
    std::memcpy(&quad, codes + row * stride, sizeof(quad));
    const __m512i inputs = _mm512_set1_epi32(quad);
    sums[row][0] = _mm512_dpbusd_epi32(sums[row][0], inputs, low);
    sums[row][1] = _mm512_dpbusd_epi32(sums[row][1], inputs, high);
  }
}

template <int64_t kRows>
ALWAYS_INLINE void add_scaled(const __m512i (&sums)[kRows][kVectors], const float* scales, float factor, float* out) {
#pragma GCC unroll 8
  for (int64_t row = 0; row < kRows; ++row) {
    const __m512 scale = _mm512_set1_ps(scales[row] * factor);
#pragma GCC unroll 2
    for (int64_t i = 0; i < kVectors; ++i) {
      float* place = out + row * kPanelOutputs + i * 16;
      const auto product = __builtin_convertvector(reinterpret_cast<Ints>(sums[row][i]), Floats);
      _mm512_storeu_ps(place, _mm512_fmadd_ps(reinterpret_cast<__m512>(product), scale, _mm512_loadu_ps(place)));
    }
  }
}

template <int64_t kRows>
void multiply_tile(const uint8_t* codes, int64_t stride, const float* scales, float factor, const int8_t* weights,
                   int64_t depth, float* out) {
  __m512i sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int64_t row = 0; row < kRows; ++row) {
    sums[row][0] = _mm512_loadu_si512(weights);
    sums[row][1] = _mm512_loadu_si512(weights + 64);
  }
  weights += kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 16) {
    prefetch_weights(weights, 4 * kQuadBytes);
    multiply_quad<kRows>(codes + k, stride, weights, sums);
    multiply_quad<kRows>(codes + k + 4, stride, weights + kQuadBytes, sums);
    multiply_quad<kRows>(codes + k + 8, stride, weights + 2 * kQuadBytes, sums);
    multiply_quad<kRows>(codes + k + 12, stride, weights + 3 * kQuadBytes, sums);
    weights += 4 * kQuadBytes;
  }
  add_scaled(sums, scales, factor, out);
}

/// The signed low digits of one of the two quads that share these bytes.
template <int64_t kQuad>
ALWAYS_INLINE __m512i low_digits(const int8_t* pairs) {
  const __m512i bytes = _mm512_loadu_si512(pairs);
  const __m512i digits = _mm512_and_si512(kQuad == 0 ? bytes : _mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
  return _mm512_sub_epi8(digits, _mm512_set1_epi8(kWeightBase / 2));
}

template <int64_t kRows>
struct WideSums {
  __m512i both_high[kRows][kVectors];
  __m512i low_codes[kRows][kVectors];    // with high weights
  __m512i low_weights[kRows][kVectors];  // with high codes
};

/// kQuad: which of the two quads that share the bytes of low digits.
template <int64_t kQuad, int64_t kRows>
ALWAYS_INLINE void multiply_wide_quad(const uint8_t* codes, int64_t stride, const int8_t* weights, const int8_t* pairs,
                                      int64_t depth, WideSums<kRows>& sums) {
#pragma GCC unroll 2
  for (int64_t i = 0; i < kVectors; ++i) {
    const __m512i high = _mm512_loadu_si512(weights + i * 64);
    const __m512i low = low_digits<kQuad>(pairs + i * 64);
#pragma GCC unroll 4
    for (int64_t row = 0; row < kRows; ++row) {
      int32_t quad = 0;
      std::memcpy(&quad, codes + row * stride, sizeof(quad));
      const __m512i high_codes = _mm512_set1_epi32(quad);
      std::memcpy(&quad, codes + row * stride + depth, sizeof(quad));
      sums.both_high[row][i] = _mm512_dpbusd_epi32(sums.both_high[row][i], high_codes, high);
      sums.low_codes[row][i] = _mm512_dpbusd_epi32(sums.low_codes[row][i], _mm512_set1_epi32(quad), high);
      sums.low_weights[row][i] = _mm512_dpbusd_epi32(sums.low_weights[row][i], high_codes, low);
    }
  }
}

template <int64_t kRows>
void multiply_wide_tile(const uint8_t* codes, int64_t stride, const float* scales, const int8_t* weights, int64_t depth,
                        float* out) {
  const int8_t* pairs = weights + kHeaderBytes + depth * kPanelOutputs;
  WideSums<kRows> sums;
#pragma GCC unroll 4
  for (int64_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int64_t i = 0; i < kVectors; ++i) {
      sums.both_high[row][i] = _mm512_loadu_si512(weights + i * 64);
      sums.low_codes[row][i] = sums.both_high[row][i];
      sums.low_weights[row][i] = _mm512_loadu_si512(pairs + i * 64);
    }
  }
  weights += kHeaderBytes;
  pairs += kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 16) {
    prefetch_weights(weights, 4 * kQuadBytes);
    prefetch_weights(pairs, 2 * kQuadBytes);
    multiply_wide_quad<0>(codes + k, stride, weights, pairs, depth, sums);
    multiply_wide_quad<1>(codes + k + 4, stride, weights + kQuadBytes, pairs, depth, sums);
    multiply_wide_quad<0>(codes + k + 8, stride, weights + 2 * kQuadBytes, pairs + kQuadBytes, depth, sums);
    multiply_wide_quad<1>(codes + k + 12, stride, weights + 3 * kQuadBytes, pairs + kQuadBytes, depth, sums);
    weights += 4 * kQuadBytes;
    pairs += 2 * kQuadBytes;
  }
  add_scaled(sums.both_high, scales, kFactors[0], out);
  add_scaled(sums.low_codes, scales, kFactors[1], out);
  add_scaled(sums.low_weights, scales, kFactors[2], out);
}

#elif defined(__AVX2__)

constexpr int64_t kLargestTile = 2;
constexpr int64_t kVectors = kPanelOutputs / 8;

/// Bytes are multiplied in pairs whose sums must fit 16 bits: magnitudes, with the sign moved to the weights, do.
template <int64_t kRows>
void multiply_tile(const uint8_t* codes, int64_t stride, const float* scales, float factor, const int8_t* weights,
                   int64_t depth, float* out) {
  const __m256i offset = _mm256_set1_epi8(static_cast<char>(kCodeOffset));
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kRows][kVectors] = {};
  weights += kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 4) {
    __m256i inputs[kRows];
    __m256i magnitudes[kRows];
#pragma GCC unroll 2
    for (int64_t row = 0; row < kRows; ++row) {
      int32_t quad = 0;
      std::memcpy(&quad, codes + row * stride + k, sizeof(quad));
      inputs[row] = _mm256_xor_si256(_mm256_set1_epi32(quad), offset);
      magnitudes[row] = _mm256_abs_epi8(inputs[row]);
    }
#pragma GCC unroll 4
    for (int64_t i = 0; i < kVectors; ++i) {
      const __m256i quads = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + i * 32));
#pragma GCC unroll 2
      for (int64_t row = 0; row < kRows; ++row) {
        const __m256i pairs = _mm256_maddubs_epi16(magnitudes[row], _mm256_sign_epi8(quads, inputs[row]));
        sums[row][i] = _mm256_add_epi32(sums[row][i], _mm256_madd_epi16(pairs, ones));
      }
    }
    weights += kQuadBytes;
  }
  for (int64_t row = 0; row < kRows; ++row) {
    const __m256 scale = _mm256_set1_ps(scales[row] * factor);
    for (int64_t i = 0; i < kVectors; ++i) {
      float* place = out + row * kPanelOutputs + i * 8;
      const __m256 product = _mm256_cvtepi32_ps(sums[row][i]);
      _mm256_storeu_ps(place, _mm256_fmadd_ps(product, scale, _mm256_loadu_ps(place)));
    }
  }
}

#elif defined(__aarch64__)

constexpr int64_t kLargestTile = 2;
constexpr int64_t kVectors = kPanelOutputs / Lanes::kCount;

template <int64_t kRows>
void multiply_tile(const uint8_t* codes, int64_t stride, const float* scales, float factor, const int8_t* weights,
                   int64_t depth, float* out) {
  constexpr auto kOffsets = static_cast<int32_t>(0x80808080U);  // kCodeOffset in every byte
  Lanes::Ints sums[kRows][kVectors] = {};
  weights += kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 4) {
    Lanes::Ints inputs[kRows];
#pragma GCC unroll 2
    for (int64_t row = 0; row < kRows; ++row) {
      int32_t quad = 0;
      std::memcpy(&quad, codes + row * stride + k, sizeof(quad));
      inputs[row] = Lanes::all(quad ^ kOffsets);
    }
#pragma GCC unroll 8
    for (int64_t i = 0; i < kVectors; ++i) {
      const auto quads = Lanes::load_bytes(reinterpret_cast<const uint8_t*>(weights) + i * 16);
#pragma GCC unroll 2
      for (int64_t row = 0; row < kRows; ++row) {
        sums[row][i] = Lanes::add_products<false>(sums[row][i], quads, inputs[row]);
      }
    }
    weights += kQuadBytes;
  }
  for (int64_t row = 0; row < kRows; ++row) {
    const Lanes::Floats scale = Lanes::scaled(Lanes::to_floats(Lanes::all(1)), scales[row] * factor);
    for (int64_t i = 0; i < kVectors; ++i) {
      float* place = out + row * kPanelOutputs + i * Lanes::kCount;
      Lanes::store(place, Lanes::multiply_add(Lanes::to_floats(sums[row][i]), scale, Lanes::load(place)));
    }
  }
}

#else

constexpr int64_t kLargestTile = 1;

template <int64_t kRows>
void multiply_tile(const uint8_t* codes, int64_t, const float* scales, float factor, const int8_t* weights,
                   int64_t depth, float* out) {
  static_assert(kRows == 1);
  int32_t sums[kPanelOutputs] = {};
  weights += kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 4) {
    const int a = codes[k] - kCodeOffset;
    const int b = codes[k + 1] - kCodeOffset;
    const int c = codes[k + 2] - kCodeOffset;
    const int d = codes[k + 3] - kCodeOffset;
    for (int64_t i = 0; i < kPanelOutputs; ++i) {
      sums[i] += a * weights[4 * i] + b * weights[4 * i + 1] + c * weights[4 * i + 2] + d * weights[4 * i + 3];
    }
    weights += kQuadBytes;
  }
  const float scale = scales[0] * factor;
  for (int64_t i = 0; i < kPanelOutputs; ++i) {
    out[i] += static_cast<float>(sums[i]) * scale;
  }
}

#endif

template <int64_t kRows>
ALWAYS_INLINE int64_t multiply_tiles(const uint8_t* codes, int64_t stride, const float* scales, float factor,
                                     int64_t row, int64_t rows, const int8_t* weights, int64_t depth, float* sums) {
  if constexpr (kRows <= kLargestTile) {
    for (; row + kRows <= rows; row += kRows) {
      multiply_tile<kRows>(codes + row * stride, stride, scales + row, factor, weights, depth,
                           sums + row * kPanelOutputs);
    }
  }
  return row;
}

void multiply_rows(const uint8_t* codes, int64_t stride, const float* scales, float factor, int64_t rows,
                   const int8_t* weights, int64_t depth, float* sums) {
  int64_t row = 0;
  row = multiply_tiles<8>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  row = multiply_tiles<4>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  row = multiply_tiles<2>(codes, stride, scales, factor, row, rows, weights, depth, sums);
  multiply_tiles<1>(codes, stride, scales, factor, row, rows, weights, depth, sums);
}

void multiply(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
              int64_t depth, float* sums) {
  multiply_rows(codes, stride, scales, 1.0F, rows, weights, depth, sums);
}

#ifdef __AVX512VNNI__

/// Four rows take 24 sums; fewer pay more for each weight.
template <int64_t kRows>
ALWAYS_INLINE int64_t multiply_wide_tiles(const uint8_t* codes, int64_t stride, const float* scales, int64_t row,
                                          int64_t rows, const int8_t* weights, int64_t depth, float* sums) {
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
  const int8_t* pairs = weights + kHeaderBytes + depth * kPanelOutputs;
  int8_t low[kHeaderBytes + kMaxWideDepth * kPanelOutputs];
  std::memcpy(low, pairs, kHeaderBytes);
  pairs += kHeaderBytes;
  int8_t* quads = low + kHeaderBytes;
  for (int64_t k = 0; k < depth; k += 8) {
    for (int64_t i = 0; i < kQuadBytes; ++i) {
      const auto pair = static_cast<uint8_t>(pairs[i]);
      quads[i] = static_cast<int8_t>((pair & 15) - kWeightBase / 2);
      quads[kQuadBytes + i] = static_cast<int8_t>((pair >> 4) - kWeightBase / 2);
    }
    pairs += kQuadBytes;
    quads += 2 * kQuadBytes;
  }
  multiply_rows(codes, stride, scales, kFactors[0], rows, weights, depth, sums);
  multiply_rows(codes + depth, stride, scales, kFactors[1], rows, weights, depth, sums);
  multiply_rows(codes, stride, scales, kFactors[2], rows, low, depth, sums);
}

#endif

}  // namespace

const QuantizedConvolutionKernels quantized_convolution_kernels = {multiply, multiply_wide};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
