#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/request.h>

#include "run_record.h"

/// What the program tells people, as text that ends with a line break.
namespace qwen3_tts {

/// How far a run has come: no line break, for it is written over. `seconds` since the request.
std::string describe_progress(int64_t num_frames, double audio_s, double seconds);

/// One line about what was loaded, and how long it took.
std::string describe_load(const std::string& path, const Engine& engine);

/// Where a run's speech went.
std::string name_of_output(const RunRecord& record);
/// A line of advice if the request leaves it to the model who speaks; empty if not.
std::string describe_voice_choice(const SynthesisRequest& request, const ModelMetadata& metadata);

/// One line about a run: file, length, speed, end, seed.
std::string describe_run(const RunRecord& record);

/// One line about where a run's time went.
std::string describe_stages(const RunRecord& record);

/// Median and 95th percentile of several runs, a line a figure, and how much was spoken in `seconds` in all.
std::string describe_all(const std::vector<RunRecord>& records, double seconds);

/// What `--info` prints.
std::string describe_model(const std::string& path, const ModelInfo& info);

/// Names a line: what `--list_languages` and `--list_speakers` print.
std::string list_languages(const ModelMetadata& metadata);
std::string list_speakers(const ModelMetadata& metadata);

}  // namespace qwen3_tts
