#include "recording/ogg_links.h"

#include <string>

#include "recording/byte_source.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kHeaderBytes = 27;  // Of a page (RFC 3533, 6); the sizes of its segments follow.
constexpr int kFirstPage = 2;
constexpr int kLastPage = 4;

}  // namespace

OggLink read_ogg_link(const ByteSource& source, int64_t begin) {
  OggLink link;
  bool has_sound = false;  // Streams that are played together all begin before any of them goes on.
  for (int64_t position = begin; true;) {
    const std::string header = source.bytes(position, kHeaderBytes);
    if (header.size() < kHeaderBytes || header.compare(0, 4, "OggS") != 0) {
      return link;
    }
    const bool is_first = (header[5] & kFirstPage) != 0;
    if (is_first && has_sound) {
      link.next = position;
      return link;
    }
    has_sound = has_sound || !is_first;
    const std::string sizes = source.bytes(position + kHeaderBytes, static_cast<unsigned char>(header[26]));
    position += kHeaderBytes + static_cast<int64_t>(sizes.size());
    for (const char size : sizes) {
      position += static_cast<unsigned char>(size);
    }
    link.has_end = (header[5] & kLastPage) != 0 && position <= source.size();
  }
}

}  // namespace qwen3_tts
