#pragma once

#include <cstdint>
#include <vector>

namespace qwen3_tts {

/// Bytes that are larger than any cache, and belong together with the speed at which they are read.
inline constexpr int64_t kLargeBytes = int64_t{256} << 20;

/// Random bytes, so that every page of them is memory of its own: [kLargeBytes].
std::vector<uint8_t> random_bytes();

/// GB a second of reading `bytes` from begin to end, by this thread alone or by all of ExecuTorch's pool: the best of
/// several times.
double read_speed(const std::vector<uint8_t>& bytes, bool with_all_threads);

}  // namespace qwen3_tts
