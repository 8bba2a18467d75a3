#pragma once

#include <cstdint>

#ifdef __AVX2__
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// Lanes of 32 bits, for kernels: numbers, or the four bytes of a quad. Included by sources that are compiled once for
/// each instruction set, hence the unnamed namespace.
namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

#ifdef __AVX512VNNI__

struct Lanes {
  static constexpr int64_t kCount = 16;
  static constexpr int32_t kWideOffset = 0;
  using Bytes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;

  static Bytes load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
  static Bytes masked(Bytes bytes, char mask) { return _mm512_and_si512(bytes, _mm512_set1_epi8(mask)); }
  /// Across byte borders: to be masked.
  template <int kBits>
  static Bytes shifted_right(Bytes bytes) {
    return _mm512_srli_epi16(bytes, kBits);
  }
  template <int kBits>
  static Bytes shifted_left(Bytes bytes) {
    return _mm512_slli_epi16(bytes, kBits);
  }

  static Ints all(int32_t value) { return _mm512_set1_epi32(value); }
  /// sums + the four products of unsigned a and signed b in each lane. kIsWide: a may be above 127, and counts as
  /// a - kWideOffset.
  template <bool kIsWide>
  static Ints add_products(Ints sums, Bytes a, Ints b) {
    return _mm512_dpbusd_epi32(sums, a, b);
  }

  static Floats load(const float* p) { return _mm512_loadu_ps(p); }
  static Floats load_bfloat16(const uint16_t* p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static void store(float* p, Floats values) { _mm512_storeu_ps(p, values); }
  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats to_floats(Ints values) { return _mm512_cvtepi32_ps(values); }
  static Floats scaled(Floats values, float scale) { return _mm512_mul_ps(values, _mm512_set1_ps(scale)); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
};

#elif defined(__AVX2__)

struct Lanes {
  static constexpr int64_t kCount = 8;
  static constexpr int32_t kWideOffset = 0;
  using Bytes = __m256i;
  using Ints = __m256i;
  using Floats = __m256;

  static Bytes load_bytes(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Bytes either(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
  static Bytes masked(Bytes bytes, char mask) { return _mm256_and_si256(bytes, _mm256_set1_epi8(mask)); }
  template <int kBits>
  static Bytes shifted_right(Bytes bytes) {
    return _mm256_srli_epi16(bytes, kBits);
  }
  template <int kBits>
  static Bytes shifted_left(Bytes bytes) {
    return _mm256_slli_epi16(bytes, kBits);
  }

  static Ints all(int32_t value) { return _mm256_set1_epi32(value); }
  template <bool kIsWide>
  static Ints add_products(Ints sums, Bytes a, Ints b) {
    if constexpr (kIsWide) {  // Two products above 127 would not fit into the 16 bits between.
      const Ints top = _mm256_maddubs_epi16(masked(a, static_cast<char>(0x80)), b);
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(top, _mm256_set1_epi16(1)));
      a = masked(a, 0x7F);
    }
    return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
  }

  static Floats load(const float* p) { return _mm256_loadu_ps(p); }
  static Floats load_bfloat16(const uint16_t* p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static void store(float* p, Floats values) { _mm256_storeu_ps(p, values); }
  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats to_floats(Ints values) { return _mm256_cvtepi32_ps(values); }
  static Floats scaled(Floats values, float scale) { return _mm256_mul_ps(values, _mm256_set1_ps(scale)); }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
};

#elif defined(__aarch64__)

struct Lanes {
  static constexpr int64_t kCount = 4;
  static constexpr int32_t kWideOffset = 128;  // The products are of signed bytes.
  using Bytes = uint8x16_t;
  using Ints = int32x4_t;
  using Floats = float32x4_t;

  static Bytes load_bytes(const uint8_t* p) { return vld1q_u8(p); }
  static Bytes either(Bytes a, Bytes b) { return vorrq_u8(a, b); }
  static Bytes masked(Bytes bytes, char mask) { return vandq_u8(bytes, vdupq_n_u8(static_cast<uint8_t>(mask))); }
  template <int kBits>
  static Bytes shifted_right(Bytes bytes) {
    return vshrq_n_u8(bytes, kBits);
  }
  template <int kBits>
  static Bytes shifted_left(Bytes bytes) {
    return vshlq_n_u8(bytes, kBits);
  }

  static Ints all(int32_t value) { return vdupq_n_s32(value); }
  template <bool kIsWide>
  static Ints add_products(Ints sums, Bytes a, Ints b) {
    const int8x16_t left = vreinterpretq_s8_u8(kIsWide ? veorq_u8(a, vdupq_n_u8(0x80)) : a);
    const int8x16_t right = vreinterpretq_s8_s32(b);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sums, left, right);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(left), vget_low_s8(right));
    return vpadalq_s16(sums, vpaddq_s16(low, vmull_high_s8(left, right)));
#endif
  }

  static Floats load(const float* p) { return vld1q_f32(p); }
  static Floats load_bfloat16(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
  static void store(float* p, Floats values) { vst1q_f32(p, values); }
  static Floats zero() { return vdupq_n_f32(0.0F); }
  static Floats to_floats(Ints values) { return vcvtq_f32_s32(values); }
  static Floats scaled(Floats values, float scale) { return vmulq_n_f32(values, scale); }
  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats multiply_add(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
};

#else

/// Plain C++, for the compiler to make vectors of.
struct Lanes {
  static constexpr int64_t kCount = 16;
  static constexpr int32_t kWideOffset = 0;
  struct Bytes {
    uint8_t v[64];
  };
  struct Ints {
    int32_t v[16];
  };
  struct Floats {
    float v[16];
  };

  static Bytes load_bytes(const uint8_t* p) {
    Bytes bytes;
    __builtin_memcpy(bytes.v, p, sizeof(bytes.v));
    return bytes;
  }
  static Bytes either(Bytes a, Bytes b) {
    for (int i = 0; i < 64; ++i) {
      a.v[i] = static_cast<uint8_t>(a.v[i] | b.v[i]);
    }
    return a;
  }
  static Bytes masked(Bytes bytes, char mask) {
    for (auto& byte : bytes.v) {
      byte = static_cast<uint8_t>(byte & mask);
    }
    return bytes;
  }
  template <int kBits>
  static Bytes shifted_right(Bytes bytes) {
    for (auto& byte : bytes.v) {
      byte = static_cast<uint8_t>(byte >> kBits);
    }
    return bytes;
  }
  template <int kBits>
  static Bytes shifted_left(Bytes bytes) {
    for (auto& byte : bytes.v) {
      byte = static_cast<uint8_t>(byte << kBits);
    }
    return bytes;
  }

  static Ints all(int32_t value) {
    Ints ints;
    for (auto& lane : ints.v) {
      lane = value;
    }
    return ints;
  }
  template <bool kIsWide>
  static Ints add_products(Ints sums, const Bytes& a, const Ints& b) {
    int8_t signed_bytes[64];
    __builtin_memcpy(signed_bytes, b.v, sizeof(signed_bytes));
    for (int i = 0; i < 16; ++i) {
      for (int k = 4 * i; k < 4 * i + 4; ++k) {
        sums.v[i] += a.v[k] * signed_bytes[k];
      }
    }
    return sums;
  }

  static Floats load(const float* p) {
    Floats values;
    __builtin_memcpy(values.v, p, sizeof(values.v));
    return values;
  }
  static Floats load_bfloat16(const uint16_t* p) {
    Floats values;
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = static_cast<uint32_t>(p[i]) << 16;
      __builtin_memcpy(&values.v[i], &bits, sizeof(bits));
    }
    return values;
  }
  static void store(float* p, const Floats& values) { __builtin_memcpy(p, values.v, sizeof(values.v)); }
  static Floats zero() { return Floats{}; }
  static Floats to_floats(const Ints& values) {
    Floats floats;
    for (int i = 0; i < 16; ++i) {
      floats.v[i] = static_cast<float>(values.v[i]);
    }
    return floats;
  }
  static Floats scaled(Floats values, float scale) {
    for (auto& value : values.v) {
      value *= scale;
    }
    return values;
  }
  static Floats add(Floats a, const Floats& b) {
    for (int i = 0; i < 16; ++i) {
      a.v[i] += b.v[i];
    }
    return a;
  }
  static Floats multiply_add(Floats a, const Floats& b, const Floats& c) {
    for (int i = 0; i < 16; ++i) {
      a.v[i] = a.v[i] * b.v[i] + c.v[i];
    }
    return a;
  }
};

#endif

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
