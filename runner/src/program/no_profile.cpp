// What stands in for profile.cpp in a library that is built without ExecuTorch's profiler.

#include "base/error.h"
#include "program/profile.h"

namespace qwen3_tts {

Result<Recorder> make_recorder() {
  return invalid_argument(
      "this library was built without ExecuTorch's profiler; build it with QWEN3_TTS_ETDUMP=ON, or leave the profile "
      "out");
}

}  // namespace qwen3_tts
