#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/names.h"
#include "base/try.h"
#include "c_api/arguments.h"

namespace qwen3_tts::c_api {

/// AudioFormat by the names of formats. Endings of files would not do: "ogg" may be Opus, too.
enum class StreamFormat { kWav, kFlac, kOpus, kVorbis, kMp3 };

}  // namespace qwen3_tts::c_api

namespace qwen3_tts {

template <>
struct Names<c_api::StreamFormat> {
  static constexpr Name<c_api::StreamFormat> kAll[] = {{c_api::StreamFormat::kWav, "wav"},
                                                       {c_api::StreamFormat::kFlac, "flac"},
                                                       {c_api::StreamFormat::kOpus, "opus"},
                                                       {c_api::StreamFormat::kVorbis, "vorbis"},
                                                       {c_api::StreamFormat::kMp3, "mp3"}};
};

}  // namespace qwen3_tts

namespace qwen3_tts::c_api {

inline AudioFormat audio_format(StreamFormat format) {
  switch (format) {
    case StreamFormat::kWav:
      return AudioFormat::kWav;
    case StreamFormat::kFlac:
      return AudioFormat::kFlac;
    case StreamFormat::kOpus:
      return AudioFormat::kOpus;
    case StreamFormat::kVorbis:
      return AudioFormat::kVorbis;
    case StreamFormat::kMp3:
      break;
  }
  return AudioFormat::kMp3;
}

/// How a stream is encoded.
struct EncoderOptions {
  StreamFormat format = StreamFormat::kWav;
  int64_t sample_rate = 0;  ///< Hz; 0: it is missing.
  double speed = 1;
};

inline constexpr JsonField<EncoderOptions> kEncoderFields[] = {
    json_field<EncoderOptions, &EncoderOptions::format>("format"),
    json_field<EncoderOptions, &EncoderOptions::sample_rate>("sample_rate"),
    json_field<EncoderOptions, &EncoderOptions::speed>("speed"),
};

}  // namespace qwen3_tts::c_api
