#include "session/utterance_plan.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/try.h"
#include "text/prompt_plan.h"
#include "text/text_splitter.h"

namespace qwen3_tts {
namespace {

// Speech takes two to five frames a text token in the ten languages. Numbers, initials and pauses take more.
constexpr int64_t kFramesPerToken = 12;
constexpr int64_t kExtraFrames = 75;
constexpr int64_t kSlowerThanRecording = 3;

// Where the checkpoint does not say what a piece carries well: two or three sentences, eight to twenty seconds; with a
// missed end token less than a minute.
constexpr int64_t kPieceTokens = 56;
// Below that, a small capacity may end a piece before its frame budget does.
constexpr int64_t kFewestPieceTokens = 16;

/// Positions that `num_tokens` text tokens take before or beside speech: trailing text rows take one each, with the
/// frames they are added to.
int64_t num_text_rows(int64_t num_tokens, const ResolvedRequest& request, TextLayout layout,
                      const ModelMetadata& metadata) {
  const std::vector<int64_t> body(static_cast<size_t>(num_tokens));  // Which tokens they are does not matter.
  const PromptPlan plan = plan_prompt(request, body, layout, metadata);
  return static_cast<int64_t>(plan.rows.size() + plan.trailing_ids.size());
}

Status check_capacity(int64_t num_rows, const ResolvedOptions& options, const ModelMetadata& metadata) {
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

/// Most tokens of a piece: its rows and its frame budget fit the capacity.
int64_t piece_tokens(const ResolvedRequest& request, const ResolvedOptions& options, const ModelMetadata& metadata) {
  ResolvedOptions automatic = options;
  automatic.frame_budget.reset();
  const int64_t rows_of_one = num_text_rows(1, request, options.text_layout, metadata);
  int64_t num_tokens = metadata.max_piece_tokens.value_or(kPieceTokens);
  while (num_tokens > kFewestPieceTokens &&
         rows_of_one + num_tokens + frame_budget(num_tokens, request, automatic, metadata) > metadata.max_seq_len) {
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

int64_t frame_budget(int64_t num_tokens, const ResolvedRequest& request, const ResolvedOptions& options,
                     const ModelMetadata& metadata) {
  if (options.frame_budget.has_value()) {
    return *options.frame_budget;
  }
  int64_t frames = kFramesPerToken * num_tokens;
  if (request.is_in_context) {
    const auto num_transcript = static_cast<int64_t>(request.voice->text_ids.size());
    const int64_t num_frames = request.num_context_frames(metadata);
    frames = std::max(frames, kSlowerThanRecording * num_tokens * num_frames / num_transcript);
  }
  return frames + kExtraFrames;
}

Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer) {
  ASSIGN_OR_RETURN(PromptText text, tokenize_request(request, tokenizer));
  UtterancePlan plan;
  ASSIGN_OR_RETURN(plan.request, resolve_request(request, std::move(text.instruct), metadata));
  const int64_t max_tokens = piece_tokens(plan.request, options, metadata);
  if (options.long_text == LongText::kSplit && static_cast<int64_t>(text.body.size()) > max_tokens) {
    // Without what was dropped of it: there may be more of that than can be tokenized.
    ASSIGN_OR_RETURN(const std::string_view spoken, normalize_text(request.text));
    plan.pieces = split(spoken, max_tokens, tokenizer);
  } else {
    plan.pieces.push_back(std::move(text.body));
  }
  size_t longest = 0;
  for (const auto& piece : plan.pieces) {
    longest = std::max(longest, piece.size());
  }
  const int64_t num_rows = num_text_rows(static_cast<int64_t>(longest), plan.request, options.text_layout, metadata);
  RETURN_IF_ERROR(check_capacity(num_rows, options, metadata));
  return plan;
}

}  // namespace qwen3_tts
