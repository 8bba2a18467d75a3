#include "option_checks.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "audio_component.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "sound_format.h"

namespace qwen3_tts {
namespace {

Status check_voice_encoder(const RunnerOptions& options) {
  if (!options.ref_audio.empty()) {
    RETURN_IF_ERROR(check_recordings());
  }
  const bool makes_voices = !options.ref_audio.empty() || !options.save_voice.empty();
  if (makes_voices && options.voice_encoder_path.empty()) {
    return invalid_argument(
        "--ref_audio and --save_voice need a voice encoder; give --voice_encoder_path the file that "
        "export_unified.py --voice-encoder writes");
  }
  if (!makes_voices && !options.voice_encoder_path.empty()) {
    return invalid_argument("--voice_encoder_path has no effect without --ref_audio or --save_voice; leave it out");
  }
  if (!options.save_voice.empty() && !is_single_run(options)) {
    return invalid_argument("--save_voice keeps the voice of a single run; leave --prompts_path and --repeat out");
  }
  return {};
}

/// Who speaks: a speaker, a voice file, a recording or nobody.
Status check_voice(const RunnerOptions& options) {
  const bool has_voice = !options.voice.empty() || !options.ref_audio.empty();
  const bool has_style = has_voice || !options.request.speaker.empty() || !options.request.instruct.empty();
  if (!options.request.speaker.empty() && has_voice) {
    return invalid_argument("give --speaker or --voice, not both: a voice file is a speaker, and so is --ref_audio");
  }
  if (!options.voice.empty() && !options.ref_audio.empty()) {
    return invalid_argument("give --voice or --ref_audio, not both: a recording stands for a voice file");
  }
  if (options.codes_path && has_style) {
    return invalid_argument(
        "--speaker, --voice, --ref_audio and --instruct have no effect on --codes_path; leave them out");
  }
  if (options.request.voice_mode && !has_voice && !options.prompts_path) {
    return invalid_argument(
        "--voice_mode says how to use a voice, but there is none; give --voice, or leave --voice_mode out");
  }
  if (options.ref_text && options.ref_audio.empty()) {
    return invalid_argument("--ref_text says what is said in a recording, but there is none; give --ref_audio");
  }
  if (options.ref_audio == "-" && (options.text_file == "-" || options.prompts_path == "-")) {
    return invalid_argument("--ref_audio - and the text both come from standard input; name a file for one of them");
  }
  if (!options.ref_audio.empty() && !options.ref_text && options.request.voice_mode == VoiceMode::kInContext) {
    return invalid_argument("--voice_mode icl needs to know what is said in --ref_audio; give --ref_text");
  }
  return check_voice_encoder(options);
}

Status check_codes_only(const RunnerOptions& options) {
  if (!options.synthesis.codes_only) {
    return {};
  }
  if (options.codes_output.empty()) {
    return invalid_argument("--codes_only makes codes, but they go nowhere; give --codes_output");
  }
  const bool has_sound = !options.output.empty() || !options.output_dir.empty() || options.output_format ||
                         options.stdout_format || options.speed != 1 || !options.save_voice.empty() ||
                         options.synthesis.trim_silence;
  if (has_sound) {
    return invalid_argument(
        "--codes_only makes no sound for --output, --output_dir, --output_format, --stdout, --speed, --save_voice and "
        "--trim_silence; leave them out");
  }
  return {};
}

/// What is spoken while it comes can be spoken once, and piece by piece.
Status check_open_text(const RunnerOptions& options) {
  if (!options.request.open_text) {
    return {};
  }
  if (!options.text_file) {
    return invalid_argument(
        "--open_text is about a text that comes from a file or pipe; give --text_file - for standard input");
  }
  if (options.repeat > 1 || options.warmup > 0 || !options.save_voice.empty()) {
    return invalid_argument(
        "--open_text reads a text while it is spoken, and knows it only afterwards; leave --repeat, --warmup and "
        "--save_voice out");
  }
  if (options.synthesis.long_text == LongText::kError) {
    return invalid_argument("--open_text speaks sentence by sentence; leave --long_text error out");
  }
  return {};
}

/// The sound file of a single run.
Status check_sound_file(const RunnerOptions& options) {
  const std::string& path = options.output;
  const std::string subject = "--output '" + path + "'";
  std::error_code error;
  if (std::filesystem::is_fifo(path, error)) {
    // A WAV header is written again after every write, and other files are renamed when they are complete.
    return invalid_argument(subject + ": a pipe takes no file; give --output -, and send standard output there");
  }
  if (path == kStandardOutput && options.stdout_format) {
    return invalid_argument("give --output - or --stdout, not both: standard output takes a sound file or raw samples");
  }
  ASSIGN_OR_RETURN(const AudioFormat format, about(subject, format_of_file(path, options.output_format)));
  if (options.output_format.value_or(format) != format) {
    return invalid_argument(subject + " is no name for --output_format " + name_of(*options.output_format) +
                            "; leave --output_format out, or give another name");
  }
  return {};
}

Status check_sound(const RunnerOptions& options) {
  RETURN_IF_ERROR(check_speed(options.speed));
  if (!options.output.empty()) {
    return check_sound_file(options);
  }
  if (options.output_format && options.output_dir.empty()) {
    return invalid_argument(
        "--output_format has no effect on --stdout, which takes raw samples; give --output - in its place");
  }
  return options.output_format ? about("--output_format", check_format(*options.output_format)) : Status();
}

}  // namespace

bool is_single_run(const RunnerOptions& options) { return !options.prompts_path && options.repeat == 1; }

std::vector<NamedPath> input_files(const RunnerOptions& options) {
  return {
      {"--model_path", options.engine.model_path},
      {"--data_path", options.engine.data_path},
      {"--tokenizer_path", options.engine.tokenizer_path},
      {"--text_file", options.text_file.value_or("")},
      {"--prompts_path", options.prompts_path.value_or("")},
      {"--codes_path", options.codes_path.value_or("")},
      {"--voice", options.voice},
      {"--ref_audio", options.ref_audio},
      {"--voice_encoder_path", options.voice_encoder_path},
  };
}

std::vector<NamedPath> output_files(const RunnerOptions& options) {
  return {
      {"--output", options.output == kStandardOutput ? "" : options.output},
      {"--codes_output", options.codes_output},
      {"--save_voice", options.save_voice},
      {"--stats_json", options.stats_json},
      {"--manifest", options.manifest},
      {"--profile", options.profile},
      {"--weight_cache", options.engine.weight_cache},
  };
}

Status check_inputs(const RunnerOptions& options) {
  std::string given;
  int64_t num_given = 0;
  for (const auto& [flag, value] :
       {std::pair("--text", &options.text), std::pair("--text_file", &options.text_file),
        std::pair("--prompts_path", &options.prompts_path), std::pair("--codes_path", &options.codes_path)}) {
    if (value->has_value()) {
      given += (num_given++ == 0 ? "" : " and ") + std::string(flag);
    }
  }
  if (num_given != 1) {
    return invalid_argument((num_given == 0 ? "there is nothing to speak" : "there are several inputs, " + given) +
                            "; give exactly one of --text, --text_file, --prompts_path and --codes_path");
  }
  if (options.repeat < 1) {
    return invalid_argument("--repeat is " + std::to_string(options.repeat) + "; it must be 1 or more");
  }
  if (options.warmup < 0) {
    return invalid_argument("--warmup is " + std::to_string(options.warmup) + "; it must be 0 or more");
  }
  if (options.batch < 1) {
    return invalid_argument("--batch is " + std::to_string(options.batch) + "; it must be 1 or more");
  }
  if (options.codes_path && (options.synthesis.trim_silence || !options.save_voice.empty())) {
    return invalid_argument("--trim_silence and --save_voice have no effect on --codes_path; leave them out");
  }
  RETURN_IF_ERROR(check_open_text(options));
  return check_voice(options);
}

Status check_self_test(const RunnerOptions& options) {
  if (options.text || options.text_file || options.prompts_path || options.codes_path) {
    return invalid_argument(
        "--self_test speaks a text of its own; leave --text, --text_file, --prompts_path and --codes_path out");
  }
  return check_paths({{"--model_path", options.engine.model_path}, {"--data_path", options.engine.data_path}},
                     {{"--stats_json", options.stats_json}}, {"--output_dir", ""});
}

Status check_outputs(const RunnerOptions& options) {
  const bool is_single = is_single_run(options);
  if (!is_single && !options.output.empty()) {
    return invalid_argument(
        "--output holds one run; --prompts_path and --repeat make several files: give --output_dir");
  }
  if (!is_single && !options.codes_output.empty()) {
    return invalid_argument("--codes_output holds one run; use it with one text and without --repeat");
  }
  if (!is_single && !options.profile.empty()) {
    return invalid_argument(
        "--profile shows one run; use it with one text and without --repeat (--warmup does not count)");
  }
  if (!options.output_dir.empty() && !options.output.empty()) {
    return invalid_argument("give --output for a single run or --output_dir for several, not both");
  }
  if (options.codes_path && !options.codes_output.empty()) {
    return invalid_argument("--codes_output would be a copy of --codes_path");
  }
  if (options.output_dir.empty() && (options.skip_existing || !options.manifest.empty())) {
    return invalid_argument(
        "--skip_existing and --manifest are about the files of --output_dir, but nothing is written there; give "
        "--output_dir");
  }
  if (options.batch > 1 && (options.output_dir.empty() || options.stdout_format)) {
    return invalid_argument(
        "--batch speaks several texts at once, which standard output cannot take apart; give --output_dir and no "
        "--stdout");
  }
  RETURN_IF_ERROR(check_codes_only(options));
  RETURN_IF_ERROR(check_paths(input_files(options), output_files(options), {"--output_dir", options.output_dir}));
  return check_sound(options);
}

}  // namespace qwen3_tts
