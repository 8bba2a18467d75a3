#pragma once

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/names.h"

namespace qwen3_tts {

/// ".wav, .flac, .opus, .ogg or .mp3"
inline std::string endings_of_formats() {
  std::string list;
  for (const Name<AudioFormat>& name : Names<AudioFormat>::kAll) {
    if (!list.empty()) {
      list += &name == std::end(Names<AudioFormat>::kAll) - 1 ? " or " : ", ";
    }
    list += "." + std::string(name.text);
  }
  return list;
}

/// The format that the ending of a file's name stands for, in capitals or not; nothing for a name without one.
/// kInvalidArgument, without the name, when it stands for none.
inline Result<std::optional<AudioFormat>> format_of_ending(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  if (ending.size() < 2) {
    return std::optional<AudioFormat>();
  }
  ending.erase(0, 1);
  std::string lower = ending;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const auto format = value_named<AudioFormat>(lower);
  if (!format.has_value()) {
    return invalid_argument("there is no format for files that end in ." + ending + "; name one that ends in " +
                            endings_of_formats());
  }
  return format;
}

}  // namespace qwen3_tts
