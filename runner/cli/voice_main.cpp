// qwen3_tts_voice: recordings -> voice files.

#include <csignal>
#include <cstdlib>

#include "console.h"
#include "guarded_main.h"
#include "voice_commands.h"
#include "voice_options.h"

namespace qwen3_tts {
namespace {

constexpr char kProgram[] = "qwen3_tts_voice";

int run_program(int argc, char** argv) {
  const auto parsed = parse_voice_command_line(argc, argv);
  Console console(kProgram, parsed.ok() && parsed->options ? parsed->options->verbosity : Verbosity::kNormal);
  if (!parsed.ok()) {
    console.error(parsed.error().message);
    return EXIT_FAILURE;
  }
  if (!parsed->options.has_value()) {
    Console::answer(parsed->message);
    return EXIT_SUCCESS;
  }
  std::signal(SIGXFSZ, SIG_IGN);  // A disk quota is an error of a write, which says so.
  if (const Status status = run_voice_command(*parsed->options, console); !status.ok()) {
    console.error(status.error().message);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace qwen3_tts

int main(int argc, char** argv) {
  return qwen3_tts::guarded_main(qwen3_tts::kProgram, qwen3_tts::run_program, argc, argv);
}
