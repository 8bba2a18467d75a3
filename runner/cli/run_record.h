#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// What one run said, where, and how long it took.
struct RunRecord {
  std::string prompt;
  uint64_t seed;
  std::string output_path;  ///< "-": standard output; empty: no file.
  double speed;             ///< At which the samples were passed on.
  SynthesisStats stats;
  std::vector<int64_t> talker_tokens;
  double peak_rss_mb;  ///< Of the process, up to the end of the run.
  double audio_s;      ///< Length of what the model spoke, with pauses: at speed 2, what is heard is half as long.
  double pause_s;      ///< Of it, pauses between pieces.

  /// The speech ended by itself: no limit and nobody ended it.
  bool is_complete() const { return stats.finish_reason == FinishReason::kEos; }
  /// A limit ended it, or a piece of it.
  bool is_cut_off() const { return !is_complete() && stats.finish_reason != FinishReason::kStopped; }
  /// Time to generate over length of audio, but for the pauses, which take none; 0 without audio.
  double rtf() const { return audio_s > pause_s ? stats.total_ms / 1000 / (audio_s - pause_s) : 0; }
};

}  // namespace qwen3_tts
