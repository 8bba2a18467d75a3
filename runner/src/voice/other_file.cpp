#include "voice/other_file.h"

namespace qwen3_tts {
namespace {

struct Signature {
  std::string_view::size_type offset;
  std::string_view bytes;
  const char* meaning;
};

constexpr Signature kRecordings[] = {
    {8, "WAVE", "WAV"},     {0, "fLaC", "FLAC"},
    {0, "OggS", "Ogg"},     {0, "ID3", "MP3"},
    {0, "\xFF\xFB", "MP3"}, {0, "\xFF\xF3", "MP3"},
    {0, "\xFF\xF2", "MP3"}, {0, "\xFF\xFA", "MP3"},
    {8, "AIFF", "AIFF"},    {8, "AIFC", "AIFF"},
    {4, "ftyp", "MP4"},     {0, ".snd", "AU"},
    {0, "caff", "CAF"},     {0, "\x1A\x45\xDF\xA3", "WebM"},
};

constexpr Signature kOthers[] = {
    {4, "ET12", "it is a model file, not a voice file; give a file that qwen3_tts_voice create wrote"},
    {0, "version https://git-lfs",
     "it is a pointer of git-lfs, not the file itself; call 'git lfs pull' in its folder"},
};

template <size_t kCount>
const char* meaning_of(const Signature (&signatures)[kCount], std::string_view bytes) {
  for (const Signature& signature : signatures) {
    if (bytes.size() >= signature.offset &&
        bytes.compare(signature.offset, signature.bytes.size(), signature.bytes) == 0) {
      return signature.meaning;
    }
  }
  return nullptr;
}

}  // namespace

const char* recording_format(std::string_view bytes) { return meaning_of(kRecordings, bytes); }

const char* other_file(std::string_view bytes) { return meaning_of(kOthers, bytes); }

}  // namespace qwen3_tts
