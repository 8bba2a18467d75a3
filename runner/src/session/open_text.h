#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "session/piece_maker.h"
#include "session/resolved_options.h"
#include "text/resolved_request.h"
#include "text/text_stream.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// The text of an utterance that is still being written. What of it is complete becomes pieces, and which ones depends
/// on the text alone, not on how it comes. LongText::kError: it is one piece, when all of it is there.
class OpenText {
 public:
  /// Of `request`, whose text is the begin of it; `resolved` is what else it says. Borrows the last two.
  static Result<std::unique_ptr<OpenText>> create(const SynthesisRequest& request, const ResolvedRequest& resolved,
                                                  const ResolvedOptions& options, const ModelMetadata& metadata,
                                                  const TextTokenizer& tokenizer);
  OpenText(const OpenText&) = delete;
  OpenText& operator=(const OpenText&) = delete;

  /// Takes the next bytes, cut anywhere. An error is final: take() returns it, too.
  Status append(std::string_view bytes);
  /// No more bytes come.
  Status finish();

  /// The pieces that were completed since the last call.
  Result<std::vector<Piece>> take();

  bool is_finished() const { return is_finished_; }
  /// Once it is finished: samples of silence after the last piece.
  int64_t final_pause() const { return final_pause_; }

 private:
  OpenText(const SynthesisRequest& request, const ResolvedRequest& resolved, const ResolvedOptions& options,
           const ModelMetadata& metadata, const TextTokenizer& tokenizer);

  Status keep(Status status);
  Status add_parts(const std::vector<std::string>& parts);
  Status add_part(std::string_view part);
  Status add_rest();
  Status add_whole();
  Status move_pieces(std::string_view part);

  SynthesisRequest request_;  ///< Its text: what came, unless it is spoken as it comes.
  const ResolvedRequest resolved_;
  const ResolvedOptions options_;
  const ModelMetadata& metadata_;
  const TextTokenizer& tokenizer_;
  TextStream stream_;
  PieceMaker maker_;
  bool begins_paragraph_ = false;  ///< Of what comes next, after words.
  std::vector<Piece> pieces_;
  bool has_pieces_ = false;  ///< Now or before.
  bool is_finished_ = false;
  int64_t final_pause_ = 0;
  Status status_;
};

}  // namespace qwen3_tts
