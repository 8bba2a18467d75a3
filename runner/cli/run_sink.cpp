#include "run_sink.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/try.h"

namespace qwen3_tts {

RunSink::RunSink(const std::string& wav_path, std::optional<PcmFormat> stdout_format, int64_t sample_rate,
                 std::function<void(int64_t)> on_delivery)
    : on_delivery_(std::move(on_delivery)) {
  if (!wav_path.empty()) {
    folder_ = std::filesystem::path(wav_path).parent_path();
    sinks_.push_back(std::make_unique<WavSink>(wav_path, sample_rate));
  }
  if (stdout_format.has_value()) {
    sinks_.push_back(std::make_unique<PcmSink>(STDOUT_FILENO, *stdout_format));
  }
}

Status RunSink::make_folder() {
  if (folder_.empty()) {
    return {};
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    return io_error("create folder", folder_.string(), error.value());
  }
  folder_.clear();
  return {};
}

Status RunSink::write(const float* samples, int64_t num_samples) {
  RETURN_IF_ERROR(make_folder());
  for (const auto& sink : sinks_) {
    RETURN_IF_ERROR(sink->write(samples, num_samples));
  }
  num_samples_ += num_samples;
  on_delivery_(num_samples_);
  return {};
}

Status RunSink::close() {
  RETURN_IF_ERROR(make_folder());
  for (const auto& sink : sinks_) {
    RETURN_IF_ERROR(sink->close());
  }
  return {};
}

}  // namespace qwen3_tts
