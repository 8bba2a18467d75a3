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
#include "program/input_shape.h"

namespace qwen3_tts {
namespace {

constexpr char kWanted[] = "; give the model.pte that export_unified.py writes";

/// What the methods that speak take. One that keeps its state has its sizes fixed, and no inputs to write to.
std::vector<InputShape> input_shapes(const ModelMetadata& m, const Speaking& speaking) {
  constexpr int64_t kAny = InputShape::kAny;
  const bool keeps_state = speaking.keeps_state;
  std::vector<InputShape> shapes = {
      {contract::kEncodeText, 0, {m.max_rows}},
      {contract::kCodecEmbed, 0, {m.max_rows}},
      {contract::kDecodeAudio, 0, {m.max_decode_frames, m.num_code_groups}},
      {contract::kDecodeAudio, 1, {1}},
  };
  const auto add = [&](const char* method, const std::vector<std::vector<int64_t>>& inputs, size_t first = 0) {
    for (const auto& sizes : inputs) {
      shapes.push_back({method, first++, sizes});
    }
  };
  if (keeps_state) {
    add(contract::kTalkerPrefill, {{m.max_rows, m.hidden_size}, {1}, {1}});
  } else {
    add(contract::kDecodeAudio, {{kAny}, {kAny, 2, kAny, kAny, kAny}}, 2);
    add(contract::kTalker, {{kAny, 2, kAny, m.max_seq_len, kAny}}, 2);
  }
  const std::vector<int64_t> code_predictor_kv = {kAny, 2, kAny, m.num_code_groups, kAny};
  switch (speaking.frames) {
    case Speaking::Frames::kOneCall: {
      const std::vector<int64_t> vocabulary = {m.talker_vocab_size};
      add(contract::kFrame, {{1, m.hidden_size}, {1}, vocabulary, vocabulary, {m.num_code_groups}, {6}});
      return shapes;
    }
    case Speaking::Frames::kFused:
      add(contract::kCpGenerate, {{1, m.hidden_size}, {1}, {m.num_code_groups - 1}, {3}});
      if (!keeps_state) {
        add(contract::kCpGenerate, {code_predictor_kv}, 4);
      }
      break;
    case Speaking::Frames::kStepwise:
      add(contract::kCodePredictor, {{keeps_state ? 1 : 2, m.hidden_size}, {1}});
      add(contract::kCpHead, {{1, m.code_predictor_hidden_size}});
      if (!keeps_state) {
        add(contract::kCodePredictor, {code_predictor_kv}, 2);
      }
      break;
  }
  add(contract::kTalker, {{keeps_state ? 1 : m.max_rows, m.hidden_size}, {1}});
  return shapes;
}

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
  const std::string path = "'" + model.program->path() + "'";
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

}  // namespace

Status open_weights(ModelFile& model, const EngineOptions& options) {
  RETURN_IF_ERROR(check_options(model, options));
  if (!model.cuda) {
    return {};
  }
  RETURN_IF_ERROR(check_gpu(*model.program, *model.cuda));
  const std::string& path = model.program->path();
  const auto data_path =
      options.data_path.empty() ? std::filesystem::path(path).replace_extension(".ptd").string() : options.data_path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(data_path, error)) {
    return Error{ErrorCode::kIo, "cannot open '" + data_path + "', which holds the weights of '" + path +
                                     "'; put it there, or name it with --data_path (EngineOptions::data_path)"};
  }
  RETURN_IF_ERROR(configure_gpu(options.cuda_graphs ? graph_methods(*model.cuda) : std::vector<std::string>()));
  ASSIGN_OR_RETURN(const bool on_device, model.program->uses_backend(kCudaBackend));
  ASSIGN_OR_RETURN(model.program, Program::create(path, {options.profile, data_path, !on_device}));
  return {};
}

Result<ModelFile> open_model(const std::string& path, bool is_profiled) {
  ASSIGN_OR_RETURN(auto program, Program::create(path, {is_profiled, "", false}));
  ASSIGN_OR_RETURN(const auto methods, program->method_names());
  RETURN_IF_ERROR(check_kind(path, methods));
  ASSIGN_OR_RETURN(auto metadata, read_object<ModelMetadata>(*program, contract::kContractMethod));
  ASSIGN_OR_RETURN(auto cuda, read_cuda(*program, methods));
  return ModelFile{std::move(program), std::move(metadata), std::move(cuda)};
}

Result<Speaking> Speaking::choose(const ModelFile& model, bool fused_code_predictor) {
  ASSIGN_OR_RETURN(const auto present, model.program->method_names());
  const bool keeps_state = model.cuda.has_value();
  if (!fused_code_predictor) {
    return Speaking{Frames::kStepwise, keeps_state};
  }
  const bool has_frame = keeps_state && present.count(contract::kFrame) > 0;
  return Speaking{has_frame ? Frames::kOneCall : Frames::kFused, keeps_state};
}

std::vector<std::string> methods_for(Task task, const Speaking& speaking) {
  if (task == Task::kDecoding) {
    return {contract::kDecodeAudio};
  }
  std::vector<std::string> methods = {contract::kEncodeText, contract::kCodecEmbed};
  if (speaking.keeps_state) {
    methods.emplace_back(contract::kTalkerPrefill);
  }
  if (speaking.frames == Speaking::Frames::kOneCall) {
    methods.emplace_back(contract::kFrame);
  } else {
    methods.emplace_back(contract::kTalker);
  }
  if (speaking.frames == Speaking::Frames::kFused) {
    methods.emplace_back(contract::kCpGenerate);
  }
  if (speaking.frames == Speaking::Frames::kStepwise) {
    methods.emplace_back(contract::kCodePredictor);
    methods.emplace_back(contract::kCpHead);
  }
  if (task == Task::kSpeech) {
    methods.emplace_back(contract::kDecodeAudio);
  }
  return methods;
}

Status check_methods(const ModelFile& model, const Speaking& speaking) {
  ASSIGN_OR_RETURN(const auto present, model.program->method_names());
  std::vector<std::string> needed = methods_for(Task::kSpeech, speaking);
  needed.emplace_back(contract::kTokenizerMethod);
  for (const std::string& name : needed) {
    if (present.count(name) == 0) {
      return invalid_model("'" + model.program->path() + "': there is no method '" + name + "'");
    }
  }
  return check_shapes(*model.program, input_shapes(model.metadata, speaking));
}

}  // namespace qwen3_tts
