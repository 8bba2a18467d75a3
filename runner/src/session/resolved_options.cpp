#include "session/resolved_options.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

#include "text/pause_markup.h"

namespace qwen3_tts {
namespace {

template <typename T>
Status require(bool is_valid, const char* name, T value, const char* range) {
  if (is_valid) {
    return {};
  }
  std::ostringstream message;
  message << name << " is " << value << "; it must be " << range;
  return Error{ErrorCode::kInvalidArgument, message.str()};
}

Status check(const ResolvedOptions& o) {
  const auto is_temperature = [](float value) { return std::isfinite(value) && value >= 0.0F; };
  const auto is_top_p = [](float value) { return value > 0.0F && value <= 1.0F; };
  const char* const temperature_range = "0 (greedy) or more";
  const char* const top_k_range = "0 (off) or more";
  const char* const top_p_range = "above 0 and at most 1 (off)";
  const Status checks[] = {
      require(is_temperature(o.draw.talker.temperature), "temperature", o.draw.talker.temperature, temperature_range),
      require(o.draw.talker.top_k >= 0, "top_k", o.draw.talker.top_k, top_k_range),
      require(is_top_p(o.draw.talker.top_p), "top_p", o.draw.talker.top_p, top_p_range),
      require(is_temperature(o.draw.subtalker.temperature), "subtalker_temperature", o.draw.subtalker.temperature,
              temperature_range),
      require(o.draw.subtalker.top_k >= 0, "subtalker_top_k", o.draw.subtalker.top_k, top_k_range),
      require(is_top_p(o.draw.subtalker.top_p), "subtalker_top_p", o.draw.subtalker.top_p, top_p_range),
      require(std::isfinite(o.draw.repetition_penalty) && o.draw.repetition_penalty > 0.0F, "repetition_penalty",
              o.draw.repetition_penalty, "above 0 (1 is off)"),
      require(o.max_new_tokens >= 1, "max_new_tokens", o.max_new_tokens, "1 or more"),
      require(o.paragraph_pause >= 0 && o.paragraph_pause <= kLongestPause, "paragraph_pause", o.paragraph_pause,
              "0 (none) to 60 seconds"),
      require(o.frame_budget.value_or(0) >= 0, "frame_budget", o.frame_budget.value_or(0), "0 (off) or more"),
      require(o.first_chunk_frames >= 1, "first_chunk_frames", o.first_chunk_frames, "1 or more"),
      require(o.chunk_frames >= 1, "chunk_frames", o.chunk_frames, "1 or more"),
      require(o.ahead >= 0, "ahead", o.ahead, "0 (one piece after the other) or more"),
  };
  const auto* failed = std::find_if(std::begin(checks), std::end(checks), [](const Status& s) { return !s.ok(); });
  return failed == std::end(checks) ? Status() : *failed;
}

Status check_shortest(int64_t min_frames, int64_t max_frames) {
  const std::string range = "0 to " + std::to_string(max_frames) + ", the longest speech that is allowed";
  return require(min_frames >= 0 && min_frames <= max_frames, "min_frames", min_frames, range.c_str());
}

DrawOptions draw_options(const SynthesisOptions& options, const ModelMetadata& metadata) {
  return {
      {options.temperature.value_or(metadata.temperature), options.top_k.value_or(metadata.top_k),
       options.top_p.value_or(metadata.top_p)},
      {options.subtalker_temperature.value_or(metadata.subtalker_temperature),
       options.subtalker_top_k.value_or(metadata.subtalker_top_k),
       options.subtalker_top_p.value_or(metadata.subtalker_top_p)},
      options.repetition_penalty.value_or(metadata.repetition_penalty),
      std::max(metadata.min_new_tokens, options.min_frames),
      options.seed,
  };
}

}  // namespace

Result<ResolvedOptions> resolve_options(const SynthesisOptions& options, const ModelMetadata& metadata) {
  ResolvedOptions resolved{
      options.text_layout.value_or(metadata.text_layout),
      options.long_text,
      options.paragraph_pause,
      options.max_new_tokens.value_or(metadata.max_new_tokens),
      options.max_new_tokens.has_value() || options.max_frames.has_value(),
      options.frame_budget,
      draw_options(options, metadata),
      options.first_chunk_frames,
      options.chunk_frames,
      options.trim_silence,
      options.codes_only,
      std::min(options.ahead, metadata.max_batch - 1),
  };
  if (Status status = check(resolved); !status.ok()) {
    return status.error();
  }
  if (options.max_frames.has_value()) {
    if (Status status = require(*options.max_frames >= 1, "max_frames", *options.max_frames, "1 or more");
        !status.ok()) {
      return status.error();
    }
    // The token after the last frame is drawn, and becomes none.
    resolved.max_new_tokens = std::min(resolved.max_new_tokens - 1, *options.max_frames) + 1;
  }
  if (Status status = check_shortest(options.min_frames, resolved.max_new_tokens - 1); !status.ok()) {
    return status.error();
  }
  // All of the vocabulary is the same as off; a smaller number survives the way through the graph as fp32.
  resolved.draw.talker.top_k = std::min(resolved.draw.talker.top_k, metadata.talker_vocab_size);
  resolved.draw.subtalker.top_k = std::min(resolved.draw.subtalker.top_k, metadata.code_vocab_size);
  return resolved;
}

}  // namespace qwen3_tts
