// What comes before the first frame: stages, options, prompt.

#include <algorithm>
#include <string>
#include <utility>

#include "session/synthesis_session_impl.h"

namespace qwen3_tts {

using Impl = SynthesisSession::Impl;

Result<std::unique_ptr<Impl>> Impl::create(Engine::Impl& engine) {
  Program& program = *engine.program;
  const bool keeps_state = engine.speaking.keeps_state;
  std::optional<StateLease> lease;
  if (keeps_state) {
    auto taken = StateLease::take();
    if (!taken.ok()) {
      return taken.error();
    }
    lease.emplace(std::move(*taken));
  }
  std::unique_ptr<Impl> impl(new Impl(engine, std::move(lease)));
  auto talker = Talker::create(program, engine.metadata, keeps_state);
  if (!talker.ok()) {
    return talker.error();
  }
  if (engine.speaking.frames == Speaking::Frames::kOneCall) {
    impl->frame_step_ = FrameStep::create(program, engine.metadata);
  } else {
    const bool is_fused = engine.speaking.frames == Speaking::Frames::kFused;
    auto code_predictor = CodePredictor::create(program, impl->embedding_, engine.metadata, is_fused, keeps_state);
    if (!code_predictor.ok()) {
      return code_predictor.error();
    }
    impl->code_predictor_ = std::move(*code_predictor);
  }
  auto codec_decoder = CodecDecoder::create(engine.codec(), engine.metadata, keeps_state);
  if (!codec_decoder.ok()) {
    return codec_decoder.error();
  }
  impl->talker_ = std::move(*talker);
  impl->codec_decoder_ = std::move(*codec_decoder);
  impl->decode_worker_ = std::make_unique<DecodeWorker>(*impl->codec_decoder_);
  return impl;
}

Status Impl::begin() {
  start_time_ = Clock::now();
  stats_ = {};
  is_stopped_ = false;
  state_ = State::kIdle;
  next_piece_ = 0;
  end_reason_ = FinishReason::kEos;
  num_frames_ = 0;
  decoded_frames_ = 0;
  decoded_tokens_ = 0;
  has_ended_ = false;
  tokens_.clear();
  codes_.clear();
  return codec_decoder_->reset();
}

/// What no earlier request needed. Counts for itself, so that the times of the stages are those of a loaded model.
Status Impl::load_methods(Task task) {
  const ScopedTimer timer(stats_.load_ms);
  Status status = engine_.preload(task);
  return status.ok() && lease_ ? engine_.warm_up() : status;
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
  auto planned = plan_utterance(request, options_, engine_.metadata, engine_.tokenizer);
  if (!planned.ok()) {
    return planned.error();
  }
  if (Status status = load_methods(options_.codes_only ? Task::kCodes : Task::kSpeech); !status.ok()) {
    return status;
  }
  plan_ = std::move(*planned);
  request_ = request;
  request_.text.clear();
  stats_.pieces = static_cast<int64_t>(plan_.pieces.size());
  for (const auto& piece : plan_.pieces) {
    stats_.text_tokens += static_cast<int64_t>(piece.size());
  }
  if (code_predictor_ != nullptr) {
    code_predictor_->set_sampling(options_.draw.subtalker);
  }
  leading_silence_ = LeadingSilence(engine_.metadata.sample_rate);
  stats_.prompt_ms = elapsed_ms(start_time_) - stats_.load_ms;
  return begin_piece();
}

/// The next piece of the text, from its first row to where its first token can be drawn. The codec decoder knows
/// nothing of pieces: to it, all frames are of one stream.
Status Impl::begin_piece() {
  const bool is_first = next_piece_ == 0;
  const std::vector<int64_t>& text_ids = plan_.pieces[next_piece_++];
  const auto plan = plan_prompt({text_ids, plan_.instruct}, request_, options_.text_layout, engine_.metadata);
  if (!plan.ok()) {
    return plan.error();
  }
  limit_ = piece_limit(*plan, static_cast<int64_t>(text_ids.size()));
  talker_->reset(limit_.num_tokens);
  if (frame_step_ != nullptr) {
    frame_step_->reset(options_.draw);
  }
  if (is_first) {  // Later on they grow as they need.
    tokens_.reserve(static_cast<size_t>(limit_.num_tokens));
    codes_.reserve(static_cast<size_t>((limit_.num_tokens - 1) * engine_.metadata.num_code_groups));
  }
  if (Status status = read_prompt(*plan); !status.ok()) {
    return status;
  }
  const bool has_context = is_first && plan->num_context_frames > 0 && !options_.codes_only;
  return has_context ? prime_codec(request_.voice->codes) : Status();
}

/// The token after the last frame is drawn, and becomes none.
Impl::PieceLimit Impl::piece_limit(const PromptPlan& plan, int64_t num_text_tokens) const {
  const int64_t frames_before = options_.limits_utterance ? num_frames_ : 0;
  PieceLimit limit{options_.max_new_tokens - frames_before, FinishReason::kMaxNewTokens};
  const int64_t budget = frame_budget(num_text_tokens, plan, request_, options_);
  if (budget > 0 && budget < limit.num_tokens - 1) {
    limit = {budget + 1, FinishReason::kFrameBudget};
  }
  const int64_t capacity = engine_.metadata.max_seq_len - static_cast<int64_t>(plan.rows.size());
  if (capacity < limit.num_tokens) {
    limit = {capacity, FinishReason::kCapacity};
  }
  return limit;
}

/// The talker over the prompt, less what the cache knows of it. The prefix is read by calls of its own, so that what
/// comes of the prompt is the same to the last bit whether it was known or not.
Status Impl::read_prompt(const PromptPlan& plan) {
  const int64_t num_prefix = plan.num_prefix_rows;
  const std::string key = prefix_key(plan, request_.voice.has_value() ? &*request_.voice : nullptr);
  const auto known = engine_.prefix_cache.find(key);
  const int64_t num_known = known == nullptr ? 0 : num_prefix;
  stats_.prompt_rows += static_cast<int64_t>(plan.rows.size());
  stats_.cached_rows += num_known;
  if (Status status = make_prompt(plan, num_known); !status.ok()) {
    return status;
  }
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

Status Impl::make_prompt(const PromptPlan& plan, int64_t num_known) {
  const ScopedTimer timer(stats_.prompt_ms);
  auto prompt = build_prompt(plan, num_known, request_, engine_.metadata, embedding_);
  if (!prompt.ok()) {
    return prompt.error();
  }
  prompt_ = std::move(*prompt);
  return {};
}

/// Brings the codec decoder to where it is after the voice's recording.
Status Impl::prime_codec(const std::vector<int64_t>& codes) {
  const ScopedTimer timer(stats_.decode_ms);
  const ScopedTimer wait_timer(stats_.decode_wait_ms);
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

Status Impl::check(const SynthesisRequest& request, const SynthesisOptions& options) const {
  const auto resolved = resolve_options(options, engine_.metadata);
  if (!resolved.ok()) {
    return resolved.error();
  }
  const auto planned = plan_utterance(request, *resolved, engine_.metadata, engine_.tokenizer);
  return planned.ok() ? Status() : planned.error();
}

}  // namespace qwen3_tts
