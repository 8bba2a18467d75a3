#include "recording_flags.h"

#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/try.h"
#include "command_line.h"
#include "recording/channel_names.h"

namespace qwen3_tts {
namespace {

/// "12.5", "1:02.5" or "1:00:02.5" in seconds; minutes and seconds behind a colon are below 60.
std::optional<double> parse_time(std::string_view text) {
  double time = 0;
  for (int num_parts = 0; num_parts < 3; ++num_parts) {
    const size_t colon = text.find(':');
    const bool is_last = colon == std::string_view::npos;
    const std::string_view part = text.substr(0, colon);
    if (part.find_first_not_of(is_last ? "0123456789." : "0123456789") != std::string_view::npos) {
      return std::nullopt;  // No sign, no exponent, no "inf".
    }
    const std::string digits(part);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0' || (num_parts > 0 && value >= 60)) {
      return std::nullopt;
    }
    time = 60 * time + value;
    if (is_last) {
      return time;
    }
    text.remove_prefix(colon + 1);
  }
  return std::nullopt;
}

Status read_time(const std::string& flag, const std::string& text, double& time) {
  if (text.empty()) {
    return {};
  }
  const auto seconds = parse_time(text);
  if (!seconds) {
    return invalid_argument(flag + " is '" + text + "'; give seconds, such as 12.5, or minutes and seconds, 1:02.5");
  }
  time = *seconds;
  return {};
}

}  // namespace

void RecordingFlags::add_to(CLI::App& app, const std::string& group) {
  declared_ = {
      app.add_option(name("start"), start_, "Where in the recording to begin: seconds, or 1:02.5")->type_name("TIME"),
      app.add_option(name("duration"), duration_, "How much of the recording to take (default: all that follows)")
          ->type_name("TIME"),
      app.add_option(name("channel"), channel_, "Channel of the recording to take (default: mix, the mean of all)")
          ->check(CLI::IsMember(choices<RecordingChannel>())),
      app.add_flag(name("trim_silence"), options_.trim_silence,
                   "Drop what comes before the first and after the last sample of magnitude 0.005, but for 20 ms"),
      app.add_flag(name("allow_clipping"), options_.allow_clipping,
                   "Take a recording of which more than 1 % is at full scale"),
      app.add_option(name("append_silence"), append_silence_,
                     "Seconds of silence after it, such as 0.5: for a voice that repeats the recording's end")
          ->type_name("TIME"),
  };
  for (CLI::Option* option : declared_) {
    if (!group.empty()) {
      option->group(group);
    }
  }
}

Result<RecordingOptions> RecordingFlags::options() const {
  RecordingOptions options = options_;
  RETURN_IF_ERROR(read_time(name("start"), start_, options.start_s));
  RETURN_IF_ERROR(read_time(name("append_silence"), append_silence_, options.append_silence_s));
  if (!duration_.empty()) {
    RETURN_IF_ERROR(read_time(name("duration"), duration_, options.duration_s.emplace()));
  }
  options.channel = value_named<RecordingChannel>(channel_).value_or(RecordingChannel::kMix);
  return options;
}

std::string RecordingFlags::first_given() const {
  for (const CLI::Option* option : declared_) {
    if (option->count() > 0) {
      return option->get_name();
    }
  }
  return "";
}

}  // namespace qwen3_tts
