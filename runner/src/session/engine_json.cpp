#include <qwen3_tts/json.h>

#include <qwen3_tts/engine.h>

#include "base/catching.h"
#include "base/json_fields.h"

namespace qwen3_tts {
namespace {

constexpr JsonField<EngineOptions> kOptionFields[] = {
    json_field<EngineOptions, &EngineOptions::model_path>("model_path"),
    json_field<EngineOptions, &EngineOptions::model_fd>("model_fd"),
    json_field<EngineOptions, &EngineOptions::model_offset>("model_offset"),
    json_field<EngineOptions, &EngineOptions::model_length>("model_length"),
    json_field<EngineOptions, &EngineOptions::data_path>("data_path"),
    json_field<EngineOptions, &EngineOptions::cuda_graphs>("cuda_graphs"),
    json_field<EngineOptions, &EngineOptions::num_threads>("num_threads"),
    json_field<EngineOptions, &EngineOptions::max_batch>("max_batch"),
    json_field<EngineOptions, &EngineOptions::fused_code_predictor>("fused_code_predictor"),
    json_field<EngineOptions, &EngineOptions::weight_cache>("weight_cache"),
    json_field<EngineOptions, &EngineOptions::prefix_cache_bytes>("prefix_cache_bytes"),
    json_field<EngineOptions, &EngineOptions::tokenizer_path>("tokenizer_path"),
    json_field<EngineOptions, &EngineOptions::verify>("verify"),
    json_field<EngineOptions, &EngineOptions::profile>("profile"),
};

constexpr JsonField<EngineCapacity> kCapacityFields[] = {
    json_field<EngineCapacity, &EngineCapacity::max_sessions>("max_sessions"),
    json_field<EngineCapacity, &EngineCapacity::max_batch>("max_batch"),
    json_field<EngineCapacity, &EngineCapacity::num_sessions>("num_sessions"),
    json_field<EngineCapacity, &EngineCapacity::session_bytes>("session_bytes"),
    json_field<EngineCapacity, &EngineCapacity::position_bytes>("position_bytes"),
};

}  // namespace

Status from_json(std::string_view json, EngineOptions& options) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_json_object(json, R"({"model_path": "model.pte"})"));
    return read_fields(kOptionFields, object, options);
  });
}

std::string to_json(const EngineCapacity& capacity) { return to_text(write_fields(kCapacityFields, capacity)); }

}  // namespace qwen3_tts
