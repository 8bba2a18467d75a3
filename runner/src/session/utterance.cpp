#include "session/utterance.h"

#include <algorithm>
#include <utility>

namespace qwen3_tts {

Utterance::Utterance(UtterancePlan plan, const ResolvedOptions& options, const ModelMetadata& metadata)
    : plan_(std::move(plan)), options_(options), metadata_(&metadata) {
  begin_pause(plan_.pieces.empty() ? 0 : plan_.pieces.front().pause_before);
}

PromptPlan Utterance::begin_piece() {
  const bool is_first = next_piece_ == 0;
  const std::vector<int64_t>& text_ids = plan_.pieces[next_piece_++].text_ids;
  is_between_pieces_ = false;
  PromptPlan prompt = plan_prompt(plan_.request, text_ids, options_.text_layout, *metadata_);
  limit_ = piece_limit(prompt, static_cast<int64_t>(text_ids.size()));
  num_piece_tokens_ = 0;
  if (is_first) {  // Later on they grow as they need.
    tokens_.reserve(static_cast<size_t>(limit_.num_tokens));
    codes_.reserve(static_cast<size_t>((limit_.num_tokens - 1) * metadata_->num_code_groups));
  }
  return prompt;
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
  if (reason != FinishReason::kEos) {
    ++num_cut_pieces_;
    end_reason_ = end_reason_ == FinishReason::kEos ? reason : end_reason_;
  }
  const bool is_last = next_piece_ == plan_.pieces.size();
  const bool is_full = options_.limits_utterance && num_frames_ + 1 >= options_.max_new_tokens;
  if (!is_last && !is_full) {
    is_between_pieces_ = true;
    begin_pause(plan_.pieces[next_piece_].pause_before);
    return Next::kPiece;
  }
  finish(is_last && reason != FinishReason::kMaxNewTokens ? end_reason_ : FinishReason::kMaxNewTokens);
  begin_pause(is_last ? plan_.final_pause : 0);
  return Next::kEnd;
}

/// Without samples there is no silence.
void Utterance::begin_pause(int64_t num_samples) { pause_samples_ = options_.codes_only ? 0 : num_samples; }

int64_t Utterance::take_pause(int64_t most) {
  const int64_t taken = std::min(most, pause_samples_);
  pause_samples_ -= taken;
  return taken;
}

void Utterance::drop_after(int64_t num_frames, size_t num_tokens) {
  num_frames_ = num_frames;
  codes_.resize(static_cast<size_t>(num_frames * metadata_->num_code_groups));
  tokens_.resize(num_tokens);
}

void Utterance::finish(FinishReason reason) {
  has_ended_ = true;
  finish_reason_ = reason;
  pause_samples_ = 0;
}

}  // namespace qwen3_tts
