#include "recording/foreign_formats.h"

#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "recording/byte_source.h"

namespace qwen3_tts {
namespace {

using std::string_view_literals::operator""sv;

struct ForeignFormat {
  size_t position;
  std::string_view magic;
  const char* name;
};

constexpr ForeignFormat kSounds[] = {
    {4, "ftyp"sv, "MPEG-4 (AAC or ALAC, .m4a or .mp4)"},
    {4, "moov"sv, "QuickTime"},
    {4, "mdat"sv, "QuickTime"},
    {0, "\x1A\x45\xDF\xA3"sv, "WebM or Matroska"},
    {0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11"sv, "Windows Media (WMA)"},
    {8, "AVI "sv, "AVI"},
    {0, "ADIF"sv, "AAC"},
    {0, "#!AMR"sv, "AMR"},
    {0, "#!SILK"sv, "SILK"},
    {1, "#!SILK"sv, "SILK"},
    {28, "Speex   "sv, "Speex"},
    {0, "wvpk"sv, "WavPack"},
    {0, "MAC "sv, "Monkey's Audio"},
    {0, "TTA1"sv, "True Audio"},
    {0, "MPCK"sv, "Musepack"},
    {0, "MP+"sv, "Musepack"},
    {0, "DSD "sv, "DSD"},
    {0, "FRM8"sv, "DSD"},
    {0, "\x0B\x77"sv, "AC-3"},
    {0, "FLV\x01"sv, "Flash video"},
    {0, "\x00\x00\x01\xBA"sv, "MPEG video"},
};

constexpr ForeignFormat kOthers[] = {
    {0, "version https://git-lfs"sv, "a pointer of git-lfs; fetch the file itself with git lfs pull"},
    {0, "<!DOCTYPE"sv, "a web page; fetch the file itself"},
    {0, "<!doctype"sv, "a web page; fetch the file itself"},
    {0, "<html"sv, "a web page; fetch the file itself"},
    {0, "MThd"sv, "MIDI, notes without sound; give a recording of somebody who speaks"},
    {0, "PK\x03\x04"sv, "an archive (zip); unpack it"},
};

bool begins(std::string_view bytes, const ForeignFormat& format) {
  return bytes.size() >= format.position && bytes.substr(format.position, format.magic.size()) == format.magic;
}

/// AAC in frames, which have MPEG audio's mark and layer 0.
bool is_adts(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\xFF' && (static_cast<unsigned char>(bytes[1]) & 0xF6) == 0xF0;
}

/// For a shell.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) {
    text += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return text + "'";
}

}  // namespace

std::string conversion_of(const ByteSource& source) {
  const std::filesystem::path path(source.path());
  if (source.path() == "-") {
    return "ffmpeg -i - -f wav -";
  }
  const bool has_no_header = path.extension() == ".raw" || path.extension() == ".pcm";
  const char* const ending = path.extension() == ".wav" ? "_converted.wav" : ".wav";
  const std::filesystem::path output = path.parent_path() / (path.stem().string() + ending);
  return std::string("ffmpeg ") + (has_no_header ? "-f s16le -ar 24000 -ac 1 " : "") + "-i " + quoted(source.path()) +
         " " + quoted(output.string());
}

Status refuse_foreign(const ByteSource& source) {
  const std::string head = source.bytes(0, 64);
  const char* sound = is_adts(head) ? "AAC" : nullptr;
  for (const ForeignFormat& format : kSounds) {
    sound = begins(head, format) ? format.name : sound;
  }
  if (sound != nullptr) {
    return invalid_argument(source.name() + " is " + sound +
                            ", which is not read here; convert it: " + conversion_of(source));
  }
  for (const ForeignFormat& format : kOthers) {
    if (begins(head, format)) {
      return invalid_argument(source.name() + " is no sound file but " + format.name);
    }
  }
  return {};
}

}  // namespace qwen3_tts
