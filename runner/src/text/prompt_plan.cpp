#include "text/prompt_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/codes.h"
#include "text/text_tokenizer.h"

namespace qwen3_tts {
namespace {

constexpr char kAutoLanguage[] = "auto";
constexpr char kDialectLanguage[] = "chinese";  // A speaker's dialect also stands in for this language.

Error invalid_argument(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

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

/// What a request says about who speaks, as rows of the code table.
struct Speech {
  std::optional<int64_t> language_row;
  std::optional<int64_t> speaker_row;
};

/// The named speaker, lower case; empty when the model has none to name.
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
  std::string speaker = lower_case(request.speaker);
  if (metadata.speakers.count(speaker) == 0) {
    return invalid_argument("unknown speaker '" + request.speaker + "'; choose one of: " + speaker_names(metadata));
  }
  return speaker;
}

/// The language whose row stands in the prompt; "auto" when none does.
Result<std::string> resolve_language(const SynthesisRequest& request, const std::string& speaker,
                                     const ModelMetadata& metadata) {
  const std::string language = lower_case(request.language);
  if (contains(metadata.dialects, language)) {
    return invalid_argument("language '" + request.language +
                            "' is a dialect, which comes with its speaker; choose one of: " + language_names(metadata));
  }
  if (language != kAutoLanguage && metadata.languages.count(language) == 0) {
    return invalid_argument("unknown language '" + request.language + "'; choose one of: " + language_names(metadata));
  }
  const auto dialect = metadata.speaker_dialects.find(speaker);
  if (dialect != metadata.speaker_dialects.end() && (language == kAutoLanguage || language == kDialectLanguage)) {
    return dialect->second;
  }
  return language;
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
  if (Status status = check_codes(voice.codes, metadata, "voice " + voice.name); !status.ok()) {
    return status;
  }
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
  if (!request.voice.has_value()) {
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

Result<Speech> resolve_speech(const SynthesisRequest& request, const ModelMetadata& metadata) {
  const auto speaker = resolve_speaker(request, metadata);
  if (!speaker.ok()) {
    return speaker.error();
  }
  const auto language = resolve_language(request, *speaker, metadata);
  if (!language.ok()) {
    return language.error();
  }
  if (request.voice.has_value()) {
    if (Status status = check_voice(*request.voice, metadata); !status.ok()) {
      return status.error();
    }
  }
  Speech speech;
  if (*language != kAutoLanguage) {
    speech.language_row = metadata.languages.at(*language);
  }
  if (!speaker->empty()) {
    speech.speaker_row = metadata.speakers.at(*speaker);
  }
  return speech;
}

/// Collects the rows of a prompt, in order.
class Planner {
 public:
  Planner(const ModelMetadata& metadata, const Voice* voice) : metadata_(metadata), voice_(voice) {}

  void add_instruct(const std::vector<int64_t>& instruct) {
    if (instruct.empty()) {
      return;
    }
    add_text(metadata_.instruct_prefix_ids);
    add_text(instruct);
    add_text(metadata_.instruct_suffix_ids);
  }

  /// The role, then what the code side says before it speaks: language, speaker, pad.
  void add_prefix(const Speech& speech) {
    add_text(metadata_.role_ids);
    const int64_t pad = metadata_.tts_pad_id;
    if (speech.language_row.has_value()) {
      add(pad, metadata_.codec_think_id);
      add(pad, metadata_.codec_think_bos_id);
      add(pad, *speech.language_row);
    } else {
      add(pad, metadata_.codec_nothink_id);
      add(pad, metadata_.codec_think_bos_id);
    }
    add(pad, metadata_.codec_think_eos_id);
    if (speech.speaker_row.has_value()) {
      add(pad, *speech.speaker_row);
    } else if (voice_ != nullptr) {
      PlannedRow row{pad};
      row.is_voice = true;
      plan_.rows.push_back(row);
    }
    add(metadata_.tts_bos_id, metadata_.codec_pad_id);
  }

  /// The first text row speaks at once, the others follow one a frame.
  void add_streaming(const std::vector<int64_t>& body) {
    end_prefix(0);
    add(body.front(), metadata_.codec_bos_id);
    plan_.trailing_ids.assign(body.begin() + 1, body.end());
    plan_.trailing_ids.push_back(metadata_.tts_eos_id);
  }

  void add_full(const std::vector<int64_t>& body) {
    end_prefix(0);
    for (const int64_t id : body) {
      add(id, metadata_.codec_pad_id);
    }
    add(metadata_.tts_eos_id, metadata_.codec_pad_id);
    add(metadata_.tts_pad_id, metadata_.codec_bos_id);
  }

  /// In-context cloning: the transcript and the body, beside or before the voice's frames.
  void add_in_context(const std::vector<int64_t>& body, TextLayout layout) {
    std::vector<int64_t> text = voice_->text_ids;
    text.insert(text.end(), body.begin(), body.end());
    text.push_back(metadata_.tts_eos_id);
    const size_t num_frames = voice_->codes.size() / static_cast<size_t>(metadata_.num_code_groups);
    const size_t num_spoken = 1 + num_frames;
    plan_.num_context_frames = static_cast<int64_t>(num_frames);
    end_prefix(layout == TextLayout::kFull ? voice_->text_ids.size() : std::min(voice_->text_ids.size(), num_spoken));
    if (layout == TextLayout::kFull) {
      for (const int64_t id : text) {
        add(id, metadata_.codec_pad_id);
      }
      text.clear();
    }
    const size_t num_beside = std::min(text.size(), num_spoken);
    for (size_t i = 0; i < num_spoken; ++i) {
      PlannedRow row{i < num_beside ? text[i] : metadata_.tts_pad_id};
      if (i == 0) {
        row.code_row = metadata_.codec_bos_id;
      } else {
        row.frame = static_cast<int64_t>(i - 1);
      }
      plan_.rows.push_back(row);
    }
    plan_.trailing_ids.assign(text.begin() + static_cast<std::ptrdiff_t>(num_beside), text.end());
  }

  /// The last row is never of the prefix: the first token is drawn from what it gives.
  PromptPlan take() {
    plan_.num_prefix_rows = std::min(plan_.num_prefix_rows, static_cast<int64_t>(plan_.rows.size()) - 1);
    return std::move(plan_);
  }

 private:
  /// The text to speak begins `num_rows` rows after those so far.
  void end_prefix(size_t num_rows) { plan_.num_prefix_rows = static_cast<int64_t>(plan_.rows.size() + num_rows); }

  void add(int64_t text_id, int64_t code_row) {
    PlannedRow row{text_id};
    row.code_row = code_row;
    plan_.rows.push_back(row);
  }

  void add_text(const std::vector<int64_t>& ids) {
    for (const int64_t id : ids) {
      plan_.rows.push_back(PlannedRow{id});
    }
  }

  const ModelMetadata& metadata_;
  const Voice* voice_;
  PromptPlan plan_;
};

}  // namespace

const char* to_string(VoiceMode mode) { return mode == VoiceMode::kXVector ? "xvector" : "icl"; }

Result<PromptText> tokenize_request(const SynthesisRequest& request, const TextTokenizer& tokenizer) {
  const auto body = normalize_text(request.text);
  // After a line break all leading whitespace goes: what is empty then was blank.
  if (!body.ok() || !normalize_text("\n" + request.text).ok()) {
    return invalid_argument("the text is empty; give at least one character to speak");
  }
  PromptText text;
  auto body_ids = tokenizer.encode(*body);
  if (!body_ids.ok()) {
    return Error{body_ids.error().code, "text: " + body_ids.error().message};
  }
  text.body = std::move(*body_ids);
  const auto instruct = normalize_text(request.instruct);
  if (instruct.ok()) {
    auto instruct_ids = tokenizer.encode(*instruct);
    if (!instruct_ids.ok()) {
      return Error{instruct_ids.error().code, "instruct: " + instruct_ids.error().message};
    }
    text.instruct = std::move(*instruct_ids);
  }
  return text;
}

Result<PromptPlan> plan_prompt(const PromptText& text, const SynthesisRequest& request, TextLayout layout,
                               const ModelMetadata& metadata) {
  const auto speech = resolve_speech(request, metadata);
  if (!speech.ok()) {
    return speech.error();
  }
  if (!text.instruct.empty() && !metadata.supports_instruct) {
    return invalid_argument(
        "instruct: a " + metadata.model_size + " " + metadata.model_type +
        " model takes no style description; leave it out, or use a VoiceDesign or 1.7B CustomVoice model");
  }
  const auto is_in_context = resolve_voice_mode(request);
  if (!is_in_context.ok()) {
    return is_in_context.error();
  }
  const Voice* voice = request.voice.has_value() ? &*request.voice : nullptr;
  Planner planner(metadata, voice);
  planner.add_instruct(text.instruct);
  planner.add_prefix(*speech);
  if (*is_in_context) {
    planner.add_in_context(text.body, layout);
  } else if (layout == TextLayout::kStreaming) {
    planner.add_streaming(text.body);
  } else {
    planner.add_full(text.body);
  }
  return planner.take();
}

}  // namespace qwen3_tts
