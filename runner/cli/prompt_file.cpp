#include "prompt_file.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/json_reader.h"

namespace qwen3_tts {
namespace {

constexpr char kWhitespace[] = " \t\r\f\v";

Error invalid(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

/// A file's text, or what comes on standard input, without the mark that some editors put first.
Result<std::string> read_text(const std::string& path) {
  auto content = read_file(path == "-" ? "/dev/stdin" : path);
  constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";
  if (content.ok() && content->compare(0, 3, kByteOrderMark) == 0) {
    content->erase(0, 3);
  }
  return content;
}

// ---------------------------------------------------------------------------------------------------------------------
// Values. A function gives an error without the key.

Result<std::string> as_text(const Json& value) {
  if (!value.is_string()) {
    return invalid("must be a string in quotes");
  }
  return value.get<std::string>();
}

Result<std::string> as_path(const Json& value) {
  auto path = as_text(value);
  if (path.ok() && path->find('\0') != std::string::npos) {
    return invalid("has a character that no file name can have");
  }
  return path;
}

/// A name that stays in the output folder.
Result<std::string> as_output(const Json& value) {
  auto name = as_path(value);
  if (!name.ok()) {
    return name;
  }
  const std::filesystem::path path(*name);
  const bool goes_up = std::find(path.begin(), path.end(), "..") != path.end();
  if (path.is_absolute() || goes_up || !path.has_filename() || path.filename() == ".") {
    return invalid("'" + *name +
                   "' is no name of a file in the output folder; write one such as \"a.wav\" or \"b/a.wav\"");
  }
  return name;
}

Result<VoiceMode> as_voice_mode(const Json& value) {
  const auto name = as_text(value);
  if (!name.ok()) {
    return name.error();
  }
  const auto mode = voice_mode_named(*name);
  if (!mode.has_value()) {
    return invalid("'" + *name + "' is no such mode; write \"xvector\" or \"icl\"");
  }
  return *mode;
}

Result<uint64_t> as_seed(const Json& value) {
  if (!value.is_number_unsigned()) {
    return invalid("must be a whole number of 0 or more, and below 2^64");
  }
  return value.get<uint64_t>();
}

// ---------------------------------------------------------------------------------------------------------------------
// Keys

/// Puts the value of a key where it belongs.
template <typename T, typename Field>
Status assign(Result<T> value, Field& field) {
  if (!value.ok()) {
    return value.error();
  }
  field = std::move(*value);
  return {};
}

struct Key {
  const char* name;
  Status (*read)(const Json& value, PromptLine& line);
};

constexpr Key kKeys[] = {
    {"text", [](const Json& value, PromptLine& line) { return assign(as_text(value), line.text); }},
    {"language", [](const Json& value, PromptLine& line) { return assign(as_text(value), line.language); }},
    {"speaker", [](const Json& value, PromptLine& line) { return assign(as_text(value), line.speaker); }},
    {"voice", [](const Json& value, PromptLine& line) { return assign(as_path(value), line.voice); }},
    {"voice_mode", [](const Json& value, PromptLine& line) { return assign(as_voice_mode(value), line.voice_mode); }},
    {"instruct", [](const Json& value, PromptLine& line) { return assign(as_text(value), line.instruct); }},
    {"seed", [](const Json& value, PromptLine& line) { return assign(as_seed(value), line.seed); }},
    {"output", [](const Json& value, PromptLine& line) { return assign(as_output(value), line.output); }},
};

std::string key_names() {
  std::string names;
  for (const Key& key : kKeys) {
    names += (names.empty() ? "" : ", ") + std::string(key.name);
  }
  return names;
}

Status read_key(const std::string& name, const Json& value, PromptLine& line) {
  const auto* key = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& one) { return name == one.name; });
  if (key == std::end(kKeys)) {
    return invalid("there is no key '" + name + "'; use " + key_names());
  }
  Status status = key->read(value, line);
  return status.ok() ? status : invalid("key '" + name + "' " + status.error().message);
}

Status read_object(std::string_view json, PromptLine& line) {
  const Json object = parse_json_object(json);
  if (!object.is_object()) {
    return invalid(
        "it begins with '{' but is no JSON object in UTF-8 that has every key once; write {\"text\": \"...\"}");
  }
  for (const auto& [name, value] : object.items()) {
    if (Status status = read_key(name, value, line); !status.ok()) {
      return status;
    }
  }
  if (!object.contains("text")) {
    return invalid("key 'text' is missing; it holds the text to speak");
  }
  if (!line.speaker.value_or("").empty() && !line.voice.value_or("").empty()) {
    return invalid("give speaker or voice, not both: a voice file is a speaker");
  }
  return {};
}

}  // namespace

Result<std::vector<PromptLine>> read_prompts(const std::string& path) {
  const auto content = read_text(path);
  if (!content.ok()) {
    return content.error();
  }
  std::vector<PromptLine> lines;
  int64_t number = 0;
  for (size_t begin = 0; begin < content->size();) {
    const size_t end = std::min(content->find('\n', begin), content->size());
    std::string text = content->substr(begin, end - begin);
    begin = end + 1;
    ++number;
    const size_t first = text.find_first_not_of(kWhitespace);
    if (first == std::string::npos) {
      continue;
    }
    if (text.back() == '\r') {
      text.pop_back();
    }
    PromptLine line;
    line.source = "line " + std::to_string(number) + " of '" + path + "'";
    if (text[first] != '{') {
      line.text = std::move(text);
    } else if (Status status = read_object(text, line); !status.ok()) {
      return invalid(line.source + ": " + status.error().message);
    }
    lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    return invalid("'" + path + "' holds no text; write one text a line");
  }
  return lines;
}

Result<std::vector<PromptLine>> read_text_file(const std::string& path) {
  auto content = read_text(path);
  if (!content.ok()) {
    return content.error();
  }
  content->erase(content->find_last_not_of("\r\n") + 1);
  PromptLine line;
  line.source = "'" + path + "'";
  line.text = std::move(*content);
  return std::vector<PromptLine>{std::move(line)};
}

std::optional<VoiceMode> voice_mode_named(const std::string& name) {
  for (const VoiceMode mode : {VoiceMode::kXVector, VoiceMode::kInContext}) {
    if (name == to_string(mode)) {
      return mode;
    }
  }
  return std::nullopt;
}

}  // namespace qwen3_tts
