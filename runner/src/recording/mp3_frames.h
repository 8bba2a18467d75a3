#pragma once

#include <cstdint>
#include <optional>

namespace qwen3_tts {

class ByteSource;

/// Where the sound begins behind ID3v2 tags, or 0.
int64_t skip_tags(const ByteSource& source);

/// The first of several frames of MPEG audio in a row, at most 64 KiB behind `begin`: players skip what stands before.
/// Nothing where the file is of another format.
std::optional<int64_t> find_mp3(const ByteSource& source, int64_t begin);

/// Is this the begin of MPEG audio, whatever follows?
bool looks_like_mp3(const ByteSource& source, int64_t begin);

/// What the first frame says about those that follow, for a file of a variable bit rate: LAME's and others' Xing or
/// Info frame, or Fraunhofer's VBRI.
struct Mp3Length {
  bool is_vbri = false;
  int64_t num_moments = 0;  ///< Samples of each channel, padding included.
};
std::optional<Mp3Length> read_mp3_length(const ByteSource& source, int64_t begin);

}  // namespace qwen3_tts
