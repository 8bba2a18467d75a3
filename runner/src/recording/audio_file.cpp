#include "recording/audio_file.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "recording/foreign_formats.h"
#include "recording/mp3_frames.h"
#include "recording/ogg_links.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kBlockSamples = 1 << 16;  // Of all channels together.
constexpr int64_t kSlackMs = 50;  // Headers count themselves, or a codec's padding: less than this is no loss.

Result<std::unique_ptr<SoundDecoder>> open_decoder(ByteSource& source) {
  const int64_t begin = skip_tags(source);
  if (const auto frames = find_mp3(source, begin)) {
    return open_mp3(source, *frames);
  }
  if (looks_like_mp3(source, begin)) {
    return invalid_argument("MPEG audio without three frames in a row");
  }
  return open_sndfile(source, begin);
}

}  // namespace

Result<AudioFile> AudioFile::open(ByteSource& source) {
  RETURN_IF_ERROR(refuse_foreign(source));
  auto decoder = open_decoder(source);
  RETURN_IF_ERROR(source.check());
  if (!decoder.ok()) {
    return invalid_argument(source.name() + " is not a sound file that can be read (" + decoder.error().message +
                            "); convert it to WAV or FLAC: " + conversion_of(source));
  }
  return AudioFile(source, *std::move(decoder));
}

Result<int64_t> AudioFile::read_moments(float* samples, int64_t num_moments) {
  while (true) {
    Result<int64_t> count = decoder_->read(samples, num_moments);
    if (!count.ok() || *count > 0) {
      return count;
    }
    const OggLink link = read_ogg_link(*source_, link_);
    has_end_ = has_end_ && link.has_end;
    if (!link.next) {
      return count;
    }
    ASSIGN_OR_RETURN(auto decoder, open_sndfile(*source_, *link.next));
    if (decoder->sample_rate() != sample_rate() || decoder->num_channels() != num_channels()) {
      return invalid_argument("its sample rate or its channels change on the way");
    }
    decoder_ = std::move(decoder);
    link_ = *link.next;
  }
}

bool AudioFile::is_cut_off() const {
  const auto stated = decoder_->stated_moments();
  return stated && (*stated - num_read_) * 1000 > kSlackMs * sample_rate();
}

std::string AudioFile::seconds(int64_t num_moments) const {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f s", static_cast<double>(num_moments) / static_cast<double>(sample_rate()));
  return text;
}

Status AudioFile::read(std::vector<float>& samples) {
  const int64_t block_moments = std::max<int64_t>(1, kBlockSamples / num_channels());
  samples.resize(static_cast<size_t>(block_moments * num_channels()));
  const Result<int64_t> num_moments = read_moments(samples.data(), block_moments);
  RETURN_IF_ERROR(source_->check());
  num_read_ += num_moments.ok() ? *num_moments : 0;
  samples.resize(num_moments.ok() ? static_cast<size_t>(*num_moments * num_channels()) : 0);
  if (samples.empty() && is_cut_off()) {
    return invalid_argument(source_->name() + " is damaged or cut off: its header states " +
                            seconds(*decoder_->stated_moments()) + " of sound, " + seconds(num_read_) +
                            " are there; copy or make it again, or take a part of what is there");
  }
  if (!num_moments.ok()) {
    return invalid_argument(source_->name() + " cannot be read to its end (" + num_moments.error().message +
                            "); copy it again, or convert it: " + conversion_of(*source_));
  }
  return {};
}

}  // namespace qwen3_tts
