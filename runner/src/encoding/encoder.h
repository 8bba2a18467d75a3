#pragma once

#include <cstdint>
#include <memory>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/result.h>

#include "encoding/byte_output.h"

struct sf_private_tag;

namespace qwen3_tts {

/// Mono samples to the bytes of a sound file, with libsndfile.
class Encoder {
 public:
  /// `output` must outlive it. `is_stream`: nobody can go back in it. kInvalidArgument when the format does not take
  /// the rate in Hz, or the installed libsndfile not the format.
  static Result<Encoder> open(AudioFormat format, int64_t sample_rate, bool is_stream, ByteOutput& output);

  /// An error of `output` is one here.
  Status write(const int16_t* samples, int64_t num_samples);
  /// Makes the end of the file. Once.
  Status close();

 private:
  struct Close {
    void operator()(sf_private_tag* file) const;
  };

  Encoder(sf_private_tag* file, ByteOutput& output) : file_(file), output_(&output) {}

  std::unique_ptr<sf_private_tag, Close> file_;
  ByteOutput* output_;
};

}  // namespace qwen3_tts
