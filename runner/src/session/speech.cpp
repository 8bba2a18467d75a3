#include "session/speech.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/catching.h"
#include "base/try.h"

namespace qwen3_tts {

Result<std::unique_ptr<Speech>> Speech::create(const Parts& parts) {
  ASSIGN_OR_RETURN(auto stream, parts.frames.create_stream());
  ASSIGN_OR_RETURN(auto decoder_state, parts.decoder.create_state());
  return std::unique_ptr<Speech>(new Speech(parts, std::move(stream), std::move(decoder_state)));
}

Speech::Speech(const Parts& parts, std::unique_ptr<FrameStream> stream, DecoderState decoder_state)
    : parts_(parts), decoder_state_(std::move(decoder_state)), utterance_({}, {}, parts_.metadata) {
  add_spare(std::move(stream));
}

Speech::~Speech() { drop_pieces(); }

Status Speech::clear() {
  drop_pieces();
  stats_ = {};
  utterance_ = Utterance({}, {}, parts_.metadata);
  is_finished_ = false;
  decoded_frames_ = 0;
  return decoder_state_.clear();
}

Result<AudioChunk> Speech::next() {
  const int64_t first_frame = decoded_frames_;
  samples_.clear();
  if (is_stopped_) {  // Who stops an utterance has not heard the frames ahead, and does not wait for them.
    utterance_.finish(FinishReason::kStopped);
  }
  while (!is_finished_ && samples_.empty() && !needs_text()) {
    Status status = catching([&] { return make_samples(chunk_frames()); });
    if (!status.ok()) {
      drop_pieces();  // Nobody waits for their frames any more.
      return status.error();
    }
    is_finished_ = utterance_.has_ended() && is_all_heard();
  }
  if (stats_.samples == 0) {
    first_heard_ = Clock::now();
  }
  stats_.samples += static_cast<int64_t>(samples_.size());
  if (is_finished_) {
    drop_pieces();
    note_progress();
  }
  return AudioChunk{samples_.data(), static_cast<int64_t>(samples_.size()), parts_.metadata.sample_rate,
                    first_frame,     decoded_frames_ - first_frame,         is_finished_,
                    needs_text()};
}

/// The first sound comes soon. Then no delivery holds more than all before it: they play while it is made.
int64_t Speech::chunk_frames() const {
  const ResolvedOptions& options = utterance_.options();
  if (stats_.samples == 0) {
    return options.first_chunk_frames;
  }
  const int64_t delivered_frames = stats_.samples / parts_.metadata.samples_per_frame;
  return std::min(options.chunk_frames, std::max(options.first_chunk_frames, delivered_frames));
}

/// Codes without samples are heard when they are made.
bool Speech::is_all_heard() const {
  return utterance_.options().codes_only ||
         (decoded_frames_ == utterance_.num_frames() && utterance_.pause_samples() == 0);
}

/// Of `num_frames` frames at most: silence where a pause is next, else speech that ends before the next one.
Status Speech::make_samples(int64_t num_frames) {
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

void Speech::make_silence(int64_t num_frames) {
  samples_.assign(static_cast<size_t>(utterance_.take_pause(num_frames * parts_.metadata.samples_per_frame)), 0.0F);
  stats_.pause_samples += static_cast<int64_t>(samples_.size());
}

Status Speech::make_speech(int64_t num_frames) {
  Status made = catching([&] {
    return make_frames(utterance_.options().codes_only ? utterance_.num_frames() : decoded_frames_, num_frames);
  });
  Status decoded = wait_for_samples();  // The decoder writes to samples_, whatever happened beside it.
  note_progress();
  return made.ok() ? decoded : made;
}

/// Takes frames until there are `count` from `first` on, and starts to decode them, max_decode_frames at a time.
Status Speech::make_frames(int64_t first, int64_t count) {
  const bool is_decoded = !utterance_.options().codes_only;
  while (makes_frames() && utterance_.num_frames() - first < count) {
    int64_t missing = count - (utterance_.num_frames() - first);
    if (is_decoded) {
      const int64_t room = parts_.metadata.max_decode_frames - (utterance_.num_frames() - decoded_frames_);
      missing = std::min(missing, room);
    }
    if (missing == 0) {
      RETURN_IF_ERROR(decode_pending());
    } else if (is_stopped_) {
      utterance_.finish(FinishReason::kStopped);
    } else if (utterance_.is_between_pieces()) {
      RETURN_IF_ERROR(begin_piece());
    } else {
      RETURN_IF_ERROR(make_some(missing));
    }
  }
  return decode_pending();
}

/// At most `count` frames of the piece that is heard. While they are decoded and delivered, some of the next ones may
/// be made: as many as one call decodes or one delivery holds.
Status Speech::make_some(int64_t count) {
  RETURN_IF_ERROR(begin_ahead());
  const int64_t wanted = heard_frames_ + count;
  const int64_t more = std::min(parts_.metadata.max_decode_frames, utterance_.options().chunk_frames);
  parts_.loop.make(*heard_, wanted, wanted + more, [this] { return is_stopped_.load(); });
  take_frames(count);  // Those before an error, too.
  return heard_frames_ < wanted ? parts_.loop.status(*heard_) : Status();
}

/// The pieces that are ahead may be longer than a limit over the whole text leaves room for.
void Speech::take_frames(int64_t count) {
  FrameTimes times;
  const MadeFrames made = parts_.loop.take(*heard_, count, times);
  stats_.talker_ms += times.talker_ms;
  stats_.code_predictor_ms += times.code_predictor_ms;
  stats_.sampler_ms += times.sampler_ms;
  const int64_t* codes = made.codes.data();
  for (const int64_t token : made.tokens) {
    if (utterance_.accept_token(token) != Utterance::Next::kFrame) {
      return;
    }
    utterance_.accept_codes(codes, 1);
    codes += parts_.metadata.num_code_groups;
    ++heard_frames_;
  }
}

/// Turns the frames that have no samples yet into some, at most max_decode_frames; or begins to, beside the frames to
/// come.
Status Speech::decode_pending() {
  const int64_t count = utterance_.num_frames() - decoded_frames_;
  if (count == 0 || utterance_.options().codes_only) {
    return {};
  }
  RETURN_IF_ERROR(wait_for_samples());
  const size_t size = samples_.size();
  samples_.resize(size + static_cast<size_t>(count * parts_.metadata.samples_per_frame));
  const int64_t num_groups = parts_.metadata.num_code_groups;
  const int64_t* codes = utterance_.codes().data() + decoded_frames_ * num_groups;
  const bool is_first = decoded_frames_ == 0;
  const bool is_in_pool = decodes_in_pool();
  decoded_frames_ = utterance_.num_frames();
  if (is_in_pool) {
    decode_job_.state = &decoder_state_;
    decode_job_.codes.assign(codes, codes + count * num_groups);
    decode_job_.num_frames = count;
    decode_job_.samples = samples_.data() + size;
    decode_job_.is_urgent = is_first;
    parts_.pool->start(decode_job_);
    return {};
  }
  const ScopedTimer wait_timer(stats_.decode_wait_ms);
  const ScopedTimer timer(stats_.decode_ms);
  return parts_.decoder.decode(decoder_state_, codes, count, samples_.data() + size);
}

/// Not when nothing else is to be done: somebody waits for the first frames, and all cores are faster than one.
bool Speech::decodes_in_pool() const {
  if (parts_.pool == nullptr) {
    return false;
  }
  return (makes_frames() && decoded_frames_ > 0) || parts_.pool->is_busy() || parts_.loop.has_others(*heard_);
}

Status Speech::wait_for_samples() {
  const Status waited = catching([this]() -> Status {
    const auto turn = decode_job_.is_urgent ? FrameLoop::Turn::kLast : FrameLoop::Turn::kLater;
    stats_.decode_wait_ms += parts_.loop.make_until([this] { return !decode_job_.is_under_way; }, turn);
    return {};
  });
  while (decode_job_.is_under_way) {  // There was no memory to wait with, but the pool writes to what is here.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stats_.decode_ms += std::exchange(decode_job_.decode_ms, 0.0);
  Status decoded = std::exchange(decode_job_.status, Status());
  return waited.ok() ? decoded : waited;
}

void Speech::note_progress() {
  stats_.frames = utterance_.num_frames();
  stats_.cut_pieces = utterance_.num_cut_pieces();
  stats_.finish_reason = utterance_.finish_reason();
}

Status Speech::decode(const std::vector<int64_t>& codes, const std::function<Status(const AudioChunk&)>& deliver) {
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
