#include "encoding/encoder.h"

#include <sndfile.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>

#include "audio/wav_header.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr double kPageLatencyMs = 60;  // Of Opus. libsndfile's own second would be heard before the first sound.
// 64 kbit/s and more: with libsndfile's own 40, Whisper misheard 9.6 % of the demo voice's words in place of 7.4 %.
constexpr double kOpusLevel = 0.768;
constexpr double kStreamedMp3Level = 0.6;  // 64 kbit/s at 24 kHz.

int sndfile_format(AudioFormat format, bool is_stream) {
  switch (format) {
    case AudioFormat::kWav:  // A stream has its header before.
      return is_stream ? SF_FORMAT_RAW | SF_FORMAT_PCM_16 | SF_ENDIAN_LITTLE : SF_FORMAT_WAV | SF_FORMAT_PCM_16;
    case AudioFormat::kFlac:
      return SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    case AudioFormat::kOpus:
      return SF_FORMAT_OGG | SF_FORMAT_OPUS;
    case AudioFormat::kVorbis:
      return SF_FORMAT_OGG | SF_FORMAT_VORBIS;
    case AudioFormat::kMp3:
      break;
  }
  return SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
}

/// Of MPEG-1, 2 and 2.5. libsndfile 1.2 refuses others, too, and keeps a quarter of a megabyte each time.
bool is_rate_of_mp3(int64_t sample_rate) {
  constexpr int64_t kRates[] = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000};
  return std::find(std::begin(kRates), std::end(kRates), sample_rate) != std::end(kRates);
}

Error cannot_be_written(AudioFormat format, int64_t sample_rate, const std::string& reason) {
  return invalid_argument("sound of " + std::to_string(sample_rate) + " Hz cannot be written as ." + name_of(format) +
                          " (" + reason + "); choose another format");
}

ByteOutput& output_of(void* user) { return *static_cast<ByteOutput*>(user); }

SF_VIRTUAL_IO callbacks() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* user) -> sf_count_t { return output_of(user).size(); };
  io.seek = [](sf_count_t offset, int whence, void* user) -> sf_count_t {
    ByteOutput& output = output_of(user);
    if (whence == SEEK_SET) {
      output.seek(offset);
    } else {
      output.seek(offset + (whence == SEEK_CUR ? output.position() : output.size()));
    }
    return output.position();
  };
  io.read = [](void*, sf_count_t, void*) -> sf_count_t { return 0; };
  io.write = [](const void* bytes, sf_count_t size, void* user) -> sf_count_t {
    output_of(user).write(bytes, size);
    return size;
  };
  io.tell = [](void* user) -> sf_count_t { return output_of(user).position(); };
  return io;
}

/// What is not as libsndfile has it by itself.
void set_up(SNDFILE* file, AudioFormat format, bool is_stream) {
  if (format == AudioFormat::kOpus) {
    double latency = kPageLatencyMs;
    double level = kOpusLevel;
    sf_command(file, SFC_SET_OGG_PAGE_LATENCY_MS, &latency, sizeof(latency));
    sf_command(file, SFC_SET_COMPRESSION_LEVEL, &level, sizeof(level));
  } else if (format == AudioFormat::kMp3 && is_stream) {
    // With another bit rate, the header would have to state the length: as it stands, that of the first block.
    int mode = SF_BITRATE_MODE_CONSTANT;
    double level = kStreamedMp3Level;
    sf_command(file, SFC_SET_BITRATE_MODE, &mode, sizeof(mode));
    sf_command(file, SFC_SET_COMPRESSION_LEVEL, &level, sizeof(level));
  }
}

}  // namespace

void Encoder::Close::operator()(sf_private_tag* file) const { sf_close(file); }

Result<Encoder> Encoder::open(AudioFormat format, int64_t sample_rate, bool is_stream, ByteOutput& output) {
  if (format == AudioFormat::kMp3 && !is_rate_of_mp3(sample_rate)) {
    return cannot_be_written(format, sample_rate, "MP3 has no such rate");
  }
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = 1;
  info.format = sndfile_format(format, is_stream);
  if (format == AudioFormat::kWav && is_stream) {
    const WavHeader header = WavHeader::of_unknown_length(sample_rate);
    output.begin_with(&header, sizeof(header));
  }
  SF_VIRTUAL_IO io = callbacks();
  SNDFILE* file = sf_open_virtual(&io, SFM_WRITE, &info, &output);
  if (file == nullptr) {
    RETURN_IF_ERROR(output.status());
    return cannot_be_written(format, sample_rate, std::string("libsndfile: ") + sf_strerror(nullptr));
  }
  set_up(file, format, is_stream);
  return Encoder(file, output);
}

Status Encoder::write(const int16_t* samples, int64_t num_samples) {
  const sf_count_t num_written = sf_write_short(file_.get(), samples, num_samples);
  RETURN_IF_ERROR(output_->status());
  if (num_written != num_samples || sf_error(file_.get()) != SF_ERR_NO_ERROR) {
    return Error{ErrorCode::kExecution, std::string("the sound cannot be encoded (libsndfile: ") +
                                            sf_strerror(file_.get()) + "); choose another format"};
  }
  return {};
}

Status Encoder::close() {
  const int error = sf_close(file_.release());
  RETURN_IF_ERROR(output_->status());
  if (error != SF_ERR_NO_ERROR) {
    return Error{ErrorCode::kExecution, std::string("the sound cannot be completed (libsndfile: ") +
                                            sf_error_number(error) + "); choose another format"};
  }
  return {};
}

}  // namespace qwen3_tts
