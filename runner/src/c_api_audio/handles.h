#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/encoded_sink.h>
#include <qwen3_tts/speed_sink.h>
#include <qwen3_tts_audio.h>

#include "c_api/handle_table.h"

/// What the handles of the component audio stand for.
namespace qwen3_tts::c_api {

struct OpenRecording {
  std::vector<float> samples;
  std::string notes;  ///< JSON.
};

struct OpenEncoder {
  std::unique_ptr<EncodedSink> stream;
  std::unique_ptr<SpeedSink> speed;                ///< Writes to the stream, and takes the samples.
  bool is_closed = false;
  std::atomic_flag is_in_use = ATOMIC_FLAG_INIT;  ///< By the one thread that may.
};

using Recordings = HandleTable<qwen3_tts_recording, const OpenRecording, HandleKind::kRecording>;
using Encoders = HandleTable<qwen3_tts_encoder, OpenEncoder, HandleKind::kEncoder>;

}  // namespace qwen3_tts::c_api
