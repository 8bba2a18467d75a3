#include <qwen3_tts/engine.h>

#include <string>
#include <utility>
#include <vector>

#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include "base/file.h"
#include "base/scoped_timer.h"
#include "ops/ops.h"
#include "program/contract.h"
#include "program/model_file.h"
#include "program/process_setup.h"
#include "program/state_lease.h"
#include "session/engine_impl.h"
#include "text/tokenizer_json.h"

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

/// The same file once more, so that the codec decoder can run beside the other stages: a module runs one method at a
/// time. That pays with two threads (docs/performance.md); more of them speed the stages up by themselves. A profile is
/// of one module. Null: the codec decoder has its turn.
Result<std::unique_ptr<Program>> open_codec(const EngineOptions& options, const Speaking& speaking) {
  constexpr int64_t kPipelinedThreads = 2;
  if (speaking.keeps_state || options.profile || executorch::extension::get_thread_count() != kPipelinedThreads) {
    return std::unique_ptr<Program>();
  }
  return Program::create(options.model_path);
}

/// Lets the methods take their packed weights from `cache`, which is made first if need be: of all that `methods` pack.
Status use_weight_cache(Program& program, const std::vector<std::string>& methods, WeightCache& cache) {
  if (!cache.is_made()) {
    Status status = program.keep_packed_weights(cache.runtime_path());
    if (status.ok()) {
      status = program.load_methods(methods);
    }
    for (const std::string& method : methods) {
      program.unload_method(method);
    }
    if (status.ok()) {
      status = cache.make();
    }
    if (!status.ok()) {
      return status;
    }
  }
  return program.keep_packed_weights(cache.runtime_path());
}

std::set<std::string> cold_methods(const ModelFile& model) {
  if (!model.cuda) {
    return {};
  }
  return {model.cuda->static_methods.begin(), model.cuda->static_methods.end()};
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
  if (Status status = open_weights(*model, options); !status.ok()) {
    return status.error();
  }
  const auto speaking = Speaking::choose(*model, options.fused_code_predictor);
  if (!speaking.ok()) {
    return speaking.error();
  }
  if (Status status = check_methods(*model, *speaking); !status.ok()) {
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
  auto codec_program = open_codec(options, *speaking);
  if (!codec_program.ok()) {
    return codec_program.error();
  }
  if (weight_cache) {
    const auto methods = methods_for(Task::kSpeech, *speaking);
    Status status = use_weight_cache(*model->program, methods, *weight_cache);
    if (status.ok() && *codec_program != nullptr) {
      status = (*codec_program)->keep_packed_weights(weight_cache->runtime_path());
    }
    if (!status.ok()) {
      return status.error();
    }
  }
  std::unique_ptr<Impl> impl(new Impl{std::move(weight_cache), std::move(model->program), std::move(*codec_program),
                                      std::move(model->metadata), std::move(*tokenizer), *speaking,
                                      cold_methods(*model), elapsed_ms(start),
                                      // What a program keeps itself cannot be remembered here.
                                      PrefixCache(speaking->keeps_state ? 0 : options.prefix_cache_bytes)});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

Status Engine::Impl::preload(Task task) const {
  std::vector<std::string> methods = methods_for(task, speaking);
  if (is_pipelined() && methods.back() == contract::kDecodeAudio) {
    methods.pop_back();
    if (Status status = codec_program->load_methods({contract::kDecodeAudio}); !status.ok()) {
      return status;
    }
  }
  return program->load_methods(methods);
}

Status Engine::Impl::warm_up() {
  constexpr int kCalls = 4;
  for (const LoadedMethod& method : program->loaded_methods()) {
    if (cold_methods.erase(method.name) == 0) {
      continue;
    }
    for (int call = 0; call < kCalls; ++call) {
      if (Status status = program->run_on_ones(method.name); !status.ok()) {
        return status;
      }
    }
  }
  return {};
}

Status Engine::preload(Task task) {
  Status status = impl_->preload(task);
  if (!status.ok() || !impl_->speaking.keeps_state) {
    return status;
  }
  const auto lease = StateLease::take();  // While a session has it, that session warms up what it needs.
  return lease.ok() ? impl_->warm_up() : Status();
}

std::vector<LoadedMethod> Engine::loaded_methods() const {
  std::vector<LoadedMethod> methods = impl_->program->loaded_methods();
  if (impl_->is_pipelined()) {
    const std::vector<LoadedMethod> more = impl_->codec_program->loaded_methods();
    methods.insert(methods.end(), more.begin(), more.end());
  }
  return methods;
}

double Engine::load_ms() const {
  double milliseconds = impl_->create_ms;
  for (const LoadedMethod& method : loaded_methods()) {
    milliseconds += method.load_ms;
  }
  return milliseconds;
}

void Engine::start_profile() { impl_->program->start_profile(); }

Status Engine::write_profile(const std::string& path) {
  const auto content = impl_->program->take_profile();
  return content.ok() ? write_file(path, *content) : content.error();
}

}  // namespace qwen3_tts
