#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "session/piece_maker.h"
#include "session/resolved_options.h"
#include "text/resolved_request.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// What is said in one utterance: the text's pieces, in order, and by whom.
struct UtterancePlan {
  ResolvedRequest request;
  std::vector<Piece> pieces;  ///< One unless the text was split.
  int64_t final_pause = 0;    ///< Samples of silence after the last one.
  bool is_open = false;       ///< More pieces come: the text is still being written.
};

/// Checks the request, tokenizes its text, splits that if it is long or `options` say so, and checks that every piece
/// has room to speak. Of an open text only what stands around it: OpenText makes the pieces.
Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer);

}  // namespace qwen3_tts
