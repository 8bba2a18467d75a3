#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

#include "console.h"
#include "options.h"
#include "output_paths.h"
#include "prompt_file.h"
#include "refused_lines.h"

namespace qwen3_tts {

/// One utterance: what is spoken, by whom, with which seed, and where it goes.
struct Run {
  std::string source;        ///< How an error calls the text: "line 3 of 'prompts.txt'"; empty for the only text.
  SynthesisRequest request;  ///< Without the voice, which is read later; without a text when codes are decoded.
  std::string voice;         ///< Path of a voice file, or RunnerOptions::ref_audio; empty: none.
  uint64_t seed;
  bool has_own_seed;        ///< The prompt names it.
  std::string output_path;  ///< Sound file, or kStandardOutput; empty: none.
  double speed = 1;
};

/// Hands out the runs that a command line asks for: every prompt once, then all again for the next repeat. What a
/// prompt does not say is as the options say: prompt i of repeat r has the seed `options.synthesis.seed` + r * prompts
/// + i and a file name of its own. No run writes to the file of another one, or to one that the options or a prompt
/// name.
///
/// A prompt that is wrong is refused: it has a number and no runs. Its error is told, and ends everything when there is
/// nothing else to speak, or with --strict.
class RunSource {
 public:
  /// What else must be right for a run.
  using Check = std::function<Status(const Run& run)>;

  /// Borrows all. `is_stopped` ends the waiting for a line.
  static Result<std::unique_ptr<RunSource>> open(const RunnerOptions& options, Check check,
                                                 std::function<bool()> is_stopped, Console& console);

  /// Prompts come as somebody writes them: from a pipe or a terminal.
  bool is_stream() const { return is_stream_; }

  /// Reads and checks all prompts, unless they are a stream.
  Status read_ahead();

  /// The next run, when there is one: nothing at the end. Reads a stream only as far.
  Result<std::optional<Run>> next();

  int64_t num_prompts() const { return static_cast<int64_t>(prompts_.size()); }
  int64_t num_refused() const { return num_refused_; }

 private:
  RunSource(const RunnerOptions& options, Check check, std::function<bool()> is_stopped, Console& console);

  Status read_line();
  Status admit(size_t first);
  Status check_prompt(size_t prompt);
  Status report(const RefusedLines& refused);
  Run make_run(size_t prompt, int64_t repeat) const;
  std::string output_path(size_t prompt, int64_t repeat) const;

  const RunnerOptions& options_;
  const Check check_;
  const std::function<bool()> is_stopped_;
  Console& console_;
  OutputNames names_;
  std::optional<PromptLines> lines_;  ///< None: all are read.
  std::string file_;                  ///< How an error calls it.
  bool is_stream_ = false;
  std::vector<std::unique_ptr<PromptLine>> prompts_;  ///< Null: refused, or spoken for the last time.
  int64_t num_refused_ = 0;
  size_t next_ = 0;     ///< Prompt.
  int64_t repeat_ = 0;  ///< Of that.
};

}  // namespace qwen3_tts
