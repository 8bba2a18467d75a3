#pragma once

#include <nlohmann/json_fwd.hpp>

#include <qwen3_tts/model_metadata.h>

namespace qwen3_tts::testing {

/// The contract of an imaginary model with 4 code groups of 8 codes, as JSON.
nlohmann::json tiny_contract();

ModelMetadata tiny_metadata();

}  // namespace qwen3_tts::testing
