#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace qwen3_tts {

enum class Verbosity { kQuiet, kNormal, kVerbose };

/// Everything the program says. Standard output gets only what was asked for; the rest goes to standard error, with a
/// line that is written over again and again when that is a terminal. Safe from any thread.
class Console {
 public:
  /// `program` is its name in errors.
  Console(const char* program, Verbosity verbosity);

  /// What somebody asked for: standard output.
  static void answer(const std::string& text);
  void error(const std::string& message);
  /// What went otherwise than was asked for: with --quiet, too.
  void warn(const std::string& message);
  /// Unless --quiet.
  void tell(const std::string& text);
  /// What nobody asked for and everybody should know: a line for each. Unless --quiet.
  void tell_notes(const std::vector<std::string>& notes);
  /// With --verbose.
  void detail(const std::string& text);
  /// What the program is doing now; on a terminal, until the next thing is said.
  void progress(const std::string& text);

 private:
  void write(const std::string& text, bool is_progress);
  void complain(const char* kind, const std::string& message);

  const char* program_;
  Verbosity verbosity_;
  bool shows_progress_;
  std::mutex mutex_;  ///< Of standard error and has_progress_.
  bool has_progress_ = false;
};

}  // namespace qwen3_tts
