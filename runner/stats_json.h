#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// One run of the program over one text.
struct RunRecord {
  std::string prompt;
  uint64_t seed;
  SynthesisStats stats;
  std::vector<int64_t> talker_tokens;
  double peak_rss_mb;  ///< Of the process, so far.
};

/// Seconds of audio in `num_frames` frames.
double audio_seconds(int64_t num_frames, const ModelMetadata& metadata);

/// Writes a JSON array with one object a run.
Status write_stats_json(const std::string& path, const std::vector<RunRecord>& records, const Engine& engine,
                        const EngineOptions& options);

}  // namespace qwen3_tts
