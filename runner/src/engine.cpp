#include <qwen3_tts/engine.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contract.h"
#include "engine_impl.h"
#include "ops/ops.h"
#include "process_setup.h"
#include "scoped_timer.h"

namespace qwen3_tts {
namespace {

std::vector<std::string> used_methods(bool fused_code_predictor) {
  std::vector<std::string> methods = {contract::kEncodeText, contract::kCodecEmbed, contract::kTalker,
                                      contract::kDecodeAudio};
  if (fused_code_predictor) {
    methods.emplace_back(contract::kCpGenerate);
  } else {
    methods.emplace_back(contract::kCodePredictor);
    methods.emplace_back(contract::kCpHead);
  }
  return methods;
}

/// What the contract says about one input of a method; kAny where it says nothing.
struct InputShape {
  static constexpr int64_t kAny = -1;

  const char* method;
  size_t index;
  std::vector<int64_t> sizes;
};

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

bool matches(const TensorSpec& spec, const std::vector<int64_t>& sizes) {
  if (spec.sizes.size() != sizes.size()) {
    return false;
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != InputShape::kAny && sizes[i] != spec.sizes[i]) {
      return false;
    }
  }
  return true;
}

Status check_shapes(Program& program, const std::vector<InputShape>& shapes) {
  for (const InputShape& shape : shapes) {
    const auto spec = program.input_spec(shape.method, shape.index);
    if (!spec.ok()) {
      return spec.error();
    }
    if (!matches(*spec, shape.sizes)) {
      return Error{ErrorCode::kInvalidModel, "'" + program.path() + "': input " + std::to_string(shape.index) +
                                                 " of method '" + shape.method +
                                                 "' is not what the contract says; re-export with export_unified.py"};
    }
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

Result<TextTokenizer> read_tokenizer(Program& program) {
  const auto tables = program.read_bytes(contract::kTokenizerMethod);
  if (!tables.ok()) {
    return tables.error();
  }
  auto tokenizer = TextTokenizer::create(tables->data(), tables->size());
  if (!tokenizer.ok()) {
    return Error{tokenizer.error().code, "'" + program.path() + "': " + tokenizer.error().message};
  }
  return tokenizer;
}

Status load_methods(Program& program, const std::vector<std::string>& methods) {
  for (const std::string& method : methods) {
    if (Status status = program.load_method(method); !status.ok()) {
      return status;
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  const Clock::time_point start = Clock::now();
  register_ops();
  auto opened = Program::create(options.model_path);
  if (!opened.ok()) {
    return opened.error();
  }
  Program& program = **opened;
  const std::vector<std::string> methods = used_methods(options.fused_code_predictor);
  std::vector<std::string> needed = {contract::kContractMethod, contract::kTokenizerMethod};
  needed.insert(needed.end(), methods.begin(), methods.end());
  if (Status status = program.require_methods(needed); !status.ok()) {
    return status.error();
  }
  auto metadata = read_metadata(program);
  if (!metadata.ok()) {
    return metadata.error();
  }
  if (Status status = check_shapes(program, input_shapes(*metadata, options.fused_code_predictor)); !status.ok()) {
    return status.error();
  }
  auto tokenizer = read_tokenizer(program);
  if (!tokenizer.ok()) {
    return tokenizer.error();
  }
  if (Status status = set_thread_count(options.num_threads); !status.ok()) {
    return status.error();
  }
  if (Status status = load_methods(program, methods); !status.ok()) {
    return status.error();
  }
  std::unique_ptr<Impl> impl(new Impl{std::move(*opened), std::move(*metadata), std::move(*tokenizer),
                                      options.fused_code_predictor, elapsed_ms(start)});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

double Engine::load_ms() const { return impl_->load_ms; }

}  // namespace qwen3_tts
