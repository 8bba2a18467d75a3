#include "prompt_file.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/request_json.h"
#include "base/try.h"
#include "sound_format.h"
#include "text/text_checks.h"

namespace qwen3_tts {
namespace {

constexpr char kWhitespace[] = " \t\r\f\v";

void remove_byte_order_mark(std::string& text) {
  if (text.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
    text.erase(0, kByteOrderMark.size());
  }
}

/// How an error calls a file.
std::string name_of_file(const std::string& path) { return path == "-" ? "standard input" : "'" + path + "'"; }

// ---------------------------------------------------------------------------------------------------------------------
// Keys: those of a request, and what only a prompts file has.

Result<std::string> as_path(const Json& value) {
  std::string path;
  RETURN_IF_ERROR(read_value(value, path));
  if (path.find('\0') != std::string::npos) {
    return invalid_argument("has a character that no file name can have");
  }
  return path;
}

/// A name that stays in the output folder.
Result<std::string> as_output(const Json& value) {
  ASSIGN_OR_RETURN(std::string name, as_path(value));
  const std::filesystem::path path(name);
  const bool goes_up = std::find(path.begin(), path.end(), "..") != path.end();
  if (path.is_absolute() || goes_up || !path.has_filename() || path.filename() == ".") {
    return invalid_argument("'" + name +
                            "' is no name of a file in the output folder; write one such as \"a.wav\" or \"b/a.wav\"");
  }
  RETURN_IF_ERROR(about("'" + name + "'", format_of_file(name, std::nullopt)));
  return name;
}

Status read_voice(const Json& value, PromptLine& line) {
  ASSIGN_OR_RETURN(line.voice, as_path(value));
  return {};
}

Status read_first_seed(const Json& value, PromptLine& line) { return read_seed(value, line.seed.emplace()); }

Status read_output(const Json& value, PromptLine& line) {
  ASSIGN_OR_RETURN(line.output, as_output(value));
  return {};
}

Status read_speed(const Json& value, PromptLine& line) { return read_value(value, line.speed.emplace()); }

constexpr JsonField<PromptLine> kLineFields[] = {
    {"voice", read_voice, nullptr},
    {"seed", read_first_seed, nullptr},
    {"output", read_output, nullptr},
    {"speed", read_speed, nullptr},
};

Status read_object(std::string_view json, PromptLine& line) {
  const Json object = parse_json_object(json);
  if (!object.is_object()) {
    return invalid_argument(
        "it begins with '{' but is no JSON object in UTF-8 that has every key once; write {\"text\": \"...\"}");
  }
  for (const auto& [key, value] : object.items()) {
    if (const auto* field = find_field(kRequestFields, key)) {
      RETURN_IF_ERROR(read_field(*field, value, line.request));
      line.given.insert(key);
    } else if (const auto* own = find_field(kLineFields, key)) {
      RETURN_IF_ERROR(read_field(*own, value, line));
    } else {
      return unknown_key(key, keys_of(kRequestFields) + ", " + keys_of(kLineFields));
    }
  }
  if (!line.names("text")) {
    return invalid_argument("key 'text' is missing; it holds the text to speak");
  }
  if (!line.request.speaker.empty() && !line.voice.value_or("").empty()) {
    return invalid_argument("give speaker or voice, not both: a voice file is a speaker");
  }
  return {};
}

/// `text` is not blank.
PromptLine read_line(std::string text, int64_t number, const std::string& file) {
  PromptLine line;
  line.source = "line " + std::to_string(number) + " of " + file;
  line.number = number;
  if (text.back() == '\r') {
    text.pop_back();
  }
  if (text[text.find_first_not_of(kWhitespace)] == '{') {
    line.status = read_object(text, line);
  } else {
    line.request.text = std::move(text);
  }
  return line;
}

}  // namespace

Result<PromptLines> PromptLines::open(const std::string& path, std::function<bool()> is_stopped) {
  ASSIGN_OR_RETURN(LineReader reader, LineReader::open(path, std::move(is_stopped)));
  return PromptLines(name_of_file(path), std::move(reader));
}

Result<std::optional<PromptLine>> PromptLines::next() {
  while (true) {
    ASSIGN_OR_RETURN(std::optional<std::string> text, reader_.next());
    if (!text.has_value()) {
      return std::optional<PromptLine>();
    }
    if (++number_ == 1) {
      remove_byte_order_mark(*text);
      RETURN_IF_ERROR(about(name_, check_encoding(*text)));  // Of the whole file, most likely.
    }
    if (text->find_first_not_of(kWhitespace) != std::string::npos) {
      return std::optional<PromptLine>(read_line(*std::move(text), number_, name_));
    }
  }
}

Result<PromptLine> read_text_file(const std::string& path) {
  ASSIGN_OR_RETURN(std::string content, read_file(path == "-" ? "/dev/stdin" : path));
  remove_byte_order_mark(content);
  RETURN_IF_ERROR(about(name_of_file(path), check_encoding(content)));
  content.erase(content.find_last_not_of("\r\n") + 1);
  PromptLine line;
  line.source = name_of_file(path);
  line.request.text = std::move(content);
  return line;
}

}  // namespace qwen3_tts
