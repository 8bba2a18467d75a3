#pragma once

#include <cstdint>
#include <optional>

namespace qwen3_tts {

class ByteSource;

/// Bytes of sound that a header says there are, and those that follow it.
struct StatedSize {
  int64_t stated = 0, present = 0;
};

/// Of WAV (RIFF, RIFX, RF64, BW64), W64, AIFF, CAF and AU. Nothing for other formats, and where the header leaves it
/// open: what was written to a pipe has 0, -1 or nearly 2 or 4 GiB there.
///
/// From then on the source gives the size of what is there in the place of one that is unknown or too large: libsndfile
/// takes a WAV of 0 bytes for an empty one, also when sound follows, and refuses a CAF that is cut off.
std::optional<StatedSize> read_stated_size(ByteSource& source, int64_t begin);

}  // namespace qwen3_tts
