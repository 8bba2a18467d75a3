#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

class TextTokenizer;

/// The ids of what the user wrote.
struct PromptText {
  std::vector<int64_t> body;      ///< Never empty.
  std::vector<int64_t> instruct;  ///< Empty: none.
};

/// Refuses text that has nothing to say, and what is not in UTF-8. A style description that says nothing is none.
Result<PromptText> tokenize_request(const SynthesisRequest& request, const TextTokenizer& tokenizer);

/// Its style description alone: ids, or none.
Result<std::vector<int64_t>> tokenize_instruct(const SynthesisRequest& request, const TextTokenizer& tokenizer);

/// A request that was checked against its model, without its text: who speaks, and how. From here on nothing about it
/// can be wrong.
struct ResolvedRequest {
  std::vector<int64_t> instruct;        ///< Ids of the style description; empty: none.
  std::optional<int64_t> language_row;  ///< Of the code table; unset: the model finds the language out.
  std::optional<int64_t> speaker_row;   ///< Of the code table; unset: a voice, or nobody.
  std::shared_ptr<const Voice> voice;   ///< Null: none.
  bool is_in_context = false;           ///< The speech goes on from the voice's recording.

  /// Frames of the voice that the speech goes on from.
  int64_t num_context_frames(const ModelMetadata& metadata) const {
    return is_in_context ? static_cast<int64_t>(voice->codes.size()) / metadata.num_code_groups : 0;
  }
};

/// Chooses language, speaker and the use of the voice. `instruct`: ids of the style description. Errors list what the
/// model offers.
Result<ResolvedRequest> resolve_request(const SynthesisRequest& request, std::vector<int64_t> instruct,
                                        const ModelMetadata& metadata);

}  // namespace qwen3_tts
