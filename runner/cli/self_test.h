#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <qwen3_tts/model_info.h>
#include <qwen3_tts/result.h>

#include "console.h"
#include "kernel_trials.h"
#include "ops/instruction_set.h"
#include "options.h"

namespace qwen3_tts {

/// How long the stages took for one frame of speech, and the whole of it: medians of warm runs.
struct StageTimes {
  int64_t runs;
  int64_t frames;  ///< Of each run.
  double frame_ms;  ///< Of speech.
  double talker_ms, code_predictor_ms, codec_ms;
  double total_ms;  ///< Of a frame, without the prompt: the codec may run beside the other two.
  double first_sound_ms;

  double rtf() const { return total_ms / frame_ms; }
};

/// What --self_test found on a machine where all is right.
struct SelfTest {
  InstructionSet set;
  int32_t threads;
  double one_thread_speed;   ///< GB a second of reading memory.
  double all_threads_speed;  ///< The same with `threads`.
  std::vector<KernelTime> kernels;
  std::string model_path;
  ModelInfo model;
  StageTimes stages;

  /// What reading so many bytes takes when all threads do nothing else.
  double memory_ms(int64_t bytes) const { return static_cast<double>(bytes) / 1e6 / all_threads_speed; }
};

/// Compares the kernels of the processor's instruction set with the baseline's, and the model with its digests;
/// measures memory, kernels and stages; prints the report and writes --stats_json. An error says what is wrong.
Status self_test(const RunnerOptions& options, Console& console);

}  // namespace qwen3_tts
