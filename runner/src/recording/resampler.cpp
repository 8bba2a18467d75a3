#include "recording/resampler.h"

#include <soxr.h>

#include <algorithm>
#include <string>

#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr size_t kBlockSamples = 1 << 14;  // Made by one call.

Error failure(const std::string& what, soxr_error_t reason) {
  return Error{ErrorCode::kExecution, what + " (libsoxr: " + soxr_strerror(reason) + "); convert it to 24 kHz"};
}

}  // namespace

void Resampler::Delete::operator()(soxr* stream) const { soxr_delete(stream); }

Result<Resampler> Resampler::create(int64_t from, int64_t to) {
  if (from == to) {
    return Resampler(from, to, nullptr);
  }
  const soxr_io_spec_t format = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  soxr_error_t error = nullptr;
  soxr_t stream =
      soxr_create(static_cast<double>(from), static_cast<double>(to), 1, &error, &format, &quality, &one_thread);
  if (stream == nullptr || error != nullptr) {
    soxr_delete(stream);
    return failure("a sound of " + std::to_string(from) + " Hz cannot be resampled", error);
  }
  return Resampler(from, to, stream);
}

Status Resampler::write(const float* samples, size_t num_samples, std::vector<float>& output) {
  num_read_ += static_cast<int64_t>(num_samples);
  if (stream_ == nullptr) {
    output.insert(output.end(), samples, samples + num_samples);
    return {};
  }
  return num_samples == 0 ? Status() : process(samples, num_samples, output);
}

Status Resampler::finish(std::vector<float>& output) {
  if (stream_ == nullptr) {
    return {};
  }
  RETURN_IF_ERROR(process(nullptr, 0, output));
  const int64_t expected = (num_read_ * to_ + from_ - 1) / from_;
  // libsoxr rounds, so that one sample may be too many or missing.
  output.resize(output.size() + static_cast<size_t>(expected) - static_cast<size_t>(num_made_));
  return {};
}

/// `samples` null: there are no more.
Status Resampler::process(const float* samples, size_t num_samples, std::vector<float>& output) {
  for (size_t num_done = 0, made = kBlockSamples; num_done < num_samples || made == kBlockSamples;) {
    const size_t begin = output.size();
    output.resize(begin + kBlockSamples);
    size_t taken = 0;
    const float* rest = samples == nullptr ? nullptr : samples + num_done;
    soxr_error_t error =
        soxr_process(stream_.get(), rest, num_samples - num_done, &taken, output.data() + begin, kBlockSamples, &made);
    output.resize(begin + made);
    num_done += taken;
    num_made_ += static_cast<int64_t>(made);
    if (error != nullptr || (taken == 0 && made == 0 && num_done < num_samples)) {
      return failure("a sound of " + std::to_string(from_) + " Hz cannot be resampled", error);
    }
  }
  return {};
}

}  // namespace qwen3_tts
