#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts.h>
#include <qwen3_tts/voice.h>

#include "base/error.h"
#include "base/json_fields.h"
#include "base/try.h"
#include "base/unicode_nfc.h"
#include "base/x_vector.h"
#include "c_api/about_voice.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api/handles.h"
#include "c_api/thread_answer.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

namespace {

constexpr char kModelType[] = "base";  // No other models take voices.
constexpr size_t kMaxWidth = 1 << 16;  // Of models; a larger number is a mistake.

std::string info_of(const Voice& voice) {
  const auto num_frames = voice.codes.empty() ? 0 : static_cast<int64_t>(voice.codes.size()) / voice.num_code_groups;
  return to_text({{"name", voice.name},
                  {"language", voice.language},
                  {"model_type", voice.model_type},
                  {"hidden_size", voice.x_vector.size()},
                  {"num_frames", num_frames},
                  {"num_text_ids", voice.text_ids.size()}});
}

Result<Voice> load(const std::string& path, const qwen3_tts_engine* engine) {
  if (engine == nullptr) {
    return Voice::read(path);
  }
  ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
  return Voice::load(path, opened->engine->metadata());
}

Status check_given(const float* x_vector, size_t size) {
  RETURN_IF_ERROR(require(x_vector, "x_vector"));
  if (size == 0 || size > kMaxWidth) {
    return invalid_argument("the x-vector has " + std::to_string(size) + " values; give as many as the model is wide");
  }
  return check_x_vector(x_vector, size);
}

}  // namespace

qwen3_tts_status qwen3_tts_voice_load(const char* path, const qwen3_tts_engine* engine, qwen3_tts_voice** voice) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(path, "path"));
    RETURN_IF_ERROR(require(voice, "voice"));
    ASSIGN_OR_RETURN(Voice loaded, load(path, engine));
    *voice = Voices::get().add(std::make_shared<const Voice>(std::move(loaded)));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_from_x_vector(const float* x_vector, size_t size, const char* about_json,
                                               qwen3_tts_voice** voice) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(check_given(x_vector, size));
    RETURN_IF_ERROR(require(voice, "voice"));
    ASSIGN_OR_RETURN(const AboutVoice given, read_about(about_json, kXVectorFields));
    Voice made;
    made.name = given.name;
    made.language = given.language;
    made.model_type = kModelType;
    made.x_vector.assign(x_vector, x_vector + size);
    *voice = Voices::get().add(std::make_shared<const Voice>(std::move(made)));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_mix(const qwen3_tts_voice* const* voices, const double* weights, size_t count,
                                     const char* name, qwen3_tts_voice** voice) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(voices, "voices"));
    RETURN_IF_ERROR(require(weights, "weights"));
    RETURN_IF_ERROR(require(name, "name"));
    RETURN_IF_ERROR(require(voice, "voice"));
    RETURN_IF_ERROR(about("name", decode_utf8(name)));
    std::vector<std::shared_ptr<const Voice>> held;
    std::vector<VoicePart> parts;
    for (size_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(auto found, Voices::get().find(voices[i], "voices[" + std::to_string(i) + "]"));
      parts.push_back({*found, weights[i]});
      held.push_back(std::move(found));
    }
    ASSIGN_OR_RETURN(Voice mixed, Voice::mix(parts, name));
    *voice = Voices::get().add(std::make_shared<const Voice>(std::move(mixed)));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_save(const qwen3_tts_voice* voice, const char* path) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto found, Voices::get().find(voice, "voice"));
    RETURN_IF_ERROR(require(path, "path"));
    return found->save(path);
  });
}

qwen3_tts_status qwen3_tts_voice_info(const qwen3_tts_voice* voice, const char** json) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto found, Voices::get().find(voice, "voice"));
    RETURN_IF_ERROR(require(json, "json"));
    *json = keep_for_thread(info_of(*found));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_x_vector(const qwen3_tts_voice* voice, const float** x_vector, size_t* size) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto found, Voices::get().find(voice, "voice"));
    RETURN_IF_ERROR(require(x_vector, "x_vector"));
    RETURN_IF_ERROR(require(size, "size"));
    *x_vector = found->x_vector.data();
    *size = found->x_vector.size();
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_destroy(qwen3_tts_voice* voice) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(Voices::get().remove(voice, "voice"));
    return {};
  });
}
