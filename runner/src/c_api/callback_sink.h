#pragma once

#include <cstdint>
#include <string>

#include <qwen3_tts.h>
#include <qwen3_tts/audio_sink.h>

namespace qwen3_tts::c_api {

/// What a function of the program's answered: anything but 0 ends the work. `name` is the parameter's.
inline Status status_of_callback(int32_t answer, const char* name) {
  return answer == 0 ? Status()
                     : Error{ErrorCode::kIo, std::string(name) + " returned " + std::to_string(answer) +
                                                 ", which ends the work; 0 goes on"};
}

/// Hands samples to a function of the program's.
class CallbackSink : public AudioSink {
 public:
  CallbackSink(qwen3_tts_write function, void* user) : write_(function), user_(user) {}

  Status write(const float* samples, int64_t num_samples) override {
    return status_of_callback(write_(user_, samples, num_samples), "write");
  }
  Status close() override { return {}; }

 private:
  qwen3_tts_write write_;
  void* user_;
};

}  // namespace qwen3_tts::c_api
