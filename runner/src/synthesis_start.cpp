// What comes before the first frame: stages, options, prompt.

#include <algorithm>
#include <string>
#include <utility>

#include "synthesis_session_impl.h"

namespace qwen3_tts {

using Impl = SynthesisSession::Impl;

Result<std::unique_ptr<Impl>> Impl::create(Engine::Impl& engine) {
  Program& program = *engine.program;
  std::unique_ptr<Impl> impl(new Impl(engine));
  auto talker = Talker::create(program, engine.metadata);
  if (!talker.ok()) {
    return talker.error();
  }
  auto code_predictor = CodePredictor::create(program, impl->embedding_, engine.metadata, engine.fused_code_predictor);
  if (!code_predictor.ok()) {
    return code_predictor.error();
  }
  auto codec_decoder = CodecDecoder::create(program, engine.metadata);
  if (!codec_decoder.ok()) {
    return codec_decoder.error();
  }
  impl->talker_ = std::move(*talker);
  impl->code_predictor_ = std::move(*code_predictor);
  impl->codec_decoder_ = std::move(*codec_decoder);
  return impl;
}

Status Impl::begin() {
  start_time_ = Clock::now();
  stats_ = {};
  is_stopped_ = false;
  state_ = State::kIdle;
  num_frames_ = 0;
  decoded_frames_ = 0;
  codes_.clear();
  talker_->reset(0);
  return codec_decoder_->reset();
}

/// What no earlier request needed. Counts for itself, so that the times of the stages are those of a loaded model.
Status Impl::load_methods(Task task) {
  const ScopedTimer timer(stats_.load_ms);
  return engine_.preload(task);
}

Status Impl::prepare(const SynthesisRequest& request, const SynthesisOptions& options) {
  if (Status status = begin(); !status.ok()) {
    return status;
  }
  const auto resolved = resolve_options(options, engine_.metadata);
  if (!resolved.ok()) {
    return resolved.error();
  }
  options_ = *resolved;
  const auto planned = plan(request, options_.text_layout);
  if (!planned.ok()) {
    return planned.error();
  }
  if (Status status = load_methods(options_.codes_only ? Task::kCodes : Task::kSpeech); !status.ok()) {
    return status;
  }
  stats_.prompt_rows = static_cast<int64_t>(planned->rows.size());
  max_tokens_ = std::min(options_.max_new_tokens, engine_.metadata.max_seq_len - stats_.prompt_rows);
  codes_.reserve(static_cast<size_t>((max_tokens_ - 1) * engine_.metadata.num_code_groups));
  talker_->reset(max_tokens_);
  code_predictor_->set_sampling(options_.subtalker);
  leading_silence_ = LeadingSilence(engine_.metadata.sample_rate);
  if (Status status = read_prompt(*planned, request);
      !status.ok() || planned->num_context_frames == 0 || options_.codes_only) {
    return status;
  }
  return prime_codec(request.voice->codes);
}

/// The talker over the prompt, less what the cache knows of it. The prefix is read by calls of its own, so that what
/// comes of the prompt is the same to the last bit whether it was known or not.
Status Impl::read_prompt(const PromptPlan& plan, const SynthesisRequest& request) {
  const int64_t num_prefix = plan.num_prefix_rows;
  const std::string key = prefix_key(plan, request.voice.has_value() ? &*request.voice : nullptr);
  const auto known = engine_.prefix_cache.find(key);
  stats_.cached_rows = known == nullptr ? 0 : num_prefix;
  auto prompt = build_prompt(plan, stats_.cached_rows, request, engine_.metadata, embedding_);
  if (!prompt.ok()) {
    return prompt.error();
  }
  prompt_ = std::move(*prompt);
  stats_.prompt_ms = elapsed_ms(start_time_) - stats_.load_ms;
  const ScopedTimer timer(stats_.prefill_ms);
  if (known != nullptr) {
    talker_->set_state(*known, num_prefix);
    return talker_->read(prompt_.rows.data(), prompt_.num_rows);
  }
  if (Status status = talker_->read(prompt_.rows.data(), num_prefix); !status.ok()) {
    return status;
  }
  if (engine_.prefix_cache.has_room_for(key, talker_->state_bytes(num_prefix))) {
    engine_.prefix_cache.keep(key, talker_->state());
  }
  return talker_->read(prompt_.rows.data() + num_prefix * engine_.metadata.hidden_size, prompt_.num_rows - num_prefix);
}

/// Brings the codec decoder to where it is after the voice's recording.
Status Impl::prime_codec(const std::vector<int64_t>& codes) {
  const ScopedTimer timer(stats_.decode_ms);
  const std::string key = codes_key(codes);
  if (const auto known = engine_.prefix_cache.find(key); known != nullptr) {
    stats_.cached_frames = static_cast<int64_t>(codes.size()) / engine_.metadata.num_code_groups;
    codec_decoder_->set_state(*known, stats_.cached_frames);
    return {};
  }
  Status status = codec_decoder_->prime(codes);
  if (status.ok() && engine_.prefix_cache.has_room_for(key, codec_decoder_->state_bytes())) {
    engine_.prefix_cache.keep(key, codec_decoder_->state());
  }
  return status;
}

Result<PromptPlan> Impl::plan(const SynthesisRequest& request, TextLayout text_layout) const {
  const auto text = tokenize_request(request, engine_.tokenizer);
  if (!text.ok()) {
    return text.error();
  }
  auto plan = plan_prompt(*text, request, text_layout, engine_.metadata);
  if (!plan.ok()) {
    return plan.error();
  }
  if (Status status = check_capacity(*plan); !status.ok()) {
    return status.error();
  }
  return plan;
}

Status Impl::check_capacity(const PromptPlan& plan) const {
  // Trailing text rows take a position each, together with the frames they are added to.
  const auto num_rows = static_cast<int64_t>(plan.rows.size() + plan.trailing_ids.size());
  if (num_rows < engine_.metadata.max_seq_len) {
    return {};
  }
  return Error{ErrorCode::kInvalidArgument, "the text makes " + std::to_string(num_rows) +
                                                " rows, which leaves no room to speak: the model holds " +
                                                std::to_string(engine_.metadata.max_seq_len) +
                                                "; shorten the text, or export with a larger --max-seq-len"};
}

Status Impl::check(const SynthesisRequest& request, const SynthesisOptions& options) const {
  const auto resolved = resolve_options(options, engine_.metadata);
  if (!resolved.ok()) {
    return resolved.error();
  }
  const auto planned = plan(request, resolved->text_layout);
  return planned.ok() ? Status() : planned.error();
}

}  // namespace qwen3_tts
