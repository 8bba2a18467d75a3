#include <unistd.h>

#include <utility>

#include <qwen3_tts/encoded_sink.h>
#include <qwen3_tts/speed_sink.h>

#include "audio_component.h"
#include "base/file.h"
#include "base/try.h"
#include "run_sink.h"

namespace qwen3_tts {
namespace {

template <typename Sink>
Result<std::unique_ptr<AudioSink>> as_sink(Result<std::unique_ptr<Sink>> made) {
  ASSIGN_OR_RETURN(std::unique_ptr<AudioSink> sink, std::move(made));
  return sink;
}

}  // namespace

Status check_recordings() { return {}; }

Status check_format(AudioFormat /*format*/) { return {}; }

Status check_speed(double speed) {
  constexpr int64_t kAnyRate = 24000;
  NullSink nowhere;
  RETURN_IF_ERROR(SpeedSink::create(nowhere, kAnyRate, speed));
  return {};
}

Result<std::unique_ptr<AudioSink>> encoded_file(const std::string& path, AudioFormat format, int64_t sample_rate) {
  return as_sink(EncodedSink::to_file(path, sample_rate, format));
}

Result<std::unique_ptr<AudioSink>> encoded_stdout(AudioFormat format, int64_t sample_rate) {
  const auto append = [](const void* bytes, size_t size) {
    return write_all(STDOUT_FILENO, bytes, size, "standard output");
  };
  return as_sink(EncodedSink::to_stream(append, sample_rate, format));
}

Result<std::unique_ptr<AudioSink>> at_speed(double speed, AudioSink& sink, int64_t sample_rate) {
  return as_sink(SpeedSink::create(sink, sample_rate, speed));
}

}  // namespace qwen3_tts
