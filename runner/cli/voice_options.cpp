#include "voice_options.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/try.h"
#include "command_line.h"
#include "output_paths.h"
#include "recording_flags.h"

namespace qwen3_tts {
namespace {

constexpr char kVersion[] = "qwen3_tts_voice " QWEN3_TTS_VERSION " (ExecuTorch " QWEN3_TTS_EXECUTORCH_VERSION ")\n";

constexpr char kDescription[] =
    "Makes voice files of recordings, for the Base models of Qwen3-TTS (qwen3_tts_runner --voice).";

constexpr char kExamples[] = R"(Examples:
  qwen3_tts_voice create --voice_encoder_path voice_encoder.pte --audio ann.wav --output ann.voice \
      --text "What Ann says in the recording, word for word."
  qwen3_tts_voice info ann.voice
  qwen3_tts_voice list voices
  qwen3_tts_voice mix ann.voice bob.voice --weight 0.3 --output between.voice

Each command has its own --help. Names of flags may be written with - in place of _.
)";

constexpr char kCreateExamples[] = R"(Examples:
  qwen3_tts_voice create --voice_encoder_path voice_encoder.pte --audio ann.mp3 --output ann.voice
  qwen3_tts_voice create --voice_encoder_path voice_encoder.pte --audio ann.wav --trim_silence \
      --text "What Ann says." --name Ann --language english --output ann.voice
  qwen3_tts_voice create --voice_encoder_path voice_encoder.pte --audio talk.flac --start 1:02.5 --duration 12 \
      --channel left --output ann.voice
  ffmpeg -i talk.m4a -f wav - | qwen3_tts_voice create --voice_encoder_path voice_encoder.pte --audio - \
      --output ann.voice

Five to fifteen seconds of clear speech without music or echo do best. With --text the voice also holds the
recording itself, as codes, and the model goes on speaking from there; without, it is an x-vector only.
)";

constexpr char kMixExamples[] = R"(Examples:
  qwen3_tts_voice mix ann.voice bob.voice --output between.voice
  qwen3_tts_voice mix ann.voice bob.voice --weight 0.2 --name "Mostly Ann" --output between.voice
)";

void add_output_flags(CLI::App& command, VoiceProgramOptions& options) {
  command.add_option("--name", options.name, "Name of the voice (default: the output's file name without extension)")
      ->type_name("NAME");
  command.add_option("--output", options.output, "Voice file to write; one that is there is replaced")
      ->required()
      ->type_name("FILE");
}

CLI::App* add_create(CLI::App& app, VoiceProgramOptions& options, RecordingFlags& recording) {
  CLI::App* command = app.add_subcommand("create", "Make a voice file of a recording");
  command
      ->add_option("--voice_encoder_path", options.encoder.path,
                   "Voice encoder of the model, made by export_unified.py --voice-encoder")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--audio", options.audio,
                   "Recording of 0.5 to 60 s: WAV, FLAC, OGG or MP3, any rate, any channels; -: standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--text", options.text, "What is said in the recording, UTF-8; without it an x-vector only");
  command
      ->add_option("--language", options.language,
                   "Language of the recording: a name, a code such as en or zh-CN, or auto")
      ->capture_default_str()
      ->type_name("NAME");
  recording.add_to(*command, "");
  command
      ->add_option("--threads", options.encoder.num_threads,
                   "Threads; 0: all fast cores, or a container's share of them")
      ->capture_default_str()
      ->type_name("N");
  add_output_flags(*command, options);
  command->footer(kCreateExamples);
  return command;
}

CLI::App* add_info(CLI::App& app, VoiceProgramOptions& options) {
  CLI::App* command = app.add_subcommand("info", "Print what a voice file holds");
  command->add_option("FILE", options.path, "Voice file")->required()->type_name(" ");
  return command;
}

CLI::App* add_list(CLI::App& app, VoiceProgramOptions& options) {
  CLI::App* command = app.add_subcommand(
      "list", "Print the voices in a folder: file, name, language, model and kind, with tabs between");
  command->add_option("FOLDER", options.path, "Folder with files that end in .voice")->required()->type_name(" ");
  return command;
}

CLI::App* add_mix(CLI::App& app, VoiceProgramOptions& options) {
  CLI::App* command = app.add_subcommand("mix", "Make a voice between two others of one model, an x-vector only");
  command->add_option("FIRST", options.first, "Voice file")->required()->type_name(" ");
  command->add_option("SECOND", options.second, "Voice file")->required()->type_name(" ");
  command->add_option("--weight", options.weight, "Share of the second voice, from 0 to 1")
      ->capture_default_str()
      ->type_name("X");
  add_output_flags(*command, options);
  command->footer(kMixExamples);
  return command;
}

/// What a command needs beyond what CLI11 has seen to.
Status finish(VoiceProgramOptions& options) {
  if (options.command == VoiceCommand::kInfo || options.command == VoiceCommand::kList) {
    return {};
  }
  if (std::isnan(options.weight) || options.weight < 0 || options.weight > 1) {
    return invalid_argument("--weight is " + CLI::detail::to_string(options.weight) + "; it must be from 0 to 1");
  }
  if (options.name.empty()) {
    options.name = std::filesystem::path(options.output).stem().string();
  }
  return check_paths(
      {
          {"--voice_encoder_path", options.encoder.path},
          {"--audio", options.audio},
          {"FIRST", options.first},
          {"SECOND", options.second},
      },
      {{"--output", options.output}}, {"", ""});
}

}  // namespace

Result<ParsedVoiceCommandLine> parse_voice_command_line(int argc, char** argv) {
  CLI::App app(kDescription, "qwen3_tts_voice");
  app.allow_extras();  // CLI11 would name them in no good order. Commands inherit it.
  app.set_version_flag("--version", kVersion, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this and exit");
  VoiceProgramOptions options;
  RecordingFlags recording("");
  bool verbose = false;
  bool quiet = false;
  const std::pair<CLI::App*, VoiceCommand> commands[] = {
      {add_create(app, options, recording), VoiceCommand::kCreate},
      {add_info(app, options), VoiceCommand::kInfo},
      {add_list(app, options), VoiceCommand::kList},
      {add_mix(app, options), VoiceCommand::kMix},
  };
  for (const auto& [command, id] : commands) {
    command->add_flag("--verbose", verbose, "Also tell the time of every stage");
    command->add_flag("--quiet", quiet, "Tell errors only");
    command->callback([&options, command_id = id] { options.command = command_id; });
  }
  app.footer(kExamples);  // After the commands, which would inherit it.
  auto answer = parse_arguments(app, argc, argv, kVersion);
  if (app.get_subcommands().empty() && (!answer.ok() || answer->empty())) {
    return invalid_argument(
        (argc < 2 ? std::string("there is no command") : "'" + std::string(argv[1]) + "' is no command") +
        "; give create, info, list or mix, or --help");
  }
  RETURN_IF_ERROR(answer);
  if (!answer->empty()) {
    return ParsedVoiceCommandLine{std::nullopt, std::move(*answer)};
  }
  if (quiet && verbose) {
    return invalid_argument("give --quiet or --verbose, not both");
  }
  if (quiet || verbose) {
    options.verbosity = quiet ? Verbosity::kQuiet : Verbosity::kVerbose;
  }
  ASSIGN_OR_RETURN(options.recording, recording.options());
  RETURN_IF_ERROR(finish(options));
  return ParsedVoiceCommandLine{std::move(options), ""};
}

}  // namespace qwen3_tts
