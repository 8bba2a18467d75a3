#include <qwen3_tts/engine.h>

#include <string>
#include <utility>
#include <vector>

#include "contract.h"
#include "engine_impl.h"
#include "model_file.h"
#include "ops/ops.h"
#include "process_setup.h"
#include "scoped_timer.h"
#include "tokenizer_json.h"

namespace qwen3_tts {
namespace {

/// The tables in the .pte.
Result<TextTokenizer> read_tables(const ModelFile& model) {
  Program& program = *model.program;
  const auto tables = program.read_bytes(contract::kTokenizerMethod);
  if (!tables.ok()) {
    return tables.error();
  }
  auto tokenizer = TextTokenizer::create(tables->data(), tables->size());
  if (!tokenizer.ok()) {
    return Error{tokenizer.error().code, "'" + program.path() + "': " + tokenizer.error().message};
  }
  if (tokenizer->num_ids() > model.metadata.text_vocab_size) {
    return Error{ErrorCode::kInvalidModel,
                 "'" + program.path() + "': the tokenizer has " + std::to_string(tokenizer->num_ids()) + " ids for " +
                     std::to_string(model.metadata.text_vocab_size) + " text rows; re-export with export_unified.py"};
  }
  return tokenizer;
}

Result<TextTokenizer> read_tokenizer(const ModelFile& model, const std::string& tokenizer_path) {
  if (tokenizer_path.empty()) {
    return read_tables(model);
  }
  return read_tokenizer_json(tokenizer_path, model.metadata);
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
  if (Status status = check_thread_count(options.num_threads); !status.ok()) {
    return status.error();
  }
  auto model = open_model(options.model_path);
  if (!model.ok()) {
    return model.error();
  }
  if (Status status = check_methods(*model, options.fused_code_predictor); !status.ok()) {
    return status.error();
  }
  auto tokenizer = read_tokenizer(*model, options.tokenizer_path);
  if (!tokenizer.ok()) {
    return tokenizer.error();
  }
  if (Status status = set_thread_count(options.num_threads); !status.ok()) {
    return status.error();
  }
  if (Status status = load_methods(*model->program, used_methods(options.fused_code_predictor)); !status.ok()) {
    return status.error();
  }
  std::unique_ptr<Impl> impl(new Impl{std::move(model->program), std::move(model->metadata),
                                      std::move(*tokenizer), options.fused_code_predictor, elapsed_ms(start)});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

double Engine::load_ms() const { return impl_->load_ms; }

}  // namespace qwen3_tts
