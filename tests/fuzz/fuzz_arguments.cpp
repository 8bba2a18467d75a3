// Command lines of both programs, an argument a line: what is read and checked before anything is loaded.

#include <string>
#include <vector>

#include "fuzzing.h"
#include "option_checks.h"
#include "runner_flags.h"
#include "voice_options.h"

namespace qwen3_tts {
namespace {

using testing::require;

/// The lines, as main() has them: up to a NUL each.
std::vector<std::string> lines_of(std::string_view bytes) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    lines.emplace_back(std::string(bytes.substr(begin, end - begin)).c_str());
    begin = end + 1;
  }
  return lines;
}

/// Options to go on with, or a text to print and nothing else, or an error.
template <typename Parsed>
void check_parsed(const Result<Parsed>& parsed) {
  if (!parsed.ok()) {
    testing::require_error(parsed.error(), {ErrorCode::kInvalidArgument, ErrorCode::kIo});
  } else {
    require(parsed->options.has_value() == parsed->message.empty(), "there is something to do, or to say");
  }
}

void check_runner(int argc, char** argv) {
  const auto parsed = parse_command_line(argc, argv);
  check_parsed(parsed);
  if (!parsed.ok() || !parsed->options || parsed->options->question != Question::kNone) {
    return;
  }
  const RunnerOptions& options = *parsed->options;
  require(check_inputs(options).ok() && check_outputs(options).ok(), "what is said together was checked");
  require(
      !options.output.empty() || !options.output_dir.empty() || options.stdout_format || options.synthesis.codes_only,
      "speech goes somewhere");
}

void check_voice_program(int argc, char** argv) {
  const auto parsed = parse_voice_command_line(argc, argv);
  check_parsed(parsed);
  if (!parsed.ok() || !parsed->options) {
    return;
  }
  const VoiceProgramOptions& options = *parsed->options;
  const bool is_made = options.command == VoiceCommand::kCreate || options.command == VoiceCommand::kMix;
  require(!is_made || (options.weight >= 0 && options.weight <= 1), "a weight is a share");
}

}  // namespace
}  // namespace qwen3_tts

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  std::vector<std::string> lines = lines_of(testing::text_of(data, size));
  std::vector<char*> argv;
  for (std::string& line : lines) {
    argv.push_back(line.data());
  }
  argv.push_back(nullptr);
  const bool is_voice_program = lines.front() == "qwen3_tts_voice";
  (is_voice_program ? check_voice_program : check_runner)(static_cast<int>(lines.size()), argv.data());
  return 0;
}
