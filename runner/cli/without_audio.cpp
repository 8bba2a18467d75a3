// What stands in for the library's component audio in a program that is built without it.

#include <qwen3_tts/read_recording.h>

#include "audio_component.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

Error missing(const std::string& consequence, const std::string& way_out) {
  return invalid_argument("this program was built without libsndfile, libmpg123 and libsoxr and " + consequence +
                          "; install them and build it with QWEN3_TTS_AUDIO=ON, or " + way_out);
}

}  // namespace

Status check_recordings() {
  return missing("reads no recordings", "give --voice a voice file in place of --ref_audio");
}

Status check_format(AudioFormat format) {
  return format == AudioFormat::kWav
             ? Status()
             : missing("writes no ." + std::string(name_of(format)), "name one that ends in .wav");
}

Status check_speed(double speed) { return speed == 1 ? Status() : missing("changes no speed", "leave the speed at 1"); }

Result<std::unique_ptr<AudioSink>> encoded_file(const std::string& /*path*/, AudioFormat format,
                                                int64_t /*sample_rate*/) {
  return check_format(format).error();
}

Result<std::unique_ptr<AudioSink>> encoded_stdout(AudioFormat format, int64_t /*sample_rate*/) {
  return check_format(format).error();
}

Result<std::unique_ptr<AudioSink>> at_speed(double speed, AudioSink& /*sink*/, int64_t /*sample_rate*/) {
  return check_speed(speed).error();
}

Result<Recording> read_recording(const std::string& /*path*/, int64_t /*sample_rate*/,
                                 const RecordingOptions& /*options*/) {
  return check_recordings().error();
}

}  // namespace qwen3_tts
