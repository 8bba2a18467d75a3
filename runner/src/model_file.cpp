#include "model_file.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "contract.h"
#include "gpu.h"
#include "input_shape.h"

namespace qwen3_tts {
namespace {

constexpr char kWanted[] = "; give the model.pte that export_unified.py writes";

/// Of a program whose state the session passes: what it writes comes last.
std::vector<InputShape> input_shapes(const ModelMetadata& m, Speaking::Frames frames) {
  constexpr int64_t kAny = InputShape::kAny;
  std::vector<InputShape> shapes = {
      {contract::kEncodeText, 0, {m.max_rows}},
      {contract::kCodecEmbed, 0, {m.max_rows}},
      {contract::kTalker, 0, {m.max_rows, m.hidden_size}},
      {contract::kTalker, 1, {1}},
      {contract::kTalker, 2, {kAny, 2, kAny, m.max_seq_len, kAny}},
      {contract::kDecodeAudio, 0, {m.max_decode_frames, m.num_code_groups}},
      {contract::kDecodeAudio, 1, {1}},
      {contract::kDecodeAudio, 2, {kAny}},
      {contract::kDecodeAudio, 3, {kAny, 2, kAny, kAny, kAny}},
  };
  if (frames == Speaking::Frames::kFused) {
    shapes.push_back({contract::kCpGenerate, 0, {1, m.hidden_size}});
    shapes.push_back({contract::kCpGenerate, 1, {1}});
    shapes.push_back({contract::kCpGenerate, 2, {m.num_code_groups - 1}});
    shapes.push_back({contract::kCpGenerate, 3, {3}});
    shapes.push_back({contract::kCpGenerate, 4, {kAny, 2, kAny, m.num_code_groups, kAny}});
  } else {
    shapes.push_back({contract::kCodePredictor, 0, {2, m.hidden_size}});
    shapes.push_back({contract::kCodePredictor, 1, {1}});
    shapes.push_back({contract::kCodePredictor, 2, {kAny, 2, kAny, m.num_code_groups, kAny}});
    shapes.push_back({contract::kCpHead, 0, {1, m.code_predictor_hidden_size}});
  }
  return shapes;
}

/// Of a program that keeps its state.
std::vector<InputShape> stateful_input_shapes(const ModelMetadata& m, Speaking::Frames frames) {
  const int64_t hidden = m.hidden_size;
  std::vector<InputShape> shapes = {
      {contract::kEncodeText, 0, {m.max_rows}},
      {contract::kCodecEmbed, 0, {m.max_rows}},
      {contract::kTalkerPrefill, 0, {m.max_rows, hidden}},
      {contract::kTalkerPrefill, 1, {1}},
      {contract::kTalkerPrefill, 2, {1}},
      {contract::kDecodeAudio, 0, {m.max_decode_frames, m.num_code_groups}},
      {contract::kDecodeAudio, 1, {1}},
  };
  if (frames == Speaking::Frames::kOneCall) {
    shapes.push_back({contract::kFrame, 0, {1, hidden}});
    shapes.push_back({contract::kFrame, 1, {1}});
    shapes.push_back({contract::kFrame, 2, {m.talker_vocab_size}});
    shapes.push_back({contract::kFrame, 3, {m.talker_vocab_size}});
    shapes.push_back({contract::kFrame, 4, {m.num_code_groups}});
    shapes.push_back({contract::kFrame, 5, {6}});
    return shapes;
  }
  shapes.push_back({contract::kTalker, 0, {1, hidden}});
  shapes.push_back({contract::kTalker, 1, {1}});
  if (frames == Speaking::Frames::kFused) {
    shapes.push_back({contract::kCpGenerate, 0, {1, hidden}});
    shapes.push_back({contract::kCpGenerate, 1, {1}});
    shapes.push_back({contract::kCpGenerate, 2, {m.num_code_groups - 1}});
    shapes.push_back({contract::kCpGenerate, 3, {3}});
  } else {
    shapes.push_back({contract::kCodePredictor, 0, {1, hidden}});
    shapes.push_back({contract::kCodePredictor, 1, {1}});
    shapes.push_back({contract::kCpHead, 0, {1, m.code_predictor_hidden_size}});
  }
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

Result<ModelMetadata> read_metadata(Program& program) {
  const auto json = program.read_string(contract::kContractMethod);
  if (!json.ok()) {
    return json.error();
  }
  auto metadata = ModelMetadata::parse(*json);
  if (!metadata.ok()) {
    return Error{metadata.error().code, "'" + program.path() + "': " + metadata.error().message};
  }
  return metadata;
}

Result<std::optional<CudaContract>> read_cuda(Program& program, const std::set<std::string>& methods) {
  if (methods.count(contract::kCudaMethod) == 0) {
    return std::optional<CudaContract>();
  }
  const auto json = program.read_string(contract::kCudaMethod);
  if (!json.ok()) {
    return json.error();
  }
  auto cuda = CudaContract::parse(*json);
  if (!cuda.ok()) {
    return Error{cuda.error().code, "'" + program.path() + "': " + cuda.error().message};
  }
  return std::optional<CudaContract>(std::move(*cuda));
}

/// The options that are about GPUs or CPUs alone, for a model of the other kind.
Status check_options(const ModelFile& model, const EngineOptions& options) {
  const std::string path = "'" + model.program->path() + "'";
  const auto invalid = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, path + what}; };
  if (!model.cuda && !options.data_path.empty()) {
    return invalid(" holds its weights itself: the data file '" + options.data_path + "' has no effect; leave it out");
  }
  if (!model.cuda && !options.cuda_graphs) {
    return invalid(" is for CPUs, where CUDA graphs have no meaning; leave that option out");
  }
  if (model.cuda && !options.weight_cache.empty()) {
    return invalid(" is for a GPU and packs no weights: a weight cache has no effect; leave it out");
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
  Status status = check_options(model, options);
  if (!status.ok() || !model.cuda) {
    return status;
  }
  if (status = check_gpu(*model.program, *model.cuda); !status.ok()) {
    return status;
  }
  const std::string& path = model.program->path();
  const auto data_path =
      options.data_path.empty() ? std::filesystem::path(path).replace_extension(".ptd").string() : options.data_path;
  std::error_code error;
  if (!std::filesystem::is_regular_file(data_path, error)) {
    return Error{ErrorCode::kIo, "cannot open '" + data_path + "', which holds the weights of '" + path +
                                     "'; put it there, or name it with --data_path (EngineOptions::data_path)"};
  }
  if (status = configure_gpu(options.cuda_graphs ? graph_methods(*model.cuda) : std::vector<std::string>());
      !status.ok()) {
    return status;
  }
  const auto on_device = model.program->uses_backend(kCudaBackend);
  if (!on_device.ok()) {
    return on_device.error();
  }
  auto program = Program::create(path, {options.profile, data_path, !*on_device});
  if (!program.ok()) {
    return program.error();
  }
  model.program = std::move(*program);
  return {};
}

Result<ModelFile> open_model(const std::string& path, bool is_profiled) {
  auto program = Program::create(path, {is_profiled, "", false});
  if (!program.ok()) {
    return program.error();
  }
  const auto methods = (*program)->method_names();
  if (!methods.ok()) {
    return methods.error();
  }
  if (Status status = check_kind(path, *methods); !status.ok()) {
    return status.error();
  }
  auto metadata = read_metadata(**program);
  if (!metadata.ok()) {
    return metadata.error();
  }
  auto cuda = read_cuda(**program, *methods);
  if (!cuda.ok()) {
    return cuda.error();
  }
  return ModelFile{std::move(*program), std::move(*metadata), std::move(*cuda)};
}

Result<Speaking> Speaking::choose(const ModelFile& model, bool fused_code_predictor) {
  const auto present = model.program->method_names();
  if (!present.ok()) {
    return present.error();
  }
  const bool keeps_state = model.cuda.has_value();
  if (!fused_code_predictor) {
    return Speaking{Frames::kStepwise, keeps_state};
  }
  const bool has_frame = keeps_state && present->count(contract::kFrame) > 0;
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
  const auto present = model.program->method_names();
  if (!present.ok()) {
    return present.error();
  }
  std::vector<std::string> needed = methods_for(Task::kSpeech, speaking);
  needed.emplace_back(contract::kTokenizerMethod);
  for (const std::string& name : needed) {
    if (present->count(name) == 0) {
      return Error{ErrorCode::kInvalidModel, "'" + model.program->path() + "': there is no method '" + name +
                                                 "'; re-export with export_unified.py"};
    }
  }
  const auto shapes = speaking.keeps_state ? stateful_input_shapes(model.metadata, speaking.frames)
                                           : input_shapes(model.metadata, speaking.frames);
  return check_shapes(*model.program, shapes);
}

}  // namespace qwen3_tts
