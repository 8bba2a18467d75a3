#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A sound file, read from the begin to the end: WAV, FLAC, OGG, MP3 and whatever else the installed libsndfile reads.
class AudioFile {
 public:
  /// kIo when the file cannot be read, kInvalidArgument when it is no such sound file.
  static Result<AudioFile> open(const std::string& path);
  AudioFile(AudioFile&& other) noexcept;
  AudioFile& operator=(AudioFile&&) = delete;
  ~AudioFile();

  int64_t sample_rate() const { return sample_rate_; }    ///< Hz.
  int64_t num_channels() const { return num_channels_; }  ///< 1 or more.

  /// Replaces `samples` with the next ones, [n * num_channels], the channels of one moment side by side, full scale
  /// at -1 and 1; none at the end. They may be anything that floats can be. kInvalidArgument when the file is damaged
  /// or ends before its header says.
  Status read(std::vector<float>& samples);

 private:
  struct Handle;

  AudioFile(std::string path, std::unique_ptr<Handle> handle);
  Error damaged(const std::string& what) const;

  std::string path_;
  std::unique_ptr<Handle> handle_;
  int64_t sample_rate_, num_channels_;
  int64_t moments_left_;  ///< That the header promises.
};

}  // namespace qwen3_tts
