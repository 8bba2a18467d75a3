#pragma once

#include <qwen3_tts/read_recording.h>

#include "base/names.h"

namespace qwen3_tts {

template <>
struct Names<RecordingChannel> {
  static constexpr Name<RecordingChannel> kAll[] = {
      {RecordingChannel::kMix, "mix"}, {RecordingChannel::kLeft, "left"}, {RecordingChannel::kRight, "right"}};
};

}  // namespace qwen3_tts
