#include "ops/kernels/convolution_kernels.h"

#include "ops/kernels/simd.h"
#include "ops/kernels/vector_math.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kVectors = kPanelOutputs / kLanes;  // of a panel's outputs
#ifdef __AVX512F__
constexpr int64_t kTileRows = 12;  // whose sums, with the weights, fill the registers
#elif defined(__AVX2__)
constexpr int64_t kTileRows = 3;
#elif defined(__aarch64__)
constexpr int64_t kTileRows = 2;  // three would need 33 registers of 32
#else
constexpr int64_t kTileRows = 1;
#endif
constexpr int64_t kPrefetchedRows = 24;  // of weights ahead: where columns are few, memory sets the pace

// ---------------------------------------------------------------------------------------------------------------------
// Columns

void apply_snake(const float* x, const float* alpha, const float* inv_beta, int64_t width, float* out) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t count = width - i;
    const Floats value = load_up_to(x + i, count);
    store_up_to(out + i, snake(value, load_up_to(alpha + i, count), load_up_to(inv_beta + i, count)), count);
  }
}

float dot(const float* x, const float* weights, int64_t size) {
  Floats sums[2] = {};  // two, so that additions wait for each other half as long
  int64_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    sums[0] += load(x + i) * load(weights + i);
    sums[1] += load(x + i + kLanes) * load(weights + i + kLanes);
  }
  for (; i < size; i += kLanes) {
    sums[0] += load_up_to(x + i, size - i) * load_up_to(weights + i, size - i);
  }
  return sum_of_lanes(sums[0] + sums[1]);
}

void multiply_add(const float* x, const float* weights, int64_t width, float* out) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t count = width - i;
    store_up_to(out + i, load_up_to(out + i, count) + load_up_to(x + i, count) * load_up_to(weights + i, count), count);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Products

template <int64_t kRows>
void multiply_tile(const float* rows, int64_t stride, const float* weights, int64_t depth, float* sums) {
  Floats tile[kRows][kVectors];
  QWEN3_TTS_UNROLL
  for (int64_t row = 0; row < kRows; ++row) {
    QWEN3_TTS_UNROLL
    for (int64_t i = 0; i < kVectors; ++i) {
      tile[row][i] = load(sums + row * kPanelOutputs + i * kLanes);
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Floats factors[kVectors];
    QWEN3_TTS_UNROLL
    for (int64_t i = 0; i < kVectors; ++i) {
      factors[i] = load(weights + i * kLanes);
    }
    __builtin_prefetch(weights + kPrefetchedRows * kPanelOutputs);
    __builtin_prefetch(weights + kPrefetchedRows * kPanelOutputs + kPanelOutputs / 2);
    QWEN3_TTS_UNROLL
    for (int64_t row = 0; row < kRows; ++row) {
      const Floats value = splat(rows[row * stride + k]);
      QWEN3_TTS_UNROLL
      for (int64_t i = 0; i < kVectors; ++i) {
        tile[row][i] += value * factors[i];
      }
    }
    weights += kPanelOutputs;
  }
  QWEN3_TTS_UNROLL
  for (int64_t row = 0; row < kRows; ++row) {
    QWEN3_TTS_UNROLL
    for (int64_t i = 0; i < kVectors; ++i) {
      store(sums + row * kPanelOutputs + i * kLanes, tile[row][i]);
    }
  }
}

/// At most kRows rows.
template <int64_t kRows>
void multiply_rest(const float* rows, int64_t stride, int64_t count, const float* weights, int64_t depth, float* sums) {
  if (count == kRows) {
    multiply_tile<kRows>(rows, stride, weights, depth, sums);
  } else if constexpr (kRows > 1) {
    multiply_rest<kRows - 1>(rows, stride, count, weights, depth, sums);
  }
}

void multiply(const float* rows, int64_t stride, int64_t count, const float* weights, int64_t depth, float* sums) {
  for (; count > 0; count -= kTileRows, rows += kTileRows * stride, sums += kTileRows * kPanelOutputs) {
    multiply_rest<kTileRows>(rows, stride, count < kTileRows ? count : kTileRows, weights, depth, sums);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Minimal filtering. M(x) = x (x^2 - 1) (x^2 - 4) (x - 1/2) has the finite points as roots. Inputs are multiplied with
// the coefficients of M(x) / (x - p), and of M(x) for infinity; weights are evaluated at p and divided by M'(p).

void evaluate_inputs(const float* const* columns, int64_t width, float* out, int64_t plane) {
  for (int64_t i = 0; i < width; i += kLanes) {
    const int64_t count = width - i;
    Floats d[kTileInputs];
    QWEN3_TTS_UNROLL
    for (int64_t k = 0; k < kTileInputs; ++k) {
      d[k] = load_up_to(columns[k] + i, count);
    }
    Floats e[kTileInputs - 1];  // times (x - 1/2), which all points but 1/2 share
    QWEN3_TTS_UNROLL
    for (int64_t k = 0; k + 1 < kTileInputs; ++k) {
      e[k] = d[k + 1] - d[k] * 0.5F;
    }
    const Floats even1 = e[4] - e[2] * 4.0F;
    const Floats odd1 = e[3] - e[1] * 4.0F;
    const Floats even2 = e[4] - e[2];
    const Floats odd2 = (e[3] - e[1]) * 2.0F;
    const Floats values[] = {e[4] - e[2] * 5.0F + e[0] * 4.0F,
                             even1 + odd1,
                             even1 - odd1,
                             even2 + odd2,
                             even2 - odd2,
                             d[5] - d[3] * 5.0F + d[1] * 4.0F,
                             e[5] - e[3] * 5.0F + e[1] * 4.0F};
    QWEN3_TTS_UNROLL
    for (int64_t point = 0; point < kTileInputs; ++point) {
      store_up_to(out + point * plane + i, values[point], count);
    }
  }
}

/// At 0, 1, -1, 2, -2 and 1/2.
inline void evaluate_half(Floats g0, Floats g1, Floats g2, Floats g3, Floats (&values)[6]) {
  const Floats even1 = g0 + g2;
  const Floats odd1 = g1 + g3;
  const Floats even2 = g0 + g2 * 4.0F;
  const Floats odd2 = (g1 + g3 * 4.0F) * 2.0F;
  values[0] = g0 * -0.5F;
  values[1] = (even1 + odd1) * (-1.0F / 3);
  values[2] = (even1 - odd1) * (1.0F / 9);
  values[3] = (even2 + odd2) * (1.0F / 36);
  values[4] = (even2 - odd2) * (-1.0F / 60);
  values[5] = (g0 + g1 * 0.5F + (g2 + g3 * 0.5F) * 0.25F) * (32.0F / 45);
}

void evaluate_weights(const float* weights, int64_t tap_stride, int64_t depth, float* out) {
  const int64_t plane = depth * kPanelOutputs;
  for (int64_t i = 0; i < plane; i += kLanes) {
    Floats taps[kFilterTaps];
    QWEN3_TTS_UNROLL
    for (int64_t tap = 0; tap < kFilterTaps; ++tap) {
      taps[tap] = load(weights + tap * tap_stride + i);
    }
    Floats first[6];
    Floats second[6];
    evaluate_half(taps[0], taps[1], taps[2], taps[3], first);
    evaluate_half(taps[4], taps[5], taps[6], Floats{}, second);
    QWEN3_TTS_UNROLL
    for (int64_t point = 0; point < 6; ++point) {
      store(out + point * plane + i, first[point]);
      store(out + (kTileInputs + point) * plane + i, second[point]);
    }
    store(out + 6 * plane + i, taps[3]);  // at infinity
  }
}

void interpolate(const float* sums, int64_t plane, float* out) {
  QWEN3_TTS_UNROLL
  for (int64_t i = 0; i < kPanelOutputs; i += kLanes) {
    Floats m[kTileInputs];
    QWEN3_TTS_UNROLL
    for (int64_t point = 0; point < kTileInputs; ++point) {
      m[point] = load(sums + point * plane + i);
    }
    const Floats even1 = m[1] + m[2];
    const Floats odd1 = m[1] - m[2];
    const Floats even2 = m[3] + m[4];
    const Floats odd2 = m[3] - m[4];
    store(out + i, m[0] + even1 + even2 + m[5]);
    store(out + kPanelOutputs + i, odd1 + odd2 * 2.0F + m[5] * 0.5F);
    store(out + 2 * kPanelOutputs + i, even1 + even2 * 4.0F + m[5] * 0.25F);
    store(out + 3 * kPanelOutputs + i, odd1 + odd2 * 8.0F + m[5] * 0.125F + m[6]);
  }
}

}  // namespace

const ConvolutionKernels convolution_kernels = {apply_snake,     multiply,         dot,        multiply_add,
                                                evaluate_inputs, evaluate_weights, interpolate};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
