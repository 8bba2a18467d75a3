#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "session/resolved_options.h"
#include "text/prompt_plan.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {

/// What is said in one utterance: the text's pieces, in order.
struct UtterancePlan {
  std::vector<std::vector<int64_t>> pieces;  ///< Text ids of each; one piece unless the text was split.
  std::vector<int64_t> instruct;             ///< Ids; empty: none.
};

/// Tokenizes the text, splits it if `options` say so, and checks the request: that every piece can be planned, and has
/// room to speak.
Result<UtterancePlan> plan_utterance(const SynthesisRequest& request, const ResolvedOptions& options,
                                     const ModelMetadata& metadata, const TextTokenizer& tokenizer);

/// Most frames that speech of `num_tokens` text tokens may take; 0: no limit. `plan` is that of a prompt with them.
int64_t frame_budget(int64_t num_tokens, const PromptPlan& plan, const SynthesisRequest& request,
                     const ResolvedOptions& options);

}  // namespace qwen3_tts
