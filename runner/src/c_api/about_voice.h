#pragma once

#include <optional>
#include <string>

#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/names.h"
#include "base/try.h"
#include "c_api/arguments.h"

namespace qwen3_tts::c_api {

/// What a voice is called, and what is known of its recording.
struct AboutVoice {
  std::string name;
  std::string language = kAutoLanguage;
  std::optional<std::string> text;  ///< What is said in it.
};

inline constexpr JsonField<AboutVoice> kXVectorFields[] = {
    json_field<AboutVoice, &AboutVoice::name>("name"),
    json_field<AboutVoice, &AboutVoice::language>("language"),
};

inline constexpr JsonField<AboutVoice> kRecordingFields[] = {
    kXVectorFields[0],
    kXVectorFields[1],
    json_field<AboutVoice, &AboutVoice::text>("text"),
};

/// `json` has some of the `fields`, or is NULL.
template <typename Fields>
Result<AboutVoice> read_about(const char* json, const Fields& fields) {
  const auto read = [&]() -> Result<AboutVoice> {
    AboutVoice voice;
    ASSIGN_OR_RETURN(const Json object, read_json_object(object_or_empty(json), R"({"name": "Ann"})"));
    RETURN_IF_ERROR(read_fields(fields, object, voice));
    return voice;
  };
  return about("about_json", read());
}

}  // namespace qwen3_tts::c_api
