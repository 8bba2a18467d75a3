#include <qwen3_tts/synthesis_session.h>

#include <utility>

#include "base/codes.h"
#include "base/try.h"
#include "session/synthesis_session_impl.h"
#include "session/utterance_plan.h"
#include "stages/codec_decoder.h"

namespace qwen3_tts {

using Impl = SynthesisSession::Impl;

// ---------------------------------------------------------------------------------------------------------------------
// Stages

Result<std::unique_ptr<Impl>> Impl::create(std::shared_ptr<Engine::Impl> engine) {
  std::optional<Int4Lease> lease;
  if (engine->needs_int4_lease) {
    ASSIGN_OR_RETURN(Int4Lease taken, Int4Lease::take(engine.get()));
    lease.emplace(std::move(taken));
  }
  std::unique_ptr<Impl> impl(new Impl(std::move(engine), std::move(lease)));
  Engine::Impl& parts = *impl->engine_;
  impl->decoder_ = std::make_unique<CodecDecoder>(parts.codec(), parts.metadata, parts.codec_slots.get());
  ASSIGN_OR_RETURN(impl->speech_, Speech::create({parts.metadata, impl->embedding_, *parts.frames, *parts.loop,
                                                  *impl->decoder_, parts.decode_pool.get(), parts.prefix_cache}));
  return impl;
}

Impl::Impl(std::shared_ptr<Engine::Impl> engine, std::optional<Int4Lease> lease)
    : engine_(std::move(engine)), lease_(std::move(lease)), embedding_(engine_->rows(), engine_->metadata) {
  ++engine_->num_sessions;
}

Impl::~Impl() {
  speech_.reset();
  lease_.reset();
  --engine_->num_sessions;  // Last: who reads it may make another session.
}

/// What no earlier request needed. Counts for itself, so that the times of the stages are those of a loaded model.
Status Impl::load_methods(Workload workload) {
  const ScopedTimer timer(speech_->stats().load_ms);
  return engine_->make_ready(workload);
}

// ---------------------------------------------------------------------------------------------------------------------
// Order of calls, times, sinks

Status Impl::require_not_poisoned() const {
  if (state_ == State::kPoisoned) {
    return Error{ErrorCode::kInvalidState, "the session had an error; call reset() before using it again"};
  }
  return {};
}

Status Impl::begin() {
  start_time_ = Clock::now();
  state_ = State::kIdle;
  close_text();
  return speech_->clear();
}

Status Impl::start(const SynthesisRequest& request, const SynthesisOptions& options) {
  RETURN_IF_ERROR(require_not_poisoned());
  RETURN_IF_ERROR(poison_on_error(prepare(request, options)));
  state_ = State::kRunning;
  return {};
}

Status Impl::prepare(const SynthesisRequest& request, const SynthesisOptions& options) {
  RETURN_IF_ERROR(begin());
  ASSIGN_OR_RETURN(const ResolvedOptions resolved, resolve_options(options, engine_->metadata));
  ASSIGN_OR_RETURN(UtterancePlan plan, plan_utterance(request, resolved, engine_->metadata, engine_->tokenizer));
  std::unique_ptr<OpenText> text;
  if (plan.is_open) {
    ASSIGN_OR_RETURN(text, OpenText::create(request, plan.request, resolved, engine_->metadata, engine_->tokenizer));
  }
  RETURN_IF_ERROR(load_methods(resolved.codes_only ? Workload::kCodes : Workload::kSpeech));
  speech_->stats().prompt_ms = elapsed_ms(start_time_) - speech_->stats().load_ms;
  RETURN_IF_ERROR(speech_->start(std::move(plan), resolved));
  const std::lock_guard<std::mutex> lock(text_mutex_);
  text_ = std::move(text);
  return {};
}

// ---------------------------------------------------------------------------------------------------------------------
// Text that is still being written

namespace {

Error no_open_text() {
  return {ErrorCode::kInvalidState, "no utterance takes more text; start one with open_text, which has not ended"};
}

}  // namespace

Status Impl::append(std::string_view utf8) {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  return text_ == nullptr ? no_open_text() : text_->append(utf8);
}

Status Impl::finish_text() {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  return text_ == nullptr ? no_open_text() : text_->finish();
}

Status Impl::take_text() {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  if (text_ == nullptr) {
    return {};
  }
  ASSIGN_OR_RETURN(std::vector<Piece> pieces, text_->take());
  speech_->add_pieces(std::move(pieces));
  if (text_->is_finished()) {
    speech_->close_text(text_->final_pause());
  }
  return {};
}

void Impl::close_text() {
  const std::lock_guard<std::mutex> lock(text_mutex_);
  text_.reset();
}

// ---------------------------------------------------------------------------------------------------------------------
// Samples

Result<AudioChunk> Impl::next() {
  RETURN_IF_ERROR(require_not_poisoned());
  if (state_ != State::kRunning) {
    return Error{ErrorCode::kInvalidState, "there is no utterance to continue; call start()"};
  }
  RETURN_IF_ERROR(poison_on_error(take_text()));
  ASSIGN_OR_RETURN(const AudioChunk chunk, poison_on_error(speech_->next()));
  if (speech_->is_finished()) {
    finish();
  }
  SynthesisStats& stats = speech_->stats();
  stats.total_ms = elapsed_ms(start_time_);
  if (is_first(chunk)) {
    stats.ttfa_ms = stats.total_ms;
  }
  return chunk;
}

/// Before it nothing was heard.
bool Impl::is_first(const AudioChunk& chunk) const {
  return chunk.num_samples > 0 && chunk.num_samples == speech_->stats().samples;
}

void Impl::finish() {
  state_ = State::kFinished;
  speech_->forget_stop();
  close_text();
}

Result<SynthesisStats> Impl::synthesize(const SynthesisRequest& request, const SynthesisOptions& options,
                                        AudioSink& sink) {
  RETURN_IF_ERROR(start(request, options));
  if (request.open_text) {
    RETURN_IF_ERROR(poison_on_error(finish_text()));
  }
  while (state_ == State::kRunning) {
    ASSIGN_OR_RETURN(const AudioChunk chunk, next());
    RETURN_IF_ERROR(poison_on_error(write(chunk, sink)));
  }
  RETURN_IF_ERROR(poison_on_error(sink.close()));
  finish();  // A stop() that came while the sink took the last samples was about them, too.
  return stats();
}

Status Impl::write(const AudioChunk& chunk, AudioSink& sink) {
  if (chunk.num_samples == 0) {
    return {};
  }
  SynthesisStats& stats = speech_->stats();
  Status status;
  {
    const ScopedTimer timer(stats.sink_ms);
    status = sink.write(chunk.samples, chunk.num_samples);
  }
  stats.total_ms = elapsed_ms(start_time_);
  if (is_first(chunk)) {
    stats.ttfa_ms = stats.total_ms;
  }
  return status;
}

Status Impl::decode(const std::vector<int64_t>& codes, AudioSink& sink) {
  RETURN_IF_ERROR(require_not_poisoned());
  // They may be this session's own codes(), which are forgotten first.
  const std::vector<int64_t> copy = codes;  // NOLINT(performance-unnecessary-copy-initialization)
  return poison_on_error(decode_into(copy, sink));
}

Status Impl::decode_into(const std::vector<int64_t>& codes, AudioSink& sink) {
  RETURN_IF_ERROR(check_codes(codes, engine_->metadata, "codes"));
  RETURN_IF_ERROR(begin());
  RETURN_IF_ERROR(load_methods(Workload::kDecoding));
  RETURN_IF_ERROR(speech_->decode(codes, [&](const AudioChunk& chunk) { return write(chunk, sink); }));
  RETURN_IF_ERROR(sink.close());
  finish();
  return {};
}

void Impl::reset() {
  state_ = State::kIdle;
  close_text();
  speech_->rest();
  speech_->forget_stop();
}

// ---------------------------------------------------------------------------------------------------------------------
// The public face

Result<std::unique_ptr<SynthesisSession>> Engine::create_session() {
  return catching([&]() -> Result<std::unique_ptr<SynthesisSession>> {
    ASSIGN_OR_RETURN(auto impl, SynthesisSession::Impl::create(impl_));
    return std::unique_ptr<SynthesisSession>(new SynthesisSession(std::move(impl)));
  });
}

SynthesisSession::SynthesisSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SynthesisSession::~SynthesisSession() = default;

Status SynthesisSession::start(const SynthesisRequest& request, const SynthesisOptions& options) {
  return impl_->guarded([&] { return impl_->start(request, options); });
}

Status SynthesisSession::append(std::string_view utf8) {
  return catching([&] { return impl_->append(utf8); });
}

Status SynthesisSession::finish() {
  return catching([&] { return impl_->finish_text(); });
}

Result<AudioChunk> SynthesisSession::next() {
  return impl_->guarded([&] { return impl_->next(); });
}

Result<SynthesisStats> SynthesisSession::synthesize(const SynthesisRequest& request, const SynthesisOptions& options,
                                                    AudioSink& sink) {
  return impl_->guarded([&] { return impl_->synthesize(request, options, sink); });
}

Status SynthesisSession::decode(const std::vector<int64_t>& codes, AudioSink& sink) {
  return impl_->guarded([&] { return impl_->decode(codes, sink); });
}

void SynthesisSession::stop() { impl_->stop(); }

void SynthesisSession::reset() { impl_->reset(); }

const std::vector<int64_t>& SynthesisSession::codes() const { return impl_->utterance().codes(); }

const std::vector<int64_t>& SynthesisSession::talker_tokens() const { return impl_->utterance().tokens(); }

const SynthesisStats& SynthesisSession::stats() const { return impl_->stats(); }

}  // namespace qwen3_tts
