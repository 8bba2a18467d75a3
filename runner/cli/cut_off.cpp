#include "cut_off.h"

#include <algorithm>
#include <cstdint>

namespace qwen3_tts {
namespace {

/// Who had a long text spoken in one go may have it split; else only chance helps.
std::string remedy(const SynthesisStats& stats, const SynthesisOptions& options, const ModelMetadata& metadata) {
  const bool can_be_split = options.long_text == LongText::kError && stats.text_tokens > metadata.piece_tokens();
  return can_be_split ? "--long_text auto speaks all of it, in pieces" : "try another --seed";
}

/// "--max_frames 12": the flag that set the limit of max_new_tokens; empty: the checkpoint's own counted.
std::string length_flag(const SynthesisOptions& options, const ModelMetadata& metadata) {
  const int64_t tokens = options.max_new_tokens.value_or(metadata.max_new_tokens);
  if (options.max_frames.has_value() && *options.max_frames < tokens) {
    return "--max_frames " + std::to_string(*options.max_frames);
  }
  return options.max_new_tokens.has_value() ? "--max_new_tokens " + std::to_string(tokens) : "";
}

std::string describe_length_limit(const SynthesisStats& stats, const SynthesisOptions& options,
                                  const ModelMetadata& metadata) {
  if (const std::string flag = length_flag(options, metadata); !flag.empty()) {
    return "it reached " + flag + "; a larger number lets it go on";
  }
  // With a length of its own, the whole text has the checkpoint's limit, split or not.
  return "it reached the checkpoint's longest speech, max_new_tokens " + std::to_string(metadata.max_new_tokens) +
         "; " + (options.max_frames.has_value() ? "give a larger --max_new_tokens" : remedy(stats, options, metadata));
}

std::string describe_limit(const SynthesisStats& stats, const SynthesisOptions& options,
                           const ModelMetadata& metadata) {
  switch (stats.finish_reason) {
    case FinishReason::kMaxNewTokens:
      return describe_length_limit(stats, options, metadata);
    case FinishReason::kFrameBudget:
      return options.frame_budget.has_value()
                 ? "it reached --frame_budget " + std::to_string(*options.frame_budget) +
                       "; a larger number lets it go on"
                 : "it took three times as long as slow speech, and so has missed its end; " +
                       remedy(stats, options, metadata) + ", or give a larger --frame_budget";
    default:
      return "prompt and speech fill the model, which holds " + std::to_string(metadata.max_seq_len) + " positions; " +
             remedy(stats, options, metadata);
  }
}

/// A limit of the whole text ended it, and not only one of its pieces.
bool is_over(const SynthesisStats& stats, const SynthesisOptions& options) {
  const bool limits_text = options.max_frames.has_value() || options.max_new_tokens.has_value();
  return stats.pieces <= 1 || (limits_text && stats.finish_reason == FinishReason::kMaxNewTokens);
}

}  // namespace

std::string describe_cut(const SynthesisStats& stats, const SynthesisOptions& options, const ModelMetadata& metadata) {
  const std::string what = is_over(stats, options) ? "cut off after " + std::to_string(stats.frames) + " frames"
                                                   : "cut off in " + std::to_string(stats.cut_pieces) + " of its " +
                                                         std::to_string(stats.pieces) + " pieces";
  return what + ", so words may be missing: " + describe_limit(stats, options, metadata);
}

}  // namespace qwen3_tts
