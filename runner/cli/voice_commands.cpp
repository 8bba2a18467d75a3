#include "voice_commands.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/voice.h>

#include "base/error.h"
#include "base/scoped_timer.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

constexpr char kExtension[] = ".voice";

/// A name that a file gives, for a terminal: what could control it becomes "?".
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, '?');
  return text;
}

std::string model_of(const Voice& voice) {
  return printable(voice.model_type) + ", width " + std::to_string(voice.x_vector.size());
}

std::string kind_of(const Voice& voice) {
  if (voice.codes.empty()) {
    return "x-vector only";
  }
  const int64_t num_frames = static_cast<int64_t>(voice.codes.size()) / voice.num_code_groups;
  return "in context, " + std::to_string(num_frames) + " frames, " + std::to_string(voice.text_ids.size()) +
         " text ids";
}

double length_of(const std::vector<float>& vector) {
  double sum = 0;
  for (const float value : vector) {
    sum += double{value} * double{value};
  }
  return std::sqrt(sum);
}

std::string milliseconds(const char* what, double ms) {
  char text[64];
  std::snprintf(text, sizeof(text), "%s %.0f ms", what, ms);
  return text;
}

Status save(const Voice& voice, const std::string& path, Console& console) {
  RETURN_IF_ERROR(voice.save(path));
  console.tell(path + ": " + printable(voice.name) + ", " + model_of(voice) + ", " + kind_of(voice) + "\n");
  return {};
}

Status create(const VoiceProgramOptions& options, Console& console) {
  const Clock::time_point start = Clock::now();
  console.progress("loading " + options.encoder.path + " ...");
  ASSIGN_OR_RETURN(const auto encoder, VoiceEncoder::create(options.encoder));
  const double load_ms = elapsed_ms(start);
  ASSIGN_OR_RETURN(const Recording recording, read_recording(options.audio, encoder->sample_rate(), options.recording));
  console.tell_notes(recording.notes);
  const double read_ms = elapsed_ms(start) - load_ms;
  std::vector<int64_t> transcript_ids;
  if (options.text.has_value()) {
    ASSIGN_OR_RETURN(transcript_ids, encoder->tokenize(*options.text));
  }
  console.progress("encoding " + options.audio + " ...");
  const Clock::time_point encoding = Clock::now();
  ASSIGN_OR_RETURN(const Voice voice, encoder->encode(recording, options.name, options.language, transcript_ids));
  console.detail(milliseconds("open", load_ms) + milliseconds(", read the recording", read_ms) +
                 milliseconds(", load methods and encode", elapsed_ms(encoding)) + "\n");
  return save(voice, options.output, console);
}

Status info(const VoiceProgramOptions& options) {
  ASSIGN_OR_RETURN(const Voice voice, Voice::read(options.path));
  char length[32];
  std::snprintf(length, sizeof(length), "%.4g", length_of(voice.x_vector));
  Console::answer("file            " + options.path + "\nname            " + printable(voice.name) +
                  "\nlanguage        " + printable(voice.language) + "\nmodel           " + model_of(voice) +
                  "\nkind            " + kind_of(voice) + "\nx-vector        length " + length + "\n");
  return {};
}

/// The voice files of a folder, in order.
Result<std::vector<fs::path>> voice_files(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == kExtension) {
      paths.push_back(entry->path());
    }
  }
  if (error) {
    return Error{ErrorCode::kIo, "cannot list '" + folder + "': " + error.message() + "; name a folder of voice files"};
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Status list(const VoiceProgramOptions& options, Console& console) {
  ASSIGN_OR_RETURN(const auto paths, voice_files(options.path));
  int64_t num_failed = 0;
  for (const fs::path& path : paths) {
    const auto voice = Voice::read(path.string());
    if (!voice.ok()) {
      ++num_failed;
      console.tell(voice.error().message + "\n");
      continue;
    }
    Console::answer(printable(path.filename().string()) + "\t" + printable(voice->name) + "\t" +
                    printable(voice->language) + "\t" + model_of(*voice) + "\t" + kind_of(*voice) + "\n");
  }
  if (num_failed > 0) {
    return invalid_argument(std::to_string(num_failed) + " of " + std::to_string(paths.size()) + " voice files in '" +
                            options.path + "' cannot be read; remove them or make them again");
  }
  return {};
}

Status mix(const VoiceProgramOptions& options, Console& console) {
  ASSIGN_OR_RETURN(Voice first, Voice::read(options.first));
  ASSIGN_OR_RETURN(Voice second, Voice::read(options.second));
  first.name = options.first;  // What errors call them.
  second.name = options.second;
  ASSIGN_OR_RETURN(const Voice voice,
                   Voice::mix({{first, 1 - options.weight}, {second, options.weight}}, options.name));
  return save(voice, options.output, console);
}

}  // namespace

Status run_voice_command(const VoiceProgramOptions& options, Console& console) {
  switch (options.command) {
    case VoiceCommand::kCreate:
      return create(options, console);
    case VoiceCommand::kInfo:
      return info(options);
    case VoiceCommand::kList:
      return list(options, console);
    case VoiceCommand::kMix:
      break;
  }
  return mix(options, console);
}

}  // namespace qwen3_tts
