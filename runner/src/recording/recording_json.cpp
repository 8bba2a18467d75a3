#include <qwen3_tts/read_recording.h>

#include "base/catching.h"
#include "base/json_fields.h"
#include "recording/channel_names.h"

namespace qwen3_tts {
namespace {

constexpr JsonField<RecordingOptions> kFields[] = {
    json_field<RecordingOptions, &RecordingOptions::start_s>("start_s"),
    json_field<RecordingOptions, &RecordingOptions::duration_s>("duration_s"),
    json_field<RecordingOptions, &RecordingOptions::channel>("channel"),
    json_field<RecordingOptions, &RecordingOptions::trim_silence>("trim_silence"),
    json_field<RecordingOptions, &RecordingOptions::allow_clipping>("allow_clipping"),
    json_field<RecordingOptions, &RecordingOptions::append_silence_s>("append_silence_s"),
};

}  // namespace

Status from_json(std::string_view json, RecordingOptions& options) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_json_object(json, R"({"trim_silence": true})"));
    return read_fields(kFields, object, options);
  });
}

}  // namespace qwen3_tts
