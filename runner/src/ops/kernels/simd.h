#pragma once

#include <cstdint>

#include <string.h>  // not the C++ header: its inline functions would be shared

#ifdef __SSE2__
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// Before a loop over few vectors: an array of them stays in registers only when the compiler unrolls the loop, gcc
/// early and clang whatever its size.
#ifdef __clang__
#define QWEN3_TTS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QWEN3_TTS_UNROLL _Pragma("GCC unroll 16")
#endif

#define QWEN3_TTS_ALWAYS_INLINE inline __attribute__((always_inline))

/// The words that kernels are written in: vectors as wide as the registers of the instruction set that is being
/// compiled. gcc and clang lower their operators (+, *, &, >>, <, ?:) to whatever the processor has; only what has no
/// operator is written with intrinsics, here. A further instruction set is a further branch of this file.
///
/// Included by sources that are compiled once for each instruction set, hence the unnamed namespace.
namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

#ifdef __AVX512F__
constexpr int64_t kLanes = 16;  // of 32 bits each
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
constexpr int64_t kRegisterBytes = 4 * kLanes;

using Floats = float __attribute__((vector_size(kRegisterBytes)));
using Ints = int32_t __attribute__((vector_size(kRegisterBytes)));
using Words = uint32_t __attribute__((vector_size(kRegisterBytes)));
using Shorts = uint16_t __attribute__((vector_size(kRegisterBytes / 2)));  // one a lane
using Bytes = uint8_t __attribute__((vector_size(kRegisterBytes)));        // a quad, which is four, a lane

// ---------------------------------------------------------------------------------------------------------------------
// Memory, which need not be aligned

template <typename Vector>
inline Vector load(const void* from) {
  struct __attribute__((packed, may_alias)) Unaligned {  // gcc would go through memory for a copy that is stored again
    Vector vector;
  };
  return static_cast<const Unaligned*>(from)->vector;
}

inline Floats load(const float* from) { return load<Floats>(from); }

inline void store(float* to, Floats vector) { memcpy(to, &vector, sizeof(vector)); }

#ifdef __AVX512F__
/// The first `count` lanes, fewer than all.
inline __mmask16 first_lanes(int64_t count) { return static_cast<__mmask16>((1U << count) - 1U); }
#endif

/// The first `count` values, fewer than kLanes, then zeros.
inline Floats load_some(const float* from, int64_t count) {
#ifdef __AVX512F__
  return _mm512_maskz_loadu_ps(first_lanes(count), from);
#else
  Floats vector = {};
  memcpy(&vector, from, static_cast<size_t>(count) * sizeof(float));
  return vector;
#endif
}

inline void store_some(float* to, Floats vector, int64_t count) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(to, first_lanes(count), vector);
#else
  memcpy(to, &vector, static_cast<size_t>(count) * sizeof(float));
#endif
}

inline Floats load_up_to(const float* from, int64_t count) {
  return count >= kLanes ? load(from) : load_some(from, count);
}

inline void store_up_to(float* to, Floats vector, int64_t count) {
  if (count >= kLanes) {
    store(to, vector);
  } else {
    store_some(to, vector, count);
  }
}

inline Floats load_bfloat16(const uint16_t* from) {
#ifdef __aarch64__  // gcc 12 widens them one by one
  return reinterpret_cast<Floats>(vshll_n_u16(vld1_u16(from), 16));
#else
  const auto shorts = load<Shorts>(from);
#if defined(__AVX2__) && !defined(__AVX512F__)  // gcc 12 converts them in two halves
  const auto words = reinterpret_cast<Words>(_mm256_cvtepu16_epi32(reinterpret_cast<__m128i>(shorts)));
#else
  const auto words = __builtin_convertvector(shorts, Words);
#endif
  return reinterpret_cast<Floats>(words << 16);
#endif
}

// ---------------------------------------------------------------------------------------------------------------------
// Lanes

inline Floats splat(float value) { return value - Floats{}; }
inline Ints splat(int32_t value) { return value - Ints{}; }

/// The four bytes there, in every lane.
inline Ints splat_quad(const void* from) {
  int32_t quad = 0;
  memcpy(&quad, from, sizeof(quad));
  return splat(quad);
}

inline Floats to_floats(Ints values) { return __builtin_convertvector(values, Floats); }

template <typename Vector>
inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

// ---------------------------------------------------------------------------------------------------------------------
// Bytes

using BytePairs = uint16_t __attribute__((vector_size(kRegisterBytes)));

#ifdef __aarch64__

/// Every byte, moved right by kBits.
template <int kBits>
inline Bytes shifted_right(Bytes bytes) {
  return bytes >> kBits;
}

/// `upper`, the low 8 - kBits bits of every byte replaced by those of `lower` moved right.
template <int kBits>
inline Bytes joined(Bytes upper, Bytes lower) {
  return reinterpret_cast<Bytes>(
      vsriq_n_u8(reinterpret_cast<uint8x16_t>(upper), reinterpret_cast<uint8x16_t>(lower), kBits));
}

#else  // No instruction shifts bytes.

template <int kBits>
inline Bytes shifted_right(Bytes bytes) {
  return reinterpret_cast<Bytes>(reinterpret_cast<BytePairs>(bytes) >> kBits) & static_cast<uint8_t>(0xFF >> kBits);
}

template <int kBits>
inline Bytes joined(Bytes upper, Bytes lower) {
  return (upper & static_cast<uint8_t>(~(0xFF >> kBits))) | shifted_right<kBits>(lower);
}

#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

/// What add_wide_products() takes off its unsigned bytes.
constexpr int32_t kWideOffset = 0;

/// sums + the four products of each lane: a unsigned and at most 127, b signed.
inline Ints add_products(Ints sums, Bytes a, Ints b) {
#ifdef __AVX512VNNI__
  return reinterpret_cast<Ints>(
      _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sums), reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#else
  return reinterpret_cast<Ints>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sums), reinterpret_cast<__m256i>(a),
                                                        reinterpret_cast<__m256i>(b)));
#endif
}

/// The same for any a, less kWideOffset, and b above -128.
inline Ints add_wide_products(Ints sums, Bytes a, Ints b) { return add_products(sums, a, b); }

#else

constexpr int32_t kWideOffset = 128;

#ifdef __AVX2__

inline Ints add_pairs(Ints sums, __m256i pairs) {
  return sums + reinterpret_cast<Ints>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

inline __m256i products_of_pairs(Bytes a, Ints b) {
  return _mm256_maddubs_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b));
}

inline Ints add_products(Ints sums, Bytes a, Ints b) { return add_pairs(sums, products_of_pairs(a, b)); }

/// Two products are added in 16 bits: those of magnitudes, with the sign moved to the other factor, fit.
inline Ints add_signed_products(Ints sums, Bytes a, Ints b) {
  const auto factors = reinterpret_cast<__m256i>(a);
  const __m256i others = _mm256_sign_epi8(reinterpret_cast<__m256i>(b), factors);
  return add_pairs(sums, _mm256_maddubs_epi16(_mm256_abs_epi8(factors), others));
}

#elif defined(__SSE2__)

/// The bytes of pairs as numbers of 16 bits: the even ones and the odd ones.
inline __m128i even_bytes(__m128i pairs) { return _mm_srai_epi16(_mm_slli_epi16(pairs, 8), 8); }
inline __m128i odd_bytes(__m128i pairs) { return _mm_srai_epi16(pairs, 8); }

inline Ints add_signed_products(Ints sums, Bytes a, Ints b) {
  const auto left = reinterpret_cast<__m128i>(a);
  const auto right = reinterpret_cast<__m128i>(b);
  return sums + reinterpret_cast<Ints>(_mm_madd_epi16(even_bytes(left), even_bytes(right))) +
         reinterpret_cast<Ints>(_mm_madd_epi16(odd_bytes(left), odd_bytes(right)));
}

#elif defined(__aarch64__)

inline Ints add_signed_products(Ints sums, Bytes a, Ints b) {
  const auto left = reinterpret_cast<int8x16_t>(a);
  const auto right = reinterpret_cast<int8x16_t>(b);
#if defined(__ARM_FEATURE_DOTPROD)
  return reinterpret_cast<Ints>(vdotq_s32(reinterpret_cast<int32x4_t>(sums), left, right));
#else
  const int16x8_t low = vmull_s8(vget_low_s8(left), vget_low_s8(right));
  const int16x8_t pairs = vpaddq_s16(low, vmull_high_s8(left, right));
  return reinterpret_cast<Ints>(vpadalq_s16(reinterpret_cast<int32x4_t>(sums), pairs));
#endif
}

#else

/// Byte `kByte` of every lane.
template <int kByte>
inline Ints signed_byte(Ints quads) {
  return reinterpret_cast<Ints>(reinterpret_cast<Words>(quads) << (24 - 8 * kByte)) >> 24;
}

inline Ints add_signed_products(Ints sums, Bytes a, Ints b) {
  const auto left = reinterpret_cast<Ints>(a);
  return sums + signed_byte<0>(left) * signed_byte<0>(b) + signed_byte<1>(left) * signed_byte<1>(b) +
         signed_byte<2>(left) * signed_byte<2>(b) + signed_byte<3>(left) * signed_byte<3>(b);
}

#endif

#ifndef __AVX2__
inline Ints add_products(Ints sums, Bytes a, Ints b) { return add_signed_products(sums, a, b); }
#endif

inline Ints add_wide_products(Ints sums, Bytes a, Ints b) { return add_signed_products(sums, a ^ 0x80, b); }

#endif

// ---------------------------------------------------------------------------------------------------------------------
// Quads of inputs, each of which is multiplied with every lane

#ifdef __ARM_FEATURE_DOTPROD

using Inputs = int8x16_t;  // four quads, in a register: the instruction has the number of one

inline Inputs load_inputs(const int8_t* from) { return vld1q_s8(from); }

/// sums + the products of each lane and quad kQuad, as add_products().
template <int64_t kQuad>
inline Ints add_quad_products(Ints sums, Bytes a, Inputs inputs) {
  const auto lanes = reinterpret_cast<int8x16_t>(a);
  return reinterpret_cast<Ints>(vdotq_laneq_s32(reinterpret_cast<int32x4_t>(sums), lanes, inputs, kQuad));
}

/// The same as add_wide_products().
template <int64_t kQuad>
inline Ints add_wide_quad_products(Ints sums, Bytes a, Inputs inputs) {
  return add_quad_products<kQuad>(sums, a ^ 0x80, inputs);
}

#else

using Inputs = const int8_t*;

inline Inputs load_inputs(const int8_t* from) { return from; }

template <int64_t kQuad>
inline Ints add_quad_products(Ints sums, Bytes a, Inputs inputs) {
  return add_products(sums, a, splat_quad(inputs + 4 * kQuad));
}

template <int64_t kQuad>
inline Ints add_wide_quad_products(Ints sums, Bytes a, Inputs inputs) {
  return add_wide_products(sums, a, splat_quad(inputs + 4 * kQuad));
}

#endif

#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)

/// Sums of the products of few quads, two a lane: 16 bits are enough for them.
using FewSums = __m256i;

/// How many quads of codes of kBits bits fit: two products add up to 2 * 128 * (2^kBits - 1) at most.
template <int kBits, int64_t kSums>
constexpr int64_t kFewQuads = kBits == 8 ? 0 : 32767 / (2 * 128 * ((1 << kBits) - 1));

template <int kBits, int64_t kQuad>
inline FewSums few_products(Bytes a, Inputs inputs) {
  return products_of_pairs(a, splat_quad(inputs + 4 * kQuad));
}

template <int kBits, int64_t kQuad>
inline FewSums add_few_products(FewSums sums, Bytes a, Inputs inputs) {
  return _mm256_add_epi16(sums, few_products<kBits, kQuad>(a, inputs));
}

inline Ints add_few(Ints sums, FewSums few) { return add_pairs(sums, few); }

#else

/// Sums of the products of few quads.
using FewSums = Ints;

/// How many quads those are, where kSums sums are formed at once; 0: all go into the sum. An instruction that adds to a
/// sum waits for the one before it, 4 or 5 cycles, and only many sums hide that: so where they are few, others begin.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
template <int kBits, int64_t kSums>
constexpr int64_t kFewQuads = kSums < 8 ? 4 : 0;
#else
template <int kBits, int64_t kSums>
constexpr int64_t kFewQuads = 0;
#endif

template <int kBits, int64_t kQuad>
inline FewSums add_few_products(FewSums sums, Bytes a, Inputs inputs) {
  return kBits == 8 ? add_wide_quad_products<kQuad>(sums, a, inputs) : add_quad_products<kQuad>(sums, a, inputs);
}

template <int kBits, int64_t kQuad>
inline FewSums few_products(Bytes a, Inputs inputs) {
  return add_few_products<kBits, kQuad>(FewSums{}, a, inputs);
}

inline Ints add_few(Ints sums, FewSums few) { return sums + few; }

#endif

/// Adds to a sum, one of kSums at once, the products of a block's eight quads, one after the other: of codes of kBits
/// bits as add_quad_products() does, of 8 bits as add_wide_quad_products(). All are there after the last one.
template <int kBits, int64_t kSums>
class QuadSums {
 public:
  template <int64_t kIndex>
  QWEN3_TTS_ALWAYS_INLINE void add(Ints& sum, Bytes quads, Inputs inputs) {
    constexpr int64_t kQuad = kIndex % 4;
    constexpr int64_t kFew = kFewQuads<kBits, kSums>;
    if constexpr (kFew > 0) {
      static_assert(8 % kFew == 0);
      few_ = kIndex % kFew == 0 ? few_products<kBits, kQuad>(quads, inputs)
                                : add_few_products<kBits, kQuad>(few_, quads, inputs);
      if constexpr (kIndex % kFew == kFew - 1) {
        sum = add_few(sum, few_);
      }
    } else if constexpr (kBits == 8) {
      sum = add_wide_quad_products<kQuad>(sum, quads, inputs);
    } else {
      sum = add_quad_products<kQuad>(sum, quads, inputs);
    }
  }

 private:
  FewSums few_;
};

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
