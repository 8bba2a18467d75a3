#pragma once

/// Faster than speech, or not:
/// \code
/// double real_time_factor(const qwen3_tts::SynthesisStats& stats, const qwen3_tts::ModelMetadata& model) {
///   return stats.total_ms * static_cast<double>(model.sample_rate) / (1000.0 * static_cast<double>(stats.samples));
/// }
/// \endcode

#include <cstdint>

#include <qwen3_tts/export.h>

namespace qwen3_tts {

/// What ended an utterance. When limits ended some of its pieces and others followed, it is the first such limit.
enum class FinishReason {
  kEos,  ///< The model: all was said.
  kMaxNewTokens,  ///< max_new_tokens or max_frames.
  kFrameBudget,  ///< frame_budget.
  kCapacity,  ///< The positions of the model's KV cache.
  kStopped,  ///< stop().
};
QWEN3_TTS_API const char* to_string(FinishReason reason);  ///< "eos", "max_new_tokens", "frame_budget", ...

/// Milliseconds and counts of one utterance. The parts add up to total_ms but for the time between calls of next().
struct SynthesisStats {
  int64_t text_tokens = 0;  ///< Of the text to speak.
  int64_t pieces = 0;  ///< That the text was split into; 1: it was not.
  int64_t cut_pieces = 0;  ///< Those of them that a limit ended, and not the model.
  int64_t prompt_rows = 0;  ///< Of all pieces so far.
  int64_t cached_rows = 0;  ///< Those of them that the talker need not read: EngineOptions::prefix_cache_bytes.
  int64_t cached_frames = 0;  ///< Of the voice's recording, which the codec decoder need not decode again.
  int64_t frames = 0;
  int64_t samples = 0;  ///< Delivered: those of the frames and of the pauses, less trimmed silence.
  int64_t pause_samples = 0;  ///< Of the pauses between pieces: silence that no frame made.
  double load_ms = 0;  ///< Loading what no earlier request needed: Engine::preload().
  double prompt_ms = 0;  ///< Text to rows.
  double prefill_ms = 0;  ///< Talker over the prompt.
  double talker_ms = 0;  ///< Talker steps and sampling of code 0; all of a frame where a GPU makes it in one call.
  double code_predictor_ms = 0;
  double sampler_ms = 0;  ///< Drawing codes; a part of the two before.
  double decode_ms = 0;  ///< Codec decoder; beside the two stages before, when there are two threads.
  double decode_wait_ms = 0;  ///< Of decode_ms, what the other stages waited: the part of total_ms.
  double sink_ms = 0;  ///< Spent in AudioSink::write.
  double ttfa_ms = 0;  ///< Request to first samples (accepted by the sink in synthesize()).
  double total_ms = 0;  ///< Request to last sample.
  FinishReason finish_reason = FinishReason::kEos;
};

}  // namespace qwen3_tts
