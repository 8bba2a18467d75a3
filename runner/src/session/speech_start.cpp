// What comes before the first frame of a piece: its prompt, and the codec's state after a recording.

#include <algorithm>
#include <utility>

#include "base/scoped_timer.h"
#include "base/try.h"
#include "session/speech_loop.h"

namespace qwen3_tts {

Status SpeechLoop::start(UtterancePlan plan, const ResolvedOptions& options) {
  std::for_each(plan.pieces.begin(), plan.pieces.end(), [&](const Piece& piece) { count(piece); });
  utterance_ = Utterance(std::move(plan), options, parts_.metadata);
  stream_->draw = options.draw;
  stream_->num_drawn = 0;
  leading_silence_ = LeadingSilence(parts_.metadata.sample_rate);
  if (!utterance_.needs_text()) {
    RETURN_IF_ERROR(begin_piece());
  }
  const ResolvedRequest& request = utterance_.plan().request;
  return request.is_in_context && !options.codes_only ? prime_codec(request.voice->codes) : Status();
}

void SpeechLoop::add_pieces(std::vector<Piece> pieces) {
  for (Piece& piece : pieces) {
    count(piece);
    utterance_.add_piece(std::move(piece));
  }
}

void SpeechLoop::count(const Piece& piece) {
  ++stats_.pieces;
  stats_.text_tokens += static_cast<int64_t>(piece.text_ids.size());
}

/// The next piece of the text, from its first row to where its first token can be drawn. The codec decoder knows
/// nothing of pieces: to it, all frames are of one stream.
Status SpeechLoop::begin_piece() {
  const PromptPlan plan = utterance_.begin_piece();
  parts_.frames.begin(*stream_, utterance_.max_tokens());
  return read_prompt(plan);
}

/// The talker over the prompt, less what the cache knows of it. The prefix is read by calls of its own, so that what
/// comes of the prompt is the same to the last bit whether it was known or not.
Status SpeechLoop::read_prompt(const PromptPlan& plan) {
  const int64_t num_prefix = plan.num_prefix_rows;
  const Voice* voice = utterance_.plan().request.voice.get();
  const std::string key = prefix_key(plan, voice, parts_.metadata.num_code_groups);
  const auto known = parts_.prefixes.find(key);
  const int64_t num_known = known == nullptr ? 0 : num_prefix;
  stats_.prompt_rows += static_cast<int64_t>(plan.rows.size());
  stats_.cached_rows += num_known;
  RETURN_IF_ERROR(make_prompt(plan, num_known));
  const ScopedTimer timer(stats_.prefill_ms);
  const Prompt& prompt = stream_->prompt;
  if (known != nullptr) {
    parts_.frames.restore(*stream_, *known, num_prefix);
    return read_rows(prompt.rows.data(), prompt.num_rows);
  }
  RETURN_IF_ERROR(read_rows(prompt.rows.data(), num_prefix));
  // A stop may have come before all of the prefix was read.
  if (!is_stopped_ && parts_.prefixes.has_room_for(key, parts_.frames.snapshot_bytes(*stream_, num_prefix))) {
    parts_.prefixes.keep(key, parts_.frames.snapshot(*stream_));
  }
  return read_rows(prompt.rows.data() + num_prefix * parts_.metadata.hidden_size, prompt.num_rows - num_prefix);
}

/// Until all are read, or somebody stops the utterance, which then draws nothing from them.
Status SpeechLoop::read_rows(const float* rows, int64_t num_rows) {
  const int64_t most = parts_.metadata.max_rows;
  for (int64_t first = 0; first < num_rows && !is_stopped_; first += most) {
    RETURN_IF_ERROR(
        parts_.frames.read(*stream_, rows + first * parts_.metadata.hidden_size, std::min(most, num_rows - first)));
  }
  return {};
}

Status SpeechLoop::make_prompt(const PromptPlan& plan, int64_t num_known) {
  const ScopedTimer timer(stats_.prompt_ms);
  const Voice* voice = utterance_.plan().request.voice.get();
  ASSIGN_OR_RETURN(stream_->prompt, build_prompt(plan, num_known, voice, parts_.metadata, parts_.rows));
  return {};
}

/// Brings the codec decoder to where it is after the voice's recording.
Status SpeechLoop::prime_codec(const std::vector<int64_t>& codes) {
  const ScopedTimer timer(stats_.decode_ms);
  const ScopedTimer wait_timer(stats_.decode_wait_ms);
  const std::string key = codes_key(codes);
  if (const auto known = parts_.prefixes.find(key); known != nullptr) {
    stats_.cached_frames = static_cast<int64_t>(codes.size()) / parts_.metadata.num_code_groups;
    decoder_state_.restore(*known, stats_.cached_frames);
    return {};
  }
  RETURN_IF_ERROR(decode_unheard(codes));
  if (!is_stopped_ && parts_.prefixes.has_room_for(key, decoder_state_.snapshot_bytes())) {
    parts_.prefixes.keep(key, decoder_state_.snapshot());
  }
  return {};
}

/// Until all are decoded, or somebody stops the utterance.
Status SpeechLoop::decode_unheard(const std::vector<int64_t>& codes) {
  const ModelMetadata& metadata = parts_.metadata;
  const int64_t most = metadata.max_decode_frames;
  const int64_t num_frames = static_cast<int64_t>(codes.size()) / metadata.num_code_groups;
  std::vector<float> unheard(static_cast<size_t>(most * metadata.samples_per_frame));
  for (int64_t first = 0; first < num_frames && !is_stopped_; first += most) {
    RETURN_IF_ERROR(parts_.decoder.decode(decoder_state_, codes.data() + first * metadata.num_code_groups,
                                          std::min(most, num_frames - first), unheard.data()));
  }
  return {};
}

}  // namespace qwen3_tts
