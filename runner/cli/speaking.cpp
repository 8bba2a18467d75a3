#include "speaking.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/synthesis_session.h>
#include <qwen3_tts/voice.h>

#include "audio/codes_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/try.h"
#include "cut_off.h"
#include "exit_codes.h"
#include "line_reader.h"
#include "manifest.h"
#include "output_paths.h"
#include "report.h"
#include "run_record.h"
#include "run_sink.h"
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
Status of_run(const Run& run, const Status& status) { return run.source.empty() ? status : about(run.source, status); }

/// Can it be read once more? A pipe would be waited for.
bool is_regular_file(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

bool is_recording(const std::string& path) {
  const auto bytes = is_regular_file(path) ? read_file(path) : Result<std::string>(std::string());
  return bytes.ok() && recording_format(*bytes) != nullptr;
}

/// Speaks runs one after the other with one engine and one session.
class Speaker {
 public:
  Speaker(const RunnerOptions& options, Console& console) : options_(options), console_(console) {}
  ~Speaker() { set_current_session(nullptr); }
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
  Status read_voice(const std::string& path);
  Status read_named_voice();
  void tell_voice_choice(const SynthesisRequest& request);
  Status open_voice_maker();
  /// What is said to be spoken like.
  Result<Recording> read_reference() const;
  /// The methods that the runs need, so that the first one is as fast as the others.
  Status load();
  /// Before the first one that is heard.
  Status warm_up(Run run);
  /// Its output is there, and --skip_existing leaves it alone.
  bool is_spoken(const Run& run);
  /// What is asked of the session: the run's request and voice.
  SynthesisRequest request_of(const Run& run) const;
  /// One utterance into `sink`.
  Status utter(Run& run, AudioSink& sink);
  /// The same of a text that is still being written, which becomes the run's.
  Status utter_as_written(Run& run, const SynthesisOptions& options, AudioSink& sink);
  Status speak_one(Run run);
  /// Remembers and tells how the run went. `output`: where its speech is.
  Status keep_record(const Run& run, const std::string& output);
  /// Keeps who spoke the run.
  Status save_voice(const Run& run, std::vector<float> samples);
  /// `num_samples` of the run were delivered.
  void on_delivery(int64_t num_samples, Clock::time_point start);

  const RunnerOptions& options_;
  Console& console_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SynthesisSession> session_;
  std::vector<int64_t> codes_;  ///< Those of --codes_path.
  std::optional<VoiceMaker> voice_maker_;
  std::map<std::string, std::shared_ptr<const Voice>> voices_;  ///< Path -> voice.
  std::optional<Manifest> manifest_;
  std::vector<RunRecord> records_;
  bool has_told_voice_choice_ = false;
  int64_t num_skipped_ = 0;
  int64_t num_cut_ = 0;
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
  ASSIGN_OR_RETURN(session_, engine_->create_session());
  set_current_session(session_.get());
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

SynthesisRequest Speaker::request_of(const Run& run) const {
  SynthesisRequest request = run.request;
  if (!run.voice.empty()) {
    request.voice = voices_.at(run.voice);
  }
  return request;
}

Status Speaker::check(const Run& run) {
  if (options_.codes_path.has_value()) {
    return {};
  }
  RETURN_IF_ERROR(read_voice(run.voice));
  RETURN_IF_ERROR(engine_->check(request_of(run), options_.synthesis));
  return options_.save_voice.empty() ? Status() : voice_maker_->check(run.request);
}

Status Speaker::warm_up(Run run) {
  NullSink nowhere;
  for (int64_t i = 0; i < options_.warmup && received_signal() == 0; ++i) {
    console_.progress("warming up ...");
    RETURN_IF_ERROR(utter(run, nowhere));
  }
  engine_->start_profile();
  return {};
}

Status Speaker::speak(RunSource& runs) {
  RETURN_IF_ERROR(runs.is_stream() ? load() : Status());  // While nobody has written a line yet.
  while (received_signal() == 0) {
    ASSIGN_OR_RETURN(const std::optional<Run> run, runs.next());
    if (!run.has_value() || received_signal() != 0) {
      break;
    }
    if (is_spoken(*run)) {
      continue;
    }
    if (records_.empty()) {
      RETURN_IF_ERROR(load());
      RETURN_IF_ERROR(of_run(*run, warm_up(*run)));
    }
    RETURN_IF_ERROR(of_run(*run, speak_one(*run)));
  }
  return {};
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

/// In a folder of outputs, a file that has its name is complete: somebody may go on after the program was killed.
Status Speaker::speak_one(Run run) {
  tell_voice_choice(request_of(run));
  const ModelMetadata& metadata = engine_->metadata();
  const Clock::time_point start = Clock::now();
  const bool is_moved = !options_.output_dir.empty();
  const std::string file = is_moved ? unfinished(run.output_path) : run.output_path;
  ASSIGN_OR_RETURN(const AudioFormat format, format_of_file(run.output_path, options_.output_format));
  ASSIGN_OR_RETURN(const auto sink,
                   RunSink::open({file, format, options_.stdout_format, run.speed}, metadata.sample_rate,
                                 [&](int64_t num_samples) { on_delivery(num_samples, start); }));
  KeepingSink keeping_sink(*sink);
  const bool keeps_samples = !options_.save_voice.empty();
  RETURN_IF_ERROR(utter(run, keeps_samples ? static_cast<AudioSink&>(keeping_sink) : *sink));
  const bool is_stopped = session_->stats().finish_reason == FinishReason::kStopped;
  if (is_moved && !is_stopped) {
    RETURN_IF_ERROR(move_into_place(file, run.output_path));
  }
  if (!options_.codes_output.empty()) {
    RETURN_IF_ERROR(write_codes_file(options_.codes_output, session_->codes(), metadata));
  }
  const std::string& sound = is_stopped ? file : run.output_path;
  RETURN_IF_ERROR(keep_record(run, options_.synthesis.codes_only ? options_.codes_output : sound));
  return keeps_samples ? save_voice(run, keeping_sink.take()) : Status();
}

Status Speaker::keep_record(const Run& run, const std::string& output) {
  const SynthesisStats& stats = session_->stats();
  const auto seconds = [&](int64_t num_samples) {
    return static_cast<double>(num_samples) / static_cast<double>(engine_->metadata().sample_rate);
  };
  records_.push_back({run.request.text, run.seed, output, run.speed, stats, session_->talker_tokens(), peak_rss_mb(),
                      seconds(stats.samples), seconds(stats.pause_samples)});
  const RunRecord& record = records_.back();
  if (manifest_ && stats.finish_reason != FinishReason::kStopped) {
    RETURN_IF_ERROR(manifest_->add(run, record));
  }
  console_.tell(describe_run(record));
  console_.detail(describe_stages(record));
  if (record.is_cut_off() && options_.synthesis.min_frames == 0) {  // That sets a length, whatever is said.
    ++num_cut_;
    const std::string& subject = output.empty() && !run.source.empty() ? run.source : name_of_output(record);
    console_.warn(subject + ": " + describe_cut(stats, options_.synthesis, engine_->metadata()));
  }
  return {};
}

Status Speaker::save_voice(const Run& run, std::vector<float> samples) {
  const FinishReason reason = session_->stats().finish_reason;
  if (reason == FinishReason::kStopped) {
    return {};  // Whoever stopped it knows.
  }
  if (reason != FinishReason::kEos) {
    return invalid_argument(
        "--save_voice '" + options_.save_voice + "': the speech was cut off (" + to_string(reason) +
        "), so its text is not what was said; speak a shorter text, raise that limit, or try another seed");
  }
  console_.progress("saving the voice ...");
  RETURN_IF_ERROR(voice_maker_->save(options_.save_voice, run.request, std::move(samples)));
  console_.tell(options_.save_voice + ": the voice of this speech\n");
  return {};
}

Status Speaker::utter(Run& run, AudioSink& sink) {
  if (options_.codes_path.has_value()) {
    return session_->decode(codes_, sink);
  }
  SynthesisOptions options = options_.synthesis;
  options.seed = run.seed;
  if (options_.request.open_text) {
    return utter_as_written(run, options, sink);
  }
  RETURN_IF_ERROR(session_->synthesize(request_of(run), options, sink));
  return {};
}

/// More is read when all that came is spoken: what is read does not depend on when.
Status Speaker::utter_as_written(Run& run, const SynthesisOptions& options, AudioSink& sink) {
  const auto is_stopped = [] { return received_signal() != 0; };
  ASSIGN_OR_RETURN(LineReader reader, LineReader::open(*options_.text_file, is_stopped));
  RETURN_IF_ERROR(session_->start(request_of(run), options));
  AudioChunk chunk{};
  for (chunk.needs_text = true; !chunk.is_last;) {
    if (chunk.needs_text) {
      ASSIGN_OR_RETURN(const std::optional<std::string> bytes, reader.next_bytes());
      if (bytes.has_value()) {
        run.request.text += *bytes;
        RETURN_IF_ERROR(session_->append(*bytes));
      } else if (!is_stopped()) {
        RETURN_IF_ERROR(session_->finish());
      }
    }
    ASSIGN_OR_RETURN(chunk, session_->next());
    if (chunk.num_samples > 0) {
      RETURN_IF_ERROR(sink.write(chunk.samples, chunk.num_samples));
    }
  }
  return sink.close();
}

void Speaker::on_delivery(int64_t num_samples, Clock::time_point start) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double audio_s = static_cast<double>(num_samples) / static_cast<double>(engine_->metadata().sample_rate);
  console_.progress(describe_progress(session_->stats().frames, audio_s, seconds));
}

Status Speaker::report() const {
  if (records_.size() > 1) {
    console_.tell(describe_all(records_));
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
  return write_stats_json(options_.stats_json, records_, *engine_, options_.engine);
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
