#pragma once

#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The flags that say how a recording is read, in both programs: --start, --duration, --channel, --trim_silence,
/// --allow_clipping and --append_silence, with a prefix where something else is meant by --start.
class RecordingFlags {
 public:
  /// `prefix` stands before each name: "ref_" makes --ref_start.
  explicit RecordingFlags(std::string prefix) : prefix_(std::move(prefix)) {}

  /// Declares them, to be filled in where this object then is. `group` is their heading in --help, or "" for that of
  /// the program's other flags.
  void add_to(CLI::App& app, const std::string& group);

  /// After the command line was read: what they say. kInvalidArgument names the flag and the value.
  Result<RecordingOptions> options() const;

  /// The first that was given, such as "--ref_start", or "".
  std::string first_given() const;

 private:
  std::string name(const char* flag) const { return "--" + prefix_ + flag; }

  std::string prefix_;
  RecordingOptions options_;
  std::string start_, duration_, channel_, append_silence_;
  std::vector<CLI::Option*> declared_;
};

}  // namespace qwen3_tts
