// What stands in for the library's component audio in a program that is built without it.

#include <qwen3_tts/read_recording.h>

#include "audio_component.h"
#include "base/error.h"

namespace qwen3_tts {

Status check_audio_component() {
  return invalid_argument(
      "this program was built without libsndfile and libsoxr and reads no recordings; install both and build it with "
      "QWEN3_TTS_AUDIO=ON, or give --voice a voice file in place of --ref_audio");
}

Result<Recording> read_recording(const std::string& /*path*/, int64_t /*sample_rate*/,
                                 const RecordingOptions& /*options*/) {
  return check_audio_component().error();
}

}  // namespace qwen3_tts
