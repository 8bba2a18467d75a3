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

/// What is said in one utterance: the text's pieces, in order, and by whom.
struct UtterancePlan {
  ResolvedRequest request;
  std::vector<std::vector<int64_t>> pieces;  ///< Text ids of each; one piece unless the text was split.
};

/// Checks the request, tokenizes its text, splits that if `options` say so, and checks that every piece has room to
/// speak.
Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer);

/// Most frames that speech of `num_tokens` text tokens may take; 0: no limit.
int64_t frame_budget(int64_t num_tokens, const ResolvedRequest& request, const ResolvedOptions& options,
                     const ModelMetadata& metadata);

}  // namespace qwen3_tts
