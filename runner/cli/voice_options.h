#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/voice_encoder.h>

#include "base/names.h"
#include "console.h"

namespace qwen3_tts {

enum class VoiceCommand { kCreate, kInfo, kList, kMix };

/// What the command line of qwen3_tts_voice says; names equal the flags.
struct VoiceProgramOptions {
  VoiceCommand command = VoiceCommand::kInfo;
  // create
  VoiceEncoderOptions encoder;
  std::string audio;  ///< Path of a recording; "-": standard input.
  std::optional<std::string> text;
  std::string language = kAutoLanguage;
  RecordingOptions recording;
  // info, list
  std::string path;  ///< Of a voice file, or of a folder of them.
  // mix
  std::string first, second;
  double weight = 0.5;  ///< Share of `second`, from 0 to 1.
  // create, mix
  std::string name;  ///< Of the voice; the output's file name without extension when none was given.
  std::string output;
  Verbosity verbosity = Verbosity::kNormal;
};

/// Reads the command line. Nothing but `message` is set when help or the version was asked for.
struct ParsedVoiceCommandLine {
  std::optional<VoiceProgramOptions> options;
  std::string message;
};
Result<ParsedVoiceCommandLine> parse_voice_command_line(int argc, char** argv);

}  // namespace qwen3_tts
