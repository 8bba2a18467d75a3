#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/cuda_contract.h"
#include "program/program.h"

namespace qwen3_tts {

/// A .pte that speaks: an open program and its contract. No method is loaded.
struct ModelFile {
  std::unique_ptr<Program> program;  ///< Its source() is where the others of an engine come from.
  ModelMetadata metadata;
  std::optional<CudaContract> cuda;  ///< Of a program for a GPU.
  ProgramOptions opened_with;        ///< What opens it once more; profiled or not.
};

/// Opens the file or the part that the options name, once it is verified. An error names it and says what it is instead
/// and which file is wanted. Of a program for a GPU only what it says of itself can be read then.
Result<ModelFile> open_model(const EngineOptions& options);

/// The same for who asks what the file says of itself and runs none of its methods: its weights are not verified.
Result<ModelFile> open_model_description(const EngineOptions& options);

/// Makes a program for a GPU ready to load its methods: checks that it can run here and opens its weights, the .ptd of
/// the same name unless `options` name it. Checks that options for such programs are not given to others.
Status open_weights(ModelFile& model, const EngineOptions& options);

/// How frames are made, and where the state between the calls is.
struct FramePath {
  enum class Calls {
    kOneCall,   ///< `frame`: the talker's step, code 0, the other codes; the first of a piece by `cp_generate`.
    kFused,     ///< `talker`, then `cp_generate`.
    kStepwise,  ///< `talker`, then `code_predictor` and `cp_head` for every code.
  };

  /// Stepwise when asked for; else with as few calls as the file's methods allow.
  static Result<FramePath> choose(const ModelFile& model, bool fused_code_predictor);

  Calls calls;
  bool program_keeps_state;  ///< The methods do, and a session passes none: programs for a GPU.
};

/// The methods that are called for a workload, in the order of the data flow.
std::vector<std::string> methods_for(Workload workload, const FramePath& frame_path);

/// kInvalidModel unless the file has the methods that speak, with the inputs that its contract says.
Status check_methods(const ModelFile& model, const FramePath& frame_path);

}  // namespace qwen3_tts
