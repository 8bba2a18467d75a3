#pragma once

#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program.h"

namespace qwen3_tts {

/// A .pte that speaks: an open program and its contract. No method is loaded.
struct ModelFile {
  std::unique_ptr<Program> program;
  ModelMetadata metadata;
};

/// Opens the file at `path`, profiled as in Program::create(). An error names it and says what it is instead and which
/// file is wanted.
Result<ModelFile> open_model(const std::string& path, bool is_profiled = false);

/// The methods that an engine calls.
std::vector<std::string> used_methods(bool fused_code_predictor);

/// kInvalidModel unless the file has these methods, with the inputs that its contract says.
Status check_methods(const ModelFile& model, bool fused_code_predictor);

}  // namespace qwen3_tts
