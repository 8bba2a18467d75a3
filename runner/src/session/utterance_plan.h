#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "session/resolved_options.h"
#include "text/resolved_request.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// A piece of the text.
struct Piece {
  std::vector<int64_t> text_ids;
  int64_t pause_before = 0;  ///< Samples of silence.
};

/// What is said in one utterance: the text's pieces, in order, and by whom.
struct UtterancePlan {
  ResolvedRequest request;
  std::vector<Piece> pieces;  ///< One unless the text was split.
  int64_t final_pause = 0;    ///< Samples of silence after the last one.
};

/// Checks the request, tokenizes its text, splits that if it is long or `options` say so, and checks that every piece
/// has room to speak.
Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer);

/// Most frames that speech of `num_tokens` text tokens may take; 0: no limit.
int64_t frame_budget(int64_t num_tokens, const ResolvedRequest& request, const ResolvedOptions& options,
                     const ModelMetadata& metadata);

}  // namespace qwen3_tts
