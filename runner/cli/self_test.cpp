#include "self_test.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <executorch/runtime/platform/runtime.h>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/synthesis_session.h>

#include "base/error.h"
#include "base/file.h"
#include "base/try.h"
#include "memory_speed.h"
#include "program/thread_pool.h"
#include "run_sink.h"
#include "self_test_report.h"
#include "signals.h"

namespace qwen3_tts {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kText[] = "Good morning. The next train leaves at noon.";
constexpr int64_t kFrames = 16;
constexpr size_t kMostRuns = 5;
constexpr double kEnoughSeconds = 8;  // Of runs; a slow machine has fewer of them.

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Whoever waits for a slow machine wants to know what it does.
void tell(Console& console, const std::string& step) { console.tell("self test: " + step + " ...\n"); }

Error stopped() { return Error{ErrorCode::kExecution, "a signal ended the self test; nothing was found out"}; }

/// Memory and kernels, whose buffers are gone before the model is there.
Status test_machine(SelfTest& test, Console& console) {
  tell(console, "reading memory");
  const std::vector<uint8_t> bytes = random_bytes();
  test.one_thread_speed = read_speed(bytes, false);
  test.all_threads_speed = read_speed(bytes, true);
  const std::vector<KernelTrial> trials = make_kernel_trials(bytes);
  tell(console, "comparing kernels with the baseline's");
  for (const KernelTrial& trial : trials) {
    RETURN_IF_ERROR(received_signal() == 0 ? compare_with_baseline(trial) : stopped());
  }
  tell(console, "timing kernels");
  for (const KernelTrial& trial : trials) {
    if (received_signal() != 0) {
      return stopped();
    }
    ASSIGN_OR_RETURN(KernelTime time, time_kernel(trial));
    test.kernels.push_back(std::move(time));
  }
  return {};
}

/// Something that every model can say.
SynthesisRequest any_request(const ModelMetadata& metadata) {
  SynthesisRequest request;
  request.text = kText;
  if (metadata.default_speaker().empty() && !metadata.speakers.empty()) {
    request.speaker = metadata.speakers.begin()->first;
  }
  return request;
}

SynthesisOptions fixed_length() {
  SynthesisOptions options;
  options.min_frames = kFrames;
  options.max_frames = kFrames;
  options.frame_budget = 0;
  options.long_text = LongText::kError;
  return options;
}

Result<std::vector<SynthesisStats>> speak(Engine& engine, Console& console) {
  ASSIGN_OR_RETURN(const auto session, engine.create_session());
  const SynthesisRequest request = any_request(engine.metadata());
  const SynthesisOptions options = fixed_length();
  NullSink nowhere;
  tell(console, "warming up");
  RETURN_IF_ERROR(session->synthesize(request, options, nowhere));
  std::vector<SynthesisStats> runs;
  const Clock::time_point start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  while (runs.empty() || (runs.size() < kMostRuns && seconds() < kEnoughSeconds)) {
    if (received_signal() != 0) {
      return stopped();
    }
    tell(console, "speaking " + std::to_string(kFrames) + " frames");
    ASSIGN_OR_RETURN(const SynthesisStats stats, session->synthesize(request, options, nowhere));
    runs.push_back(stats);
  }
  return runs;
}

StageTimes stage_times(const std::vector<SynthesisStats>& runs, const ModelMetadata& metadata) {
  const auto of_a_frame = [&](double (*ms)(const SynthesisStats&)) {
    std::vector<double> values;
    values.reserve(runs.size());
    for (const SynthesisStats& run : runs) {
      values.push_back(ms(run) / static_cast<double>(std::max<int64_t>(1, run.frames)));
    }
    return median(std::move(values));
  };
  std::vector<double> first_sounds;
  first_sounds.reserve(runs.size());
  for (const SynthesisStats& run : runs) {
    first_sounds.push_back(run.ttfa_ms);
  }
  StageTimes times{};
  times.runs = static_cast<int64_t>(runs.size());
  times.frames = runs.front().frames;
  times.frame_ms = 1000.0 * static_cast<double>(metadata.samples_per_frame) / static_cast<double>(metadata.sample_rate);
  times.talker_ms = of_a_frame([](const SynthesisStats& run) { return run.talker_ms; });
  times.code_predictor_ms = of_a_frame([](const SynthesisStats& run) { return run.code_predictor_ms; });
  times.codec_ms = of_a_frame([](const SynthesisStats& run) { return run.decode_ms; });
  times.total_ms = of_a_frame([](const SynthesisStats& run) { return run.total_ms - run.prompt_ms - run.prefill_ms; });
  times.first_sound_ms = median(std::move(first_sounds));
  return times;
}

/// Opened as always, but compared with its digests whatever was asked for.
Status test_model(const RunnerOptions& options, SelfTest& test, Console& console) {
  tell(console, "checking and loading " + options.engine.model_path);
  EngineOptions engine_options = options.engine;
  engine_options.verify = Verify::kAlways;
  ASSIGN_OR_RETURN(const auto engine, Engine::create(engine_options));
  RETURN_IF_ERROR(engine->preload(Workload::kSpeech));
  ASSIGN_OR_RETURN(const std::vector<SynthesisStats> runs, speak(*engine, console));
  test.stages = stage_times(runs, engine->metadata());
  return {};
}

}  // namespace

Status self_test(const RunnerOptions& options, Console& console) {
  executorch::runtime::runtime_init();
  SelfTest test{};
  test.model_path = options.engine.model_path;
  ASSIGN_OR_RETURN(test.model, read_model_info(options.engine));  // Refuses a wrong file at once.
  RETURN_IF_ERROR(set_thread_count(options.engine.num_threads));
  test.set = instruction_set();
  test.threads = thread_count();
  RETURN_IF_ERROR(test_machine(test, console));
  RETURN_IF_ERROR(test_model(options, test, console));
  Console::answer(describe_self_test(test));
  return options.stats_json.empty() ? Status() : write_file(options.stats_json, self_test_json(test));
}

}  // namespace qwen3_tts
