#include "memory_speed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "ops/parallel.h"

namespace qwen3_tts {
namespace {

using Clock = std::chrono::steady_clock;
using Lanes = uint64_t __attribute__((vector_size(64)));  // The compiler takes the registers that there are.

constexpr int64_t kPieceBytes = int64_t{1} << 20;  // That a thread reads at a time.
constexpr int64_t kTimes = 5;

/// The sum of all words: nobody wants it, but the compiler must not leave the reading out.
uint64_t sum_of(const uint8_t* bytes, int64_t size) {
  Lanes sums[4] = {};
  for (int64_t place = 0; place + static_cast<int64_t>(sizeof(sums)) <= size;
       place += static_cast<int64_t>(sizeof(sums))) {
    Lanes words[4];
    std::memcpy(words, bytes + place, sizeof(words));
    sums[0] += words[0];
    sums[1] += words[1];
    sums[2] += words[2];
    sums[3] += words[3];
  }
  const Lanes sum = sums[0] + sums[1] + sums[2] + sums[3];
  uint64_t total = 0;
  for (size_t lane = 0; lane < sizeof(sum) / sizeof(uint64_t); ++lane) {
    total += sum[lane];
  }
  return total;
}

/// Seconds of reading all pieces once.
double seconds_to_read(const std::vector<uint8_t>& bytes, bool with_all_threads) {
  const auto num_pieces = static_cast<int64_t>(bytes.size()) / kPieceBytes;
  std::atomic<uint64_t> total{0};
  const auto read = [&](int64_t begin, int64_t end) {
    total += sum_of(bytes.data() + begin * kPieceBytes, (end - begin) * kPieceBytes);
  };
  const Clock::time_point start = Clock::now();
  if (with_all_threads) {
    parallel_for(num_pieces, 1, read);
  } else {
    read(0, num_pieces);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  [[maybe_unused]] static std::atomic<uint64_t> seen;
  seen = total.load();
  return seconds;
}

}  // namespace

std::vector<uint8_t> random_bytes() {
  std::vector<uint8_t> bytes(static_cast<size_t>(kLargeBytes));
  uint64_t state = 0x9E3779B97F4A7C15;
  for (size_t place = 0; place + sizeof(state) <= bytes.size(); place += sizeof(state)) {
    state ^= state << 13;  // xorshift64: std::mt19937 would take seconds on a slow machine.
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(bytes.data() + place, &state, sizeof(state));
  }
  return bytes;
}

double read_speed(const std::vector<uint8_t>& bytes, bool with_all_threads) {
  double seconds = seconds_to_read(bytes, with_all_threads);
  for (int64_t i = 1; i < kTimes; ++i) {
    seconds = std::min(seconds, seconds_to_read(bytes, with_all_threads));
  }
  return static_cast<double>(bytes.size()) / 1e9 / seconds;
}

}  // namespace qwen3_tts
