#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <qwen3_tts/encoded_sink.h>
#include <qwen3_tts/speed_sink.h>
#include <qwen3_tts_audio.h>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/try.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api/callback_sink.h"
#include "c_api/in_use.h"
#include "c_api_audio/encoder_options.h"
#include "c_api_audio/handles.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

namespace {

// As of recordings.
constexpr int64_t kMinSampleRate = 8000;
constexpr int64_t kMaxSampleRate = 768000;

Result<EncoderOptions> read_options(const char* json) {
  EncoderOptions options;
  ASSIGN_OR_RETURN(const Json object, read_json_object(json, R"({"format": "mp3", "sample_rate": 24000})"));
  RETURN_IF_ERROR(read_fields(kEncoderFields, object, options));
  if (!object.contains("sample_rate")) {
    return invalid_argument("key 'sample_rate' is missing; give that of the samples in Hz");
  }
  if (options.sample_rate < kMinSampleRate || options.sample_rate > kMaxSampleRate) {
    return invalid_argument("key 'sample_rate' is " + std::to_string(options.sample_rate) + " Hz; give one of " +
                            std::to_string(kMinSampleRate) + " to " + std::to_string(kMaxSampleRate) + " Hz");
  }
  return options;
}

Status check_samples(const float* samples, int64_t num_samples) {
  if (num_samples < 0) {
    return invalid_argument("num_samples is " + std::to_string(num_samples) + "; give 0 or more");
  }
  RETURN_IF_ERROR(require_values(samples, static_cast<size_t>(num_samples), "samples"));
  for (int64_t i = 0; i < num_samples; ++i) {
    if (std::isnan(samples[i])) {
      return invalid_argument("sample " + std::to_string(i) + " is not a number; give samples in [-1, 1]");
    }
  }
  return {};
}

/// Runs `work` on the encoder, alone.
template <typename Work>
qwen3_tts_status use_encoder(const qwen3_tts_encoder* encoder, const Work& work) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Encoders::get().find(encoder, "encoder"));
    const InUse use(opened->is_in_use);
    RETURN_IF_ERROR(use.check("encoder"));
    return work(*opened);
  });
}

}  // namespace

qwen3_tts_status qwen3_tts_encoder_create(const char* options_json, qwen3_tts_append_bytes append, void* user,
                                          qwen3_tts_encoder** encoder) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(options_json, "options_json"));
    RETURN_IF_ERROR(require(append, "append"));
    RETURN_IF_ERROR(require(encoder, "encoder"));
    ASSIGN_OR_RETURN(const EncoderOptions options, about("options_json", read_options(options_json)));
    const auto append_bytes = [append, user](const void* bytes, size_t size) {
      return status_of_callback(append(user, bytes, size), "append");
    };
    auto opened = std::make_shared<OpenEncoder>();
    ASSIGN_OR_RETURN(opened->stream,
                     EncodedSink::to_stream(append_bytes, options.sample_rate, audio_format(options.format)));
    ASSIGN_OR_RETURN(opened->speed, SpeedSink::create(*opened->stream, options.sample_rate, options.speed));
    *encoder = Encoders::get().add(std::move(opened));
    return {};
  });
}

qwen3_tts_status qwen3_tts_encoder_write(qwen3_tts_encoder* encoder, const float* samples, int64_t num_samples) {
  return use_encoder(encoder, [&](OpenEncoder& opened) -> Status {
    RETURN_IF_ERROR(check_samples(samples, num_samples));
    if (opened.is_closed) {
      return Error{ErrorCode::kInvalidState, "encoder: the stream is closed; make another one"};
    }
    return num_samples == 0 ? Status() : opened.speed->write(samples, num_samples);
  });
}

qwen3_tts_status qwen3_tts_encoder_close(qwen3_tts_encoder* encoder) {
  return use_encoder(encoder, [](OpenEncoder& opened) -> Status {
    if (opened.is_closed) {
      return {};
    }
    RETURN_IF_ERROR(opened.speed->close());
    opened.is_closed = true;
    return {};
  });
}

qwen3_tts_status qwen3_tts_encoder_destroy(qwen3_tts_encoder* encoder) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(Encoders::get().remove(encoder, "encoder"));
    return {};
  });
}
