#include "session/utterance_plan.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "session/piece_room.h"
#include "text/pause_markup.h"
#include "text/text_breaks.h"
#include "text/text_splitter.h"

namespace qwen3_tts {
namespace {

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
  texts = maker.texts();
  plan.pieces = maker.take();
  plan.final_pause = maker.final_pause();
  return plan.pieces.empty() ? invalid_argument("the text has no words; give at least one to speak") : Status();
}

/// Who speaks, and how. There must be room for a text of one token.
Result<UtterancePlan> plan_open_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                          const ModelMetadata& metadata, const TextTokenizer& tokenizer) {
  UtterancePlan plan;
  plan.is_open = true;
  ASSIGN_OR_RETURN(std::vector<int64_t> instruct, tokenize_instruct(request, tokenizer));
  ASSIGN_OR_RETURN(plan.request, resolve_request(request, std::move(instruct), metadata));
  RETURN_IF_ERROR(RoomCheck(plan.request, options, metadata).check({}, {}, 1));
  return plan;
}

}  // namespace

Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer) {
  if (request.open_text) {
    return plan_open_utterance(request, options, metadata, tokenizer);
  }
  ASSIGN_OR_RETURN(PromptText text, tokenize_request(request, tokenizer));
  UtterancePlan plan;
  ASSIGN_OR_RETURN(plan.request, resolve_request(request, std::move(text.instruct), metadata));
  std::vector<std::string_view> texts;
  RETURN_IF_ERROR(plan_pieces(request, std::move(text.body), options, metadata, tokenizer, plan, texts));
  const auto longest = std::max_element(plan.pieces.begin(), plan.pieces.end(), [](const Piece& a, const Piece& b) {
    return a.text_ids.size() < b.text_ids.size();
  });
  RETURN_IF_ERROR(RoomCheck(plan.request, options, metadata)
                      .check(texts[static_cast<size_t>(longest - plan.pieces.begin())], request.text,
                             static_cast<int64_t>(longest->text_ids.size())));
  return plan;
}

}  // namespace qwen3_tts
