#include <qwen3_tts/engine.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include "base/file.h"
#include "base/scoped_timer.h"
#include "base/try.h"
#include "ops/ops.h"
#include "program/contract.h"
#include "program/mapped_tensor.h"
#include "program/model_file.h"
#include "program/signature.h"
#include "program/state_lease.h"
#include "program/thread_pool.h"
#include "session/engine_impl.h"
#include "session/open_text.h"
#include "session/resolved_options.h"
#include "session/utterance_plan.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_tables.h"

namespace qwen3_tts {
namespace {

Result<TextTokenizer> read_tokenizer(const ModelFile& model, const std::string& tokenizer_path) {
  if (tokenizer_path.empty()) {
    return read_tokenizer_tables(*model.program, model.metadata.text_vocab_size);
  }
  return read_tokenizer_json(tokenizer_path, model.metadata);
}

/// The same file once more, so that the codec decoder can run beside the other stages: a module runs one method at a
/// time. That pays with two threads (docs/performance.md); more of them speed the stages up by themselves. A profile is
/// of one module. Null: the codec decoder has its turn.
Result<std::unique_ptr<Program>> open_codec(const EngineOptions& options, const FramePath& frame_path) {
  constexpr int64_t kPipelinedThreads = 2;
  if (frame_path.program_keeps_state || options.profile ||
      executorch::extension::get_thread_count() != kPipelinedThreads) {
    return std::unique_ptr<Program>();
  }
  return Program::create(options.model_path);
}

/// Bytes of the state that a method writes to, through the inputs behind its other ones.
Result<size_t> state_bytes(Program& program, const Signature& signature) {
  size_t bytes = 0;
  for (size_t i = 0; i < signature.states.size(); ++i) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program.state_spec(signature.method, signature.inputs.size() + i));
    ASSIGN_OR_RETURN(const size_t size, num_bytes(spec));
    bytes += size;
  }
  return bytes;
}

/// Of the talker's keys and values, memory follows the position.
Result<EngineCapacity> capacity_of(const Engine::Impl& engine) {
  EngineCapacity capacity{engine.frame_path.program_keeps_state ? 1 : 0, 0, 0, 0};
  const std::vector<std::string> methods = methods_for(Workload::kSpeech, engine.frame_path);
  for (const Signature& signature : speaking_signatures(engine.metadata, engine.frame_path.program_keeps_state)) {
    if (std::find(methods.begin(), methods.end(), signature.method) == methods.end()) {
      continue;
    }
    ASSIGN_OR_RETURN(const size_t bytes, state_bytes(*engine.program, signature));
    if (signature.method == std::string_view(contract::kTalker)) {
      capacity.position_bytes = bytes / static_cast<size_t>(engine.metadata.max_seq_len);
    } else {
      capacity.session_bytes += bytes;
    }
  }
  return capacity;
}

std::set<std::string> static_methods(const ModelFile& model) {
  return model.cuda ? std::set<std::string>(model.cuda->static_methods.begin(), model.cuda->static_methods.end())
                    : std::set<std::string>();
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// What sessions share

Engine::Impl::Impl(ModelFile model, TextTokenizer tables, const FramePath& chosen, size_t prefix_cache_bytes)
    : program(std::move(model.program)),
      metadata(std::move(model.metadata)),
      tokenizer(std::move(tables)),
      frame_path(chosen),
      cold_methods(static_methods(model)),
      // What a program keeps itself cannot be remembered here.
      prefix_cache(chosen.program_keeps_state ? 0 : prefix_cache_bytes) {}

Status Engine::Impl::use_weight_cache(WeightCache cache) {
  weight_cache = std::make_unique<WeightCache>(std::move(cache));
  if (!weight_cache->is_made()) {
    const std::vector<std::string> methods = methods_for(Workload::kSpeech, frame_path);
    RETURN_IF_ERROR(program->keep_packed_weights(weight_cache->runtime_path()));
    const Status loaded = program->load_methods(methods);
    for (const std::string& method : methods) {
      program->unload_method(method);
    }
    RETURN_IF_ERROR(loaded);
    RETURN_IF_ERROR(weight_cache->make());
  }
  RETURN_IF_ERROR(program->keep_packed_weights(weight_cache->runtime_path()));
  return is_pipelined() ? codec_program->keep_packed_weights(weight_cache->runtime_path()) : Status();
}

Status Engine::Impl::preload(Workload workload) const {
  std::vector<std::string> methods = methods_for(workload, frame_path);
  const auto codec_method = std::find(methods.begin(), methods.end(), contract::kDecodeAudio);
  if (is_pipelined() && codec_method != methods.end()) {
    methods.erase(codec_method);
    RETURN_IF_ERROR(codec_program->load_methods({contract::kDecodeAudio}));
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
      RETURN_IF_ERROR(program->run_on_ones(method.name));
    }
  }
  return {};
}

// ---------------------------------------------------------------------------------------------------------------------
// The public face

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  const Clock::time_point start = Clock::now();
  register_ops();
  RETURN_IF_ERROR(check_thread_count(options.num_threads));
  ASSIGN_OR_RETURN(ModelFile model, open_model(options.model_path, options.profile));
  RETURN_IF_ERROR(open_weights(model, options));
  ASSIGN_OR_RETURN(const FramePath frame_path, FramePath::choose(model, options.fused_code_predictor));
  RETURN_IF_ERROR(check_methods(model, frame_path));
  ASSIGN_OR_RETURN(TextTokenizer tokenizer, read_tokenizer(model, options.tokenizer_path));
  auto impl = std::make_shared<Impl>(std::move(model), std::move(tokenizer), frame_path, options.prefix_cache_bytes);
  std::optional<WeightCache> weight_cache;
  if (!options.weight_cache.empty()) {
    ASSIGN_OR_RETURN(WeightCache opened, WeightCache::open(options.weight_cache, options.model_path));
    weight_cache.emplace(std::move(opened));
  }
  RETURN_IF_ERROR(set_thread_count(options.num_threads));
  ASSIGN_OR_RETURN(impl->codec_program, open_codec(options, frame_path));
  if (weight_cache) {
    RETURN_IF_ERROR(impl->use_weight_cache(*std::move(weight_cache)));
  }
  ASSIGN_OR_RETURN(impl->capacity, capacity_of(*impl));
  impl->create_ms = elapsed_ms(start);
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

Status Engine::check(const SynthesisRequest& request, const SynthesisOptions& options) const {
  ASSIGN_OR_RETURN(const ResolvedOptions resolved, resolve_options(options, impl_->metadata));
  ASSIGN_OR_RETURN(const UtterancePlan plan, plan_utterance(request, resolved, impl_->metadata, impl_->tokenizer));
  if (!plan.is_open) {
    return {};
  }
  const auto text = OpenText::create(request, plan.request, resolved, impl_->metadata, impl_->tokenizer);
  return text.ok() ? Status() : text.error();
}

Status Engine::check(const SynthesisOptions& options) const {
  const auto resolved = resolve_options(options, impl_->metadata);
  return resolved.ok() ? Status() : resolved.error();
}

EngineCapacity Engine::capacity() const {
  EngineCapacity capacity = impl_->capacity;
  capacity.num_sessions = impl_->num_sessions;
  return capacity;
}

Status Engine::preload(Workload workload) {
  RETURN_IF_ERROR(impl_->preload(workload));
  if (!impl_->frame_path.program_keeps_state) {
    return {};
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
