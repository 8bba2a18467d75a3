#include "program/model_file.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "program/constant_object.h"
#include "program/contract.h"
#include "program/gpu.h"
#include "program/gpu_options.h"
#include "program/signature.h"
#include "program/verification.h"

namespace qwen3_tts {
namespace {

constexpr char kWanted[] = "; give the model.pte that export_unified.py writes";

/// kInvalidModel unless a program with these methods has a contract and is no other part of the project.
Status check_kind(const std::string& path, const std::set<std::string>& methods) {
  for (const char* encoder : {contract::kEncodeSpeaker, contract::kEncodeAudio}) {
    if (methods.count(encoder) > 0 && methods.count(contract::kTalker) == 0) {
      return Error{ErrorCode::kInvalidModel, "'" + path + "' is a voice encoder (it has a method '" + encoder +
                                                 "'): it makes voices and does not speak" + kWanted};
    }
  }
  if (methods.count(contract::kContractMethod) == 0) {
    return Error{ErrorCode::kInvalidModel, "'" + path +
                                               "' is an ExecuTorch program, but not a Qwen3-TTS model (it has " +
                                               "no '" + contract::kContractMethod + "')" + kWanted};
  }
  return {};
}

Result<std::optional<CudaContract>> read_cuda(Program& program, const std::set<std::string>& methods) {
  if (methods.count(contract::kCudaMethod) == 0) {
    return std::optional<CudaContract>();
  }
  ASSIGN_OR_RETURN(CudaContract cuda, read_object<CudaContract>(program, contract::kCudaMethod));
  return std::optional<CudaContract>(std::move(cuda));
}

/// The options that are about GPUs or CPUs alone, for a model of the other kind.
Status check_options(const ModelFile& model, const EngineOptions& options) {
  const std::string path = "'" + model.program->name() + "'";
  if (!model.cuda && !options.data_path.empty()) {
    return invalid_argument(path + " holds its weights itself: the data file '" + options.data_path +
                            "' has no effect; leave it out");
  }
  if (!model.cuda && !options.cuda_graphs) {
    return invalid_argument(path + " is for CPUs, where CUDA graphs have no meaning; leave that option out");
  }
  if (model.cuda && !options.weight_cache.empty()) {
    return invalid_argument(path + " is for a GPU and packs no weights: a weight cache has no effect; leave it out");
  }
  return {};
}

/// Methods that a CUDA graph should cover: those of every frame. The prompt is read once an utterance.
std::vector<std::string> graph_methods(const CudaContract& cuda) {
  std::vector<std::string> methods = cuda.static_methods;
  methods.erase(std::remove(methods.begin(), methods.end(), contract::kTalkerPrefill), methods.end());
  return methods;
}

Result<ModelFile> open(const EngineOptions& options, Extent extent) {
  ASSIGN_OR_RETURN(const ModelSource source, ModelSource::of(options));
  RETURN_IF_ERROR(verify(source, options.verify, extent));
  ASSIGN_OR_RETURN(auto program, Program::create(source, {options.profile, "", false}));
  ASSIGN_OR_RETURN(const auto methods, program->method_names());
  RETURN_IF_ERROR(check_kind(source.name(), methods));
  ASSIGN_OR_RETURN(auto metadata, read_object<ModelMetadata>(*program, contract::kContractMethod));
  RETURN_IF_ERROR(require_digests(source, options.verify));
  ASSIGN_OR_RETURN(auto cuda, read_cuda(*program, methods));
  if (cuda && cuda->batch != metadata.max_batch) {
    return Error{ErrorCode::kInvalidModel, "'" + source.name() + "': its contract says that " +
                                               std::to_string(metadata.max_batch) +
                                               " utterances share a call, and its constant 'cuda' " +
                                               std::to_string(cuda->batch) + kReexport + " --backend cuda"};
  }
  return ModelFile{std::move(program), std::move(metadata), std::move(cuda), {options.profile, "", false}};
}

}  // namespace

Status open_weights(ModelFile& model, const EngineOptions& options) {
  RETURN_IF_ERROR(check_options(model, options));
  if (!model.cuda) {
    return {};
  }
  RETURN_IF_ERROR(check_gpu(*model.program, *model.cuda));
  const std::string path = model.program->name();
  if (options.data_path.empty() && !model.program->source().is_path()) {
    return invalid_argument("'" + path + "' has its weights in a file of their own; name it (data_path)");
  }
  const auto data_path =
      options.data_path.empty() ? std::filesystem::path(path).replace_extension(".ptd").string() : options.data_path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(data_path, error)) {
    return Error{ErrorCode::kIo, "cannot open '" + data_path + "', which holds the weights of '" + path +
                                     "'; put it there, or name the file that holds them (data_path)"};
  }
  RETURN_IF_ERROR(verify(data_path, options.verify, Extent::kFile));
  ASSIGN_OR_RETURN(const bool on_device, model.program->uses_backend(kCudaBackend));
  model.opened_with = {options.profile, data_path, !on_device,
                       options.cuda_graphs ? graph_methods(*model.cuda) : std::vector<std::string>()};
  ASSIGN_OR_RETURN(model.program, Program::create(model.program->source(), model.opened_with));
  return require_digests(data_path, options.verify);
}

Result<ModelFile> open_model(const EngineOptions& options) { return open(options, Extent::kFile); }

Result<ModelFile> open_model_description(const EngineOptions& options) {
  EngineOptions described = options;
  described.profile = false;
  return open(described, Extent::kProgram);
}

Result<FramePath> FramePath::choose(const ModelFile& model, bool fused_code_predictor) {
  ASSIGN_OR_RETURN(const auto present, model.program->method_names());
  const bool program_keeps_state = model.cuda.has_value();
  if (!fused_code_predictor) {
    return FramePath{Calls::kStepwise, program_keeps_state};
  }
  const bool has_frame = program_keeps_state && present.count(contract::kFrame) > 0;
  return FramePath{has_frame ? Calls::kOneCall : Calls::kFused, program_keeps_state};
}

std::vector<std::string> methods_for(Workload workload, const FramePath& frame_path) {
  std::vector<std::string> decoding = {contract::kDecodeAudio};
  if (frame_path.program_keeps_state) {
    decoding.emplace_back(contract::kDecodeChunk);
  }
  if (workload == Workload::kDecoding) {
    return decoding;
  }
  std::vector<std::string> methods = {contract::kEncodeText, contract::kCodecEmbed};
  if (frame_path.program_keeps_state) {
    methods.emplace_back(contract::kTalkerPrefill);
  }
  if (frame_path.calls == FramePath::Calls::kOneCall) {
    methods.emplace_back(contract::kFrame);
  } else {
    methods.emplace_back(contract::kTalker);
  }
  if (frame_path.calls != FramePath::Calls::kStepwise) {
    methods.emplace_back(contract::kCpGenerate);
  }
  if (frame_path.calls == FramePath::Calls::kStepwise) {
    methods.emplace_back(contract::kCodePredictor);
    methods.emplace_back(contract::kCpHead);
  }
  if (workload == Workload::kSpeech) {
    methods.insert(methods.end(), decoding.begin(), decoding.end());
  }
  return methods;
}

Status check_methods(const ModelFile& model, const FramePath& frame_path) {
  ASSIGN_OR_RETURN(const auto present, model.program->method_names());
  std::vector<std::string> needed = methods_for(Workload::kSpeech, frame_path);
  needed.emplace_back(contract::kTokenizerMethod);
  for (const std::string& name : needed) {
    if (present.count(name) == 0) {
      return invalid_model("'" + model.program->name() + "': there is no method '" + name + "'");
    }
  }
  for (const Signature& signature : speaking_signatures(model.metadata, frame_path.program_keeps_state)) {
    if (std::find(needed.begin(), needed.end(), signature.method) != needed.end()) {
      RETURN_IF_ERROR(check_inputs(*model.program, signature));
    }
  }
  return {};
}

}  // namespace qwen3_tts
