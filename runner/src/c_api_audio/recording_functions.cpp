#include <memory>
#include <string>
#include <utility>

#include <qwen3_tts/read_recording.h>
#include <qwen3_tts_audio.h>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/try.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api_audio/handles.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

namespace {

Result<RecordingOptions> read_options(const char* json) {
  RecordingOptions options;
  RETURN_IF_ERROR(about("options_json", from_json(object_or_empty(json), options)));
  return options;
}

qwen3_tts_recording* keep(Recording recording) {
  auto opened = std::make_shared<OpenRecording>();
  opened->notes = to_text(OrderedJson(recording.notes));
  opened->samples = std::move(recording.samples);
  return Recordings::get().add(std::move(opened));
}

}  // namespace

qwen3_tts_status qwen3_tts_recording_read(const char* path, int64_t sample_rate, const char* options_json,
                                          qwen3_tts_recording** recording) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(path, "path"));
    RETURN_IF_ERROR(require(recording, "recording"));
    ASSIGN_OR_RETURN(const RecordingOptions options, read_options(options_json));
    ASSIGN_OR_RETURN(Recording read, read_recording(path, sample_rate, options));
    *recording = keep(std::move(read));
    return {};
  });
}

qwen3_tts_status qwen3_tts_recording_from_samples(const float* samples, size_t num_samples, int64_t from_rate,
                                                  int64_t sample_rate, const char* options_json,
                                                  qwen3_tts_recording** recording) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require_values(samples, num_samples, "samples"));
    RETURN_IF_ERROR(require(recording, "recording"));
    ASSIGN_OR_RETURN(const RecordingOptions options, read_options(options_json));
    ASSIGN_OR_RETURN(Recording made, recording_from_samples(samples, num_samples, from_rate, sample_rate, options));
    *recording = keep(std::move(made));
    return {};
  });
}

qwen3_tts_status qwen3_tts_recording_samples(const qwen3_tts_recording* recording, const float** samples,
                                             size_t* num_samples) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto found, Recordings::get().find(recording, "recording"));
    RETURN_IF_ERROR(require(samples, "samples"));
    RETURN_IF_ERROR(require(num_samples, "num_samples"));
    *samples = found->samples.data();
    *num_samples = found->samples.size();
    return {};
  });
}

qwen3_tts_status qwen3_tts_recording_notes(const qwen3_tts_recording* recording, const char** json) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto found, Recordings::get().find(recording, "recording"));
    RETURN_IF_ERROR(require(json, "json"));
    *json = found->notes.c_str();
    return {};
  });
}

qwen3_tts_status qwen3_tts_recording_destroy(qwen3_tts_recording* recording) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(Recordings::get().remove(recording, "recording"));
    return {};
  });
}
