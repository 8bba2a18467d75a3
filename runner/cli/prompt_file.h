#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// A text to speak. What is unset is as the command line says.
struct PromptLine {
  std::string source;  ///< How an error calls it: "line 3 of 'prompts.txt'"; empty for the only text.
  std::string text;
  std::optional<std::string> language;
  std::optional<std::string> speaker;
  std::optional<std::string> voice;  ///< Path of a voice file; empty: none.
  std::optional<VoiceMode> voice_mode;
  std::optional<std::string> instruct;
  std::optional<uint64_t> seed;
  std::optional<std::string> output;  ///< Name of a WAV file in the output folder, or below it.
};

/// The lines of a prompts file that are not blank: one that begins with { is a JSON object with the keys above, any
/// other is a text. "-" is standard input. Errors name the line and the key.
Result<std::vector<PromptLine>> read_prompts(const std::string& path);

/// A file with one text; line breaks at its end are the file's, not the text's.
Result<std::vector<PromptLine>> read_text_file(const std::string& path);

/// Null for a name that is none of "xvector" and "icl".
std::optional<VoiceMode> voice_mode_named(const std::string& name);

}  // namespace qwen3_tts
