#include "runs.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "file.h"

namespace qwen3_tts {
namespace {

struct Prompt {
  std::string source;
  std::string text;
};

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t\r\f\v") == std::string::npos; }

/// A file's text, or what comes on standard input, without the mark that some editors put first.
Result<std::string> read_text(const std::string& path) {
  auto content = read_file(path == "-" ? "/dev/stdin" : path);
  constexpr char kByteOrderMark[] = "\xEF\xBB\xBF";
  if (content.ok() && content->compare(0, 3, kByteOrderMark) == 0) {
    content->erase(0, 3);
  }
  return content;
}

/// The whole file is one text; line breaks at its end are the file's, not the text's.
Result<std::vector<Prompt>> read_text_file(const std::string& path) {
  auto content = read_text(path);
  if (!content.ok()) {
    return content.error();
  }
  content->erase(content->find_last_not_of("\r\n") + 1);
  return std::vector<Prompt>{{"'" + path + "'", std::move(*content)}};
}

/// The lines of a prompts file that are not blank.
Result<std::vector<Prompt>> read_prompts(const std::string& path) {
  const auto content = read_text(path);
  if (!content.ok()) {
    return content.error();
  }
  std::vector<Prompt> prompts;
  int64_t number = 0;
  for (size_t begin = 0; begin < content->size();) {
    const size_t end = std::min(content->find('\n', begin), content->size());
    std::string line = content->substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (is_blank(line)) {
      continue;
    }
    if (line.back() == '\r') {
      line.pop_back();
    }
    prompts.push_back({"line " + std::to_string(number) + " of '" + path + "'", std::move(line)});
  }
  if (prompts.empty()) {
    return Error{ErrorCode::kInvalidArgument, "'" + path + "' holds no text; write one text a line"};
  }
  return prompts;
}

Result<std::vector<Prompt>> read_all(const RunnerOptions& options) {
  if (options.prompts_path) {
    return read_prompts(*options.prompts_path);
  }
  if (options.text_file) {
    return read_text_file(*options.text_file);
  }
  return std::vector<Prompt>{{"", options.text.value_or("")}};
}

}  // namespace

Result<std::vector<Run>> plan_runs(const RunnerOptions& options) {
  const auto prompts = read_all(options);
  if (!prompts.ok()) {
    return prompts.error();
  }
  std::vector<Run> runs;
  for (int64_t repeat = 0; repeat < options.repeat; ++repeat) {
    for (size_t i = 0; i < prompts->size(); ++i) {
      const std::string name = "prompt_" + std::to_string(i) + "_repeat_" + std::to_string(repeat) + ".wav";
      const uint64_t seed = options.synthesis.seed + static_cast<uint64_t>(repeat) * prompts->size() + i;
      const std::string path =
          options.output_dir.empty() ? options.output_wav : (std::filesystem::path(options.output_dir) / name).string();
      runs.push_back({(*prompts)[i].source, (*prompts)[i].text, seed, path});
    }
  }
  return runs;
}

}  // namespace qwen3_tts
