#include "console.h"

#include <unistd.h>

#include <cstdio>

namespace qwen3_tts {

Console::Console(const char* program, Verbosity verbosity)
    : program_(program),
      verbosity_(verbosity),
      shows_progress_(verbosity != Verbosity::kQuiet && ::isatty(STDERR_FILENO) == 1) {}

void Console::answer(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Console::error(const std::string& message) { complain("error", message); }

void Console::warn(const std::string& message) { complain("warning", message); }

void Console::complain(const char* kind, const std::string& message) {
  write(std::string(program_) + ": " + kind + ": " + message + "\n", false);
}

void Console::tell(const std::string& text) {
  if (verbosity_ != Verbosity::kQuiet) {
    write(text, false);
  }
}

void Console::tell_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) {
    tell(std::string(program_) + ": note: " + note + "\n");
  }
}

void Console::detail(const std::string& text) {
  if (verbosity_ == Verbosity::kVerbose) {
    tell(text);
  }
}

void Console::progress(const std::string& text) {
  if (shows_progress_) {
    write(text, true);
  }
}

void Console::write(const std::string& text, bool is_progress) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (has_progress_) {
    std::fputs("\r\033[K", stderr);  // Back to the line's begin, and erase to its end.
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  has_progress_ = is_progress;
}

}  // namespace qwen3_tts
