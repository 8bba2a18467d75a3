#pragma once

#include <math.h>  // not the C++ header: its inline functions would be shared

#include "ops/kernels/simd.h"

/// Mathematics of vectors, for kernels.
namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

/// Added to a number below 2^22, its last bit is worth one: the sum is rounded to an integer, ties to the even one,
/// whose lowest bits are those of the float. Taken off again, it leaves that integer.
constexpr float kRounding = 0x1.8p23F;

// ---------------------------------------------------------------------------------------------------------------------
// Across lanes

using FourFloats = float __attribute__((vector_size(16)));

/// The lanes whose numbers are equal modulo four, combined.
template <typename Combine>
inline FourFloats to_four(Floats vector, const Combine& combine) {
#ifdef __AVX512F__
  const auto half = combine(__builtin_shufflevector(vector, vector, 0, 1, 2, 3, 4, 5, 6, 7),
                            __builtin_shufflevector(vector, vector, 8, 9, 10, 11, 12, 13, 14, 15));
  return combine(__builtin_shufflevector(half, half, 0, 1, 2, 3), __builtin_shufflevector(half, half, 4, 5, 6, 7));
#elif defined(__AVX2__)
  return combine(__builtin_shufflevector(vector, vector, 0, 1, 2, 3),
                 __builtin_shufflevector(vector, vector, 4, 5, 6, 7));
#else
  static_cast<void>(combine);
  return vector;
#endif
}

/// The sum of each vector's lanes. Which lanes are added first depends on their number alone.
inline FourFloats sums_of_lanes(Floats a, Floats b, Floats c, Floats d) {
  const auto add = [](auto x, auto y) { return x + y; };
  const FourFloats fours[] = {to_four(a, add), to_four(b, add), to_four(c, add), to_four(d, add)};
  const FourFloats ab =
      __builtin_shufflevector(fours[0], fours[1], 0, 4, 1, 5) + __builtin_shufflevector(fours[0], fours[1], 2, 6, 3, 7);
  const FourFloats cd =
      __builtin_shufflevector(fours[2], fours[3], 0, 4, 1, 5) + __builtin_shufflevector(fours[2], fours[3], 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

inline float sum_of_lanes(Floats vector) { return sums_of_lanes(vector, Floats{}, Floats{}, Floats{})[0]; }

inline float largest_lane(Floats vector) {
  FourFloats four = to_four(vector, [](auto x, auto y) { return larger(x, y); });
  four = larger(four, __builtin_shufflevector(four, four, 2, 3, 0, 1));
  four = larger(four, __builtin_shufflevector(four, four, 1, 0, 3, 2));
  return four[0];
}

// ---------------------------------------------------------------------------------------------------------------------
// Lane by lane

inline Floats magnitude(Floats x) { return x < 0.0F ? -x : x; }

/// For |x| < 2^22.
inline Floats round_even(Floats x) { return (x + kRounding) - kRounding; }

/// round_even(x * factor) of the rounded product, as torch rounds it: no fused multiplication may skip its rounding.
inline Floats round_product(Floats x, float factor) {
#ifdef __AVX512F__
  return _mm512_maskz_roundscale_ps(0xFFFF, x * factor, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__AVX2__)
  return _mm256_round_ps(x * factor, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
  return vrndnq_f32(x * factor);
#else
  return round_even(x * factor);
#endif
}

/// e^x for x <= 0, within 2e-7 of the value; below -87 that of -87, which is 1.6e-38. Not a number stays one.
inline Floats exp_of_negative(Floats x) {
  const Floats lowest = splat(-87.0F);
  x = x < lowest ? lowest : x;
  const Floats shifted = x * 1.44269504F + kRounding;
  const Floats power = shifted - kRounding;
  const Floats r = (x - power * 0.693359375F) - power * -2.12194440e-4F;  // ln 2 in two parts
  Floats p = splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(p) + (reinterpret_cast<Words>(shifted) << 23));
}

/// sin(z)^2, within 3e-7 of that of the rounded z for |z| < 1000: z less the nearest multiple of pi, whose first part
/// is exact for 2^16 multiples, then the minimax polynomial of degree 9. The sign that is lost does not matter to the
/// square.
QWEN3_TTS_ALWAYS_INLINE Floats sin_squared(Floats z) {
  const Floats turns = (z * 0.318309886F + kRounding) - kRounding;
  const Floats r = z - turns * 3.140625F - turns * 9.67653590e-4F;
  const Floats r2 = r * r;
  Floats sine = r2 * 2.5904880e-06F + -1.9800898e-04F;
  sine = sine * r2 + 8.3328998e-03F;
  sine = sine * r2 + -1.6666648e-01F;
  sine = (sine * r2 + 1.0F) * r;
  return sine * sine;
}

/// x + sin(x alpha)^2 inv_beta.
QWEN3_TTS_ALWAYS_INLINE Floats snake(Floats x, Floats alpha, Floats inv_beta) {
  return x + sin_squared(x * alpha) * inv_beta;
}

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
