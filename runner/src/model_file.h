#pragma once

#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/engine.h>
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

/// The methods that are called for a task, in the order of the data flow.
std::vector<std::string> methods_for(Task task, bool fused_code_predictor);

/// kInvalidModel unless the file has the methods that speak, with the inputs that its contract says.
Status check_methods(const ModelFile& model, bool fused_code_predictor);

}  // namespace qwen3_tts
