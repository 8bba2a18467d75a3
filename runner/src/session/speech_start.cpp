// What comes before the first frame of a piece: its prompt, and the codec's state after a recording.

#include <algorithm>
#include <utility>

#include "base/scoped_timer.h"
#include "base/try.h"
#include "session/speech.h"

namespace qwen3_tts {
namespace {

// How far what was delivered is before what a listener has heard, for a piece ahead to be begun: its prompt takes time.
constexpr double kLeadMs = 500;

}  // namespace

Status Speech::start(UtterancePlan plan, const ResolvedOptions& options) {
  std::for_each(plan.pieces.begin(), plan.pieces.end(), [&](const Piece& piece) { count(piece); });
  utterance_ = Utterance(std::move(plan), options, parts_.metadata);
  leading_silence_ = LeadingSilence(parts_.metadata.sample_rate);
  if (!utterance_.needs_text()) {
    RETURN_IF_ERROR(begin_piece());
  }
  const ResolvedRequest& request = utterance_.plan().request;
  return request.is_in_context && !options.codes_only ? prime_codec(request.voice->codes) : Status();
}

void Speech::add_pieces(std::vector<Piece> pieces) {
  for (Piece& piece : pieces) {
    count(piece);
    utterance_.add_piece(std::move(piece));
  }
}

void Speech::count(const Piece& piece) {
  ++stats_.pieces;
  stats_.text_tokens += static_cast<int64_t>(piece.text_ids.size());
}

// ---------------------------------------------------------------------------------------------------------------------
// Pieces

/// The next piece of the text, from its first row to where its first token can be drawn, unless it is ahead already.
/// The codec decoder knows nothing of pieces: to it, all frames are of one stream.
Status Speech::begin_piece() {
  if (heard_ != nullptr) {
    parts_.loop.remove(*heard_);
    spare_.push_back(std::exchange(heard_, nullptr));
  }
  const PieceStart start = utterance_.begin_piece();
  heard_frames_ = 0;
  if (!ahead_.empty()) {
    heard_ = ahead_.front();
    ahead_.pop_front();
    parts_.loop.hear(*heard_);
    if (parts_.frames.has_place(*heard_->stream)) {
      leave_spare_places();
    }
    return {};
  }
  heard_ = take_spare();
  return read_piece(*heard_, start, false);
}

/// A session has one place for what is heard, from piece to piece: the one that has it comes first.
SpokenPiece* Speech::take_spare() {
  const auto has_place = [this](const SpokenPiece* piece) { return parts_.frames.has_place(*piece->stream); };
  const auto placed = std::find_if(spare_.rbegin(), spare_.rend(), has_place);
  const auto chosen = placed == spare_.rend() ? spare_.end() - 1 : placed.base() - 1;
  SpokenPiece* piece = *chosen;
  spare_.erase(chosen);
  return piece;
}

void Speech::leave_spare_places() {
  for (SpokenPiece* piece : spare_) {
    parts_.frames.leave_place(*piece->stream);
  }
  parts_.loop.wake();  // Somebody may wait for one.
}

/// Begins one more of the pieces behind the one that is heard, when there is time for it: frames of several pieces cost
/// little more than those of one, but somebody listens to the first.
Status Speech::begin_ahead() {
  if (!wants_piece_ahead()) {
    return {};
  }
  if (spare_.empty()) {
    auto stream = parts_.frames.create_stream();
    if (!stream.ok()) {
      return {};  // No place is left: the pieces are spoken one after the other.
    }
    add_spare(*std::move(stream));
  }
  SpokenPiece* piece = take_spare();
  if (!parts_.frames.take_place(*piece->stream)) {
    spare_.push_back(piece);  // The same.
    return {};
  }
  ahead_.push_back(piece);
  RETURN_IF_ERROR(read_piece(*piece, utterance_.start_of_piece(ahead_.size() - 1), true));
  parts_.loop.allow(*piece, piece->max_tokens);
  return {};
}

bool Speech::wants_piece_ahead() const {
  if (stats_.samples == 0 || static_cast<int64_t>(ahead_.size()) >= utterance_.options().ahead ||
      utterance_.num_pieces_left() <= ahead_.size()) {
    return false;
  }
  const double heard_ms =
      1000.0 * static_cast<double>(stats_.samples) / static_cast<double>(parts_.metadata.sample_rate);
  const double lead_ms = heard_ms - elapsed_ms(first_heard_);
  return lead_ms > kLeadMs || lead_ms < 0;  // Who is late already is not listened to.
}

/// What an utterance took is given back here, and not kept for the next one: at full size a minute of speech has
/// 100 MB of keys and values, and a process may have many sessions that wait.
void Speech::drop_pieces() {
  if (heard_ != nullptr) {
    drop(*std::exchange(heard_, nullptr));
  }
  for (SpokenPiece* piece : ahead_) {
    drop(*piece);
  }
  ahead_.clear();
  for (SpokenPiece* piece : spare_) {  // All there are.
    parts_.frames.rest(*piece->stream);
    piece->stream->prompt = {};
  }
  parts_.loop.wake();  // Somebody may wait for a place.
}

void Speech::drop(SpokenPiece& piece) {
  parts_.loop.remove(piece);
  spare_.push_back(&piece);
}

/// There is always room for all in spare_: giving a piece back takes no memory.
void Speech::add_spare(std::unique_ptr<FrameStream> stream) {
  auto piece = std::make_unique<SpokenPiece>(std::move(stream));
  spare_.reserve(pieces_.size() + 1);
  pieces_.push_back(std::move(piece));
  spare_.push_back(pieces_.back().get());
}

Status Speech::read_piece(SpokenPiece& piece, const PieceStart& start, bool is_ahead) {
  piece.begin(start.max_tokens, is_ahead);
  if (!wait_for_place(piece)) {
    return {};
  }
  piece.stream->draw = utterance_.options().draw;
  parts_.frames.begin(*piece.stream, start.index, start.max_tokens);
  RETURN_IF_ERROR(read_prompt(piece, start.prompt));
  parts_.loop.add(piece);
  return {};
}

/// Where all places are taken, pieces ahead have some of them, as there are no more sessions than places. Their frames
/// are made here, and who has all its frames leaves its place. False when the utterance is stopped meanwhile.
bool Speech::wait_for_place(SpokenPiece& piece) {
  bool has_place = false;
  parts_.loop.make_until([&] {
    has_place = has_place || parts_.frames.take_place(*piece.stream);
    return has_place || is_stopped_;
  });
  return has_place;
}

/// The talker over the prompt, less what the cache knows of it. The prefix is read by calls of its own, so that what
/// comes of the prompt is the same to the last bit whether it was known or not.
Status Speech::read_prompt(SpokenPiece& piece, const PromptPlan& plan) {
  const int64_t num_prefix = plan.num_prefix_rows;
  const Voice* voice = utterance_.plan().request.voice.get();
  const std::string key = prefix_key(plan, voice, parts_.metadata.num_code_groups);
  const auto known = parts_.prefixes.find(key);
  const int64_t num_known = known == nullptr ? 0 : num_prefix;
  stats_.prompt_rows += static_cast<int64_t>(plan.rows.size());
  stats_.cached_rows += num_known;
  RETURN_IF_ERROR(make_prompt(piece, plan, num_known));
  const ScopedTimer timer(stats_.prefill_ms);
  FrameStream& stream = *piece.stream;
  const Prompt& prompt = stream.prompt;
  if (known != nullptr) {
    parts_.frames.restore(stream, *known, num_prefix);
    return read_rows(piece, prompt.rows.data(), prompt.num_rows);
  }
  RETURN_IF_ERROR(read_rows(piece, prompt.rows.data(), num_prefix));
  // A stop may have come before all of the prefix was read.
  if (!is_stopped_ && parts_.prefixes.has_room_for(key, parts_.frames.snapshot_bytes(stream, num_prefix))) {
    parts_.prefixes.keep(key, parts_.frames.snapshot(stream));
  }
  return read_rows(piece, prompt.rows.data() + num_prefix * parts_.metadata.hidden_size, prompt.num_rows - num_prefix);
}

/// Until all are read, or somebody stops the utterance, which then draws nothing from them. In slices while others
/// speak: they have their turn between two calls.
Status Speech::read_rows(SpokenPiece& piece, const float* rows, int64_t num_rows) {
  for (int64_t first = 0; first < num_rows && !is_stopped_;) {
    const int64_t most = parts_.loop.has_others(piece) ? parts_.frames.slice_rows() : parts_.metadata.max_rows;
    const int64_t count = std::min(most, num_rows - first);
    RETURN_IF_ERROR(parts_.frames.read(*piece.stream, rows + first * parts_.metadata.hidden_size, count));
    first += count;
  }
  return {};
}

Status Speech::make_prompt(SpokenPiece& piece, const PromptPlan& plan, int64_t num_known) {
  const ScopedTimer timer(stats_.prompt_ms);
  const Voice* voice = utterance_.plan().request.voice.get();
  ASSIGN_OR_RETURN(piece.stream->prompt, build_prompt(plan, num_known, voice, parts_.metadata, parts_.rows));
  return {};
}

// ---------------------------------------------------------------------------------------------------------------------
// The codec decoder

/// Brings the codec decoder to where it is after the voice's recording.
Status Speech::prime_codec(const std::vector<int64_t>& codes) {
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
Status Speech::decode_unheard(const std::vector<int64_t>& codes) {
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
