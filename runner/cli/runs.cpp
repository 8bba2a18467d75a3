#include "runs.h"

#include <filesystem>
#include <utility>

#include "audio_component.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "option_checks.h"
#include "sound_format.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

/// "b/a.wav" -> "b/a_repeat_1.wav"
std::string repeated(const fs::path& name, int64_t repeat) {
  const std::string file = name.stem().string() + "_repeat_" + std::to_string(repeat) + name.extension().string();
  return (name.parent_path() / file).string();
}

std::string file_name(const PromptLine& line, size_t prompt, int64_t repeat, const RunnerOptions& options) {
  if (line.output.has_value()) {
    return options.repeat == 1 ? *line.output : repeated(*line.output, repeat);
  }
  return "prompt_" + std::to_string(prompt) + "_repeat_" + std::to_string(repeat) + "." +
         name_of(options.output_format.value_or(AudioFormat::kWav));
}

/// Who speaks: a line's speaker or voice takes the place of both that the command line may name.
Run plan_run(const PromptLine& line, const RunnerOptions& options) {
  Run run{
      line.source, options.request, options.voice.empty() ? options.ref_audio : options.voice, options.synthesis.seed,
      false,       options.output};
  run.speed = line.speed.value_or(options.speed);
  SynthesisRequest& request = run.request;
  request.text = line.request.text;
  if (line.names("markup")) {
    request.markup = line.request.markup;
  }
  if (line.names("open_text")) {
    request.open_text = line.request.open_text;
  }
  if (line.names("language")) {
    request.language = line.request.language;
  }
  if (line.names("instruct")) {
    request.instruct = line.request.instruct;
  }
  if (line.names("speaker") || line.voice.has_value()) {
    request.speaker = line.request.speaker;
    run.voice = line.voice.value_or("");
  }
  if (line.names("voice_mode") || run.voice.empty()) {
    request.voice_mode = line.request.voice_mode;
  }
  return run;
}

/// How the run's sound is written. An error names no line.
Status check_sound(const Run& run, const RunnerOptions& options) {
  if (!run.output_path.empty()) {
    RETURN_IF_ERROR(format_of_file(run.output_path, options.output_format));
  }
  return check_speed(run.speed);
}

/// What no run may write to.
std::vector<NamedPath> named_files(const RunnerOptions& options) {
  std::vector<NamedPath> files = input_files(options);
  for (const NamedPath& output : output_files(options)) {
    files.push_back(output);
  }
  return files;
}

Result<PromptLine> read_only_prompt(const RunnerOptions& options) {
  if (options.text_file && !options.request.open_text) {
    return read_text_file(*options.text_file);
  }
  PromptLine line;
  line.request.text = options.text.value_or("");
  return line;
}

}  // namespace

RunSource::RunSource(const RunnerOptions& options, Check check, std::function<bool()> is_stopped, Console& console)
    : options_(options),
      check_(std::move(check)),
      is_stopped_(std::move(is_stopped)),
      console_(console),
      names_(named_files(options)) {}

Result<std::unique_ptr<RunSource>> RunSource::open(const RunnerOptions& options, Check check,
                                                   std::function<bool()> is_stopped, Console& console) {
  std::unique_ptr<RunSource> source(new RunSource(options, std::move(check), std::move(is_stopped), console));
  if (options.prompts_path) {
    ASSIGN_OR_RETURN(PromptLines lines, PromptLines::open(*options.prompts_path, source->is_stopped_));
    source->is_stream_ = !lines.is_whole();
    source->file_ = lines.name();
    source->lines_.emplace(std::move(lines));
  } else {
    ASSIGN_OR_RETURN(PromptLine line, read_only_prompt(options));
    source->prompts_.push_back(std::make_unique<PromptLine>(std::move(line)));
  }
  return source;
}

Status RunSource::read_ahead() {
  if (is_stream_) {
    return {};
  }
  while (lines_.has_value()) {
    RETURN_IF_ERROR(read_line());
  }
  return admit(0);
}

Result<std::optional<Run>> RunSource::next() {
  while (true) {
    if (next_ < prompts_.size()) {
      const size_t prompt = next_++;
      if (prompts_[prompt] != nullptr) {
        Run run = make_run(prompt, repeat_);
        if (repeat_ + 1 == options_.repeat) {
          prompts_[prompt].reset();  // A stream may never end.
        }
        return std::optional<Run>(std::move(run));
      }
    } else if (lines_.has_value()) {
      RETURN_IF_ERROR(read_line());
    } else if (repeat_ + 1 < options_.repeat) {
      ++repeat_;
      next_ = 0;
    } else {
      return std::optional<Run>();
    }
  }
}

/// The next one of a prompts file. A line of a stream is checked at once.
Status RunSource::read_line() {
  ASSIGN_OR_RETURN(std::optional<PromptLine> line, lines_->next());
  if (line.has_value()) {
    prompts_.push_back(std::make_unique<PromptLine>(*std::move(line)));
    return is_stream_ ? admit(prompts_.size() - 1) : Status();
  }
  lines_.reset();
  if (prompts_.empty() && !is_stopped_()) {
    return invalid_argument(file_ + " holds no text; write one text a line");
  }
  return {};
}

/// Refuses those of the prompts from `first` on that are wrong.
Status RunSource::admit(size_t first) {
  std::vector<Status> statuses;
  for (size_t i = first; i < prompts_.size(); ++i) {  // No output may replace the voice of a later line.
    const Run run = make_run(i, 0);
    statuses.push_back(names_.add_input({"the voice of " + run.source, run.voice}));
  }
  RefusedLines refused;
  for (size_t i = first; i < prompts_.size(); ++i) {
    Status status = statuses[i - first].ok() ? check_prompt(i) : statuses[i - first];
    if (status.ok()) {
      continue;
    }
    if (!options_.prompts_path) {
      return prompts_[i]->source.empty() ? status : about(prompts_[i]->source, status);
    }
    refused.add(prompts_[i]->number, status.error());
    prompts_[i].reset();
    ++num_refused_;
  }
  return report(refused);
}

Status RunSource::check_prompt(size_t prompt) {
  const PromptLine& line = *prompts_[prompt];
  RETURN_IF_ERROR(line.status);
  if (line.output.has_value() && options_.output_dir.empty()) {
    return invalid_argument("key 'output' names a file, but --stdout writes none; give --output_dir as well");
  }
  const Run run = make_run(prompt, 0);
  RETURN_IF_ERROR(check_sound(run, options_));
  RETURN_IF_ERROR(check_(run));
  for (int64_t repeat = 0; repeat < options_.repeat && !options_.output_dir.empty(); ++repeat) {
    const std::string owner = line.source.empty() ? "--output_dir" : line.source;
    const std::string path = output_path(prompt, repeat);
    RETURN_IF_ERROR(names_.add_output({owner, path}));
    RETURN_IF_ERROR(names_.add_output({owner, unfinished(path)}));
  }
  return {};
}

/// The last error is returned when it ends everything: whoever gets it tells it.
Status RunSource::report(const RefusedLines& refused) {
  const std::vector<Error> errors = refused.errors(file_);
  const bool is_end = options_.strict || (!is_stream_ && num_refused_ == num_prompts());
  for (const Error& error : errors) {
    if (is_end && &error == &errors.back()) {
      return error;
    }
    console_.error(error.message);
  }
  return {};
}

Run RunSource::make_run(size_t prompt, int64_t repeat) const {
  const PromptLine& line = *prompts_[prompt];
  Run run = plan_run(line, options_);
  const auto repeats_before = static_cast<uint64_t>(repeat);
  run.has_own_seed = line.seed.has_value();
  run.seed = run.has_own_seed ? *line.seed + repeats_before : run.seed + repeats_before * prompts_.size() + prompt;
  if (!options_.output_dir.empty()) {
    run.output_path = output_path(prompt, repeat);
  }
  return run;
}

std::string RunSource::output_path(size_t prompt, int64_t repeat) const {
  return (fs::path(options_.output_dir) / file_name(*prompts_[prompt], prompt, repeat, options_)).string();
}

}  // namespace qwen3_tts
