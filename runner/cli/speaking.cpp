#include "speaking.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/synthesis_session.h>
#include <qwen3_tts/voice.h>

#include "audio/codes_file.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/file.h"
#include "base/try.h"
#include "cut_off.h"
#include "exit_codes.h"
#include "manifest.h"
#include "output_paths.h"
#include "report.h"
#include "run_record.h"
#include "run_speaker.h"
#include "runs.h"
#include "signals.h"
#include "sound_format.h"
#include "stats_json.h"
#include "voice/other_file.h"
#include "voice_maker.h"

namespace qwen3_tts {
namespace {

using Clock = std::chrono::steady_clock;

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  constexpr double kUnitBytes = 1.0;
#else
  constexpr double kUnitBytes = 1024.0;
#endif
  return static_cast<double>(usage.ru_maxrss) * kUnitBytes / 1e6;
}

/// An error about a run says where its text comes from, unless that is --text.
Error of_run(const std::string& source, const Error& error) {
  return source.empty() ? error : Error{error.code, source + ": " + error.message};
}

/// Can it be read once more? A pipe would be waited for.
bool is_regular_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool is_recording(const std::string& path) {
  const auto bytes = is_regular_file(path) ? read_file(path) : Result<std::string>(std::string());
  return bytes.ok() && recording_format(*bytes) != nullptr;
}

/// Speaks runs with one engine: one after the other, or as many at once as --batch says.
class Speaker {
 public:
  Speaker(const RunnerOptions& options, Console& console) : options_(options), console_(console) {}
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  /// Opens the model, and the files that the options name.
  Status open();
  /// What must be right for a run. Reads its voice.
  Status check(const Run& run);
  /// Until the last one, an error or a signal.
  Status speak(RunSource& runs);
  /// What the runs were like, for people and for programs.
  Status report() const;
  int exit_code(const RunSource& runs) const;

 private:
  /// A run, and its place in the order of all that are spoken.
  struct NumberedRun {
    size_t number;
    Run run;
  };

  Status read_voice(const std::string& path);
  Status read_named_voice();
  void tell_voice_choice(const SynthesisRequest& request);
  Status open_voice_maker();
  /// What is said to be spoken like.
  Result<Recording> read_reference() const;
  /// The methods that the runs need, so that the first one is as fast as the others.
  Status load();
  /// Before the first one that is heard.
  Status warm_up(const Run& run);
  /// Its output is there, and --skip_existing leaves it alone.
  bool is_spoken(const Run& run);
  /// What one of the threads does: whatever happens, it ends, and so do the others.
  void speak_some(RunSpeaker& speaker, RunSource& runs);
  Status speak_next(RunSpeaker& speaker, RunSource& runs, bool& is_last);
  /// The next run that is to be spoken, with its voice; nothing at the end, and after an error.
  Result<std::optional<NumberedRun>> next_run(RunSource& runs);
  /// Remembers and tells how the runs went, in their order.
  Status finish(size_t number, SpokenRun spoken);
  /// Begins no other run.
  void fail(Status status);
  /// The first one that waits.
  Status keep_first();
  Status keep_record(SpokenRun spoken);
  /// Keeps who spoke the run.
  Status save_voice(const SpokenRun& spoken);
  void tell_delivery(int64_t num_frames, int64_t num_samples, Clock::time_point start);
  double seconds_of(int64_t num_samples) const;

  const RunnerOptions& options_;
  Console& console_;
  std::unique_ptr<Engine> engine_;
  std::vector<int64_t> codes_;  ///< Those of --codes_path.
  std::vector<std::unique_ptr<RunSpeaker>> speakers_;
  std::optional<VoiceMaker> voice_maker_;
  std::optional<Manifest> manifest_;
  std::mutex next_mutex_;  ///< Of what next_run() touches: the source, voices_ and num_begun_.
  std::map<std::string, std::shared_ptr<const Voice>> voices_;  ///< Path -> voice.
  size_t num_begun_ = 0;
  bool has_told_voice_choice_ = false;
  int64_t num_skipped_ = 0;
  std::mutex finish_mutex_;  ///< Of what finish() touches.
  std::map<size_t, SpokenRun> waiting_;  ///< For the records of runs before them.
  std::vector<RunRecord> records_;
  int64_t num_cut_ = 0;
  std::atomic<bool> has_error_{false};
  Status error_;  ///< The first one.
  size_t num_finished_ = 0;
  Clock::time_point started_;
  double speaking_s_ = 0;  ///< From the first run's start to the last one's end.
};

Status Speaker::open() {
  if (!options_.manifest.empty()) {
    ASSIGN_OR_RETURN(Manifest manifest, Manifest::open(options_.manifest, options_.output_dir));
    manifest_.emplace(std::move(manifest));
  }
  console_.progress("loading " + options_.engine.model_path + " ...");
  ASSIGN_OR_RETURN(engine_, Engine::create(options_.engine));
  RETURN_IF_ERROR(engine_->check(options_.synthesis));
  if (options_.codes_path.has_value()) {
    ASSIGN_OR_RETURN(codes_, read_codes_file(*options_.codes_path, engine_->metadata()));
  }
  RETURN_IF_ERROR(open_voice_maker());
  RETURN_IF_ERROR(read_named_voice());
  if (options_.batch > engine_->metadata().max_batch) {
    return invalid_argument("--batch is " + std::to_string(options_.batch) + ", and this model speaks at most " +
                            std::to_string(engine_->metadata().max_batch) + " at once; give a smaller number");
  }
  for (int64_t i = 0; i < options_.batch; ++i) {
    ASSIGN_OR_RETURN(auto speaker, RunSpeaker::create(*engine_, options_, codes_));
    speakers_.push_back(std::move(speaker));
  }
  return {};
}

Status Speaker::load() {
  const Workload speech = options_.synthesis.codes_only ? Workload::kCodes : Workload::kSpeech;
  RETURN_IF_ERROR(engine_->preload(options_.codes_path ? Workload::kDecoding : speech));
  console_.detail(describe_load(options_.engine.model_path, *engine_));
  return {};
}

/// The recording becomes a voice like those that are read from files.
Status Speaker::open_voice_maker() {
  if (options_.voice_encoder_path.empty()) {
    return {};
  }
  const ModelMetadata& model = engine_->metadata();
  if (!options_.ref_audio.empty() && !model.takes_voices()) {
    return invalid_argument("--ref_audio '" + options_.ref_audio + "': a " + model.model_type +
                            " model takes no voices; leave it out, or use a Base model");
  }
  ASSIGN_OR_RETURN(voice_maker_, VoiceMaker::open({options_.voice_encoder_path, options_.engine.num_threads}, model));
  if (options_.ref_audio.empty()) {
    return {};
  }
  console_.progress("listening to " + options_.ref_audio + " ...");
  ASSIGN_OR_RETURN(const Recording recording, read_reference());
  console_.tell_notes(recording.notes);
  ASSIGN_OR_RETURN(Voice voice, voice_maker_->of_recording(recording, options_.ref_audio, options_.ref_text));
  voices_.emplace(options_.ref_audio, std::make_shared<const Voice>(std::move(voice)));
  return {};
}

Result<Recording> Speaker::read_reference() const {
  auto recording = read_recording(options_.ref_audio, voice_maker_->sample_rate(), options_.ref_recording);
  if (!recording.ok() && is_regular_file(options_.ref_audio) && Voice::read(options_.ref_audio).ok()) {
    return invalid_argument("--ref_audio '" + options_.ref_audio + "' is a voice file; give it as --voice");
  }
  return recording;
}

/// Each file once, however many runs speak with it.
Status Speaker::read_voice(const std::string& path) {
  if (path.empty() || voices_.count(path) > 0) {
    return {};
  }
  ASSIGN_OR_RETURN(Voice voice, Voice::load(path, engine_->metadata()));
  voices_.emplace(path, std::make_shared<const Voice>(std::move(voice)));
  return {};
}

/// The voice of the command line, whose error may name the flag that was meant.
Status Speaker::read_named_voice() {
  Status voice = read_voice(options_.voice);
  if (!voice.ok() && engine_->metadata().takes_voices() && is_recording(options_.voice)) {
    return Error{voice.error().code, voice.error().message + "; or give it as --ref_audio"};
  }
  return voice;
}

/// Once, however many runs leave it to the model.
void Speaker::tell_voice_choice(const SynthesisRequest& request) {
  if (options_.codes_path.has_value()) {
    return;
  }
  const std::string advice = describe_voice_choice(request, engine_->metadata());
  if (!advice.empty() && !std::exchange(has_told_voice_choice_, true)) {
    console_.tell(advice);
  }
}

Status Speaker::check(const Run& run) {
  if (options_.codes_path.has_value()) {
    return {};
  }
  RETURN_IF_ERROR(read_voice(run.voice));
  SynthesisRequest request = run.request;
  request.voice = run.voice.empty() ? nullptr : voices_.at(run.voice);
  RETURN_IF_ERROR(engine_->check(request, options_.synthesis));
  return options_.save_voice.empty() ? Status() : voice_maker_->check(run.request);
}

Status Speaker::warm_up(const Run& run) {
  for (int64_t i = 0; i < options_.warmup && received_signal() == 0; ++i) {
    console_.progress("warming up ...");
    RETURN_IF_ERROR(speakers_.front()->warm_up(run));
  }
  engine_->start_profile();
  return {};
}

Status Speaker::speak(RunSource& runs) {
  RETURN_IF_ERROR(runs.is_stream() ? load() : Status());  // While nobody has written a line yet.
  std::vector<std::thread> threads;
  // Where no more threads can be started, fewer runs are spoken at once.
  [[maybe_unused]] const Status all_started = catching([&]() -> Status {
    for (size_t i = 1; i < speakers_.size(); ++i) {
      threads.emplace_back([&, i] { speak_some(*speakers_[i], runs); });
    }
    return {};
  });
  speak_some(*speakers_.front(), runs);
  for (std::thread& thread : threads) {
    thread.join();
  }
  while (!waiting_.empty()) {  // Spoken beside a run that failed.
    RETURN_IF_ERROR(keep_first());
  }
  return error_;
}

void Speaker::speak_some(RunSpeaker& speaker, RunSource& runs) {
  for (bool is_last = false; !is_last && received_signal() == 0 && !has_error_;) {
    Status status = catching([&] { return speak_next(speaker, runs, is_last); });
    if (!status.ok()) {
      fail(std::move(status));
    }
  }
}

Status Speaker::speak_next(RunSpeaker& speaker, RunSource& runs, bool& is_last) {
  ASSIGN_OR_RETURN(std::optional<NumberedRun> next, next_run(runs));
  is_last = !next.has_value();
  if (is_last) {
    return {};
  }
  const std::string source = next->run.source;
  const Clock::time_point start = Clock::now();
  auto spoken = speaker.speak(std::move(next->run), [&](int64_t num_frames, int64_t num_samples) {
    tell_delivery(num_frames, num_samples, start);
  });
  return spoken.ok() ? finish(next->number, *std::move(spoken)) : of_run(source, spoken.error());
}

Result<std::optional<Speaker::NumberedRun>> Speaker::next_run(RunSource& runs) {
  const std::lock_guard<std::mutex> lock(next_mutex_);
  while (received_signal() == 0 && !has_error_) {
    ASSIGN_OR_RETURN(std::optional<Run> run, runs.next());
    if (!run.has_value() || received_signal() != 0) {
      break;
    }
    if (is_spoken(*run)) {
      continue;
    }
    if (!run->voice.empty()) {
      run->request.voice = voices_.at(run->voice);
    }
    tell_voice_choice(run->request);
    if (num_begun_ == 0) {
      RETURN_IF_ERROR(load());
      if (const Status warmed = warm_up(*run); !warmed.ok()) {
        return of_run(run->source, warmed.error());
      }
      started_ = Clock::now();
    }
    return std::optional<NumberedRun>({num_begun_++, *std::move(run)});
  }
  return std::optional<NumberedRun>();
}

bool Speaker::is_spoken(const Run& run) {
  if (!options_.skip_existing || !is_regular_file(run.output_path)) {
    return false;
  }
  if (manifest_ && manifest_->knows_other(run)) {
    console_.tell(run.output_path + ": its text or voice has changed, so it is spoken again\n");
    return false;
  }
  ++num_skipped_;
  console_.detail(run.output_path + ": it exists, and is skipped\n");
  return true;
}

Status Speaker::finish(size_t number, SpokenRun spoken) {
  const std::lock_guard<std::mutex> lock(finish_mutex_);
  waiting_.emplace(number, std::move(spoken));
  speaking_s_ = std::chrono::duration<double>(Clock::now() - started_).count();
  while (!waiting_.empty() && waiting_.begin()->first == num_finished_) {
    RETURN_IF_ERROR(keep_first());
  }
  return {};
}

void Speaker::fail(Status status) {
  const std::lock_guard<std::mutex> lock(finish_mutex_);
  if (!has_error_.exchange(true)) {
    error_ = std::move(status);
  }
}

Status Speaker::keep_first() {
  const auto first = waiting_.begin();
  SpokenRun spoken = std::move(first->second);
  num_finished_ = first->first + 1;
  waiting_.erase(first);
  return keep_record(std::move(spoken));
}

Status Speaker::keep_record(SpokenRun spoken) {
  const SynthesisStats& stats = spoken.stats;
  records_.push_back({spoken.run.request.text, spoken.run.seed, spoken.output, spoken.run.speed, stats,
                      std::move(spoken.talker_tokens), peak_rss_mb(), seconds_of(stats.samples),
                      seconds_of(stats.pause_samples)});
  const RunRecord& record = records_.back();
  if (manifest_ && stats.finish_reason != FinishReason::kStopped) {
    RETURN_IF_ERROR(manifest_->add(spoken.run, record));
  }
  console_.tell(describe_run(record));
  console_.detail(describe_stages(record));
  if (record.is_cut_off() && options_.synthesis.min_frames == 0) {  // That sets a length, whatever is said.
    ++num_cut_;
    const std::string& subject =
        spoken.output.empty() && !spoken.run.source.empty() ? spoken.run.source : name_of_output(record);
    console_.warn(subject + ": " + describe_cut(stats, options_.synthesis, engine_->metadata()));
  }
  return options_.save_voice.empty() ? Status() : save_voice(spoken);
}

Status Speaker::save_voice(const SpokenRun& spoken) {
  const FinishReason reason = spoken.stats.finish_reason;
  if (reason == FinishReason::kStopped) {
    return {};  // Whoever stopped it knows.
  }
  if (reason != FinishReason::kEos) {
    return invalid_argument(
        "--save_voice '" + options_.save_voice + "': the speech was cut off (" + to_string(reason) +
        "), so its text is not what was said; speak a shorter text, raise that limit, or try another seed");
  }
  console_.progress("saving the voice ...");
  RETURN_IF_ERROR(voice_maker_->save(options_.save_voice, spoken.run.request, spoken.samples));
  console_.tell(options_.save_voice + ": the voice of this speech\n");
  return {};
}

double Speaker::seconds_of(int64_t num_samples) const {
  return static_cast<double>(num_samples) / static_cast<double>(engine_->metadata().sample_rate);
}

/// Of one alone: of several at once, each is told when it is spoken.
void Speaker::tell_delivery(int64_t num_frames, int64_t num_samples, Clock::time_point start) {
  if (options_.batch == 1) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    console_.progress(describe_progress(num_frames, seconds_of(num_samples), seconds));
  }
}

Status Speaker::report() const {
  if (records_.size() > 1) {
    console_.tell(describe_all(records_, speaking_s_));
  }
  if (num_skipped_ > 0) {
    console_.tell(std::to_string(num_skipped_) + (num_skipped_ == 1 ? " output exists" : " outputs exist") +
                  " already; skipped\n");
  }
  if (!records_.empty() && !options_.profile.empty()) {
    RETURN_IF_ERROR(engine_->write_profile(options_.profile));
  }
  if ((records_.empty() && num_skipped_ == 0) || options_.stats_json.empty()) {
    return {};
  }
  return write_stats_json(options_.stats_json, records_, *engine_, options_);
}

/// Nobody wants to read samples.
Status check_terminal(const RunnerOptions& options) {
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  if (is_terminal && options.stdout_format.has_value()) {
    return invalid_argument(
        "--stdout would write samples to the terminal; send them to a file or a player: | aplay -f S16_LE -r 24000");
  }
  if (is_terminal && options.output == kStandardOutput) {
    return invalid_argument(
        "--output - would write a sound file to the terminal; send it to another program, such as | aplay");
  }
  return {};
}

int Speaker::exit_code(const RunSource& runs) const {
  if (runs.num_refused() > 0) {
    return runs.num_refused() == runs.num_prompts() ? EXIT_FAILURE : kExitLinesRefused;
  }
  return options_.strict && num_cut_ > 0 ? kExitCutOff : EXIT_SUCCESS;
}

}  // namespace

Result<int> speak_all(const RunnerOptions& options, Console& console) {
  RETURN_IF_ERROR(check_terminal(options));
  Speaker speaker(options, console);
  ASSIGN_OR_RETURN(const auto runs, RunSource::open(
                                        options, [&](const Run& run) { return speaker.check(run); },
                                        [] { return received_signal() != 0; }, console));
  RETURN_IF_ERROR(speaker.open());
  RETURN_IF_ERROR(runs->read_ahead());
  if (options.has_random_seed) {
    console.tell("seed " + std::to_string(options.synthesis.seed) + ", drawn at random\n");
  }
  const Status spoken = speaker.speak(*runs);
  const Status reported = speaker.report();  // Of the runs before an error, too.
  RETURN_IF_ERROR(spoken);
  RETURN_IF_ERROR(reported);
  if (runs->num_refused() > 0) {
    console.error(std::to_string(runs->num_refused()) + " of " + std::to_string(runs->num_prompts()) +
                  " lines were not spoken: see the errors above");
  }
  return speaker.exit_code(*runs);
}

}  // namespace qwen3_tts
