#include "runs.h"

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "option_checks.h"
#include "output_paths.h"
#include "prompt_file.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

Result<std::vector<PromptLine>> read_all(const RunnerOptions& options) {
  if (options.prompts_path) {
    return read_prompts(*options.prompts_path);
  }
  if (options.text_file) {
    return read_text_file(*options.text_file);
  }
  PromptLine line;
  line.request.text = options.text.value_or("");
  return std::vector<PromptLine>{std::move(line)};
}

/// "b/a.wav" -> "b/a_repeat_1.wav"
std::string repeated(const fs::path& name, int64_t repeat) {
  const std::string file = name.stem().string() + "_repeat_" + std::to_string(repeat) + name.extension().string();
  return (name.parent_path() / file).string();
}

std::string file_name(const PromptLine& line, size_t prompt, int64_t repeat, const RunnerOptions& options) {
  if (line.output.has_value()) {
    return options.repeat == 1 ? *line.output : repeated(*line.output, repeat);
  }
  return "prompt_" + std::to_string(prompt) + "_repeat_" + std::to_string(repeat) + ".wav";
}

/// Who speaks: a line's speaker or voice takes the place of both that the command line may name.
Run plan_run(const PromptLine& line, const RunnerOptions& options) {
  Run run{line.source, options.request, options.voice.empty() ? options.ref_audio : options.voice,
          options.synthesis.seed, options.output_wav};
  SynthesisRequest& request = run.request;
  request.text = line.request.text;
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

/// Of runs that write to a folder.
Status check_outputs(const std::vector<Run>& runs, const RunnerOptions& options) {
  std::vector<NamedPath> others = input_files(options);
  for (const NamedPath& output : output_files(options)) {
    others.push_back(output);
  }
  std::vector<NamedPath> outputs;
  std::map<std::string, std::string> voices;  // Path -> who names it first.
  for (const Run& run : runs) {
    outputs.push_back({run.source.empty() ? "--output_dir" : run.source, run.output_path});
    voices.emplace(run.voice, "the voice of " + run.source);
  }
  for (const auto& [path, source] : voices) {
    others.push_back({source, path});
  }
  return check_distinct(others, outputs);
}

}  // namespace

Result<std::vector<Run>> plan_runs(const RunnerOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<PromptLine> lines, read_all(options));
  std::vector<Run> runs;
  for (int64_t repeat = 0; repeat < options.repeat; ++repeat) {
    for (size_t i = 0; i < lines.size(); ++i) {
      const PromptLine& line = lines[i];
      if (line.output.has_value() && options.output_dir.empty()) {
        return invalid_argument(line.source +
                                ": key 'output' names a file, but --stdout writes none; give --output_dir as well");
      }
      Run run = plan_run(line, options);
      run.seed = line.seed.has_value() ? *line.seed + static_cast<uint64_t>(repeat)
                                       : run.seed + static_cast<uint64_t>(repeat) * lines.size() + i;
      if (!options.output_dir.empty()) {
        run.output_path = (fs::path(options.output_dir) / file_name(line, i, repeat, options)).string();
      }
      runs.push_back(std::move(run));
    }
  }
  if (!options.output_dir.empty()) {
    RETURN_IF_ERROR(check_outputs(runs, options));
  }
  return runs;
}

}  // namespace qwen3_tts
