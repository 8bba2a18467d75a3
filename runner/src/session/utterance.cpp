#include "session/utterance.h"

#include <algorithm>
#include <utility>

#include "session/piece_room.h"

namespace qwen3_tts {

Utterance::Utterance(UtterancePlan plan, const ResolvedOptions& options, const ModelMetadata& metadata)
    : plan_(std::move(plan)),
      options_(options),
      metadata_(&metadata),
      is_between_pieces_(plan_.is_open || !plan_.pieces.empty()) {
  begin_pause(plan_.pieces.empty() ? 0 : plan_.pieces.front().pause_before);
}

void Utterance::add_piece(Piece piece) {
  const bool is_waited_for = needs_text();
  plan_.pieces.push_back(std::move(piece));
  if (is_waited_for) {
    begin_pause(plan_.pieces.back().pause_before);
  }
}

void Utterance::close_text(int64_t final_pause) {
  plan_.is_open = false;
  plan_.final_pause = final_pause;
  if (needs_text()) {
    end_text();
  }
}

PromptPlan Utterance::prompt_of(const Piece& piece) const {
  return plan_prompt(plan_.request, piece.text_ids, options_.text_layout, *metadata_);
}

PieceStart Utterance::begin_piece() {
  const bool is_first = next_piece_ == 0;
  const auto index = static_cast<uint32_t>(next_piece_);
  const Piece& piece = plan_.pieces[next_piece_++];
  is_between_pieces_ = false;
  PromptPlan prompt = prompt_of(piece);
  limit_ = piece_limit(prompt, static_cast<int64_t>(piece.text_ids.size()));
  num_piece_tokens_ = 0;
  if (is_first) {  // Later on they grow as they need.
    tokens_.reserve(static_cast<size_t>(limit_.num_tokens));
    codes_.reserve(static_cast<size_t>((limit_.num_tokens - 1) * metadata_->num_code_groups));
  }
  return {index, std::move(prompt), limit_.num_tokens};
}

PieceStart Utterance::start_of_piece(size_t index_of_left) const {
  const size_t index = next_piece_ + index_of_left;
  PromptPlan prompt = prompt_of(plan_.pieces[index]);
  const int64_t max_tokens = piece_limit(prompt, static_cast<int64_t>(plan_.pieces[index].text_ids.size())).num_tokens;
  return {static_cast<uint32_t>(index), std::move(prompt), max_tokens};
}

/// The token after the last frame is drawn, and becomes none.
Utterance::PieceLimit Utterance::piece_limit(const PromptPlan& prompt, int64_t num_text_tokens) const {
  const int64_t frames_before = options_.limits_utterance ? num_frames_ : 0;
  PieceLimit limit{options_.max_new_tokens - frames_before, FinishReason::kMaxNewTokens};
  const int64_t budget = frame_budget(num_text_tokens, plan_.request, options_, *metadata_);
  if (budget > 0 && budget < limit.num_tokens - 1) {
    limit = {budget + 1, FinishReason::kFrameBudget};
  }
  const int64_t capacity = metadata_->max_seq_len - static_cast<int64_t>(prompt.rows.size());
  if (capacity < limit.num_tokens) {
    limit = {capacity, FinishReason::kCapacity};
  }
  return limit;
}

Utterance::Next Utterance::accept_token(int64_t token) {
  tokens_.push_back(token);
  ++num_piece_tokens_;
  if (token == metadata_->codec_eos_id) {
    return end_piece(FinishReason::kEos);
  }
  return num_piece_tokens_ == limit_.num_tokens ? end_piece(limit_.reason) : Next::kFrame;
}

void Utterance::accept_codes(const int64_t* codes, int64_t num_frames) {
  codes_.insert(codes_.end(), codes, codes + num_frames * metadata_->num_code_groups);
  num_frames_ += num_frames;
}

Utterance::Next Utterance::end_piece(FinishReason reason) {
  piece_reason_ = reason;
  if (reason != FinishReason::kEos) {
    ++num_cut_pieces_;
    end_reason_ = end_reason_ == FinishReason::kEos ? reason : end_reason_;
  }
  const bool has_next = next_piece_ < plan_.pieces.size();
  const bool is_last = !has_next && !plan_.is_open;
  const bool is_full = options_.limits_utterance && num_frames_ + 1 >= options_.max_new_tokens;
  if (is_last) {
    end_text();
    return Next::kEnd;
  }
  if (is_full) {
    finish(FinishReason::kMaxNewTokens);
    return Next::kEnd;
  }
  is_between_pieces_ = true;
  begin_pause(has_next ? plan_.pieces[next_piece_].pause_before : 0);
  return Next::kPiece;
}

/// All pieces are spoken.
void Utterance::end_text() {
  finish(piece_reason_ == FinishReason::kMaxNewTokens ? piece_reason_ : end_reason_);
  begin_pause(plan_.final_pause);
}

/// Without samples there is no silence.
void Utterance::begin_pause(int64_t num_samples) { pause_samples_ = options_.codes_only ? 0 : num_samples; }

int64_t Utterance::take_pause(int64_t most) {
  const int64_t taken = std::min(most, pause_samples_);
  pause_samples_ -= taken;
  return taken;
}

void Utterance::finish(FinishReason reason) {
  has_ended_ = true;
  is_between_pieces_ = false;
  finish_reason_ = reason;
  pause_samples_ = 0;
}

}  // namespace qwen3_tts
