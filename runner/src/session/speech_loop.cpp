#include "session/speech_loop.h"

#include <algorithm>
#include <utility>

#include "base/sampler.h"
#include "base/scoped_timer.h"
#include "base/try.h"

namespace qwen3_tts {
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

Result<std::unique_ptr<SpeechLoop>> SpeechLoop::create(const Parts& parts) {
  ASSIGN_OR_RETURN(auto stream, parts.frames.create_stream());
  ASSIGN_OR_RETURN(auto decoder_state, parts.decoder.create_state());
  return std::unique_ptr<SpeechLoop>(new SpeechLoop(parts, std::move(stream), std::move(decoder_state)));
}

SpeechLoop::SpeechLoop(const Parts& parts, std::unique_ptr<FrameStream> stream, DecoderState decoder_state)
    : parts_(parts),
      stream_(std::move(stream)),
      streams_{stream_.get()},
      decoder_state_(std::move(decoder_state)),
      decode_worker_(parts.decoder, decoder_state_),
      utterance_({}, {}, parts.metadata) {}

Status SpeechLoop::clear() {
  stats_ = {};
  utterance_ = Utterance({}, {}, parts_.metadata);
  is_finished_ = false;
  decoded_frames_ = 0;
  decoded_tokens_ = 0;
  return decoder_state_.clear();
}

Result<AudioChunk> SpeechLoop::next() {
  const ResolvedOptions& options = utterance_.options();
  const int64_t first_frame = decoded_frames_;
  samples_.clear();
  if (is_stopped_) {  // Who stops an utterance has not heard the frames ahead, and does not wait for them.
    utterance_.drop_after(decoded_frames_, decoded_tokens_);
    utterance_.finish(FinishReason::kStopped);
  }
  while (!is_finished_ && samples_.empty() && !needs_text()) {
    RETURN_IF_ERROR(make_samples(stats_.samples == 0 ? options.first_chunk_frames : options.chunk_frames));
    is_finished_ = utterance_.has_ended() && is_all_heard();
  }
  stats_.samples += static_cast<int64_t>(samples_.size());
  return AudioChunk{samples_.data(), static_cast<int64_t>(samples_.size()), parts_.metadata.sample_rate,
                    first_frame,     decoded_frames_ - first_frame,         is_finished_,
                    needs_text()};
}

/// Codes without samples are heard when they are made.
bool SpeechLoop::is_all_heard() const {
  return utterance_.options().codes_only ||
         (decoded_frames_ == utterance_.num_frames() && utterance_.pause_samples() == 0);
}

/// Of `num_frames` frames at most: silence where a pause is next, else speech that ends before the next one.
Status SpeechLoop::make_samples(int64_t num_frames) {
  if (decoded_frames_ == utterance_.num_frames() && utterance_.pause_samples() > 0) {
    make_silence(std::min(num_frames, parts_.metadata.max_decode_frames));
    return {};
  }
  RETURN_IF_ERROR(make_speech(num_frames));
  if (utterance_.options().trim_silence) {
    leading_silence_.trim(samples_);
  }
  return {};
}

/// What was said before it was heard: a stop no longer takes it back.
void SpeechLoop::make_silence(int64_t num_frames) {
  samples_.assign(static_cast<size_t>(utterance_.take_pause(num_frames * parts_.metadata.samples_per_frame)), 0.0F);
  stats_.pause_samples += static_cast<int64_t>(samples_.size());
  decoded_tokens_ = utterance_.tokens().size();
}

Status SpeechLoop::make_speech(int64_t num_frames) {
  Status made = make_frames(utterance_.options().codes_only ? utterance_.num_frames() : decoded_frames_, num_frames);
  Status decoded = wait_for_samples();  // The decoder writes to samples_, whatever happened beside it.
  note_progress();
  return made.ok() ? decoded : made;
}

/// Makes frames until there are `count` from `first` on, and starts to decode them, max_decode_frames at a time. While
/// the last ones are being decoded, makes some of the next frames: as many as one call decodes or one delivery holds.
Status SpeechLoop::make_frames(int64_t first, int64_t count) {
  const int64_t most = parts_.metadata.max_decode_frames;
  while (makes_frames() && utterance_.num_frames() - first < count) {
    if (utterance_.num_frames() - decoded_frames_ == most) {
      RETURN_IF_ERROR(decode_pending());
    }
    RETURN_IF_ERROR(make_frame());
  }
  RETURN_IF_ERROR(decode_pending());
  const int64_t most_ahead = std::min(most, utterance_.options().chunk_frames);
  while (makes_frames() && utterance_.num_frames() - decoded_frames_ < most_ahead && decode_worker_.is_busy()) {
    RETURN_IF_ERROR(make_frame());
  }
  return {};
}

/// One frame more, or the end of a piece, or the begin of the next one.
Status SpeechLoop::make_frame() {
  const SamplingTimer sampling_timer(stats_.sampler_ms);
  if (is_stopped_) {
    utterance_.finish(FinishReason::kStopped);
    return {};
  }
  if (utterance_.is_between_pieces()) {
    return begin_piece();
  }
  RETURN_IF_ERROR(draw_token());
  return utterance_.accept_token(stream_->tokens.back()) == Utterance::Next::kFrame ? complete_frame() : Status();
}

Status SpeechLoop::draw_token() {
  const ScopedTimer timer(stats_.talker_ms);
  const OneCore one_core(decode_worker_.is_busy());
  RETURN_IF_ERROR(parts_.frames.draw(streams_));
  return stream_->status;
}

Status SpeechLoop::complete_frame() {
  const ScopedTimer timer(stats_.code_predictor_ms);
  const OneCore one_core(decode_worker_.is_busy());
  RETURN_IF_ERROR(parts_.frames.complete(streams_));
  RETURN_IF_ERROR(stream_->status);
  utterance_.accept_codes(stream_->codes.data(), 1);
  return {};
}

/// Appends the samples of the frames that have none yet, at most max_decode_frames; or begins to, when there are more
/// frames to make meanwhile. Not of the first ones: somebody waits for them, and both threads are faster than one.
Status SpeechLoop::decode_pending() {
  const int64_t count = utterance_.num_frames() - decoded_frames_;
  if (count == 0 || utterance_.options().codes_only) {
    return {};
  }
  RETURN_IF_ERROR(wait_for_samples());
  const ScopedTimer wait_timer(stats_.decode_wait_ms);
  const bool is_beside = parts_.decodes_beside && makes_frames() && decoded_frames_ > 0;
  const size_t size = samples_.size();
  samples_.resize(size + static_cast<size_t>(count * parts_.metadata.samples_per_frame));
  const int64_t num_groups = parts_.metadata.num_code_groups;
  const int64_t* codes = utterance_.codes().data() + decoded_frames_ * num_groups;
  decoded_frames_ = utterance_.num_frames();
  decoded_tokens_ = utterance_.tokens().size();
  if (is_beside) {
    decode_worker_.start({codes, codes + count * num_groups}, count, samples_.data() + size);
    return {};
  }
  const ScopedTimer timer(stats_.decode_ms);
  return parts_.decoder.decode(decoder_state_, codes, count, samples_.data() + size);
}

Status SpeechLoop::wait_for_samples() {
  const ScopedTimer timer(stats_.decode_wait_ms);
  Status status = decode_worker_.wait();
  stats_.decode_ms += decode_worker_.take_decode_ms();
  return status;
}

void SpeechLoop::note_progress() {
  stats_.frames = utterance_.num_frames();
  stats_.cut_pieces = utterance_.num_cut_pieces();
  stats_.finish_reason = utterance_.finish_reason();
}

Status SpeechLoop::decode(const std::vector<int64_t>& codes, const std::function<Status(const AudioChunk&)>& deliver) {
  const ModelMetadata& metadata = parts_.metadata;
  const int64_t total = static_cast<int64_t>(codes.size()) / metadata.num_code_groups;
  while (decoded_frames_ < total && !is_stopped_) {
    const int64_t first = decoded_frames_;
    const int64_t count = std::min(metadata.max_decode_frames, total - first);
    samples_.resize(static_cast<size_t>(count * metadata.samples_per_frame));
    const int64_t* frames = codes.data() + first * metadata.num_code_groups;
    {
      const ScopedTimer timer(stats_.decode_ms);
      const ScopedTimer wait_timer(stats_.decode_wait_ms);
      RETURN_IF_ERROR(parts_.decoder.decode(decoder_state_, frames, count, samples_.data()));
    }
    decoded_frames_ += count;
    utterance_.accept_codes(frames, count);
    note_progress();
    stats_.samples += static_cast<int64_t>(samples_.size());
    RETURN_IF_ERROR(deliver({samples_.data(), static_cast<int64_t>(samples_.size()), metadata.sample_rate, first, count,
                             decoded_frames_ == total, false}));
  }
  is_finished_ = true;
  utterance_.finish(decoded_frames_ == total ? FinishReason::kEos : FinishReason::kStopped);
  note_progress();
  return {};
}

}  // namespace qwen3_tts
