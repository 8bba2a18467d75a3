#include "encoding/time_scale.h"

#include <sonic.h>

#include <algorithm>
#include <array>

#include "audio/pcm.h"

namespace qwen3_tts {
namespace {

constexpr int kBlockSamples = 4096;

Error out_of_memory() {
  return {ErrorCode::kExecution, "there is no memory to change the speed; leave it at 1, or free some"};
}

}  // namespace

void TimeScale::Delete::operator()(sonicStreamStruct* stream) const { sonicDestroyStream(stream); }

Result<TimeScale> TimeScale::create(int64_t sample_rate, double speed) {
  sonicStreamStruct* stream = sonicCreateStream(static_cast<int>(sample_rate), 1);
  if (stream == nullptr) {
    return out_of_memory();
  }
  sonicSetSpeed(stream, static_cast<float>(speed));
  return TimeScale(stream);
}

Status TimeScale::write(const int16_t* samples, int64_t num_samples, std::vector<float>& output) {
  for (int64_t first = 0; first < num_samples; first += kBlockSamples) {
    std::array<int16_t, kBlockSamples> block;  // libsonic asks for one that it may write to.
    const auto* end =
        std::copy(samples + first, samples + std::min<int64_t>(num_samples, first + kBlockSamples), block.begin());
    if (sonicWriteShortToStream(stream_.get(), block.data(), static_cast<int>(end - block.data())) == 0) {
      return out_of_memory();
    }
    take(output);
  }
  return {};
}

Status TimeScale::finish(std::vector<float>& output) {
  if (sonicFlushStream(stream_.get()) == 0) {
    return out_of_memory();
  }
  take(output);
  return {};
}

void TimeScale::take(std::vector<float>& output) {
  std::array<int16_t, kBlockSamples> block;
  while (const int count = sonicReadShortFromStream(stream_.get(), block.data(), kBlockSamples)) {
    std::transform(block.begin(), block.begin() + count, std::back_inserter(output),
                   [](int16_t sample) { return static_cast<float>(sample) / kInt16FullScale; });
  }
}

}  // namespace qwen3_tts
