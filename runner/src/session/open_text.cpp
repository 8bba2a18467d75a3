#include "session/open_text.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "session/piece_room.h"
#include "session/utterance_plan.h"
#include "text/pause_markup.h"
#include "text/text_breaks.h"

namespace qwen3_tts {
namespace {

bool ends_paragraph(std::string_view part) {
  const std::string_view blank = part.substr(part.find(trim(part)) + trim(part).size());
  return std::count(blank.begin(), blank.end(), '\n') > 1;
}

}  // namespace

Result<std::unique_ptr<OpenText>> OpenText::create(const SynthesisRequest& request, const ResolvedRequest& resolved,
                                                   const ResolvedOptions& options, const ModelMetadata& metadata,
                                                   const TextTokenizer& tokenizer) {
  std::unique_ptr<OpenText> text(new OpenText(request, resolved, options, metadata, tokenizer));
  RETURN_IF_ERROR(text->append(request.text));
  return text;
}

OpenText::OpenText(const SynthesisRequest& request, const ResolvedRequest& resolved, const ResolvedOptions& options,
                   const ModelMetadata& metadata, const TextTokenizer& tokenizer)
    : request_(request),
      resolved_(resolved),
      options_(options),
      metadata_(metadata),
      tokenizer_(tokenizer),
      stream_(piece_limits(resolved, options, metadata), PieceMaker::counter(tokenizer), request.markup),
      maker_(piece_limits(resolved, options, metadata), tokenizer, metadata.sample_rate) {
  request_.text.clear();
  request_.open_text = false;
}

/// Remembers an error.
Status OpenText::keep(Status status) {
  status_ = status;
  return status;
}

Status OpenText::append(std::string_view bytes) {
  RETURN_IF_ERROR(status_);
  if (is_finished_) {
    return Error{ErrorCode::kInvalidState, "the text was finished; start another utterance for more"};
  }
  if (options_.long_text == LongText::kError) {
    request_.text += bytes;
    return {};
  }
  const auto parts = stream_.append(bytes);
  return keep(parts.ok() ? add_parts(*parts) : parts.error());
}

Status OpenText::finish() {
  RETURN_IF_ERROR(status_);
  if (std::exchange(is_finished_, true)) {
    return {};
  }
  return keep(options_.long_text == LongText::kError ? add_whole() : add_rest());
}

Result<std::vector<Piece>> OpenText::take() {
  RETURN_IF_ERROR(status_);
  return std::exchange(pieces_, {});
}

Status OpenText::add_rest() {
  ASSIGN_OR_RETURN(const std::vector<std::string> parts, stream_.finish());
  RETURN_IF_ERROR(add_parts(parts));
  final_pause_ = maker_.final_pause();
  return has_pieces_ ? Status() : invalid_argument("the text has no words; give at least one to speak");
}

Status OpenText::add_whole() {
  ASSIGN_OR_RETURN(UtterancePlan plan, plan_utterance(request_, options_, metadata_, tokenizer_));
  pieces_ = std::move(plan.pieces);
  final_pause_ = plan.final_pause;
  return {};
}

Status OpenText::add_parts(const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    RETURN_IF_ERROR(add_part(part));
  }
  return {};
}

/// A pause that the text orders between two paragraphs takes the place of theirs.
Status OpenText::add_part(std::string_view part) {
  std::vector<Stretch> stretches = {{part}};
  if (request_.markup) {
    ASSIGN_OR_RETURN(stretches, about("text", read_pauses(part)));
  }
  for (const Stretch& stretch : stretches) {
    maker_.pause(stretch.pause_before);
    begins_paragraph_ = begins_paragraph_ && stretch.pause_before == 0;
    if (has_words(stretch.text)) {
      maker_.pause(std::exchange(begins_paragraph_, false) ? options_.paragraph_pause : 0);
      maker_.add(stretch.text);
    }
  }
  begins_paragraph_ = begins_paragraph_ || (has_words(stretches.back().text) && ends_paragraph(part));
  return move_pieces(part);
}

Status OpenText::move_pieces(std::string_view part) {
  const RoomCheck room(resolved_, options_, metadata_);
  const std::vector<std::string_view> texts = maker_.texts();
  std::vector<Piece> pieces = maker_.take();
  for (size_t i = 0; i < pieces.size(); ++i) {
    RETURN_IF_ERROR(room.check(texts[i], part, static_cast<int64_t>(pieces[i].text_ids.size())));
    pieces_.push_back(std::move(pieces[i]));
    has_pieces_ = true;
  }
  return {};
}

}  // namespace qwen3_tts
