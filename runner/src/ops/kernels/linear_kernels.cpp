#include "ops/kernels/linear_kernels.h"

#include "ops/kernels/simd.h"
#include "ops/kernels/vector_math.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kVectorBytes = 4 * PackedWeight::kPanelRows;  // a quad of every row
constexpr int64_t kPrefetchBytes = 12288;  // ahead in the weights: past the end of most operators
constexpr int64_t kParts = PackedWeight::kPanelRows / kLanes;  // of a panel that is wider than a vector
// Parts that one pass over a panel multiplies. All of them, where there are registers for that: the panel is then read
// once and in order.
#ifdef __ARM_FEATURE_DOTPROD
constexpr int64_t kPassParts = kParts;
#else
constexpr int64_t kPassParts = 1;
#endif
// Rows that one pass over the weights multiplies. Eight need 16 registers for their sums; only the widest set has more.
constexpr int kMostRows = kParts == 1 ? 8 : 4;
constexpr float kLargestCode = 127.0F;

uint32_t bits_of(float value) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

void rms_norm(const float* x, const float* weight, float eps, int64_t size, float* out) {
  Floats squares = splat(0.0F);
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    squares += load(x + i) * load(x + i);
  }
  float sum = sum_of_lanes(squares);
  for (; i < size; ++i) {
    sum += x[i] * x[i];
  }
  const float scale = 1.0F / sqrtf(sum / static_cast<float>(size) + eps);
  for (i = 0; i < size; ++i) {
    out[i] = weight[i] * (x[i] * scale);
  }
}

/// Quantizes one group and returns its scale; `sum` gets the sum of the codes.
float quantize_group(const float* x, int64_t size, int8_t* codes, int32_t* sum) {
  float largest = 0.0F;
  for (int64_t i = 0; i < size; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  const float inverse = largest > 0.0F ? kLargestCode / largest : 0.0F;
  int32_t total = 0;
  for (int64_t i = 0; i < size; ++i) {
    const auto code = static_cast<int32_t>(bits_of(x[i] * inverse + kRounding) - bits_of(kRounding));
    codes[i] = static_cast<int8_t>(code);
    total += code;
  }
  *sum = total;
  return largest / kLargestCode;
}

void quantize(const float* x, int64_t num_groups, int64_t group_size, int64_t row, const QuantizedRows& out) {
  for (int64_t g = 0; g < num_groups; ++g) {
    const int64_t group = row * num_groups + g;
    out.scales[group] =
        quantize_group(x + g * group_size, group_size, out.codes + group * group_size, out.sums + group);
  }
}

/// The number of a quad in its block. An instruction may hold it, so the compiler has to know it.
template <int64_t kNumber>
struct Quad {
  static constexpr int64_t kIndex = kNumber;
};

/// Calls add(Quad, bytes) with the codes of a block's eight quads, widened to bytes. packing/linear.py says where their
/// bits are.
template <int kBits, typename Add>
QWEN3_TTS_ALWAYS_INLINE void for_each_quad(const uint8_t* block, const Add& add) {
  constexpr uint8_t kMask = (1 << kBits) - 1;
  Bytes vectors[kBits];
  QWEN3_TTS_UNROLL
  for (int v = 0; v < kBits; ++v) {
    vectors[v] = load<Bytes>(block + v * kVectorBytes);
  }
  if constexpr (kBits == 4) {
    add(Quad<0>{}, vectors[0] & kMask);
    add(Quad<1>{}, shifted_right<4>(vectors[0]));
    add(Quad<2>{}, vectors[1] & kMask);
    add(Quad<3>{}, shifted_right<4>(vectors[1]));
    add(Quad<4>{}, vectors[2] & kMask);
    add(Quad<5>{}, shifted_right<4>(vectors[2]));
    add(Quad<6>{}, vectors[3] & kMask);
    add(Quad<7>{}, shifted_right<4>(vectors[3]));
    return;
  }
  add(Quad<0>{}, vectors[0] & kMask);
  add(Quad<1>{}, vectors[1] & kMask);
  add(Quad<2>{}, vectors[2] & kMask);
  add(Quad<3>{}, vectors[3] & kMask);
  add(Quad<4>{}, vectors[4] & kMask);
  if constexpr (kBits == 5) {
    add(Quad<5>{}, joined<6>(shifted_right<3>(vectors[0]), vectors[1]));
    add(Quad<6>{}, joined<5>(shifted_right<2>(vectors[3]), vectors[2]) & kMask);
    add(Quad<7>{}, joined<5>(joined<4>(shifted_right<1>(vectors[1]), vectors[3]), vectors[4]) & kMask);
  } else if constexpr (kBits == 6) {
    add(Quad<5>{}, vectors[5] & kMask);
    add(Quad<6>{}, joined<6>(joined<4>(shifted_right<2>(vectors[2]), vectors[1]), vectors[0]));
    add(Quad<7>{}, joined<6>(joined<4>(shifted_right<2>(vectors[5]), vectors[4]), vectors[3]));
  } else {
    add(Quad<5>{}, vectors[5]);
    add(Quad<6>{}, vectors[6]);
    add(Quad<7>{}, vectors[7]);
  }
}

QWEN3_TTS_ALWAYS_INLINE void prefetch_block(const uint8_t* block, int64_t bytes) {
  QWEN3_TTS_UNROLL
  for (int64_t line = 0; line < bytes; line += kVectorBytes) {
    __builtin_prefetch(block + kPrefetchBytes + line);
  }
}

/// y[r, lane] += row r of x times the weights of these lanes, kPassParts vectors of them, for `kRows` rows whose
/// results are `stride` apart.
template <int kBits, int kRows>
void multiply_lanes(const QuantizedRows& x, int64_t row, const PackedWeight& weight, const uint8_t* block,
                    const uint16_t* scales, int64_t stride, float* y) {
  constexpr int64_t kBlockBytes = PackedWeight::block_bytes(kBits);
  constexpr int32_t kMidpoint = (1 << (kBits - 1)) - (kBits == 8 ? kWideOffset : 0);
  const int64_t group_size = weight.group_blocks * PackedWeight::kBlockColumns;
  Floats sums[kRows][kPassParts] = {};
  for (int64_t g = 0; g < weight.num_groups; ++g) {
    const int8_t* codes[kRows];
    Ints products[kRows][kPassParts];
    QWEN3_TTS_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int64_t group = (row + r) * weight.num_groups + g;
      codes[r] = x.codes + group * group_size;
      QWEN3_TTS_UNROLL
      for (int64_t part = 0; part < kPassParts; ++part) {
        products[r][part] = splat(-kMidpoint * x.sums[group]);
      }
    }
    for (int64_t b = 0; b < weight.group_blocks; ++b, block += kBlockBytes) {
      prefetch_block(block, kBlockBytes);
      Inputs inputs[kRows][2];
      QWEN3_TTS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        inputs[r][0] = load_inputs(codes[r] + b * PackedWeight::kBlockColumns);
        inputs[r][1] = load_inputs(codes[r] + b * PackedWeight::kBlockColumns + PackedWeight::kBlockColumns / 2);
      }
      QWEN3_TTS_UNROLL
      for (int64_t part = 0; part < kPassParts; ++part) {
        for_each_quad<kBits>(block + part * kRegisterBytes, [&](auto quad, Bytes quads) {
          constexpr int64_t kHalf = decltype(quad)::kIndex / 4;
          constexpr int64_t kQuad = decltype(quad)::kIndex % 4;
          QWEN3_TTS_UNROLL
          for (int r = 0; r < kRows; ++r) {
            Ints& sum = products[r][part];
            sum = kBits == 8 ? add_wide_quad_products<kQuad>(sum, quads, inputs[r][kHalf])
                             : add_quad_products<kQuad>(sum, quads, inputs[r][kHalf]);
          }
        });
      }
    }
    QWEN3_TTS_UNROLL
    for (int64_t part = 0; part < kPassParts; ++part) {
      const Floats scale = load_bfloat16(scales + g * PackedWeight::kPanelRows + part * kLanes);
      QWEN3_TTS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const float row_scale = x.scales[(row + r) * weight.num_groups + g];
        sums[r][part] += to_floats(products[r][part]) * (scale * row_scale);
      }
    }
  }
  QWEN3_TTS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    QWEN3_TTS_UNROLL
    for (int64_t part = 0; part < kPassParts; ++part) {
      float* const place = y + r * stride + part * kLanes;
      store(place, load(place) + sums[r][part]);
    }
  }
}

template <int kBits>
void multiply_panels(const QuantizedRows& x, int64_t num_rows, const PackedWeight& weight, int64_t begin, int64_t end,
                     float* y) {
  constexpr int64_t kBlockBytes = PackedWeight::block_bytes(kBits);
  const int64_t stride = weight.num_panels * PackedWeight::kPanelRows;
  const int64_t panel_bytes = weight.num_groups * weight.group_blocks * kBlockBytes;
  for (int64_t panel = begin; panel < end; ++panel) {
    for (int64_t part = 0; part < kParts; part += kPassParts) {
      const int64_t lane = part * kLanes;
      const uint8_t* block = weight.codes + panel * panel_bytes + 4 * lane;
      const uint16_t* scales = weight.scales + panel * weight.num_groups * PackedWeight::kPanelRows + lane;
      float* out = y + panel * PackedWeight::kPanelRows + lane;
      int64_t row = 0;
      for (; row + kMostRows <= num_rows; row += kMostRows) {
        multiply_lanes<kBits, kMostRows>(x, row, weight, block, scales, stride, out + row * stride);
      }
      if (row + 4 <= num_rows) {
        multiply_lanes<kBits, 4>(x, row, weight, block, scales, stride, out + row * stride);
        row += 4;
      }
      if (row + 2 <= num_rows) {
        multiply_lanes<kBits, 2>(x, row, weight, block, scales, stride, out + row * stride);
        row += 2;
      }
      if (row < num_rows) {
        multiply_lanes<kBits, 1>(x, row, weight, block, scales, stride, out + row * stride);
      }
    }
  }
}

void multiply(const QuantizedRows& x, int64_t num_rows, const PackedWeight& weight, int64_t begin, int64_t end,
              float* y) {
  switch (weight.bits) {
    case 4:
      multiply_panels<4>(x, num_rows, weight, begin, end, y);
      break;
    case 5:
      multiply_panels<5>(x, num_rows, weight, begin, end, y);
      break;
    case 6:
      multiply_panels<6>(x, num_rows, weight, begin, end, y);
      break;
    default:
      multiply_panels<8>(x, num_rows, weight, begin, end, y);
      break;
  }
}

/// gate * sigmoid(gate) * up; the exponential is that of a negative number, so that it stays finite.
Floats gated(Floats gate, Floats up) {
  const Floats power = exp_of_negative(gate < 0.0F ? gate : -gate);
  const Floats share = gate < 0.0F ? power : splat(1.0F);
  return gate * (share / (power + 1.0F)) * up;
}

void swiglu(const float* gate_up, int64_t size, float* out) {
  const float* up = gate_up + size;
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    store(out + i, gated(load(gate_up + i), load(up + i)));
  }
  for (; i < size; ++i) {
    out[i] = gated(splat(gate_up[i]), splat(up[i]))[0];
  }
}

}  // namespace

const LinearKernels linear_kernels = {rms_norm, quantize, multiply, swiglu};

}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
