#pragma once

#include <array>
#include <cstdint>

namespace qwen3_tts {

/// Philox4x32-10 (Salmon et al. 2011, Random123): four random words as a pure function of counter and key.
inline std::array<uint32_t, 4> philox4x32_10(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// The random number in [0, 1) that draws code group `group` of frame `frame` of a piece (group 0: the talker's token
/// of that index; a frame has the index of its token, and they count from 0 in each piece). It depends on nothing else,
/// so chunks, threads, code paths and other pieces cannot change what is drawn.
inline float uniform(uint64_t seed, uint64_t frame, uint32_t group, uint32_t piece = 0) {
  const auto words = philox4x32_10({static_cast<uint32_t>(frame), static_cast<uint32_t>(frame >> 32), group, piece},
                                   {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  // 24 bits: every value is exact in fp32.
  return static_cast<float>(words[0] >> 8) * 0x1p-24f;
}

}  // namespace qwen3_tts
