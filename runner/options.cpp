#include "options.h"

#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>

namespace qwen3_tts {
namespace {

constexpr char kDescription[] = "Speaks text with a Qwen3-TTS model.pte.";

constexpr char kExamples[] = R"(Examples:
  qwen3_tts_runner --model_path model.pte --text "Hello there." --speaker ryan
  qwen3_tts_runner --model_path model.pte --text "Hello there." --voice ann.voice --output_wav ann.wav
  qwen3_tts_runner --model_path model.pte --text "Hello there." --instruct "A calm, deep voice."
  qwen3_tts_runner --model_path model.pte --prompts_path lines.txt --output_dir out --repeat 3 --stats_json stats.json
  qwen3_tts_runner --model_path model.pte --text "Hello there." --codes_output a.codes
  qwen3_tts_runner --model_path model.pte --codes_path a.codes --output_wav a.wav

Values left out are the checkpoint's own. The same seed gives the same speech on one machine.
Ctrl-C ends the utterance and completes its file.)";

void add_input_flags(CLI::App& app, RunnerOptions& options) {
  app.add_option("--model_path", options.engine.model_path, "Model file, made by export_unified.py")->required();
  app.add_option("--text", options.text, "Text to speak, UTF-8");
  app.add_option("--prompts_path", options.prompts_path, "File with one text a line; blank lines are skipped");
  app.add_option("--codes_path", options.codes_path, "Codes file to decode, without the language model");
}

void add_voice_flags(CLI::App& app, RunnerOptions& options) {
  app.add_option("--language", options.request.language, "Language of the text, or auto")->capture_default_str();
  app.add_option("--speaker", options.request.speaker, "Speaker of a CustomVoice model; a wrong name lists them");
  app.add_option("--instruct", options.request.instruct, "Style: VoiceDesign and 1.7B CustomVoice models");
  app.add_option("--voice", options.voice, "Voice file of a cloned speaker: Base models");
}

void add_output_flags(CLI::App& app, RunnerOptions& options) {
  app.add_option("--output_wav", options.output_wav, "WAV file of a single run (default: output.wav)");
  app.add_option("--output_dir", options.output_dir,
                 "Folder of prompt_<i>_repeat_<r>.wav for several runs (default: here)");
  app.add_option("--codes_output", options.codes_output, "Also write the codes of a single run to this file");
  app.add_option("--stats_json", options.stats_json, "Write times and counts of every run to this file");
}

void add_generation_flags(CLI::App& app, RunnerOptions& options, std::string& text_layout) {
  SynthesisOptions& synthesis = options.synthesis;
  app.add_option("--text_layout", text_layout, "streaming: text beside the speech; full: all text first")
      ->check(CLI::IsMember({"streaming", "full"}));
  app.add_option("--max_new_tokens", synthesis.max_new_tokens, "Longest speech, in talker tokens (12.5 a second)");
  app.add_option("--temperature", synthesis.temperature, "Talker: 0 is greedy");
  app.add_option("--top_k", synthesis.top_k, "Talker: 0 is off");
  app.add_option("--top_p", synthesis.top_p, "Talker: 1 is off");
  app.add_option("--repetition_penalty", synthesis.repetition_penalty, "Talker: 1 is off");
  app.add_option("--subtalker_temperature", synthesis.subtalker_temperature, "Code predictor: 0 is greedy");
  app.add_option("--subtalker_top_k", synthesis.subtalker_top_k, "Code predictor: 0 is off");
  app.add_option("--subtalker_top_p", synthesis.subtalker_top_p, "Code predictor: 1 is off");
  app.add_option("--seed", synthesis.seed, "Prompt i of repeat r uses seed + r * prompts + i")->capture_default_str();
}

void add_run_flags(CLI::App& app, RunnerOptions& options, bool& disable_fused_cp_generate) {
  app.add_option("--repeat", options.repeat, "Speak every text this many times")->capture_default_str();
  app.add_option("--threads", options.engine.num_threads, "Threads; 0: all cores")->capture_default_str();
  app.add_flag("--disable_fused_cp_generate", disable_fused_cp_generate,
               "Run the code predictor step by step: slower, same codes");
}

Error invalid(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

bool is_single_run(const RunnerOptions& options) { return !options.prompts_path && options.repeat == 1; }

/// An output's folder must be there before an hour of work is done for it.
Status check_folder(const char* flag, const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (path.empty() || folder.empty() || std::filesystem::is_directory(folder, error)) {
    return {};
  }
  return Error{ErrorCode::kIo, std::string(flag) + " '" + path + "': there is no folder '" + folder.string() + "'"};
}

Status check(const RunnerOptions& options) {
  const int inputs = (options.text ? 1 : 0) + (options.prompts_path ? 1 : 0) + (options.codes_path ? 1 : 0);
  if (inputs != 1) {
    return invalid("give exactly one of --text, --prompts_path and --codes_path; --help shows examples");
  }
  if (options.repeat < 1) {
    return invalid("--repeat is " + std::to_string(options.repeat) + "; it must be 1 or more");
  }
  const bool is_single = is_single_run(options);
  if (!is_single && !options.output_wav.empty()) {
    return invalid("--output_wav holds one run; --prompts_path and --repeat make several files: give --output_dir");
  }
  if (!is_single && !options.codes_output.empty()) {
    return invalid("--codes_output holds one run; use it with --text and without --repeat");
  }
  if (!options.output_dir.empty() && !options.output_wav.empty()) {
    return invalid("give --output_wav for a single run or --output_dir for several, not both");
  }
  if (options.codes_path && !options.codes_output.empty()) {
    return invalid("--codes_output would be a copy of --codes_path");
  }
  for (const auto& [flag, path] : {std::pair<const char*, const std::string&>("--output_wav", options.output_wav),
                                   {"--codes_output", options.codes_output},
                                   {"--stats_json", options.stats_json}}) {
    if (Status status = check_folder(flag, path); !status.ok()) {
      return status;
    }
  }
  return {};
}

}  // namespace

Result<ParsedCommandLine> parse_command_line(int argc, char** argv) {
  CLI::App app(kDescription, "qwen3_tts_runner");
  app.footer(kExamples);
  RunnerOptions options;
  std::string text_layout;
  bool disable_fused_cp_generate = false;
  add_input_flags(app, options);
  add_voice_flags(app, options);
  add_output_flags(app, options);
  add_generation_flags(app, options, text_layout);
  add_run_flags(app, options, disable_fused_cp_generate);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return ParsedCommandLine{std::nullopt, app.help()};
  } catch (const CLI::ParseError& error) {
    return invalid(std::string(error.what()) + "; --help shows all flags");
  }
  if (!text_layout.empty()) {
    options.synthesis.text_layout = text_layout == "full" ? TextLayout::kFull : TextLayout::kStreaming;
  }
  options.engine.fused_code_predictor = !disable_fused_cp_generate;
  if (Status status = check(options); !status.ok()) {
    return status.error();
  }
  if (options.output_wav.empty() && options.output_dir.empty()) {
    if (is_single_run(options)) {
      options.output_wav = "output.wav";
    } else {
      options.output_dir = ".";
    }
  }
  return ParsedCommandLine{std::move(options), ""};
}

}  // namespace qwen3_tts
