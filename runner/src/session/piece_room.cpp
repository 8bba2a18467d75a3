#include "session/piece_room.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "text/prompt_plan.h"
#include "text/text_checks.h"

namespace qwen3_tts {
namespace {

// Speech takes two to five frames a text token in the ten languages. Numbers, initials and pauses take more.
constexpr int64_t kFramesPerToken = 12;
constexpr int64_t kExtraFrames = 75;
constexpr int64_t kSlowerThanRecording = 3;

// With fewer tokens, a small capacity may end a piece before its frame budget does.
constexpr int64_t kFewestPieceTokens = 16;

/// Positions that `num_tokens` text tokens take before or beside speech: trailing text rows take one each, with the
/// frames they are added to.
int64_t num_text_rows(int64_t num_tokens, const ResolvedRequest& request, TextLayout layout,
                      const ModelMetadata& metadata) {
  const std::vector<int64_t> body(static_cast<size_t>(num_tokens));  // Which tokens they are does not matter.
  const PromptPlan plan = plan_prompt(request, body, layout, metadata);
  return static_cast<int64_t>(plan.rows.size() + plan.trailing_ids.size());
}

/// What comes before the text and has most rows: "the 3000 of the style description". Empty: nothing was given.
std::string longest_addition(const ResolvedRequest& request, const ModelMetadata& metadata) {
  const auto num_instruct = static_cast<int64_t>(request.instruct.size());
  const int64_t num_frames = request.num_context_frames(metadata);
  if (num_instruct == 0 && num_frames == 0) {
    return "";
  }
  return num_instruct >= num_frames
             ? "the " + std::to_string(num_instruct) + " of the style description"
             : "the " + std::to_string(num_frames) + " of the recording of the voice '" + request.voice->name + "'";
}

}  // namespace

PieceLimits piece_limits(const ResolvedRequest& request, const ResolvedOptions& options,
                         const ModelMetadata& metadata) {
  ResolvedOptions automatic = options;
  automatic.frame_budget.reset();
  const int64_t rows_of_one = num_text_rows(1, request, options.text_layout, metadata);
  int64_t num_tokens = metadata.piece_tokens();
  while (num_tokens > kFewestPieceTokens &&
         rows_of_one + num_tokens + frame_budget(num_tokens, request, automatic, metadata) > metadata.max_seq_len) {
    --num_tokens;
  }
  return {num_tokens, metadata.max_piece_sentences.value_or(PieceLimits::kNone)};
}

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

Status RoomCheck::check(std::string_view piece, std::string_view text, int64_t num_tokens) const {
  const int64_t num_rows = rows(num_tokens);
  if (num_rows < metadata_.max_seq_len) {
    return {};
  }
  const bool is_split = options_.long_text != LongText::kError;
  const int64_t max_tokens = piece_limits(request_, options_, metadata_).max_tokens;
  if (is_split ? num_tokens <= max_tokens + 1 : rows(1) >= metadata_.max_seq_len) {
    return too_long_before(num_rows);
  }
  const std::string makes = " makes " + std::to_string(num_rows) + " rows";
  return is_split ? no_room("a piece of the text, one character that cannot be cut (" + describe_start(piece) +
                                " at byte " + std::to_string(piece.data() - text.data()) + ")," + makes,
                            "shorten it, or ")
                  : no_room("the text" + makes, "shorten the text, have it split (long_text), or ");
}

int64_t RoomCheck::rows(int64_t num_tokens) const {
  return num_text_rows(num_tokens, request_, options_.text_layout, metadata_);
}

Error RoomCheck::too_long_before(int64_t num_rows) const {
  const std::string addition = longest_addition(request_, metadata_);
  const std::string what = "a piece of the text makes " + std::to_string(num_rows) + " rows";
  return addition.empty() ? no_room(what, "") : no_room(what + " with " + addition, "shorten that, or ");
}

Error RoomCheck::no_room(const std::string& what, const std::string& remedy) const {
  return {ErrorCode::kInvalidArgument, what + ", which leaves no room to speak: the model holds " +
                                           std::to_string(metadata_.max_seq_len) + "; " + remedy +
                                           "export with a larger --max-seq-len"};
}

}  // namespace qwen3_tts
