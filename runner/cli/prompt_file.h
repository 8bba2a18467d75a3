#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// A text to speak. What is not given is as the command line says.
struct PromptLine {
  std::string source;           ///< How an error calls it: "line 3 of 'prompts.txt'"; empty for the only text.
  SynthesisRequest request;     ///< The text, and what else is given.
  std::set<std::string> given;  ///< Keys of the request that the line names.
  std::optional<std::string> voice;  ///< Path of a voice file; empty: none.
  std::optional<uint64_t> seed;
  std::optional<std::string> output;  ///< Name of a WAV file in the output folder, or below it.

  bool names(const std::string& key) const { return given.count(key) > 0; }
};

/// The lines of a prompts file that are not blank: one that begins with { is a JSON object with the keys
/// of a request and the members above, any other is a text. "-" is standard input. Errors name the line and the key.
Result<std::vector<PromptLine>> read_prompts(const std::string& path);

/// A file with one text; line breaks at its end are the file's, not the text's.
Result<std::vector<PromptLine>> read_text_file(const std::string& path);

}  // namespace qwen3_tts
