#include "text/resolved_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/codes.h"
#include "base/error.h"
#include "base/folded_name.h"
#include "base/names.h"
#include "base/try.h"
#include "base/x_vector.h"
#include "text/language_names.h"
#include "text/text_checks.h"
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

std::string language_names(const ModelMetadata& metadata) { return join(request_languages(metadata)); }

/// The speaker as the model spells it: the named one, or the only one there is; empty when nobody of them speaks.
Result<std::string> resolve_speaker(const SynthesisRequest& request, const ModelMetadata& metadata) {
  if (metadata.speakers.empty()) {
    if (!request.speaker.empty()) {
      return invalid_argument("speaker '" + request.speaker + "': a " + metadata.model_type +
                              " model has no named speakers; leave it out, or use a CustomVoice model");
    }
    return std::string();
  }
  if (request.speaker.empty() && request.voice != nullptr) {
    return std::string();
  }
  if (request.speaker.empty()) {
    const std::string speaker = metadata.default_speaker();
    return speaker.empty() ? invalid_argument("no speaker given; choose one of: " + speaker_names(metadata))
                           : Result<std::string>(speaker);
  }
  const std::string* speaker = find_name(metadata.speakers, request.speaker);
  if (speaker == nullptr) {
    return invalid_argument("unknown speaker '" + request.speaker + "'; choose one of: " + speaker_names(metadata));
  }
  return *speaker;
}

/// "'nl' (dutch)": what was asked for, and what its code says.
std::string asked_language(const std::string& given) {
  const std::vector<std::string> names = names_of_language_tag(given);
  return "'" + given + "'" + (names.empty() ? "" : " (" + names.back() + ")");
}

/// The language, as the model spells it, whose row stands in the prompt; "auto" when none does.
Result<std::string> resolve_language(const SynthesisRequest& request, const std::string& speaker,
                                     const ModelMetadata& metadata) {
  const bool is_auto = is_auto_language(request.language);
  const std::string* language = is_auto ? nullptr : find_language(metadata.languages, request.language);
  if (language != nullptr && contains(metadata.dialects, *language)) {
    return invalid_argument("language '" + request.language +
                            "' is a dialect, which comes with its speaker; choose one of: " + language_names(metadata));
  }
  if (!is_auto && language == nullptr) {
    return invalid_argument("unknown language " + asked_language(request.language) +
                            "; choose one of: " + language_names(metadata));
  }
  const auto dialect = metadata.speaker_dialects.find(speaker);
  if (dialect != metadata.speaker_dialects.end() && (is_auto || is_same_name(*language, kDialectLanguage))) {
    return dialect->second;
  }
  return is_auto ? kAutoLanguage : *language;
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
  RETURN_IF_ERROR(about(name, check_x_vector(voice.x_vector.data(), voice.x_vector.size())));
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
  RETURN_IF_ERROR(check_text(request.text));
  ASSIGN_OR_RETURN(const std::string_view body, normalize_text(request.text));
  PromptText text;
  ASSIGN_OR_RETURN(text.body, about("text", tokenizer.encode(body)));
  ASSIGN_OR_RETURN(text.instruct, tokenize_instruct(request, tokenizer));
  return text;
}

Result<std::vector<int64_t>> tokenize_instruct(const SynthesisRequest& request, const TextTokenizer& tokenizer) {
  if (!has_something_to_say(request.instruct)) {
    return std::vector<int64_t>();
  }
  RETURN_IF_ERROR(about("instruct", check_encoding(request.instruct)));
  ASSIGN_OR_RETURN(const std::string_view instruct, normalize_text(request.instruct));
  return about("instruct", tokenizer.encode(instruct));
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
