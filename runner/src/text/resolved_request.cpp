#include "text/resolved_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/codes.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "text/names.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {
namespace {

constexpr char kDialectLanguage[] = "chinese";  // A speaker's dialect also stands in for this language.

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string join(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

std::string speaker_names(const ModelMetadata& metadata) {
  std::vector<std::string> names;
  names.reserve(metadata.speakers.size());
  for (const auto& [name, row] : metadata.speakers) {
    names.push_back(name);
  }
  return join(names);
}

std::string language_names(const ModelMetadata& metadata) {
  std::vector<std::string> names = {kAutoLanguage};
  for (const auto& [name, row] : metadata.languages) {
    if (!contains(metadata.dialects, name)) {
      names.push_back(name);
    }
  }
  return join(names);
}

/// The named speaker as the model spells it; empty when the model has none to name.
Result<std::string> resolve_speaker(const SynthesisRequest& request, const ModelMetadata& metadata) {
  if (metadata.speakers.empty()) {
    if (!request.speaker.empty()) {
      return invalid_argument("speaker '" + request.speaker + "': a " + metadata.model_type +
                              " model has no named speakers; leave it out, or use a CustomVoice model");
    }
    return std::string();
  }
  if (request.speaker.empty()) {
    return invalid_argument("no speaker given; choose one of: " + speaker_names(metadata));
  }
  const auto speaker = find_name(metadata.speakers, request.speaker);
  if (speaker == metadata.speakers.end()) {
    return invalid_argument("unknown speaker '" + request.speaker + "'; choose one of: " + speaker_names(metadata));
  }
  return speaker->first;
}

/// The language whose row stands in the prompt, as the model spells it; "auto" when none does.
Result<std::string> resolve_language(const SynthesisRequest& request, const std::string& speaker,
                                     const ModelMetadata& metadata) {
  const auto known = find_name(metadata.languages, request.language);
  const bool is_auto = is_same_name(request.language, kAutoLanguage);
  if (known != metadata.languages.end() && contains(metadata.dialects, known->first)) {
    return invalid_argument("language '" + request.language +
                            "' is a dialect, which comes with its speaker; choose one of: " + language_names(metadata));
  }
  if (known == metadata.languages.end() && !is_auto) {
    return invalid_argument("unknown language '" + request.language + "'; choose one of: " + language_names(metadata));
  }
  const auto dialect = metadata.speaker_dialects.find(speaker);
  if (dialect != metadata.speaker_dialects.end() && (is_auto || is_same_name(known->first, kDialectLanguage))) {
    return dialect->second;
  }
  return is_auto ? kAutoLanguage : known->first;
}

Status check_voice(const Voice& voice, const ModelMetadata& metadata) {
  const std::string name = "voice '" + voice.name + "'";
  if (!metadata.takes_voices()) {
    return invalid_argument(name + ": only a base model speaks with a cloned voice, this one is " +
                            metadata.model_type);
  }
  if (static_cast<int64_t>(voice.x_vector.size()) != metadata.hidden_size) {
    return invalid_argument(name + " was made for another model: its x-vector has " +
                            std::to_string(voice.x_vector.size()) + " values, this model's width is " +
                            std::to_string(metadata.hidden_size));
  }
  RETURN_IF_ERROR(check_codes(voice.codes, metadata, "voice " + voice.name));
  const bool has_text = std::all_of(voice.text_ids.begin(), voice.text_ids.end(),
                                    [&](int64_t id) { return id >= 0 && id < metadata.text_vocab_size; });
  if (voice.codes.empty() != voice.text_ids.empty() || !has_text) {
    return invalid_argument(name + ": its codes need the text ids of their transcript, each below " +
                            std::to_string(metadata.text_vocab_size));
  }
  return {};
}

/// Does the voice speak in context?
Result<bool> resolve_voice_mode(const SynthesisRequest& request) {
  if (request.voice == nullptr) {
    if (request.voice_mode.has_value()) {
      return invalid_argument("voice_mode " + std::string(to_string(*request.voice_mode)) +
                              " says how to use a voice, but there is none; give a voice, or leave voice_mode out");
    }
    return false;
  }
  const bool has_context = !request.voice->codes.empty();
  if (request.voice_mode == VoiceMode::kInContext && !has_context) {
    return invalid_argument("voice '" + request.voice->name + "' has no codes and transcript, which voice_mode " +
                            to_string(VoiceMode::kInContext) + " needs; make the voice again with the transcript of " +
                            "its recording, or use voice_mode " + to_string(VoiceMode::kXVector));
  }
  return has_context && request.voice_mode != VoiceMode::kXVector;
}

}  // namespace

Result<PromptText> tokenize_request(const SynthesisRequest& request, const TextTokenizer& tokenizer) {
  const auto body = normalize_text(request.text);
  // After a line break all leading whitespace goes: what is empty then was blank.
  if (!body.ok() || !normalize_text("\n" + request.text).ok()) {
    return invalid_argument("the text is empty; give at least one character to speak");
  }
  PromptText text;
  ASSIGN_OR_RETURN(text.body, about("text", tokenizer.encode(*body)));
  if (const auto instruct = normalize_text(request.instruct); instruct.ok()) {
    ASSIGN_OR_RETURN(text.instruct, about("instruct", tokenizer.encode(*instruct)));
  }
  return text;
}

Result<ResolvedRequest> resolve_request(const SynthesisRequest& request, std::vector<int64_t> instruct,
                                        const ModelMetadata& metadata) {
  ASSIGN_OR_RETURN(const std::string speaker, resolve_speaker(request, metadata));
  ASSIGN_OR_RETURN(const std::string language, resolve_language(request, speaker, metadata));
  if (request.voice != nullptr) {
    RETURN_IF_ERROR(check_voice(*request.voice, metadata));
  }
  if (!instruct.empty() && !metadata.supports_instruct) {
    return invalid_argument(
        "instruct: a " + metadata.model_size + " " + metadata.model_type +
        " model takes no style description; leave it out, or use a VoiceDesign or 1.7B CustomVoice model");
  }
  ResolvedRequest resolved;
  ASSIGN_OR_RETURN(resolved.is_in_context, resolve_voice_mode(request));
  resolved.instruct = std::move(instruct);
  resolved.voice = request.voice;
  if (language != kAutoLanguage) {
    resolved.language_row = metadata.languages.at(language);
  }
  if (!speaker.empty()) {
    resolved.speaker_row = metadata.speakers.at(speaker);
  }
  return resolved;
}

}  // namespace qwen3_tts
