#include "run_sink.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "audio_component.h"
#include "base/file.h"
#include "base/try.h"
#include "sound_format.h"

namespace qwen3_tts {
namespace {

Result<std::unique_ptr<AudioSink>> open_path(const Destination& destination, int64_t sample_rate) {
  const bool is_stdout = destination.path == kStandardOutput;
  if (destination.format != AudioFormat::kWav) {
    return is_stdout ? encoded_stdout(destination.format, sample_rate)
                     : encoded_file(destination.path, destination.format, sample_rate);
  }
  std::unique_ptr<AudioSink> wav;
  if (is_stdout) {
    wav = std::make_unique<WavStreamSink>(STDOUT_FILENO, sample_rate);
  } else {
    wav = std::make_unique<WavSink>(destination.path, sample_rate);
  }
  return wav;
}

}  // namespace

Status TeeSink::write(const float* samples, int64_t num_samples) {
  for (const auto& sink : sinks_) {
    RETURN_IF_ERROR(sink->write(samples, num_samples));
  }
  return {};
}

Status TeeSink::close() {
  for (const auto& sink : sinks_) {
    RETURN_IF_ERROR(sink->close());
  }
  return {};
}

Result<std::unique_ptr<RunSink>> RunSink::open(const Destination& destination, int64_t sample_rate,
                                               std::function<void(int64_t)> on_delivery) {
  std::unique_ptr<RunSink> run(new RunSink(std::move(on_delivery)));
  if (!destination.path.empty()) {
    run->folder_ = std::filesystem::path(destination.path).parent_path();
    ASSIGN_OR_RETURN(auto sink, open_path(destination, sample_rate));
    run->outputs_.add(std::move(sink));
  }
  if (destination.raw.has_value()) {
    run->outputs_.add(std::make_unique<PcmSink>(STDOUT_FILENO, *destination.raw));
  }
  if (destination.speed != 1) {
    ASSIGN_OR_RETURN(run->at_speed_, at_speed(destination.speed, run->outputs_, sample_rate));
  }
  return run;
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
  RETURN_IF_ERROR(first().write(samples, num_samples));
  num_samples_ += num_samples;
  on_delivery_(num_samples_);
  return {};
}

Status RunSink::close() {
  RETURN_IF_ERROR(make_folder());
  return first().close();
}

}  // namespace qwen3_tts
