#include "recording/mp3_frames.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "recording/byte_source.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kSearched = 1 << 16;
constexpr int kFramesInARow = 3;
constexpr int64_t kMaxFrameBytes = 1 << 13;     // A frame of a free format has no size; those of others are smaller.
constexpr uint32_t kSameStream = 0xFFFFFC00;  // Bits of a header that all frames of a free format share.

/// The header of a frame (ISO/IEC 11172-3, 2.4.1.3).
struct FrameHeader {
  uint32_t bits;
  int layer;         ///< 1 to 3.
  bool is_mpeg1;     ///< Or MPEG-2, or 2.5.
  bool is_mono;
  int64_t rate;      ///< Hz.
  int64_t moments;   ///< Samples of each channel.
  int64_t num_bytes;  ///< 0: a free format, where every frame has those of the first.
};

uint32_t word(std::string_view bytes, size_t position) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[position + i]);
  }
  return value;
}

/// Thousand bits a second; the last bit rate of a row is none.
int64_t kilobits(bool is_mpeg1, int layer, uint32_t index) {
  constexpr std::array<std::array<int16_t, 15>, 5> kRates = {{
      {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
      {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
      {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
      {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
      {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
  }};
  const int row = is_mpeg1 ? layer - 1 : std::min(layer + 2, 4);
  return kRates.at(static_cast<size_t>(row)).at(index);
}

std::optional<FrameHeader> parse_header(uint32_t bits) {
  const uint32_t version = bits >> 19 & 3;  // 0: 2.5, 2: 2, 3: 1.
  const uint32_t layer_bits = bits >> 17 & 3;
  const uint32_t bit_rate = bits >> 12 & 15;
  const uint32_t rate = bits >> 10 & 3;
  if (bits >> 21 != 0x7FF || version == 1 || layer_bits == 0 || bit_rate == 15 || rate == 3 || (bits & 3) == 2) {
    return std::nullopt;
  }
  constexpr std::array<int64_t, 3> kRates = {44100, 48000, 32000};
  FrameHeader header{};
  header.bits = bits;
  header.layer = 4 - static_cast<int>(layer_bits);
  header.is_mpeg1 = version == 3;
  header.is_mono = (bits >> 6 & 3) == 3;
  const int halvings_of_mpeg2 = version == 2 ? 1 : 2;
  header.rate = kRates.at(rate) >> (header.is_mpeg1 ? 0 : halvings_of_mpeg2);
  const int64_t moments = header.layer == 3 && !header.is_mpeg1 ? 576 : 1152;
  header.moments = header.layer == 1 ? 384 : moments;
  const int64_t slot = header.layer == 1 ? 4 : 1;
  const int64_t speed = 1000 * kilobits(header.is_mpeg1, header.layer, bit_rate);
  const int64_t padding = bits >> 9 & 1;
  header.num_bytes = speed == 0 ? 0 : (header.moments / 8 / slot * speed / header.rate + padding) * slot;
  return header;
}

bool belong_together(const FrameHeader& left, const FrameHeader& right) {
  return left.layer == right.layer && left.is_mpeg1 == right.is_mpeg1 && left.rate == right.rate;
}

bool is_frame_like(std::string_view bytes, size_t position, const FrameHeader& first) {
  if (position + 4 > bytes.size()) {
    return false;
  }
  const auto header = parse_header(word(bytes, position));
  return header && belong_together(*header, first);
}

/// Of a free format: the distance of two frames, found by the third.
bool begins_free_format(std::string_view bytes, size_t begin, const FrameHeader& first) {
  for (size_t size = 24; size < kMaxFrameBytes && begin + 2 * size + 5 <= bytes.size(); ++size) {
    const auto is_alike = [&](size_t position) {
      return (word(bytes, position) & kSameStream) == (first.bits & kSameStream);
    };
    const size_t third = begin + 2 * size;
    if (is_alike(begin + size) && (is_alike(third - 1) || is_alike(third) || is_alike(third + 1))) {
      return true;
    }
  }
  return false;
}

bool begins_frames(std::string_view bytes, size_t begin) {
  const auto first = parse_header(word(bytes, begin));
  if (!first) {
    return false;
  }
  if (first->num_bytes == 0) {  // Anywhere else it is the silence of another format: -1 and 0 in 16 bits.
    return begin == 0 && begins_free_format(bytes, begin, *first);
  }
  size_t position = begin;
  for (int i = 1; i < kFramesInARow; ++i) {
    position += static_cast<size_t>(parse_header(word(bytes, position))->num_bytes);
    if (!is_frame_like(bytes, position, *first) || parse_header(word(bytes, position))->num_bytes == 0) {
      return false;
    }
  }
  return true;
}

/// Formats that may hold bytes that look like frames. A WAV of MPEG audio (tags 0x50 and 0x55) is read like one.
bool is_other_format(const std::string& head) {
  const std::string_view bytes(head);
  for (const std::string_view magic : {"FORM", "RIFX", "RF64", "BW64", "riff", "caff", "fLaC", "OggS", ".snd"}) {
    if (bytes.substr(0, 4) == magic) {
      return true;
    }
  }
  if (bytes.substr(0, 4) != "RIFF") {
    return false;
  }
  const size_t format = bytes.find("fmt ");
  return format == std::string_view::npos || format + 9 >= bytes.size() ||
         (bytes[format + 8] != 0x50 && bytes[format + 8] != 0x55) || bytes[format + 9] != 0;
}

}  // namespace

int64_t skip_tags(const ByteSource& source) {
  constexpr int64_t kHeader = 10;
  int64_t position = 0;
  while (true) {
    const std::string tag = source.bytes(position, kHeader);
    if (tag.size() < kHeader || tag.compare(0, 3, "ID3") != 0) {
      return position;
    }
    int64_t size = 0;
    for (size_t i = 6; i < 10; ++i) {
      size = size << 7 | (static_cast<unsigned char>(tag[i]) & 0x7F);
    }
    const bool has_footer = (static_cast<unsigned char>(tag[5]) & 0x10) != 0;
    position += kHeader + size + (has_footer ? kHeader : 0);
  }
}

std::optional<int64_t> find_mp3(const ByteSource& source, int64_t begin) {
  const std::string bytes = source.bytes(begin, kSearched + kFramesInARow * kMaxFrameBytes);
  if (is_other_format(bytes.substr(0, 256))) {
    return std::nullopt;
  }
  for (size_t position = 0; position < kSearched && position + 4 <= bytes.size(); ++position) {
    if (begins_frames(bytes, position)) {
      return begin + static_cast<int64_t>(position);
    }
  }
  return std::nullopt;
}

bool looks_like_mp3(const ByteSource& source, int64_t begin) {
  const std::string bytes = source.bytes(begin, 4);
  return bytes.size() == 4 && parse_header(word(bytes, 0)).has_value();
}

std::optional<Mp3Length> read_mp3_length(const ByteSource& source, int64_t begin) {
  const std::string bytes = source.bytes(begin, 64);
  const auto header = bytes.size() < 64 ? std::nullopt : parse_header(word(bytes, 0));
  if (!header || header->layer != 3) {
    return std::nullopt;
  }
  constexpr size_t kVbri = 36;
  if (bytes.compare(kVbri, 4, "VBRI") == 0) {
    return Mp3Length{true, int64_t{word(bytes, kVbri + 14)} * header->moments};
  }
  const size_t xing_of_mono = header->is_mpeg1 ? 21 : 13;
  const size_t xing_of_stereo = header->is_mpeg1 ? 36 : 21;
  const size_t xing = header->is_mono ? xing_of_mono : xing_of_stereo;
  const bool is_xing = bytes.compare(xing, 4, "Xing") == 0 || bytes.compare(xing, 4, "Info") == 0;
  const bool has_frames = is_xing && (word(bytes, xing + 4) & 1) != 0;
  if (!has_frames || word(bytes, xing + 8) == 0) {
    return std::nullopt;
  }
  return Mp3Length{false, int64_t{word(bytes, xing + 8)} * header->moments};
}

}  // namespace qwen3_tts
