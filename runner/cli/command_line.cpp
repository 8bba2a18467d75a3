#include "command_line.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace qwen3_tts {
namespace {

/// `argument` with the flag's name as it is declared: --top-k=5 is --top_k=5. Anything else stays.
std::string declared(std::string argument, const CLI::App& app) {
  const size_t name_size = std::min(argument.find('='), argument.size());
  std::string name = argument.substr(0, name_size);
  if (name.compare(0, 2, "--") == 0) {
    std::replace(name.begin() + 2, name.end(), '-', '_');
  }
  return app.get_option_no_throw(name) == nullptr ? argument : argument.replace(0, name_size, name);
}

/// The subcommand called `name`, or null.
const CLI::App* subcommand(const CLI::App& app, const std::string& name) {
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

/// The command line in CLI11's order, last first, with declared names. What follows a flag that takes a value is one.
std::vector<std::string> arguments(int argc, char** argv, const CLI::App& app) {
  std::vector<std::string> reversed;
  const CLI::App* command = &app;
  bool is_value = false;
  for (int i = 1; i < argc; ++i) {
    reversed.push_back(is_value ? argv[i] : declared(argv[i], *command));
    const CLI::App* entered = is_value ? nullptr : subcommand(*command, argv[i]);
    const CLI::Option* option = is_value ? nullptr : command->get_option_no_throw(reversed.back());
    is_value = option != nullptr && option->get_items_expected_min() > 0;
    command = entered != nullptr ? entered : command;
  }
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

}  // namespace

Result<std::string> parse_arguments(CLI::App& app, int argc, char** argv, const std::string& version) {
  try {
    app.parse(arguments(argc, argv, app));
  } catch (const CLI::CallForHelp&) {
    return app.help();
  } catch (const CLI::CallForVersion&) {
    return version;
  } catch (const CLI::ConversionError& error) {
    // "Could not convert: --flag = value"
    const std::string what = error.what();
    return invalid_argument(what.substr(std::min(what.find("--"), what.size())) +
                            " is no such value; --help shows all flags");
  } catch (const CLI::ParseError& error) {
    return invalid_argument(std::string(error.what()) + "; --help shows all flags");
  }
  if (const auto unknown = app.remaining(/*recurse=*/true); !unknown.empty()) {
    return invalid_argument("'" + unknown.front() + "' is not a flag; --help shows all flags");
  }
  return std::string();
}

}  // namespace qwen3_tts
