#include "recording/stated_size.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "recording/byte_source.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kUnknown = 0x7F000000;  // Sizes from here on are what programs write that do not know.
constexpr int kMaxChunks = 10000;         // More are no sound file's.

/// How a format lays out its chunks: a name, a size, the content, padding.
struct ChunkLayout {
  int64_t first;            ///< Where the first chunk begins, from the file's begin.
  int64_t name_bytes;       ///< Of which the first four tell.
  int64_t size_bytes;       ///< 4 or 8.
  bool is_big_endian;
  int64_t counted_header;   ///< Bytes of its header that a size counts, too.
  int64_t alignment;        ///< Of the next chunk.
  std::string_view sound;   ///< The first four bytes of the chunk with the samples.
  int64_t sound_header;     ///< Bytes of its content before these.
};

constexpr ChunkLayout kRiff = {12, 4, 4, false, 0, 2, "data", 0};
constexpr ChunkLayout kRifx = {12, 4, 4, true, 0, 2, "data", 0};
constexpr ChunkLayout kAiff = {12, 4, 4, true, 0, 2, "SSND", 8};
constexpr ChunkLayout kCaf = {8, 4, 8, true, 0, 1, "data", 4};
constexpr ChunkLayout kW64 = {40, 16, 8, false, 24, 8, "data", 0};

/// -1: more than any file has, as programs write that do not know.
int64_t number(const std::string& bytes, bool is_big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char byte = bytes[is_big_endian ? i : bytes.size() - 1 - i];
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  return std::max<int64_t>(static_cast<int64_t>(value), -1);
}

const ChunkLayout* layout_of(const std::string& head) {
  const std::string form = head.size() < 12 ? "" : head.substr(0, 4);
  const std::string kind = form.empty() ? "" : head.substr(8, 4);
  if (form == "RIFF" || form == "RF64" || form == "BW64") {
    return kind == "WAVE" ? &kRiff : nullptr;
  }
  if (form == "RIFX") {
    return kind == "WAVE" ? &kRifx : nullptr;
  }
  if (form == "FORM") {
    return kind == "AIFF" || kind == "AIFC" ? &kAiff : nullptr;
  }
  if (form == "riff") {
    return &kW64;
  }
  return form == "caff" ? &kCaf : nullptr;
}

std::optional<StatedSize> known(int64_t stated, int64_t present) {
  if (stated <= 0 || stated >= kUnknown) {
    return std::nullopt;
  }
  return StatedSize{stated, std::min(stated, present)};
}

std::string size_field(int64_t size, int64_t num_bytes, bool is_big_endian) {
  const uint64_t value =
      num_bytes == 4 ? std::min<uint64_t>(static_cast<uint64_t>(size), 0xFFFFFFFF) : static_cast<uint64_t>(size);
  std::string field;
  for (int64_t i = 0; i < num_bytes; ++i) {
    const int64_t byte = is_big_endian ? num_bytes - 1 - i : i;
    field += static_cast<char>(value >> (8 * byte) & 0xFF);
  }
  return field;
}

/// Does what stands at `position` belong to a chunk of no bytes before, and not to another chunk?
bool is_sound(const ByteSource& source, int64_t begin, int64_t position) {
  const int64_t form_end = 8 + number(source.bytes(begin + 4, 4), false);
  const std::string name = source.bytes(begin + position, 4);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return !name.empty() && (!is_name || form_end <= position || form_end >= kUnknown);
}

std::optional<StatedSize> size_in_chunks(ByteSource& source, int64_t begin, const ChunkLayout& layout) {
  const int64_t header_bytes = layout.name_bytes + layout.size_bytes;
  int64_t long_size = 0;  // RF64's.
  int64_t position = layout.first;
  for (int i = 0; i < kMaxChunks; ++i) {
    const std::string header = source.bytes(begin + position, header_bytes);
    if (static_cast<int64_t>(header.size()) < header_bytes) {
      return std::nullopt;
    }
    const std::string name = header.substr(0, 4);
    const int64_t stated = number(header.substr(static_cast<size_t>(layout.name_bytes)), layout.is_big_endian);
    const int64_t size = stated - layout.counted_header;
    const int64_t content = position + header_bytes;
    if (name == layout.sound) {
      const bool is_long = stated == 0xFFFFFFFF && long_size > 0;
      const int64_t sound = content + layout.sound_header;
      const int64_t present = std::max<int64_t>(0, source.size() - begin - sound);
      const auto found = known((is_long ? long_size : size) - layout.sound_header, present);
      const bool is_too_large = found ? found->stated > present : stated != 0 || is_sound(source, begin, content);
      if (is_too_large && !is_long) {
        const int64_t there = present + layout.sound_header + layout.counted_header;
        source.replace(begin + content - layout.size_bytes, size_field(there, layout.size_bytes, layout.is_big_endian));
      }
      return found;
    }
    if (name == "ds64") {
      long_size = number(source.bytes(begin + content + 8, 8), false);
    }
    if (size < 0 || size > source.size()) {
      return std::nullopt;
    }
    position = (content + size + layout.alignment - 1) / layout.alignment * layout.alignment;
  }
  return std::nullopt;
}

}  // namespace

std::optional<StatedSize> read_stated_size(ByteSource& source, int64_t begin) {
  const std::string head = source.bytes(begin, 12);
  if (head.size() == 12 && (head.substr(0, 4) == ".snd" || head.substr(0, 4) == "dns.")) {
    const bool is_big_endian = head[0] == '.';
    const int64_t sound = number(head.substr(4, 4), is_big_endian);
    return known(number(head.substr(8, 4), is_big_endian), std::max<int64_t>(0, source.size() - begin - sound));
  }
  const ChunkLayout* const layout = layout_of(head);
  return layout == nullptr ? std::nullopt : size_in_chunks(source, begin, *layout);
}

}  // namespace qwen3_tts
