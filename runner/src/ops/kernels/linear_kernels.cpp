#include "ops/kernels/linear_kernels.h"

#include "ops/kernels/simd.h"
#include "ops/kernels/vector_math.h"

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr int64_t kVectorBytes = 4 * PackedWeight::kPanelRows;  // a quad of every row
constexpr int64_t kPrefetchBytes = 12288;  // ahead in the weights: past the end of most operators
constexpr int64_t kParts = PackedWeight::kPanelRows / kLanes;  // of a panel that is wider than a vector
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

Bytes load_codes(const uint8_t* codes) {
  __builtin_prefetch(codes + kPrefetchBytes);
  return load<Bytes>(codes);
}

/// Adds the quads 2 * kPair and 2 * kPair + 1 of a block of five bits; `tops` holds the upper bit of quad i in bit i.
template <int kPair, typename Add>
void add_pair_of_five_bits(const uint8_t* block, Bytes tops, const Add& add) {
  constexpr int kUp = kPair < 2 ? 4 - 2 * kPair : 0;  // that brings an even quad's bit to the fifth place
  constexpr int kDown = kPair > 2 ? 2 * kPair - 4 : 0;
  const Bytes even = shifted_right<kDown>(shifted_left<kUp>(tops));
  const Bytes odd = kPair < 2 ? shifted_left<(kUp > 0 ? kUp - 1 : 0)>(tops) : shifted_right<kDown + 1>(tops);
  const Bytes halves = load_codes(block + kPair * kVectorBytes);
  add(2 * kPair, (halves & 0x0F) | (even & 0x10));
  add(2 * kPair + 1, (shifted_right<4>(halves) & 0x0F) | (odd & 0x10));
}

/// Calls add(quad, bytes) with the codes of a block's eight quads, widened to bytes.
template <int kBits, typename Add>
void for_each_quad(const uint8_t* block, const Add& add) {
  if constexpr (kBits == 8) {
    for (int64_t quad = 0; quad < 8; ++quad) {
      add(quad, load_codes(block + quad * kVectorBytes));
    }
  } else if constexpr (kBits == 4) {
    for (int64_t pair = 0; pair < 4; ++pair) {
      const Bytes halves = load_codes(block + pair * kVectorBytes);
      add(2 * pair, halves & 0x0F);
      add(2 * pair + 1, shifted_right<4>(halves) & 0x0F);
    }
  } else if constexpr (kBits == 5) {
    const Bytes tops = load_codes(block + 4 * kVectorBytes);
    add_pair_of_five_bits<0>(block, tops, add);
    add_pair_of_five_bits<1>(block, tops, add);
    add_pair_of_five_bits<2>(block, tops, add);
    add_pair_of_five_bits<3>(block, tops, add);
  } else {
    const auto add_pair = [&](int64_t pair, Bytes low_high, Bytes upper) {
      const Bytes halves = load_codes(block + pair * kVectorBytes);
      add(2 * pair, (halves & 0x0F) | (low_high & 0x30));
      add(2 * pair + 1, (shifted_right<4>(halves) & 0x0F) | (upper & 0x30));
    };
    for (int64_t half = 0; half < 2; ++half) {
      const Bytes tops = load_codes(block + (4 + half) * kVectorBytes);
      add_pair(2 * half, shifted_left<4>(tops), shifted_left<2>(tops));
      add_pair(2 * half + 1, tops, shifted_right<2>(tops));
    }
  }
}

/// y[r, lane] += row r of x times the weights of these lanes, for `kRows` rows whose results are `stride` apart.
template <int kBits, int kRows>
void multiply_lanes(const QuantizedRows& x, int64_t row, const PackedWeight& weight, const uint8_t* block,
                    const uint16_t* scales, int64_t stride, float* y) {
  constexpr int64_t kBlockBytes = PackedWeight::block_bytes(kBits);
  constexpr int32_t kMidpoint = (1 << (kBits - 1)) - (kBits == 8 ? kWideOffset : 0);
  const int64_t group_size = weight.group_blocks * PackedWeight::kBlockColumns;
  Floats sums[kRows] = {};
  for (int64_t g = 0; g < weight.num_groups; ++g) {
    const int8_t* inputs[kRows];
    Ints products[kRows];
    for (int r = 0; r < kRows; ++r) {
      const int64_t group = (row + r) * weight.num_groups + g;
      inputs[r] = x.codes + group * group_size;
      products[r] = splat(-kMidpoint * x.sums[group]);
    }
    for (int64_t b = 0; b < weight.group_blocks; ++b, block += kBlockBytes) {
      for_each_quad<kBits>(block, [&](int64_t quad, Bytes codes) {
        for (int r = 0; r < kRows; ++r) {
          const Ints factors = splat_quad(inputs[r] + b * PackedWeight::kBlockColumns + quad * 4);
          products[r] =
              kBits == 8 ? add_wide_products(products[r], codes, factors) : add_products(products[r], codes, factors);
        }
      });
    }
    const Floats scale = load_bfloat16(scales + g * PackedWeight::kPanelRows);
    for (int r = 0; r < kRows; ++r) {
      const float row_scale = x.scales[(row + r) * weight.num_groups + g];
      sums[r] += to_floats(products[r]) * (scale * row_scale);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    store(y + r * stride, load(y + r * stride) + sums[r]);
  }
}

template <int kBits>
void multiply_panels(const QuantizedRows& x, int64_t num_rows, const PackedWeight& weight, int64_t begin, int64_t end,
                     float* y) {
  constexpr int64_t kBlockBytes = PackedWeight::block_bytes(kBits);
  const int64_t stride = weight.num_panels * PackedWeight::kPanelRows;
  const int64_t panel_bytes = weight.num_groups * weight.group_blocks * kBlockBytes;
  for (int64_t panel = begin; panel < end; ++panel) {
    for (int64_t part = 0; part < kParts; ++part) {
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
