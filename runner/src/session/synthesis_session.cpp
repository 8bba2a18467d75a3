#include <qwen3_tts/synthesis_session.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/codes.h"
#include "base/philox.h"
#include "session/synthesis_session_impl.h"

namespace qwen3_tts {

using Impl = SynthesisSession::Impl;

namespace {

/// Adds the time that sampling takes as long as it lives.
class SamplingTimer {
 public:
  explicit SamplingTimer(double& total) : total_(total) {}
  SamplingTimer(const SamplingTimer&) = delete;
  SamplingTimer& operator=(const SamplingTimer&) = delete;
  ~SamplingTimer() { total_ += sampling_ms() - before_; }

 private:
  double& total_;
  double before_ = sampling_ms();
};

}  // namespace

const char* to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kMaxNewTokens:
      return "max_new_tokens";
    case FinishReason::kFrameBudget:
      return "frame_budget";
    case FinishReason::kCapacity:
      return "capacity";
    case FinishReason::kStopped:
      return "stopped";
  }
  return "unknown";
}

// ---------------------------------------------------------------------------------------------------------------------
// The loop

Result<AudioChunk> Impl::make_chunk() {
  const int64_t first_frame = decoded_frames_;
  const int64_t wanted = first_frame == 0 ? options_.first_chunk_frames : options_.chunk_frames;
  samples_.clear();
  if (is_stopped_) {
    drop_frames_ahead();
  }
  while (state_ == State::kRunning && samples_.empty()) {
    if (Status status = make_frames(wanted); !status.ok()) {
      return status.error();
    }
    if (options_.trim_silence) {
      leading_silence_.trim(samples_);
    }
    if (has_ended_ && (decoded_frames_ == num_frames_ || options_.codes_only)) {
      state_ = State::kFinished;
    }
  }
  stats_.samples += static_cast<int64_t>(samples_.size());
  return AudioChunk{samples_.data(), static_cast<int64_t>(samples_.size()), engine_.metadata.sample_rate,
                    first_frame,     decoded_frames_ - first_frame,         state_ == State::kFinished};
}

/// Who stops an utterance has not heard them, and does not wait for them.
void Impl::drop_frames_ahead() {
  num_frames_ = decoded_frames_;
  stats_.frames = num_frames_;
  codes_.resize(static_cast<size_t>(num_frames_ * engine_.metadata.num_code_groups));
  tokens_.resize(decoded_tokens_);
  finish(FinishReason::kStopped);
}

/// The samples of `count` frames more; fewer at the end of the utterance.
Status Impl::make_frames(int64_t count) {
  Status status = make_frames_beside(options_.codes_only ? num_frames_ : decoded_frames_, count);
  Status waited = wait_for_samples();  // The decoder writes to samples_, whatever happened beside it.
  return status.ok() ? waited : status;
}

/// Makes frames until there are `count` from `first` on, and starts to decode them, max_decode_frames at a time. While
/// the last ones are being decoded, makes some of the next frames: as many as one call decodes or one delivery holds.
Status Impl::make_frames_beside(int64_t first, int64_t count) {
  const int64_t most = engine_.metadata.max_decode_frames;
  while (!has_ended_ && num_frames_ - first < count) {
    Status status = num_frames_ - decoded_frames_ == most ? decode_pending() : Status();
    if (status.ok()) {
      status = make_frame();
    }
    if (!status.ok()) {
      return status;
    }
  }
  if (Status status = decode_pending(); !status.ok()) {
    return status;
  }
  const int64_t most_ahead = std::min(most, options_.chunk_frames);
  while (!has_ended_ && num_frames_ - decoded_frames_ < most_ahead && decode_worker_->is_busy()) {
    if (Status status = make_frame(); !status.ok()) {
      return status;
    }
  }
  return {};
}

/// One frame more, or the end of a piece.
Status Impl::make_frame() {
  const SamplingTimer sampling_timer(stats_.sampler_ms);
  if (is_stopped_) {
    finish(FinishReason::kStopped);
    return {};
  }
  const auto token = next_token();
  if (!token.ok()) {
    return token.error();
  }
  tokens_.push_back(*token);
  // The last token of a piece never becomes a frame.
  if (*token == engine_.metadata.codec_eos_id) {
    return end_piece(FinishReason::kEos);
  }
  if (static_cast<int64_t>(talker_->tokens().size()) == limit_.num_tokens) {
    return end_piece(limit_.reason);
  }
  const auto codes = complete_frame(*token);
  if (!codes.ok()) {
    return codes.error();
  }
  codes_.insert(codes_.end(), (*codes)->begin(), (*codes)->end());
  stats_.frames = ++num_frames_;
  return {};
}

/// Draws with the random numbers of as many tokens as there were in the utterance: no two pieces share any.
Result<int64_t> Impl::next_token() {
  const ScopedTimer timer(stats_.talker_ms);
  const OneCore one_core(decode_worker_->is_busy());
  const auto num_piece_frames = static_cast<int64_t>(talker_->tokens().size());
  if (frame_step_ != nullptr) {
    const auto token = frame_step_->run(prompt_.text_row(num_piece_frames), talker_->position(), num_piece_frames,
                                        static_cast<uint64_t>(tokens_.size()));
    if (token.ok()) {
      talker_->accept(*token);
    }
    return token;
  }
  if (num_piece_frames > 0) {
    Status status = talker_->step(code_predictor_->frame_embedding(), prompt_.text_row(num_piece_frames - 1));
    if (!status.ok()) {
      return status.error();
    }
  }
  return talker_->sample(options_.draw.talker, options_.draw.repetition_penalty, options_.draw.min_new_tokens,
                         uniform(options_.draw.seed, tokens_.size(), 0));
}

Result<const std::vector<int64_t>*> Impl::complete_frame(int64_t token) {
  if (frame_step_ != nullptr) {
    return &frame_step_->codes();
  }
  const ScopedTimer timer(stats_.code_predictor_ms);
  const OneCore one_core(decode_worker_->is_busy());
  const auto frame = static_cast<int64_t>(tokens_.size()) - 1;
  if (Status status = code_predictor_->predict(talker_->hidden(), token, options_.draw.seed, frame); !status.ok()) {
    return status.error();
  }
  return &code_predictor_->codes();
}

/// Goes on with the next piece, if there is one.
Status Impl::end_piece(FinishReason reason) {
  if (reason != FinishReason::kEos) {
    ++stats_.cut_pieces;
    end_reason_ = end_reason_ == FinishReason::kEos ? reason : end_reason_;
  }
  const bool is_last = next_piece_ == plan_.pieces.size();
  const bool is_full = options_.limits_utterance && num_frames_ + 1 >= options_.max_new_tokens;
  if (!is_last && !is_full) {
    return begin_piece();
  }
  finish(is_last && reason != FinishReason::kMaxNewTokens ? end_reason_ : FinishReason::kMaxNewTokens);
  return {};
}

/// Appends the samples of the frames that have none yet, at most max_decode_frames; or begins to, when there are more
/// frames to make meanwhile. Not of the first ones: somebody waits for them, and both threads are faster than one.
Status Impl::decode_pending() {
  const int64_t count = num_frames_ - decoded_frames_;
  if (count == 0 || options_.codes_only) {
    return {};
  }
  if (Status status = wait_for_samples(); !status.ok()) {
    return status;
  }
  const ScopedTimer wait_timer(stats_.decode_wait_ms);
  const bool is_beside = engine_.is_pipelined() && !has_ended_ && decoded_frames_ > 0;
  const size_t size = samples_.size();
  samples_.resize(size + static_cast<size_t>(count * engine_.metadata.samples_per_frame));
  const int64_t* codes = codes_.data() + decoded_frames_ * engine_.metadata.num_code_groups;
  decoded_frames_ = num_frames_;
  decoded_tokens_ = tokens_.size();
  if (is_beside) {
    decode_worker_->start({codes, codes + count * engine_.metadata.num_code_groups}, count, samples_.data() + size);
    return {};
  }
  const ScopedTimer timer(stats_.decode_ms);
  return codec_decoder_->decode(codes, count, samples_.data() + size);
}

Status Impl::wait_for_samples() {
  const ScopedTimer timer(stats_.decode_wait_ms);
  Status status = decode_worker_->wait();
  stats_.decode_ms += decode_worker_->take_decode_ms();
  return status;
}

void Impl::finish(FinishReason reason) {
  has_ended_ = true;
  stats_.finish_reason = reason;
}

// ---------------------------------------------------------------------------------------------------------------------
// Public calls: state, timing, sinks

Status Impl::require_not_poisoned() const {
  if (state_ == State::kPoisoned) {
    return Error{ErrorCode::kInvalidState, "the session had an error; call reset() before using it again"};
  }
  return {};
}

Status Impl::start(const SynthesisRequest& request, const SynthesisOptions& options) {
  if (Status status = require_not_poisoned(); !status.ok()) {
    return status;
  }
  Status status = poison_on_error(prepare(request, options));
  if (status.ok()) {
    state_ = State::kRunning;
  }
  return status;
}

Result<AudioChunk> Impl::next() {
  if (Status status = require_not_poisoned(); !status.ok()) {
    return status.error();
  }
  if (state_ != State::kRunning) {
    return Error{ErrorCode::kInvalidState, "there is no utterance to continue; call start()"};
  }
  auto chunk = poison_on_error(make_chunk());
  if (chunk.ok()) {
    stats_.total_ms = elapsed_ms(start_time_);
    if (chunk->first_frame == 0 && chunk->num_samples > 0) {
      stats_.ttfa_ms = stats_.total_ms;
    }
  }
  return chunk;
}

Result<SynthesisStats> Impl::synthesize(const SynthesisRequest& request, const SynthesisOptions& options,
                                        AudioSink& sink) {
  if (Status status = start(request, options); !status.ok()) {
    return status.error();
  }
  bool is_last = false;
  while (!is_last) {
    const auto chunk = next();
    if (!chunk.ok()) {
      return chunk.error();
    }
    if (Status status = poison_on_error(write(*chunk, sink)); !status.ok()) {
      return status.error();
    }
    is_last = chunk->is_last;
  }
  if (Status status = poison_on_error(sink.close()); !status.ok()) {
    return status.error();
  }
  return stats_;
}

Status Impl::write(const AudioChunk& chunk, AudioSink& sink) {
  if (chunk.num_samples == 0) {
    return {};
  }
  Status status;
  {
    const ScopedTimer timer(stats_.sink_ms);
    status = sink.write(chunk.samples, chunk.num_samples);
  }
  stats_.total_ms = elapsed_ms(start_time_);
  if (chunk.first_frame == 0) {
    stats_.ttfa_ms = stats_.total_ms;
  }
  return status;
}

Status Impl::decode(const std::vector<int64_t>& codes, AudioSink& sink) {
  if (Status status = require_not_poisoned(); !status.ok()) {
    return status;
  }
  return poison_on_error(decode_into(codes, sink));
}

Status Impl::decode_into(std::vector<int64_t> codes, AudioSink& sink) {
  const ModelMetadata& metadata = engine_.metadata;
  if (Status status = check_codes(codes, metadata, "codes"); !status.ok()) {
    return status;
  }
  if (Status status = begin(); !status.ok()) {
    return status;
  }
  if (Status status = load_methods(Task::kDecoding); !status.ok()) {
    return status;
  }
  options_.codes_only = false;
  has_ended_ = true;  // No frames are made, so nothing runs beside the decoder.
  codes_ = std::move(codes);
  const int64_t total = static_cast<int64_t>(codes_.size()) / metadata.num_code_groups;
  while (num_frames_ < total && !is_stopped_) {
    const int64_t first_frame = num_frames_;
    num_frames_ += std::min(metadata.max_decode_frames, total - num_frames_);
    stats_.frames = num_frames_;
    samples_.clear();
    if (Status status = decode_pending(); !status.ok()) {
      return status;
    }
    stats_.samples += static_cast<int64_t>(samples_.size());
    const AudioChunk chunk{samples_.data(),           static_cast<int64_t>(samples_.size()),
                           metadata.sample_rate,      first_frame,
                           num_frames_ - first_frame, num_frames_ == total};
    if (Status status = write(chunk, sink); !status.ok()) {
      return status;
    }
  }
  codes_.resize(static_cast<size_t>(num_frames_ * metadata.num_code_groups));
  state_ = State::kFinished;
  finish(num_frames_ == total ? FinishReason::kEos : FinishReason::kStopped);
  return sink.close();
}

void Impl::reset() {
  state_ = State::kIdle;
  is_stopped_ = false;
}

// ---------------------------------------------------------------------------------------------------------------------
// The public face

Result<std::unique_ptr<SynthesisSession>> Engine::create_session() {
  auto impl = SynthesisSession::Impl::create(*impl_);
  if (!impl.ok()) {
    return impl.error();
  }
  return std::unique_ptr<SynthesisSession>(new SynthesisSession(std::move(*impl)));
}

SynthesisSession::SynthesisSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SynthesisSession::~SynthesisSession() = default;

Status SynthesisSession::check(const SynthesisRequest& request, const SynthesisOptions& options) const {
  return impl_->check(request, options);
}

Status SynthesisSession::start(const SynthesisRequest& request, const SynthesisOptions& options) {
  return impl_->start(request, options);
}

Result<AudioChunk> SynthesisSession::next() { return impl_->next(); }

Result<SynthesisStats> SynthesisSession::synthesize(const SynthesisRequest& request, const SynthesisOptions& options,
                                                    AudioSink& sink) {
  return impl_->synthesize(request, options, sink);
}

Status SynthesisSession::decode(const std::vector<int64_t>& codes, AudioSink& sink) {
  return impl_->decode(codes, sink);
}

void SynthesisSession::stop() { impl_->stop(); }

void SynthesisSession::reset() { impl_->reset(); }

const std::vector<int64_t>& SynthesisSession::codes() const { return impl_->codes(); }

const std::vector<int64_t>& SynthesisSession::talker_tokens() const { return impl_->talker_tokens(); }

const SynthesisStats& SynthesisSession::stats() const { return impl_->stats(); }

}  // namespace qwen3_tts
