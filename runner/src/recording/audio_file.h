#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>

#include "recording/byte_source.h"
#include "recording/sound.h"
#include "recording/sound_decoder.h"

namespace qwen3_tts {

/// A sound file, read from the begin to the end: WAV, FLAC, OGG, MP3 and whatever else the installed libsndfile reads.
///
/// What can be decoded is what is there. A length that a header states exactly is checked, in every format alike: a
/// file that ends more than 50 ms before is cut off, and an error. WAV, AIFF, CAF, AU and FLAC state one; MP3 does with
/// an Xing, Info or VBRI frame; OGG does not, but marks its end.
class AudioFile : public Sound {
 public:
  /// The source's sound, which stays readable, for another time, until the source goes. kInvalidArgument when it is
  /// no such sound file.
  static Result<AudioFile> open(ByteSource& source);

  int64_t sample_rate() const override { return decoder_->sample_rate(); }
  int64_t num_channels() const override { return decoder_->num_channels(); }
  /// kInvalidArgument when the file is damaged or cut off.
  Status read(std::vector<float>& samples) override;
  bool has_end() const override { return has_end_; }

 private:
  AudioFile(ByteSource& source, std::unique_ptr<SoundDecoder> decoder)
      : source_(&source), decoder_(std::move(decoder)) {}
  /// As SoundDecoder::read(), of one link of a chained file after the other.
  Result<int64_t> read_moments(float* samples, int64_t num_moments);
  bool is_cut_off() const;
  std::string seconds(int64_t num_moments) const;

  ByteSource* source_;
  std::unique_ptr<SoundDecoder> decoder_;
  int64_t link_ = 0;  ///< Where the decoder's part of the source begins.
  int64_t num_read_ = 0;  ///< Moments.
  bool has_end_ = true;
};

}  // namespace qwen3_tts
