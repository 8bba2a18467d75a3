#pragma once

/// Which GPU a file is for, asked without one:
/// \code
/// bool is_for_cpus(const std::string& model_path) {
///   const auto info = qwen3_tts::read_model_info(model_path);
///   return info.ok() && info->gpu_arch.empty();
/// }
/// \endcode

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A method that is ready to run, and how long that took.
struct LoadedMethod {
  std::string name;
  double load_ms;
};

/// One method of a model file, its inputs and outputs as "float[<=128, 1024]": type and sizes, "<=" where a size is the
/// largest of several.
struct MethodInfo {
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

struct ModelInfo {
  ModelMetadata metadata;
  std::vector<MethodInfo> methods;  ///< In the order of the data flow; constants are left out.
  int64_t file_bytes;
  std::string gpu_arch;   ///< Of the only GPUs that run it, such as "sm_90"; "": it is for CPUs.
  std::string gpu_dtype;  ///< Of what is not quantized, "fp32" or "bf16"; "": it is for CPUs.
  /// Bytes of weights that one frame reads, of "talker", "code_predictor" and "codec", each as often as it is read.
  /// Empty: the file does not say it.
  std::map<std::string, int64_t> frame_bytes;
};

/// What a model file says about itself, without loading weights. The same errors as Engine::create() for a file that
/// is no model.
QWEN3_TTS_API Result<ModelInfo> read_model_info(const std::string& path);
/// The same of what such an engine opens: a path, or a part of an open file. What else they say is of no account.
QWEN3_TTS_API Result<ModelInfo> read_model_info(const EngineOptions& options);

}  // namespace qwen3_tts
