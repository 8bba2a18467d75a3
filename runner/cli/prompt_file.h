#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

#include "line_reader.h"

namespace qwen3_tts {

/// A text to speak. What is not given is as the command line says.
struct PromptLine {
  std::string source;           ///< How an error calls it: "line 3 of 'prompts.txt'"; empty for the only text.
  int64_t number = 0;           ///< Of the line in its file, from 1.
  Status status;                ///< Why it cannot be read; what follows says nothing then.
  SynthesisRequest request;     ///< The text, and what else is given.
  std::set<std::string> given;  ///< Keys of the request that the line names.
  std::optional<std::string> voice;  ///< Path of a voice file; empty: none.
  std::optional<uint64_t> seed;
  std::optional<std::string> output;  ///< Name of a sound file in the output folder, or below it.
  std::optional<double> speed;

  bool names(const std::string& key) const { return given.count(key) > 0; }
};

/// The lines of a prompts file that are not blank: one that begins with { is a JSON object with the keys of a request
/// and the members above, any other is a text.
class PromptLines {
 public:
  /// "-" is standard input. `is_stopped` ends the waiting for a line of a pipe.
  static Result<PromptLines> open(const std::string& path, std::function<bool()> is_stopped);

  /// The next line, as soon as it is there; nothing at the end. An error in a line is in its status and names the key;
  /// one of the file is returned.
  Result<std::optional<PromptLine>> next();

  /// A regular file: nothing is waited for.
  bool is_whole() const { return reader_.is_whole(); }
  /// How an error calls it: "'prompts.txt'" or "standard input".
  const std::string& name() const { return name_; }

 private:
  PromptLines(std::string name, LineReader reader) : name_(std::move(name)), reader_(std::move(reader)) {}

  std::string name_;
  LineReader reader_;
  int64_t number_ = 0;  ///< Of lines read.
};

/// A file with one text; line breaks at its end are the file's, not the text's.
Result<PromptLine> read_text_file(const std::string& path);

}  // namespace qwen3_tts
