#pragma once

#include <cstdint>
#include <optional>

namespace qwen3_tts {

class ByteSource;

/// A link of an OGG file. Most have one; a radio's recording is a chain, with one for every title.
struct OggLink {
  std::optional<int64_t> next;  ///< Where the next one begins. libsndfile stops at the end of the first.
  bool has_end = true;          ///< Does its last page say that it is the last?
};

/// The link that begins at `begin`; of another format, one that ends and has no next.
OggLink read_ogg_link(const ByteSource& source, int64_t begin);

}  // namespace qwen3_tts
