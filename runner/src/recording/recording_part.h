#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// kInvalidArgument when an option has no such value; a message names no file.
Status check_options(const RecordingOptions& options);

/// The part of a sound that was asked for, found while blocks of it go by.
class RecordingPart {
 public:
  RecordingPart(const RecordingOptions& options, int64_t sample_rate, int64_t num_channels);

  /// Leaves those samples of the next block, [n * num_channels], that belong to the part. Returns the moment of the
  /// sound that the first of them is of.
  int64_t cut(std::vector<float>& block);

  bool is_over() const { return position_ >= end_; }  ///< Nothing that follows belongs to it.
  int64_t num_passed() const { return position_; }    ///< Moments of the sound so far.
  int64_t num_taken() const { return num_taken_; }    ///< Of these, the part's.
  int64_t num_missing() const { return has_end_ ? end_ - begin_ - num_taken_ : 0; }

 private:
  int64_t num_channels_, begin_, end_;
  bool has_end_;
  int64_t position_ = 0, num_taken_ = 0;
};

}  // namespace qwen3_tts
