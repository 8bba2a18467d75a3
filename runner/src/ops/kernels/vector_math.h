#pragma once

#include <cstdint>

#include <math.h>  // not the C++ headers: their inline functions would be shared
#include <string.h>

/// Before a loop over few vectors: gcc keeps an array of them in registers only when it unrolls the loop early.
#ifdef __clang__
#define QWEN3_TTS_UNROLL
#else
#define QWEN3_TTS_UNROLL _Pragma("GCC unroll 16")
#endif

/// Vectors as wide as the registers of the instruction set that is being compiled: for kernels only. gcc and clang
/// lower them to whatever the processor has.
namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

#ifdef __AVX512F__
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

using Vector = float __attribute__((vector_size(kLanes * 4)));
using Quad = float __attribute__((vector_size(16)));
using Words = uint32_t __attribute__((vector_size(kLanes * 4)));
using Shorts = uint16_t __attribute__((vector_size(kLanes * 2)));

/// kLanes elements at `from`, which need not be aligned.
template <typename T>
inline T load(const void* from) {
  T vector;
  memcpy(&vector, from, sizeof(vector));
  return vector;
}

inline Vector load(const float* from) { return load<Vector>(from); }

inline void store(float* to, Vector vector) { memcpy(to, &vector, sizeof(vector)); }

inline Vector splat(float value) { return value - Vector{}; }

/// Sums of the lanes whose numbers are equal modulo four.
inline Quad to_quad(Vector vector) {
#ifdef __AVX512F__
  const auto half = __builtin_shufflevector(vector, vector, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(vector, vector, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif defined(__AVX2__)
  return __builtin_shufflevector(vector, vector, 0, 1, 2, 3) + __builtin_shufflevector(vector, vector, 4, 5, 6, 7);
#else
  return vector;
#endif
}

inline Vector larger(Vector a, Vector b) { return a > b ? a : b; }

/// The sum of each vector's lanes. Which lanes are added first depends on their number alone.
inline Quad sums_of_lanes(Vector a, Vector b, Vector c, Vector d) {
  const Quad quads[] = {to_quad(a), to_quad(b), to_quad(c), to_quad(d)};
  const Quad ab =
      __builtin_shufflevector(quads[0], quads[1], 0, 4, 1, 5) + __builtin_shufflevector(quads[0], quads[1], 2, 6, 3, 7);
  const Quad cd =
      __builtin_shufflevector(quads[2], quads[3], 0, 4, 1, 5) + __builtin_shufflevector(quads[2], quads[3], 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

inline float sum_of_lanes(Vector vector) { return sums_of_lanes(vector, Vector{}, Vector{}, Vector{})[0]; }

/// e^x for x <= 0, within 2e-7 of the value; below -87 that of -87, which is 1.6e-38. Not a number stays one.
inline Vector exp_of_negative(Vector x) {
  constexpr float kRounding = 12582912.0F;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const Vector lowest = splat(-87.0F);
  x = x < lowest ? lowest : x;
  const Vector shifted = x * 1.44269504F + kRounding;
  const Vector power = shifted - kRounding;
  const Vector r = (x - power * 0.693359375F) - power * -2.12194440e-4F;  // ln 2 in two parts
  Vector p = splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  return reinterpret_cast<Vector>(reinterpret_cast<Words>(p) + (reinterpret_cast<Words>(shifted) << 23));
}

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
