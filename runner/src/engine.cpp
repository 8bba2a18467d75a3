#include <qwen3_tts/engine.h>

#include <string>
#include <utility>
#include <vector>

#include "contract.h"
#include "engine_impl.h"
#include "file.h"
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

/// Loads the methods with the weights in `cache`, which is made first if need be.
Status load_methods(Program& program, const std::vector<std::string>& methods, WeightCache& cache) {
  Status status = program.keep_packed_weights(cache.runtime_path());
  if (status.ok()) {
    status = load_methods(program, methods);
  }
  if (!status.ok() || cache.is_made()) {
    return status;
  }
  for (const std::string& method : methods) {
    program.unload_method(method);
  }
  status = cache.make();
  return status.ok() ? load_methods(program, methods, cache) : status;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  const Clock::time_point start = Clock::now();
  register_ops();
  if (Status status = check_thread_count(options.num_threads); !status.ok()) {
    return status.error();
  }
  std::unique_ptr<WeightCache> weight_cache;  // Before the model: its methods need it to the end.
  auto model = open_model(options.model_path, options.profile);
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
  if (!options.weight_cache.empty()) {
    auto opened = WeightCache::open(options.weight_cache, options.model_path);
    if (!opened.ok()) {
      return opened.error();
    }
    weight_cache = std::make_unique<WeightCache>(std::move(*opened));
  }
  if (Status status = set_thread_count(options.num_threads); !status.ok()) {
    return status.error();
  }
  const std::vector<std::string> methods = used_methods(options.fused_code_predictor);
  const Status status =
      weight_cache ? load_methods(*model->program, methods, *weight_cache) : load_methods(*model->program, methods);
  if (!status.ok()) {
    return status.error();
  }
  std::unique_ptr<Impl> impl(new Impl{std::move(weight_cache), std::move(model->program), std::move(model->metadata),
                                      std::move(*tokenizer), options.fused_code_predictor, elapsed_ms(start),
                                      PrefixCache(options.prefix_cache_bytes)});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

double Engine::load_ms() const { return impl_->load_ms; }

void Engine::start_profile() { impl_->program->start_profile(); }

Status Engine::write_profile(const std::string& path) {
  const auto content = impl_->program->take_profile();
  return content.ok() ? write_file(path, *content) : content.error();
}

}  // namespace qwen3_tts
