#pragma once

#include <string>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/result.h>

#include "options.h"
#include "run_record.h"

namespace qwen3_tts {

/// Writes a JSON array with one object a run: what `--stats_json` asks for. Times are in milliseconds.
Status write_stats_json(const std::string& path, const std::vector<RunRecord>& records, const Engine& engine,
                        const RunnerOptions& options);

}  // namespace qwen3_tts
