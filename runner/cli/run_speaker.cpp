#include "run_speaker.h"

#include <optional>
#include <utility>

#include "audio/codes_file.h"
#include "base/try.h"
#include "line_reader.h"
#include "output_paths.h"
#include "run_sink.h"
#include "signals.h"
#include "sound_format.h"
#include "voice_maker.h"

namespace qwen3_tts {

Result<std::unique_ptr<RunSpeaker>> RunSpeaker::create(Engine& engine, const RunnerOptions& options,
                                                       const std::vector<int64_t>& codes) {
  ASSIGN_OR_RETURN(auto session, engine.create_session());
  return std::unique_ptr<RunSpeaker>(new RunSpeaker(std::move(session), engine.metadata(), options, codes));
}

RunSpeaker::RunSpeaker(std::unique_ptr<SynthesisSession> session, const ModelMetadata& metadata,
                       const RunnerOptions& options, const std::vector<int64_t>& codes)
    : session_(std::move(session)), metadata_(metadata), options_(options), codes_(codes) {
  stop_at_signal(*session_);
}

RunSpeaker::~RunSpeaker() { forget_at_signal(*session_); }

/// In a folder of outputs, a file that has its name is complete: somebody may go on after the program was killed.
Result<SpokenRun> RunSpeaker::speak(Run run, OnDelivery on_delivery) {
  const bool is_moved = !options_.output_dir.empty();
  const std::string file = is_moved ? unfinished(run.output_path) : run.output_path;
  ASSIGN_OR_RETURN(const AudioFormat format, format_of_file(run.output_path, options_.output_format));
  ASSIGN_OR_RETURN(const auto sink,
                   RunSink::open({file, format, options_.stdout_format, run.speed}, metadata_.sample_rate,
                                 [&](int64_t num_samples) { on_delivery(session_->stats().frames, num_samples); }));
  KeepingSink keeping_sink(*sink);
  const bool keeps_samples = !options_.save_voice.empty();
  RETURN_IF_ERROR(utter(run, keeps_samples ? static_cast<AudioSink&>(keeping_sink) : *sink));
  const bool is_stopped = session_->stats().finish_reason == FinishReason::kStopped;
  if (is_moved && !is_stopped) {
    RETURN_IF_ERROR(move_into_place(file, run.output_path));
  }
  if (!options_.codes_output.empty()) {
    RETURN_IF_ERROR(write_codes_file(options_.codes_output, session_->codes(), metadata_));
  }
  const std::string& sound = is_stopped ? file : run.output_path;
  std::string output = options_.synthesis.codes_only ? options_.codes_output : sound;
  return SpokenRun{std::move(run), std::move(output), session_->stats(), session_->talker_tokens(),
                   keeping_sink.take()};
}

Status RunSpeaker::warm_up(Run run) {
  NullSink nowhere;
  return utter(run, nowhere);
}

Status RunSpeaker::utter(Run& run, AudioSink& sink) {
  if (options_.codes_path.has_value()) {
    return session_->decode(codes_, sink);
  }
  SynthesisOptions options = options_.synthesis;
  options.seed = run.seed;
  if (options_.request.open_text) {
    return utter_as_written(run, options, sink);
  }
  const auto stats = session_->synthesize(run.request, options, sink);
  return stats.ok() ? Status() : stats.error();
}

/// More is read when all that came is spoken: what is read does not depend on when.
Status RunSpeaker::utter_as_written(Run& run, const SynthesisOptions& options, AudioSink& sink) {
  const auto is_stopped = [] { return received_signal() != 0; };
  ASSIGN_OR_RETURN(LineReader reader, LineReader::open(*options_.text_file, is_stopped));
  RETURN_IF_ERROR(session_->start(run.request, options));
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

}  // namespace qwen3_tts
