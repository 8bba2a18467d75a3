#include "session/utterance_plan.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "text/pause_markup.h"
#include "text/prompt_plan.h"
#include "text/text_breaks.h"
#include "text/text_checks.h"
#include "text/text_splitter.h"

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

/// Refuses a longest piece of a text that leaves no room to speak, and names what is too long.
class RoomCheck {
 public:
  RoomCheck(const UtterancePlan& plan, const ResolvedOptions& options, const ModelMetadata& metadata)
      : plan_(plan), options_(options), metadata_(metadata) {}

  /// `piece` is a part of `text`, of `num_tokens` tokens; `max_tokens` may be exceeded by what cannot be cut.
  Status check(std::string_view piece, std::string_view text, int64_t num_tokens, int64_t max_tokens) const {
    const int64_t num_rows = rows(num_tokens);
    if (num_rows < metadata_.max_seq_len) {
      return {};
    }
    const bool is_split = options_.long_text != LongText::kError;
    if (is_split ? num_tokens <= max_tokens + 1 : rows(1) >= metadata_.max_seq_len) {
      return too_long_before(num_rows);
    }
    const std::string makes = " makes " + std::to_string(num_rows) + " rows";
    return is_split ? no_room("a piece of the text, one character that cannot be cut (" + describe_start(piece) +
                                  " at byte " + std::to_string(piece.data() - text.data()) + ")," + makes,
                              "shorten it, or ")
                    : no_room("the text" + makes, "shorten the text, have it split (long_text), or ");
  }

 private:
  int64_t rows(int64_t num_tokens) const {
    return num_text_rows(num_tokens, plan_.request, options_.text_layout, metadata_);
  }

  Error too_long_before(int64_t num_rows) const {
    const std::string addition = longest_addition(plan_.request, metadata_);
    const std::string what = "a piece of the text makes " + std::to_string(num_rows) + " rows";
    return addition.empty() ? no_room(what, "") : no_room(what + " with " + addition, "shorten that, or ");
  }

  Error no_room(const std::string& what, const std::string& remedy) const {
    return {ErrorCode::kInvalidArgument, what + ", which leaves no room to speak: the model holds " +
                                             std::to_string(metadata_.max_seq_len) + "; " + remedy +
                                             "export with a larger --max-seq-len"};
  }

  const UtterancePlan& plan_;
  const ResolvedOptions& options_;
  const ModelMetadata& metadata_;
};

/// What a piece carries well. Its rows and its frame budget fit the capacity.
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

/// Cuts texts that the tokenizer takes into pieces, one after the other.
class PieceMaker {
 public:
  PieceMaker(const PieceLimits& limits, const TextTokenizer& tokenizer, int64_t sample_rate)
      : limits_(limits), tokenizer_(tokenizer), sample_rate_(sample_rate) {}

  /// Silence before the next text, in seconds.
  void pause(double seconds) { pause_ += std::llround(seconds * static_cast<double>(sample_rate_)); }

  /// Pieces without words, such as a row of stars, are left out: nobody can say them.
  void add(std::string_view text) {
    const auto count = [&](std::string_view part) { return static_cast<int64_t>(encode(part).size()); };
    for (const std::string_view piece : split_text(text, limits_, count)) {
      if (has_words(piece)) {
        pieces_.push_back({encode(piece), std::exchange(pause_, 0)});
        texts_.push_back(piece);
      }
    }
  }

  void add_paragraphs(std::string_view text, double pause_between) {
    double seconds = 0;
    for (const std::string_view paragraph : cut_text(text, TextBreak::kParagraph)) {
      if (has_words(paragraph)) {
        pause(std::exchange(seconds, pause_between));
        add(paragraph);
      }
    }
  }

  std::vector<Piece> take() { return std::move(pieces_); }
  /// What the pieces are made of.
  std::vector<std::string_view> take_texts() { return std::move(texts_); }
  /// Samples of silence after the last piece.
  int64_t final_pause() const { return pause_; }

 private:
  /// A part of a text that can be tokenized can be tokenized.
  std::vector<int64_t> encode(std::string_view part) const { return tokenizer_.encode(part).value(); }

  PieceLimits limits_;
  const TextTokenizer& tokenizer_;
  int64_t sample_rate_;
  std::vector<Piece> pieces_;
  std::vector<std::string_view> texts_;
  int64_t pause_ = 0;
};

/// Is a text without pauses of its own spoken in pieces?
bool is_to_be_split(std::string_view text, int64_t num_tokens, const PieceLimits& limits, LongText choice) {
  const auto has_more = [&](TextBreak kind, int64_t count) {
    return static_cast<int64_t>(cut_text(text, kind).size()) > count;
  };
  if (choice == LongText::kError) {
    return false;
  }
  return num_tokens > limits.max_tokens || has_more(TextBreak::kSentence, limits.max_sentences) ||
         (choice == LongText::kSplit && has_more(TextBreak::kParagraph, 1));
}

/// The pieces of the text, with the silence between them, and what they are made of. `body`: the ids of the text.
Status plan_pieces(const SynthesisRequest& request, std::vector<int64_t> body, const ResolvedOptions& options,
                   const ModelMetadata& metadata, const TextTokenizer& tokenizer, UtterancePlan& plan,
                   std::vector<std::string_view>& texts) {
  const bool is_in_one_go = options.long_text == LongText::kError;
  const PieceLimits limits = is_in_one_go ? PieceLimits() : piece_limits(plan.request, options, metadata);
  // Without what was dropped of it: there may be more of that than can be tokenized.
  ASSIGN_OR_RETURN(const std::string_view spoken, normalize_text(request.text));
  std::vector<Stretch> stretches = {{spoken}};
  if (request.markup) {
    ASSIGN_OR_RETURN(stretches, about("text", read_pauses(request.text)));
  }
  if (stretches.size() == 1 && !is_to_be_split(spoken, static_cast<int64_t>(body.size()), limits, options.long_text)) {
    plan.pieces.push_back({std::move(body)});
    texts = {spoken};
    return {};
  }
  PieceMaker maker(limits, tokenizer, metadata.sample_rate);
  for (const Stretch& stretch : stretches) {
    maker.pause(stretch.pause_before);
    if (is_in_one_go) {
      maker.add(stretch.text);
    } else {
      maker.add_paragraphs(stretch.text, options.paragraph_pause);
    }
  }
  plan.pieces = maker.take();
  texts = maker.take_texts();
  plan.final_pause = maker.final_pause();
  return plan.pieces.empty() ? invalid_argument("the text has no words; give at least one to speak") : Status();
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
  std::vector<std::string_view> texts;
  RETURN_IF_ERROR(plan_pieces(request, std::move(text.body), options, metadata, tokenizer, plan, texts));
  const auto longest = std::max_element(plan.pieces.begin(), plan.pieces.end(), [](const Piece& a, const Piece& b) {
    return a.text_ids.size() < b.text_ids.size();
  });
  RETURN_IF_ERROR(RoomCheck(plan, options, metadata)
                      .check(texts[static_cast<size_t>(longest - plan.pieces.begin())], request.text,
                             static_cast<int64_t>(longest->text_ids.size()),
                             piece_limits(plan.request, options, metadata).max_tokens));
  return plan;
}

}  // namespace qwen3_tts
