#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <qwen3_tts/model_info.h>

#include "base/catching.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "base/try.h"
#include "program/contract.h"
#include "program/model_file.h"
#include "program/signature.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;

std::string type_name(ScalarType type) {
  switch (type) {
    case ScalarType::Float:
      return "float";
    case ScalarType::Long:
      return "long";
    case ScalarType::Int:
      return "int";
    case ScalarType::Byte:
      return "byte";
    case ScalarType::Bool:
      return "bool";
    case ScalarType::Half:
      return "half";
    default:
      return "type " + std::to_string(static_cast<int>(type));
  }
}

std::string describe(const std::optional<TensorSpec>& spec, bool is_dynamic) {
  if (!spec) {
    return "no tensor";
  }
  std::string text = type_name(spec->type) + "[";
  for (size_t i = 0; i < spec->sizes.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::string(i == 0 && is_dynamic ? "<=" : "") + std::to_string(spec->sizes[i]);
  }
  return text + "]";
}

std::vector<std::string> describe_all(const std::vector<std::optional<TensorSpec>>& specs, size_t num_dynamic) {
  std::vector<std::string> texts;
  texts.reserve(specs.size());
  for (const auto& spec : specs) {
    texts.push_back(describe(spec, texts.size() < num_dynamic));
  }
  return texts;
}

/// Whether a program for a GPU lists the method as one whose sizes never change.
bool is_static(const ModelFile& model, const std::string& method) {
  if (!model.cuda) {
    return false;
  }
  const auto& methods = model.cuda->static_methods;
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

Result<std::vector<MethodInfo>> describe_methods(const ModelFile& model) {
  Program& program = *model.program;
  ASSIGN_OR_RETURN(const auto present, program.method_names());
  std::vector<MethodInfo> methods;
  for (const Signature& signature : speaking_signatures(model.metadata, model.cuda.has_value())) {
    if (present.count(signature.method) == 0) {
      continue;
    }
    ASSIGN_OR_RETURN(const MethodSpec spec, program.method_spec(signature.method));
    const bool may_vary = !is_static(model, signature.method);
    methods.push_back({signature.method, describe_all(spec.inputs, may_vary ? signature.num_dynamic_inputs : 0),
                       describe_all(spec.outputs, may_vary ? signature.num_dynamic_outputs : 0)});
  }
  return methods;
}

/// What is there to see how near the memory's speed a machine comes: a model without it speaks as well.
Result<std::map<std::string, int64_t>> read_frame_bytes(Program& program) {
  constexpr int64_t kMostBytes = int64_t{1} << 50;
  std::map<std::string, int64_t> bytes;
  ASSIGN_OR_RETURN(const auto present, program.method_names());
  if (present.count(contract::kFrameBytesMethod) == 0) {
    return bytes;
  }
  ASSIGN_OR_RETURN(const std::string json, program.read_string(contract::kFrameBytesMethod));
  const Json object = parse_json_object(json);
  for (const auto& [stage, value] : object.items()) {
    const auto number = integer_in(value, 0, kMostBytes);
    if (!number.has_value()) {
      return invalid_model("'" + program.name() + "': the bytes of a frame that '" + stage +
                           "' reads must be a whole number up to 2^50");
    }
    bytes.emplace(stage, *number);
  }
  return bytes;
}

}  // namespace

Result<ModelInfo> read_model_info(const std::string& path) {
  EngineOptions options;
  options.model_path = path;
  return read_model_info(options);
}

Result<ModelInfo> read_model_info(const EngineOptions& options) {
  return catching([&]() -> Result<ModelInfo> {
    ASSIGN_OR_RETURN(ModelFile model, open_model_description(options));
    ASSIGN_OR_RETURN(std::vector<MethodInfo> methods, describe_methods(model));
    ASSIGN_OR_RETURN(auto frame_bytes, read_frame_bytes(*model.program));
    ASSIGN_OR_RETURN(const auto file, model.program->source().open());
    return ModelInfo{std::move(model.metadata),           std::move(methods),
                     static_cast<int64_t>(file->size()),  model.cuda ? model.cuda->gpu_arch : "",
                     model.cuda ? model.cuda->dtype : "", std::move(frame_bytes)};
  });
}

}  // namespace qwen3_tts
