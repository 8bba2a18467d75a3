#include "runner_flags.h"

#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "command_line.h"
#include "option_checks.h"
#include "recording_flags.h"

namespace qwen3_tts {

template <>
struct Names<PcmFormat> {
  static constexpr Name<PcmFormat> kAll[] = {{PcmFormat::kS16le, "s16le"}, {PcmFormat::kF32le, "f32le"}};
};

namespace {

constexpr char kDescription[] = "Speaks text with a Qwen3-TTS model.pte.";

constexpr char kVersion[] = "qwen3_tts_runner " QWEN3_TTS_VERSION " (ExecuTorch " QWEN3_TTS_EXECUTORCH_VERSION ")\n";

constexpr char kExamples[] = R"(Examples:
  qwen3_tts_runner --model_path model.pte --text "Hello there." --speaker ryan
  qwen3_tts_runner --model_path model.pte --text "Hello there." --voice ann.voice --output ann.mp3
  qwen3_tts_runner --model_path model.pte --text "Hello there." --instruct "A calm, deep voice."
  qwen3_tts_runner --model_path model.pte --text_file - --stdout s16le < story.txt | aplay -f S16_LE -r 24000
  qwen3_tts_runner --model_path model.pte --text_file book.txt --paragraph_pause 0.8 --output book.opus
  qwen3_tts_runner --model_path model.pte --text "Ready? [pause 1.5s] Go." --markup --speaker ryan
  qwen3_tts_runner --model_path model.pte --prompts_path lines.txt --output_dir out --repeat 3 --stats_json stats.json
  qwen3_tts_runner --model_path model.pte --prompts_path book.txt --output_dir book --skip_existing
  some_program | qwen3_tts_runner --model_path model.pte --prompts_path - --stdout s16le | aplay -f S16_LE -r 24000
  qwen3_tts_runner --model_path model.pte --text "Hello there." --codes_output a.codes
  qwen3_tts_runner --model_path model.pte --codes_path a.codes --output a.wav
  qwen3_tts_runner --model_path model.pte --info

Values left out are the checkpoint's own. The same seed gives the same speech on one machine.
Names may be written with - in place of _. Ctrl-C ends the utterance and completes its file.
Exit codes: 0: all is spoken; 1: an error; 2: lines of --prompts_path are wrong, and the others are spoken;
3: with --strict, a limit cut speech off; 128 + n: signal n ended the program.
)";

/// What CLI11 fills in; finish() makes RunnerOptions of it.
struct CommandLine {
  RunnerOptions options;
  RecordingFlags ref{"ref_"};
  std::string text_layout;
  std::string long_text;
  std::string voice_mode;
  std::string verify;
  std::string output_format;
  std::string stdout_format;
  bool disable_fused_cp_generate = false;
  bool disable_cuda_graphs = false;
  bool info = false;
  bool list_speakers = false;
  bool list_languages = false;
  bool self_test = false;
  bool verbose = false;
  bool quiet = false;
};

/// CLI11 would take -1 for a large number.
std::string refuse_minus(const std::string& value) {
  return value.empty() || value.front() != '-' ? "" : value + " is below 0";
}

/// "random" becomes a number.
std::string drawn_seed(const std::string& value, RunnerOptions& options) {
  options.has_random_seed = value == kRandomSeed;
  return options.has_random_seed ? std::to_string(random_seed()) : value;
}

void add_input_flags(CLI::App& app, RunnerOptions& options) {
  const std::string group = "Input";
  app.add_option("--model_path", options.engine.model_path, "Model file, made by export_unified.py")
      ->required()
      ->type_name("FILE")
      ->group(group);
  app.add_option("--data_path", options.engine.data_path,
                 "Weights of a model for a GPU (default: the .ptd beside it, of its name)")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--text", options.text, "Text to speak, UTF-8")->group(group);
  app.add_option("--text_file", options.text_file, "File with one text; -: standard input")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--markup", options.request.markup,
               "In texts, [pause 500ms] and <break time=\"500ms\"/> are pauses of up to 60 s")
      ->group(group);
  app.add_flag("--open_text", options.request.open_text,
               "Speak --text_file while it is being written: each sentence as soon as it is complete")
      ->group(group);
  app.add_option("--prompts_path", options.prompts_path, "File or pipe with one text or JSON object a line; -: stdin")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--codes_path", options.codes_path, "Codes file to decode, without the language model")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--tokenizer_path", options.engine.tokenizer_path, "tokenizer.json in place of the model's own")
      ->type_name("FILE")
      ->group(group);
}

void add_voice_flags(CLI::App& app, CommandLine& line) {
  const std::string group = "Voice";
  RunnerOptions& options = line.options;
  app.add_option("--language", options.request.language,
                 "Language of the text: a name (--list_languages), a code such as en or zh-CN, or auto")
      ->capture_default_str()
      ->type_name("NAME")
      ->group(group);
  app.add_option("--speaker", options.request.speaker,
                 "Speaker of a CustomVoice model (--list_speakers); not needed if it has only one")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--voice", options.voice, "Voice file of a cloned speaker: Base models")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--voice_mode", line.voice_mode, "Speak with its x-vector alone, or in context (icl) of its recording")
      ->check(CLI::IsMember(choices<VoiceMode>()))
      ->group(group);
  app.add_option("--ref_audio", options.ref_audio,
                 "Recording of a speaker in place of a voice file: Base models; -: standard input")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--ref_text", options.ref_text, "What is said in --ref_audio; without it only its x-vector is used")
      ->group(group);
  line.ref.add_to(app, group);
  app.add_option("--voice_encoder_path", options.voice_encoder_path,
                 "Voice encoder for --ref_audio and --save_voice, made by export_unified.py")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--instruct", options.request.instruct, "Style: VoiceDesign and 1.7B CustomVoice models")
      ->group(group);
}

void add_output_flags(CLI::App& app, CommandLine& line) {
  const std::string group = "Output";
  RunnerOptions& options = line.options;
  app.add_option("--output,--output_wav", options.output,
                 "Sound file of a single run; its ending names the format; -: standard output (default: output.wav)")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--output_dir", options.output_dir,
                 "Folder of prompt_<i>_repeat_<r>.wav for several runs (default: here)")
      ->type_name("FOLDER")
      ->group(group);
  app.add_option("--output_format", line.output_format,
                 "Format in --output_dir, of --output - and of names without an ending (default: wav)")
      ->check(CLI::IsMember(choices<AudioFormat>()))
      ->group(group);
  app.add_option("--stdout", line.stdout_format,
                 "Raw mono samples to standard output as they are made, and no file unless named")
      ->check(CLI::IsMember(choices<PcmFormat>()))
      ->group(group);
  app.add_option("--speed", options.speed, "0.5 to 2: slower or faster than the model speaks, at the same pitch")
      ->capture_default_str()
      ->type_name("X")
      ->group(group);
  app.add_option("--chunk_frames", options.synthesis.chunk_frames,
                 "Frames of 80 ms in one delivery; the first ones have fewer")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option("--first_chunk_frames", options.synthesis.first_chunk_frames, "Frames in the first delivery")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_flag("--trim_silence", options.synthesis.trim_silence,
               "Drop what comes before the first sample of magnitude 0.005, but for 20 ms")
      ->group(group);
  app.add_option("--codes_output", options.codes_output, "Also write the codes of a single run to this file")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--codes_only", options.synthesis.codes_only, "Make no sound: only --codes_output")->group(group);
  app.add_option("--save_voice", options.save_voice,
                 "Also keep who spoke, in a single run, as a voice file for the Base model of --voice_encoder_path")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--manifest", options.manifest,
                 "Append a JSON line to this file for every file of --output_dir that is complete")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--skip_existing", options.skip_existing,
               "Leave files of --output_dir alone; with --manifest, as long as their text and voice are the same")
      ->group(group);
  app.add_option("--stats_json", options.stats_json, "Write times and counts of every run to this file")
      ->type_name("FILE")
      ->group(group);
}

void add_generation_flags(CLI::App& app, CommandLine& line) {
  const std::string group = "Generation";
  SynthesisOptions& synthesis = line.options.synthesis;
  app.add_option("--text_layout", line.text_layout, "streaming: text beside the speech; full: all text first")
      ->check(CLI::IsMember(choices<TextLayout>()))
      ->group(group);
  app.add_option("--long_text", line.long_text,
                 "auto (default): in pieces of whole sentences, a short one in one go; error: in one go, if it fits; "
                 "split: also a short one paragraph by paragraph")
      ->check(CLI::IsMember(choices<LongText>()))
      ->group(group);
  app.add_option("--paragraph_pause", synthesis.paragraph_pause,
                 "Seconds of silence before each paragraph of a text in pieces")
      ->capture_default_str()
      ->type_name("X")
      ->group(group);
  app.add_option("--max_new_tokens", synthesis.max_new_tokens, "Longest speech, in talker tokens: one more than frames")
      ->type_name("N")
      ->group(group);
  app.add_option("--max_frames", synthesis.max_frames, "Longest speech, in frames (12.5 a second)")
      ->type_name("N")
      ->group(group);
  app.add_option("--min_frames", synthesis.min_frames, "Shortest speech, in frames: to measure, not to listen to")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option(
         "--frame_budget", synthesis.frame_budget,
         "Longest speech of the text, or of a piece of it, before it is cut off; 0 is off (default: by its length)")
      ->type_name("N")
      ->group(group);
  app.add_option("--temperature", synthesis.temperature, "Talker: 0 is greedy")->type_name("X")->group(group);
  app.add_option("--top_k", synthesis.top_k, "Talker: 0 is off")->type_name("N")->group(group);
  app.add_option("--top_p", synthesis.top_p, "Talker: 1 is off")->type_name("X")->group(group);
  app.add_option("--repetition_penalty", synthesis.repetition_penalty, "Talker: 1 is off")
      ->type_name("X")
      ->group(group);
  app.add_option("--subtalker_temperature", synthesis.subtalker_temperature, "Code predictor: 0 is greedy")
      ->type_name("X")
      ->group(group);
  app.add_option("--subtalker_top_k", synthesis.subtalker_top_k, "Code predictor: 0 is off")
      ->type_name("N")
      ->group(group);
  app.add_option("--subtalker_top_p", synthesis.subtalker_top_p, "Code predictor: 1 is off")
      ->type_name("X")
      ->group(group);
  app.add_option("--seed", synthesis.seed,
                 "Prompt i of repeat r uses seed + r * prompts + i; random: another one each time, which is told")
      ->capture_default_str()
      ->type_name("N")
      ->group(group)
      ->check(refuse_minus)
      ->transform([&options = line.options](const std::string& value) { return drawn_seed(value, options); });
}

void add_run_flags(CLI::App& app, CommandLine& line) {
  const std::string group = "Running";
  RunnerOptions& options = line.options;
  app.add_option("--repeat", options.repeat, "Speak every text this many times")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option("--batch", options.batch,
                 "Texts that are spoken at once: weights are read once for all, and each says the same as alone")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option("--ahead", options.synthesis.ahead,
                 "Pieces of a long text that are spoken ahead of the one that is heard; same samples")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option("--warmup", options.warmup, "Speak the first text this many times before, unheard and uncounted")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_flag("--strict", options.strict,
               "Speak nothing when a line of --prompts_path is wrong, and exit with 3 when speech was cut off")
      ->group(group);
  app.add_option("--threads", options.engine.num_threads, "Threads; 0: all fast cores, or a container's share of them")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  app.add_option("--weight_cache", options.engine.weight_cache,
                 "File that keeps the weights that XNNPACK packs (exact, xnnpack-8da4w): the next start is faster")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--verify", line.verify,
                 "once (default), always: compare the model with the digests in it, and refuse one that is damaged; "
                 "never: do not")
      ->check(CLI::IsMember(choices<Verify>()))
      ->group(group);
  app.add_option("--profile", options.profile,
                 "Write where the time of a single run goes (ETDump, for benchmarks/read_profile.py)")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--disable_fused_cp_generate", line.disable_fused_cp_generate,
               "Run the code predictor step by step: slower, same codes")
      ->group(group);
  app.add_flag("--disable_cuda_graphs", line.disable_cuda_graphs,
               "Models for a GPU: launch every kernel by itself: slower, same codes")
      ->group(group);
}

void add_information_flags(CLI::App& app, CommandLine& line) {
  const std::string group = "Information";
  app.add_flag("--info", line.info, "Print what the model file holds")->group(group);
  app.add_flag("--list_speakers", line.list_speakers, "Print the model's speakers, one a line")->group(group);
  app.add_flag("--list_languages", line.list_languages, "Print the model's languages, one a line")->group(group);
  app.add_flag("--self_test", line.self_test,
               "Check this machine's kernels and the model, and print how long they take; --stats_json: as JSON, too")
      ->group(group);
  app.add_flag("--verbose", line.verbose, "Also tell the time of every stage")->group(group);
  app.add_flag("--quiet", line.quiet, "Tell errors and warnings only")->group(group);
  app.set_version_flag("--version", kVersion, "Print the version and exit")->group(group);
  app.set_help_flag("-h,--help", "Print this and exit")->group(group);
}

Question question(const CommandLine& line) {
  if (line.info) {
    return Question::kInfo;
  }
  if (line.list_speakers) {
    return Question::kSpeakers;
  }
  if (line.self_test) {
    return Question::kSelfTest;
  }
  return line.list_languages ? Question::kLanguages : Question::kNone;
}

/// Values that are not flags one to one.
void translate(const CommandLine& line, RunnerOptions& options) {
  options.question = question(line);
  options.engine.profile = !options.profile.empty();
  options.engine.fused_code_predictor = !line.disable_fused_cp_generate;
  options.engine.verify = value_named<Verify>(line.verify).value_or(Verify::kOnce);
  options.engine.cuda_graphs = !line.disable_cuda_graphs;
  if (line.verbose) {
    options.verbosity = Verbosity::kVerbose;
  }
  if (line.quiet) {
    options.verbosity = Verbosity::kQuiet;
  }
  options.synthesis.text_layout = value_named<TextLayout>(line.text_layout);
  options.synthesis.long_text = value_named<LongText>(line.long_text).value_or(LongText::kAuto);
  options.request.voice_mode = value_named<VoiceMode>(line.voice_mode);
  options.output_format = value_named<AudioFormat>(line.output_format);
  options.stdout_format = value_named<PcmFormat>(line.stdout_format);
}

void choose_output(RunnerOptions& options) {
  if (!options.output.empty() || !options.output_dir.empty() || options.stdout_format || options.synthesis.codes_only) {
    return;
  }
  if (is_single_run(options)) {
    options.output = std::string("output.") + name_of(options.output_format.value_or(AudioFormat::kWav));
  } else {
    options.output_dir = ".";
  }
}

Result<RunnerOptions> finish(CommandLine line) {
  RunnerOptions& options = line.options;
  if (line.quiet && line.verbose) {
    return invalid_argument("give --quiet or --verbose, not both");
  }
  translate(line, options);
  if (options.question == Question::kSelfTest) {
    RETURN_IF_ERROR(check_self_test(options));
  }
  if (options.question != Question::kNone) {
    return options;
  }
  RETURN_IF_ERROR(check_inputs(options));
  if (options.ref_audio.empty() && !line.ref.first_given().empty()) {
    return invalid_argument(line.ref.first_given() +
                            " says how to read a recording, but there is none; give --ref_audio");
  }
  ASSIGN_OR_RETURN(options.ref_recording, line.ref.options());
  choose_output(options);
  if (options.batch > EngineOptions::kUsualBatch) {
    options.engine.max_batch = static_cast<int32_t>(options.batch);
  }
  RETURN_IF_ERROR(check_outputs(options));
  return options;
}

}  // namespace

Result<ParsedCommandLine> parse_command_line(int argc, char** argv) {
  CLI::App app(kDescription, "qwen3_tts_runner");
  app.footer(kExamples);
  app.allow_extras();  // CLI11 would name them in no good order.
  app.set_help_flag("");  // Declared with the other information flags, so that it stands there.
  CommandLine line;
  add_input_flags(app, line.options);
  add_voice_flags(app, line);
  add_output_flags(app, line);
  add_generation_flags(app, line);
  add_run_flags(app, line);
  add_information_flags(app, line);
  ASSIGN_OR_RETURN(std::string answer, parse_arguments(app, argc, argv, kVersion));
  if (!answer.empty()) {
    return ParsedCommandLine{std::nullopt, std::move(answer)};
  }
  ASSIGN_OR_RETURN(RunnerOptions options, finish(std::move(line)));
  return ParsedCommandLine{std::move(options), ""};
}

}  // namespace qwen3_tts
