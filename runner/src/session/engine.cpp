#include <qwen3_tts/engine.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <executorch/runtime/kernel/thread_parallel_interface.h>

#include "base/catching.h"
#include "base/error.h"
#include "base/file.h"
#include "base/scoped_timer.h"
#include "base/try.h"
#include "ops/ops.h"
#include "program/contract.h"
#include "program/int4_lease.h"
#include "program/mapped_tensor.h"
#include "program/model_file.h"
#include "program/model_source.h"
#include "program/signature.h"
#include "program/thread_pool.h"
#include "session/engine_impl.h"
#include "session/open_text.h"
#include "session/resolved_options.h"
#include "session/utterance_plan.h"
#include "stages/codec_decoder.h"
#include "stages/device_frames.h"
#include "stages/host_frames.h"
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
/// time. That pays on a GPU, where each has its stream and the codec its own weights, and with two threads of a CPU
/// (docs/performance.md); more of them speed the stages up by themselves. A profile is of one module. Null: the codec
/// decoder has its turn.
Result<std::unique_ptr<Program>> open_codec(const ModelSource& source, const ProgramOptions& opened_with,
                                            const FramePath& frame_path) {
  constexpr int64_t kPipelinedThreads = 2;
  const bool pays = frame_path.program_keeps_state || executorch::extension::get_thread_count() == kPipelinedThreads;
  return pays && !opened_with.is_profiled ? Program::create(source, opened_with) : std::unique_ptr<Program>();
}

/// Bytes of an input that a method writes to.
Result<size_t> state_bytes(Program& program, const char* method, size_t index) {
  ASSIGN_OR_RETURN(const TensorSpec spec, program.state_spec(method, index));
  return num_bytes(spec);
}

/// The same file once more for who prepares a prompt, which would else wait for a call that makes frames before each of
/// its own.
Result<std::unique_ptr<Program>> open_rows(const ModelSource& source, const ProgramOptions& opened_with,
                                           const FramePath& frame_path) {
  if (frame_path.program_keeps_state || opened_with.is_profiled) {
    return std::unique_ptr<Program>();
  }
  return Program::create(source);
}

/// A session keeps the codec's state, and a place of the talker's, where memory follows the position. Where the program
/// keeps both, it keeps none.
Result<EngineCapacity> capacity_of(const Engine::Impl& engine) {
  EngineCapacity capacity{engine.frames->max_streams(), engine.loop->max_batch(), 0, 0, 0};
  if (engine.frame_path.program_keeps_state) {
    return capacity;
  }
  for (const Signature& signature : speaking_signatures(engine.metadata, false)) {
    const size_t first_state = signature.inputs.size();
    if (signature.method == std::string_view(contract::kTalker)) {
      ASSIGN_OR_RETURN(TensorSpec spec, engine.program->state_spec(signature.method, first_state));
      spec.sizes[0] = 1;
      ASSIGN_OR_RETURN(const size_t bytes, num_bytes(spec));
      capacity.position_bytes = bytes / static_cast<size_t>(engine.metadata.max_seq_len);
    }
    if (signature.method == std::string_view(contract::kDecodeAudio)) {
      ASSIGN_OR_RETURN(const size_t history, state_bytes(*engine.program, signature.method, first_state));
      ASSIGN_OR_RETURN(const size_t kv, state_bytes(*engine.program, signature.method, first_state + 1));
      capacity.session_bytes = history + kv;
    }
  }
  return capacity;
}

Result<std::unique_ptr<FrameMaker>> create_frame_maker(Engine::Impl& engine) {
  if (engine.frame_path.calls == FramePath::Calls::kOneCall) {
    ASSIGN_OR_RETURN(std::unique_ptr<FrameMaker> frames, DeviceFrames::create(*engine.program, engine.metadata));
    return frames;
  }
  ASSIGN_OR_RETURN(
      std::unique_ptr<FrameMaker> frames,
      HostFrames::create(*engine.program, *engine.frame_embedding, engine.metadata,
                         engine.frame_path.calls == FramePath::Calls::kFused, engine.frame_path.program_keeps_state));
  return frames;
}

/// Of a program that keeps the state.
bool has_slot(const std::string& method, const ModelMetadata& metadata) {
  const std::vector<Signature> signatures = speaking_signatures(metadata, true);
  return std::any_of(signatures.begin(), signatures.end(),
                     [&](const Signature& signature) { return signature.method == method && signature.has_slot; });
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
      needs_int4_lease(model.cuda && model.cuda->int4),
      cold_methods(static_methods(model)),
      // What a program keeps itself cannot be remembered here.
      prefix_cache(chosen.program_keeps_state ? 0 : prefix_cache_bytes) {}

Status Engine::Impl::make_stages(const EngineOptions& options) {
  if (frame_path.program_keeps_state) {
    codec_slots = std::make_unique<SlotNumbers>(metadata.max_batch);
  }
  const int64_t usual_batch = frame_path.program_keeps_state ? metadata.max_batch : EngineOptions::kUsualBatch;
  const int64_t batch = options.max_batch.value_or(usual_batch);
  frame_embedding = std::make_unique<Embedding>(rows(), metadata);
  ASSIGN_OR_RETURN(frames, create_frame_maker(*this));
  loop = std::make_unique<FrameLoop>(*frames, metadata, std::min<int64_t>(batch, metadata.max_batch));
  if (is_pipelined()) {
    decode_pool = std::make_unique<DecodePool>(
        second_codec_program == nullptr ? 1 : 2, [this] { return make_decoder(); }, [this] { loop->wake(); });
  }
  return {};
}

/// A program runs one method at a time, so each thread of the pool has one of its own.
Result<std::unique_ptr<FrameDecoder>> Engine::Impl::make_decoder() {
  const bool is_second = is_codec_program_taken.exchange(true);
  Program& own = is_second ? *second_codec_program : *codec_program;
  auto made = catching([&]() -> Result<std::unique_ptr<FrameDecoder>> {
    return std::unique_ptr<FrameDecoder>(std::make_unique<CodecDecoder>(own, metadata, codec_slots.get()));
  });
  if (!made.ok() && !is_second) {
    is_codec_program_taken = false;
  }
  return made;
}

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
  for (Program* each : {codec_program.get(), second_codec_program.get()}) {
    RETURN_IF_ERROR(each == nullptr ? Status() : each->keep_packed_weights(weight_cache->runtime_path()));
  }
  return {};
}

Program& Engine::Impl::program_of(const std::string& method) const {
  if (method == contract::kDecodeAudio || method == contract::kDecodeChunk) {
    return codec();
  }
  return method == contract::kEncodeText || method == contract::kCodecEmbed ? rows() : *program;
}

Status Engine::Impl::preload(Workload workload) const {
  for (const std::string& method : methods_for(workload, frame_path)) {
    RETURN_IF_ERROR(program_of(method).load_methods({method}));
  }
  return {};
}

Status Engine::Impl::make_ready(Workload workload) {
  RETURN_IF_ERROR(preload(workload));
  return frame_path.program_keeps_state ? warm_up() : Status();
}

Status Engine::Impl::warm_up() {
  const std::lock_guard<std::mutex> lock(warm_mutex);
  std::vector<std::pair<Program*, std::string>> warming;
  for (Program* each : {program.get(), codec_program.get()}) {
    for (const LoadedMethod& method : each == nullptr ? std::vector<LoadedMethod>() : each->loaded_methods()) {
      if (cold_methods.erase(method.name) > 0) {
        warming.emplace_back(each, method.name);
      }
    }
  }
  for (int64_t call = 0; call < Program::kFirstGpuCalls; ++call) {
    for (const auto& [owner, method] : warming) {
      RETURN_IF_ERROR(owner->run_on_ones(method, has_slot(method, metadata)));
    }
  }
  return {};
}

namespace {

Result<std::shared_ptr<Engine::Impl>> open_engine(const EngineOptions& options) {
  const Clock::time_point start = Clock::now();
  register_ops();
  RETURN_IF_ERROR(check_thread_count(options.num_threads));
  if (options.max_batch.value_or(1) < 1) {
    return invalid_argument("max_batch is " + std::to_string(*options.max_batch) + "; it must be 1 or more");
  }
  ASSIGN_OR_RETURN(ModelFile model, open_model(options));
  RETURN_IF_ERROR(open_weights(model, options));
  ASSIGN_OR_RETURN(const FramePath frame_path, FramePath::choose(model, options.fused_code_predictor));
  const ProgramOptions opened_with = model.opened_with;
  const ModelSource source = model.program->source();
  RETURN_IF_ERROR(check_methods(model, frame_path));
  ASSIGN_OR_RETURN(TextTokenizer tokenizer, read_tokenizer(model, options.tokenizer_path));
  auto impl =
      std::make_shared<Engine::Impl>(std::move(model), std::move(tokenizer), frame_path, options.prefix_cache_bytes);
  std::optional<WeightCache> weight_cache;
  if (!options.weight_cache.empty()) {
    ASSIGN_OR_RETURN(WeightCache opened, WeightCache::open(options.weight_cache, source));
    weight_cache.emplace(std::move(opened));
  }
  RETURN_IF_ERROR(set_thread_count(options.num_threads));
  ASSIGN_OR_RETURN(impl->codec_program, open_codec(source, opened_with, frame_path));
  if (!frame_path.program_keeps_state &&
      options.max_batch.value_or(EngineOptions::kUsualBatch) > 1) {  // Now: the file may be another one later.
    ASSIGN_OR_RETURN(impl->second_codec_program, open_codec(source, opened_with, frame_path));
  }
  ASSIGN_OR_RETURN(impl->rows_program, open_rows(source, opened_with, frame_path));
  if (weight_cache) {
    RETURN_IF_ERROR(impl->use_weight_cache(*std::move(weight_cache)));
  }
  RETURN_IF_ERROR(impl->make_stages(options));
  ASSIGN_OR_RETURN(impl->capacity, capacity_of(*impl));
  impl->create_ms = elapsed_ms(start);
  return impl;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// The public face

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options) {
  return catching([&]() -> Result<std::unique_ptr<Engine>> {
    ASSIGN_OR_RETURN(std::shared_ptr<Impl> impl, open_engine(options));
    return std::unique_ptr<Engine>(new Engine(std::move(impl)));
  });
}

Engine::Engine(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() = default;

const ModelMetadata& Engine::metadata() const { return impl_->metadata; }

Status Engine::check(const SynthesisRequest& request, const SynthesisOptions& options) const {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const ResolvedOptions resolved, resolve_options(options, impl_->metadata));
    ASSIGN_OR_RETURN(const UtterancePlan plan, plan_utterance(request, resolved, impl_->metadata, impl_->tokenizer));
    if (!plan.is_open) {
      return {};
    }
    const auto text = OpenText::create(request, plan.request, resolved, impl_->metadata, impl_->tokenizer);
    return text.ok() ? Status() : text.error();
  });
}

Status Engine::check(const SynthesisOptions& options) const {
  return catching([&]() -> Status {
    const auto resolved = resolve_options(options, impl_->metadata);
    return resolved.ok() ? Status() : resolved.error();
  });
}

EngineCapacity Engine::capacity() const {
  EngineCapacity capacity = impl_->capacity;
  capacity.num_sessions = impl_->num_sessions;
  return capacity;
}

Status Engine::preload(Workload workload) {
  return catching([&]() -> Status {
    if (!impl_->needs_int4_lease) {
      return impl_->make_ready(workload);
    }
    const auto lease = Int4Lease::take(impl_.get());  // While another engine has it, sessions of this one warm up.
    return lease.ok() ? impl_->make_ready(workload) : impl_->preload(workload);
  });
}

std::vector<LoadedMethod> Engine::loaded_methods() const {
  std::vector<LoadedMethod> methods;
  for (const Program* program : {impl_->rows_program.get(), impl_->program.get(), impl_->codec_program.get()}) {
    if (program != nullptr) {
      const std::vector<LoadedMethod> more = program->loaded_methods();
      methods.insert(methods.end(), more.begin(), more.end());
    }
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
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const std::string content, impl_->program->take_profile());
    return write_file(path, content);
  });
}

}  // namespace qwen3_tts
