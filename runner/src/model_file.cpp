#include "model_file.h"

#include <cstddef>
#include <set>
#include <utility>

#include "contract.h"
#include "input_shape.h"

namespace qwen3_tts {
namespace {

constexpr char kWanted[] = "; give the model.pte that export_unified.py writes";

std::vector<InputShape> input_shapes(const ModelMetadata& m, bool fused_code_predictor) {
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
  if (fused_code_predictor) {
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
  if (methods.count(contract::kCudaMethod) > 0) {
    return Error{ErrorCode::kInvalidModel,
                 "'" + path +
                     "' was exported for an NVIDIA GPU, which this runner does not use yet; export it with --backend "
                     "xnnpack"};
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

}  // namespace

Result<ModelFile> open_model(const std::string& path, bool is_profiled) {
  auto program = Program::create(path, is_profiled);
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
  return ModelFile{std::move(*program), std::move(*metadata)};
}

std::vector<std::string> methods_for(Task task, bool fused_code_predictor) {
  if (task == Task::kDecoding) {
    return {contract::kDecodeAudio};
  }
  std::vector<std::string> methods = {contract::kEncodeText, contract::kCodecEmbed, contract::kTalker};
  if (fused_code_predictor) {
    methods.emplace_back(contract::kCpGenerate);
  } else {
    methods.emplace_back(contract::kCodePredictor);
    methods.emplace_back(contract::kCpHead);
  }
  if (task == Task::kSpeech) {
    methods.emplace_back(contract::kDecodeAudio);
  }
  return methods;
}

Status check_methods(const ModelFile& model, bool fused_code_predictor) {
  const auto present = model.program->method_names();
  if (!present.ok()) {
    return present.error();
  }
  std::vector<std::string> needed = methods_for(Task::kSpeech, fused_code_predictor);
  needed.emplace_back(contract::kTokenizerMethod);
  for (const std::string& name : needed) {
    if (present->count(name) == 0) {
      return Error{ErrorCode::kInvalidModel, "'" + model.program->path() + "': there is no method '" + name +
                                                 "'; re-export with export_unified.py"};
    }
  }
  return check_shapes(*model.program, input_shapes(model.metadata, fused_code_predictor));
}

}  // namespace qwen3_tts
