// qwen3_tts_runner: flags -> request -> session -> files.

#include <cstdlib>

#include <qwen3_tts/engine.h>

#include "base/try.h"
#include "bus_error.h"
#include "console.h"
#include "exit_codes.h"
#include "guarded_main.h"
#include "options.h"
#include "report.h"
#include "runner_flags.h"
#include "self_test.h"
#include "signals.h"
#include "speaking.h"

namespace qwen3_tts {
namespace {

constexpr char kProgram[] = "qwen3_tts_runner";

Result<int> answer(const RunnerOptions& options, Console& console) {
  if (options.question == Question::kSelfTest) {
    RETURN_IF_ERROR(self_test(options, console));
    return EXIT_SUCCESS;
  }
  ASSIGN_OR_RETURN(const ModelInfo info, read_model_info(options.engine.model_path));
  switch (options.question) {
    case Question::kSpeakers:
      Console::answer(list_speakers(info.metadata));
      break;
    case Question::kLanguages:
      Console::answer(list_languages(info.metadata));
      break;
    default:
      Console::answer(describe_model(options.engine.model_path, info));
  }
  return EXIT_SUCCESS;
}

int run_program(int argc, char** argv) {
  const auto parsed = parse_command_line(argc, argv);
  Console console(kProgram, parsed.ok() && parsed->options ? parsed->options->verbosity : Verbosity::kNormal);
  if (!parsed.ok()) {
    console.error(parsed.error().message);
    return EXIT_FAILURE;
  }
  if (!parsed->options.has_value()) {
    Console::answer(parsed->message);
    return EXIT_SUCCESS;
  }
  install_signal_handlers();
  const RunnerOptions& options = *parsed->options;
  tell_bus_errors(kProgram, options.engine.model_path);
  const Result<int> code = options.question == Question::kNone ? speak_all(options, console) : answer(options, console);
  if (!code.ok()) {
    console.error(code.error().message);
    return EXIT_FAILURE;
  }
  return received_signal() != 0 ? kExitSignalled + received_signal() : *code;
}

}  // namespace
}  // namespace qwen3_tts

int main(int argc, char** argv) {
  return qwen3_tts::guarded_main(qwen3_tts::kProgram, qwen3_tts::run_program, argc, argv);
}
