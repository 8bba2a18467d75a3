#pragma once

#include "ops/kernels/simd.h"

/// Numbers of 16 bits (IEEE binary16) in memory, computed with in fp32. For kernels only.
namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

constexpr float kLargestHalf = 65504.0F;

#ifdef __AVX512F__

inline Floats load_halfs(const uint16_t* from) {
  // Masked by nothing: gcc warns of the undefined register in the plain intrinsic.
  return _mm512_maskz_cvtph_ps(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

#elif defined(__AVX2__)

inline Floats load_halfs(const uint16_t* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

#elif defined(__aarch64__)

inline Floats load_halfs(const uint16_t* from) {
  // gcc 12 converts the operator's numbers one by one.
  return reinterpret_cast<Floats>(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))));
}

#else

/// The bits in their places, as a float that is 2^112 times too small.
inline Floats load_halfs(const uint16_t* from) {
  const Words bits = __builtin_convertvector(load<Shorts>(from), Words);
  const Floats magnitude = reinterpret_cast<Floats>((bits & 0x7FFFU) << 13) * 0x1p112F;
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(magnitude) | (bits & 0x8000U) << 16);
}

#endif

/// The nearest half, ties to even, of a value that is at most kLargestHalf, or not a number.
inline uint16_t to_half(float value) {
#ifdef __AVX2__
  return static_cast<uint16_t>(_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__aarch64__)
  const __fp16 half = static_cast<__fp16>(value);
  uint16_t bits;
  memcpy(&bits, &half, sizeof(bits));
  return bits;
#else
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  const uint32_t sign = (bits >> 16) & 0x8000U;
  bits &= 0x7FFFFFFFU;
  if (bits > 0x7F800000U) {
    return static_cast<uint16_t>(sign | 0x7E00U);
  }
  // Adding a power of two whose last bit is the half's last bit lets the processor round.
  const uint32_t exponent = bits >> 23 < 113 ? 113 : bits >> 23;
  const uint32_t rounding_bits = (exponent + 13) << 23;
  float magnitude;
  float rounding;
  memcpy(&magnitude, &bits, sizeof(magnitude));
  memcpy(&rounding, &rounding_bits, sizeof(rounding));
  const float rounded = magnitude + rounding;
  uint32_t rounded_bits;
  memcpy(&rounded_bits, &rounded, sizeof(rounded_bits));
  // A carry out of the mantissa goes on into the exponent, where it belongs.
  return static_cast<uint16_t>(sign | (((exponent - 113) << 10) + (rounded_bits - rounding_bits)));
#endif
}

/// `value` within the range of a half; not a number stays one.
inline float within_halfs(float value) {
  const float bounded = value > kLargestHalf ? kLargestHalf : value;
  return bounded < -kLargestHalf ? -kLargestHalf : bounded;
}

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
