#include <qwen3_tts/json.h>

#include <utility>

#include "base/catching.h"
#include "base/request_json.h"

namespace qwen3_tts {
namespace {

Result<Json> read_object(std::string_view text) { return read_json_object(text, R"({"text": "..."})"); }

/// The values that a request which names none gets.
OrderedJson defaults_of(const ModelMetadata& metadata) {
  SynthesisOptions options;
  options.text_layout = metadata.text_layout;
  options.max_new_tokens = metadata.max_new_tokens;
  options.temperature = metadata.temperature;
  options.top_k = metadata.top_k;
  options.top_p = metadata.top_p;
  options.repetition_penalty = metadata.repetition_penalty;
  options.subtalker_temperature = metadata.subtalker_temperature;
  options.subtalker_top_k = metadata.subtalker_top_k;
  options.subtalker_top_p = metadata.subtalker_top_p;
  return write_fields(kOptionFields, options);
}

OrderedJson speakers_of(const ModelMetadata& metadata) {
  auto names = OrderedJson::array();
  for (const auto& [name, row] : metadata.speakers) {
    names.push_back(name);
  }
  return names;
}

}  // namespace

Status from_json(std::string_view json, SynthesisRequest& request, SynthesisOptions& options) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_object(json));
    for (const auto& [key, value] : object.items()) {
      if (const auto* field = find_field(kRequestFields, key)) {
        RETURN_IF_ERROR(read_field(*field, value, request));
      } else if (const auto* option = find_field(kOptionFields, key)) {
        RETURN_IF_ERROR(read_field(*option, value, options));
      } else {
        return unknown_key(key, keys_of(kRequestFields) + ", " + keys_of(kOptionFields));
      }
    }
    return {};
  });
}

Status from_json(std::string_view json, SynthesisRequest& request) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_object(json));
    return read_fields(kRequestFields, object, request);
  });
}

Status from_json(std::string_view json, SynthesisOptions& options) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_object(json));
    return read_fields(kOptionFields, object, options);
  });
}

std::string to_json(const SynthesisRequest& request) { return to_text(write_fields(kRequestFields, request)); }

std::string to_json(const SynthesisOptions& options) { return to_text(write_fields(kOptionFields, options)); }

std::string to_json(const SynthesisStats& stats) { return to_text(write_fields(kStatsFields, stats)); }

std::string to_json(const ModelInfo& info) {
  const ModelMetadata& metadata = info.metadata;
  auto methods = OrderedJson::array();
  for (const MethodInfo& method : info.methods) {
    methods.push_back({{"name", method.name}, {"inputs", method.inputs}, {"outputs", method.outputs}});
  }
  return to_text({
      {"model_type", metadata.model_type},
      {"model_size", metadata.model_size},
      {"sample_rate", metadata.sample_rate},
      {"samples_per_frame", metadata.samples_per_frame},
      {"max_seq_len", metadata.max_seq_len},
      {"languages", request_languages(metadata)},
      {"speakers", speakers_of(metadata)},
      {"default_speaker", metadata.default_speaker()},
      {"takes_voices", metadata.takes_voices()},
      {"supports_instruct", metadata.supports_instruct},
      {"defaults", defaults_of(metadata)},
      {"recipe", metadata.recipe},
      {"methods", std::move(methods)},
      {"file_bytes", info.file_bytes},
      {"gpu_arch", info.gpu_arch},
      {"gpu_dtype", info.gpu_dtype},
  });
}

}  // namespace qwen3_tts
