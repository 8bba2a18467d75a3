#include "session/utterance_plan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "text/text_splitter.h"

namespace qwen3_tts {
namespace {

// Speech takes two to five frames a text token in the ten languages. Numbers, initials and pauses take more.
constexpr int64_t kFramesPerToken = 12;
constexpr int64_t kExtraFrames = 75;
constexpr int64_t kSlowerThanRecording = 3;

// Two or three sentences, eight to twenty seconds; with a missed end token less than a minute.
constexpr int64_t kPieceTokens = 56;
// Below that, a small capacity may end a piece before its frame budget does.
constexpr int64_t kFewestPieceTokens = 16;

/// Positions that `plan` takes before or beside speech: trailing text rows take one each, with the frames they are
/// added to.
int64_t num_text_rows(const PromptPlan& plan) {
  return static_cast<int64_t>(plan.rows.size() + plan.trailing_ids.size());
}

Status check_capacity(const PromptPlan& plan, const ResolvedOptions& options, const ModelMetadata& metadata) {
  const int64_t num_rows = num_text_rows(plan);
  if (num_rows < metadata.max_seq_len) {
    return {};
  }
  const bool is_split = options.long_text == LongText::kSplit;
  return Error{ErrorCode::kInvalidArgument,
               (is_split ? "a piece of the text makes, with what comes before it, " : "the text makes ") +
                   std::to_string(num_rows) + " rows, which leaves no room to speak: the model holds " +
                   std::to_string(metadata.max_seq_len) +
                   (is_split ? "; shorten the style description or the recording of the voice"
                             : "; shorten the text, have it split (long_text)") +
                   ", or export with a larger --max-seq-len"};
}

/// Most tokens of a piece: its rows and its frame budget fit the capacity. `plan` is of a text of one token.
int64_t piece_tokens(const PromptPlan& plan, const SynthesisRequest& request, const ResolvedOptions& options,
                     const ModelMetadata& metadata) {
  ResolvedOptions automatic = options;
  automatic.frame_budget.reset();
  int64_t num_tokens = kPieceTokens;
  while (num_tokens > kFewestPieceTokens &&
         num_text_rows(plan) + num_tokens + frame_budget(num_tokens, plan, request, automatic) > metadata.max_seq_len) {
    --num_tokens;
  }
  return num_tokens;
}

/// `text`, which the tokenizer takes, piece by piece.
std::vector<std::vector<int64_t>> split(std::string_view text, int64_t max_tokens, const TextTokenizer& tokenizer) {
  // A part of a text that can be tokenized can be tokenized.
  const auto encode = [&](std::string_view part) { return tokenizer.encode(part).value(); };
  std::vector<std::vector<int64_t>> pieces;
  for (const std::string_view piece :
       split_text(text, max_tokens, [&](std::string_view part) { return static_cast<int64_t>(encode(part).size()); })) {
    pieces.push_back(encode(piece));
  }
  return pieces;
}

}  // namespace

int64_t frame_budget(int64_t num_tokens, const PromptPlan& plan, const SynthesisRequest& request,
                     const ResolvedOptions& options) {
  if (options.frame_budget.has_value()) {
    return *options.frame_budget;
  }
  int64_t frames = kFramesPerToken * num_tokens;
  if (plan.num_context_frames > 0) {
    const auto num_transcript = static_cast<int64_t>(request.voice->text_ids.size());
    frames = std::max(frames, kSlowerThanRecording * num_tokens * plan.num_context_frames / num_transcript);
  }
  return frames + kExtraFrames;
}

Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer) {
  auto text = tokenize_request(request, tokenizer);
  if (!text.ok()) {
    return text.error();
  }
  const auto one_token = plan_prompt({{text->body.front()}, text->instruct}, request, options.text_layout, metadata);
  if (!one_token.ok()) {
    return one_token.error();
  }
  UtterancePlan plan;
  plan.instruct = std::move(text->instruct);
  const int64_t max_tokens = piece_tokens(*one_token, request, options, metadata);
  if (options.long_text == LongText::kSplit && static_cast<int64_t>(text->body.size()) > max_tokens) {
    plan.pieces = split(request.text, max_tokens, tokenizer);
  } else {
    plan.pieces.push_back(std::move(text->body));
  }
  for (const auto& piece : plan.pieces) {
    const auto prompt = plan_prompt({piece, plan.instruct}, request, options.text_layout, metadata);
    if (!prompt.ok()) {
      return prompt.error();
    }
    if (Status status = check_capacity(*prompt, options, metadata); !status.ok()) {
      return status.error();
    }
  }
  return plan;
}

}  // namespace qwen3_tts
