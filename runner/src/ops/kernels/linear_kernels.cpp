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
#if defined(__ARM_FEATURE_DOTPROD) || defined(__AVX2__)
constexpr int64_t kPassParts = kParts;
#else
constexpr int64_t kPassParts = 1;
#endif
// Of these, parts that take turns quad by quad: they share what is made of the inputs, where products take a vector of
// them and not a lane.
#ifdef __AVX2__
constexpr int64_t kSharedParts = kPassParts;
#else
constexpr int64_t kSharedParts = 1;
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

/// Quantizes one group, of whole vectors, and returns its scale; `sum` gets the sum of the codes.
float quantize_group(const float* x, int64_t size, int8_t* codes, int32_t* sum) {
  Floats peaks = {};
  for (int64_t i = 0; i < size; i += kLanes) {
    peaks = larger(magnitude(load(x + i)), peaks);
  }
  const float largest = largest_lane(peaks);
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

/// Vector `v` of a block.
QWEN3_TTS_ALWAYS_INLINE Bytes block_vector(const uint8_t* block, int64_t v) {
  return load<Bytes>(block + v * kVectorBytes);
}

/// Quad kIndex of a block's eight, its codes widened to bytes. packing/linear.py says where their bits are.
template <int kBits, int64_t kIndex>
QWEN3_TTS_ALWAYS_INLINE Bytes unpacked_quad(const uint8_t* block) {
  constexpr uint8_t kMask = (1 << kBits) - 1;
  if constexpr (kBits == 4) {
    const Bytes two = block_vector(block, kIndex / 2);
    return kIndex % 2 == 0 ? two & kMask : shifted_right<4>(two);
  } else if constexpr (kIndex < kBits) {
    return block_vector(block, kIndex) & kMask;
  } else if constexpr (kBits == 5 && kIndex == 5) {
    return joined<6>(shifted_right<3>(block_vector(block, 0)), block_vector(block, 1));
  } else if constexpr (kBits == 5 && kIndex == 6) {
    return joined<5>(shifted_right<2>(block_vector(block, 3)), block_vector(block, 2)) & kMask;
  } else if constexpr (kBits == 5) {
    const Bytes high = joined<4>(shifted_right<1>(block_vector(block, 1)), block_vector(block, 3));
    return joined<5>(high, block_vector(block, 4)) & kMask;
  } else {
    constexpr int64_t kFirst = kIndex == 6 ? 0 : 3;  // of three vectors
    const Bytes high = joined<4>(shifted_right<2>(block_vector(block, kFirst + 2)), block_vector(block, kFirst + 1));
    return joined<6>(high, block_vector(block, kFirst));
  }
}

QWEN3_TTS_ALWAYS_INLINE void prefetch_block(const uint8_t* block, int64_t bytes) {
  QWEN3_TTS_UNROLL
  for (int64_t line = 0; line < bytes; line += kVectorBytes) {
    __builtin_prefetch(block + kPrefetchBytes + line);
  }
}

/// What one pass over a panel sums up, of `kRows` rows of x and kPassParts vectors of lanes.
template <int kRows>
struct Pass {
  Ints products[kRows][kPassParts];  // of one group
  Inputs inputs[kRows][2];           // of one block
};

/// Adds the products of quad kIndex of a block, in the kSharedParts parts from `part` on.
template <int64_t kIndex, int kBits, int kRows>
QWEN3_TTS_ALWAYS_INLINE void add_quad(const uint8_t* block, int64_t part,
                                      QuadSums<kBits, kRows * kSharedParts> (&sums)[kRows][kSharedParts],
                                      Pass<kRows>& pass) {
  Bytes quads[kSharedParts];
  QWEN3_TTS_UNROLL
  for (int64_t p = 0; p < kSharedParts; ++p) {
    quads[p] = unpacked_quad<kBits, kIndex>(block + (part + p) * kRegisterBytes);
  }
  QWEN3_TTS_UNROLL
  for (int r = 0; r < kRows; ++r) {
    QWEN3_TTS_UNROLL
    for (int64_t p = 0; p < kSharedParts; ++p) {
      sums[r][p].template add<kIndex>(pass.products[r][part + p], quads[p], pass.inputs[r][kIndex / 4]);
    }
  }
}

template <int kBits, int kRows>
QWEN3_TTS_ALWAYS_INLINE void add_block(const uint8_t* block, Pass<kRows>& pass) {
  QWEN3_TTS_UNROLL
  for (int64_t part = 0; part < kPassParts; part += kSharedParts) {
    QuadSums<kBits, kRows * kSharedParts> sums[kRows][kSharedParts];
    add_quad<0>(block, part, sums, pass);
    add_quad<1>(block, part, sums, pass);
    add_quad<2>(block, part, sums, pass);
    add_quad<3>(block, part, sums, pass);
    add_quad<4>(block, part, sums, pass);
    add_quad<5>(block, part, sums, pass);
    add_quad<6>(block, part, sums, pass);
    add_quad<7>(block, part, sums, pass);
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
    Pass<kRows> pass;
    QWEN3_TTS_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int64_t group = (row + r) * weight.num_groups + g;
      codes[r] = x.codes + group * group_size;
      QWEN3_TTS_UNROLL
      for (int64_t part = 0; part < kPassParts; ++part) {
        pass.products[r][part] = splat(-kMidpoint * x.sums[group]);
      }
    }
    for (int64_t b = 0; b < weight.group_blocks; ++b, block += kBlockBytes) {
      prefetch_block(block, kBlockBytes);
      QWEN3_TTS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        pass.inputs[r][0] = load_inputs(codes[r] + b * PackedWeight::kBlockColumns);
        pass.inputs[r][1] = load_inputs(codes[r] + b * PackedWeight::kBlockColumns + PackedWeight::kBlockColumns / 2);
      }
      add_block<kBits>(block, pass);
    }
    QWEN3_TTS_UNROLL
    for (int64_t part = 0; part < kPassParts; ++part) {
      const Floats scale = load_bfloat16(scales + g * PackedWeight::kPanelRows + part * kLanes);
      QWEN3_TTS_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const float row_scale = x.scales[(row + r) * weight.num_groups + g];
        sums[r][part] += to_floats(pass.products[r][part]) * (scale * row_scale);
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

/// The same of `num_rows` rows, at most kRows: always one pass, for a second one costs more than a further row does.
template <int kBits, int kRows>
QWEN3_TTS_ALWAYS_INLINE void multiply_rows(int64_t num_rows, const QuantizedRows& x, int64_t row,
                                           const PackedWeight& weight, const uint8_t* block, const uint16_t* scales,
                                           int64_t stride, float* y) {
  if (num_rows == kRows) {
    multiply_lanes<kBits, kRows>(x, row, weight, block, scales, stride, y);
  } else if constexpr (kRows > 1) {
    multiply_rows<kBits, kRows - 1>(num_rows, x, row, weight, block, scales, stride, y);
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
      for (int64_t row = 0; row < num_rows; row += kMostRows) {
        const int64_t count = num_rows - row < kMostRows ? num_rows - row : kMostRows;
        multiply_rows<kBits, kMostRows>(count, x, row, weight, block, scales, stride, out + row * stride);
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
