#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/stats.h>

/// What values are called in JSON, on the command line, in statistics and in errors.
namespace qwen3_tts {

/// The language of a request that lets the model find it out.
inline constexpr char kAutoLanguage[] = "auto";

/// In place of a seed: random_seed().
inline constexpr char kRandomSeed[] = "random";

/// The languages that a request may name, "auto" first. A dialect comes with its speaker.
inline std::vector<std::string> request_languages(const ModelMetadata& metadata) {
  std::vector<std::string> names = {kAutoLanguage};
  for (const auto& [name, row] : metadata.languages) {
    if (std::find(metadata.dialects.begin(), metadata.dialects.end(), name) == metadata.dialects.end()) {
      names.push_back(name);
    }
  }
  return names;
}

template <typename Enum>
struct Name {
  Enum value;
  const char* text;
};

/// The one table of an enum's names.
template <typename Enum>
struct Names;

template <>
struct Names<VoiceMode> {
  static constexpr Name<VoiceMode> kAll[] = {{VoiceMode::kXVector, "xvector"}, {VoiceMode::kInContext, "icl"}};
};

template <>
struct Names<TextLayout> {
  static constexpr Name<TextLayout> kAll[] = {{TextLayout::kStreaming, "streaming"}, {TextLayout::kFull, "full"}};
};

template <>
struct Names<LongText> {
  static constexpr Name<LongText> kAll[] = {
      {LongText::kAuto, "auto"}, {LongText::kError, "error"}, {LongText::kSplit, "split"}};
};

template <>
struct Names<Workload> {
  static constexpr Name<Workload> kAll[] = {
      {Workload::kSpeech, "speech"}, {Workload::kCodes, "codes"}, {Workload::kDecoding, "decoding"}};
};

template <>
struct Names<Verify> {
  static constexpr Name<Verify> kAll[] = {
      {Verify::kOnce, "once"}, {Verify::kAlways, "always"}, {Verify::kNever, "never"}};
};

template <>
struct Names<AudioFormat> {  // Endings of files.
  static constexpr Name<AudioFormat> kAll[] = {{AudioFormat::kWav, "wav"},
                                               {AudioFormat::kFlac, "flac"},
                                               {AudioFormat::kOpus, "opus"},
                                               {AudioFormat::kVorbis, "ogg"},
                                               {AudioFormat::kMp3, "mp3"}};
};

template <>
struct Names<FinishReason> {
  static constexpr Name<FinishReason> kAll[] = {{FinishReason::kEos, "eos"},
                                                {FinishReason::kMaxNewTokens, "max_new_tokens"},
                                                {FinishReason::kFrameBudget, "frame_budget"},
                                                {FinishReason::kCapacity, "capacity"},
                                                {FinishReason::kStopped, "stopped"}};
};

template <typename Enum>
const char* name_of(Enum value) {
  const auto* found = std::find_if(std::begin(Names<Enum>::kAll), std::end(Names<Enum>::kAll),
                                   [&](const Name<Enum>& name) { return name.value == value; });
  return found == std::end(Names<Enum>::kAll) ? "unknown" : found->text;
}

/// Nothing for a name that is none of the enum's.
template <typename Enum>
std::optional<Enum> value_named(std::string_view text) {
  for (const Name<Enum>& name : Names<Enum>::kAll) {
    if (text == name.text) {
      return name.value;
    }
  }
  return std::nullopt;
}

/// All names of an enum, in quotes, for an error: "\"xvector\" or \"icl\"".
template <typename Enum>
std::string names_of() {
  std::string list;
  for (const Name<Enum>& name : Names<Enum>::kAll) {
    if (!list.empty()) {
      list += &name == std::end(Names<Enum>::kAll) - 1 ? " or " : ", ";
    }
    list += "\"" + std::string(name.text) + "\"";
  }
  return list;
}

}  // namespace qwen3_tts
