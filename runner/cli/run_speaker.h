#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>

#include "options.h"
#include "runs.h"

namespace qwen3_tts {

/// A run that was spoken.
struct SpokenRun {
  Run run;
  std::string output;  ///< Where it is: its file, "-", or the codes alone.
  SynthesisStats stats;
  std::vector<int64_t> talker_tokens;
  std::vector<float> samples;  ///< Where somebody wants them.
};

/// Speaks runs, one after the other, with a session of its own, which a signal stops.
class RunSpeaker {
 public:
  /// How far the run has come: frames, and samples that were delivered.
  using OnDelivery = std::function<void(int64_t num_frames, int64_t num_samples)>;

  /// Borrows `engine`, `options` and `codes`, those of --codes_path.
  static Result<std::unique_ptr<RunSpeaker>> create(Engine& engine, const RunnerOptions& options,
                                                    const std::vector<int64_t>& codes);
  ~RunSpeaker();
  RunSpeaker(const RunSpeaker&) = delete;
  RunSpeaker& operator=(const RunSpeaker&) = delete;

  /// The run, whose request has its voice, into its output.
  Result<SpokenRun> speak(Run run, OnDelivery on_delivery);

  /// The same for nobody.
  Status warm_up(Run run);

 private:
  RunSpeaker(std::unique_ptr<SynthesisSession> session, const ModelMetadata& metadata, const RunnerOptions& options,
             const std::vector<int64_t>& codes);

  Status utter(Run& run, AudioSink& sink);
  /// A text that is still being written, which becomes the run's.
  Status utter_as_written(Run& run, const SynthesisOptions& options, AudioSink& sink);

  const std::unique_ptr<SynthesisSession> session_;
  const ModelMetadata& metadata_;
  const RunnerOptions& options_;
  const std::vector<int64_t>& codes_;
};

}  // namespace qwen3_tts
