#include "manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/request_json.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLineBegin = "{\"output\":";

/// What is said and who says it; what is unset is null.
OrderedJson speech_of(const Run& run) {
  auto object = OrderedJson::object();
  for (const auto& field : kRequestFields) {
    object[field.key] = nullptr;
    field.write(run.request, object, field.key);
  }
  object["voice"] = run.voice;
  object["seed"] = run.seed;
  object["speed"] = run.speed;
  return object;
}

/// May it have become a line of a manifest?
bool is_half_line(std::string_view text) {
  const size_t size = std::min(text.size(), kLineBegin.size());
  return text.substr(0, size) == kLineBegin.substr(0, size);
}

}  // namespace

Result<Manifest> Manifest::open(const std::string& path, const std::string& output_dir) {
  Manifest manifest(path, output_dir);
  std::error_code error;
  if (fs::exists(path, error)) {
    ASSIGN_OR_RETURN(const std::string content, read_file(path));
    RETURN_IF_ERROR(manifest.read_lines(content));
  }
  return manifest;
}

Status Manifest::read_lines(const std::string& content) {
  int64_t number = 0;
  for (size_t begin = 0; begin < content.size(); begin = whole_size_) {
    ++number;
    const size_t end = content.find('\n', begin);
    has_line_break_ = end != std::string::npos;
    const std::string text = content.substr(begin, has_line_break_ ? end - begin : end);
    Json line = parse_json_object(text);
    if (line.is_object() && line.contains("output") && line["output"].is_string()) {
      const auto output = line["output"].get<std::string>();
      lines_[output] = std::move(line);
      whole_size_ = begin + text.size() + (has_line_break_ ? 1 : 0);
    } else if (has_line_break_ || !is_half_line(text)) {
      return invalid_argument("--manifest '" + path_ + "': line " + std::to_string(number) +
                              " is none of a manifest; name another file");
    } else {
      has_half_line_ = has_line_break_ = true;
      return {};
    }
  }
  return {};
}

bool Manifest::knows_other(const Run& run) const {
  const auto found = lines_.find(name_of(run));
  if (found == lines_.end()) {
    return false;
  }
  const Json& before = found->second;
  const Json now = speech_of(run);
  const auto items = now.items();
  return std::any_of(items.begin(), items.end(), [&](const auto& item) {
    const bool counts = item.key() != "seed" || run.has_own_seed;
    return counts && (before.contains(item.key()) ? before[item.key()] : Json()) != item.value();
  });
}

Status Manifest::add(const Run& run, const RunRecord& record) {
  RETURN_IF_ERROR(open_file());
  OrderedJson line = {{"output", name_of(run)}};
  line.update(speech_of(run));
  line.update({
      {"frames", record.stats.frames},
      {"samples", record.stats.samples},
      {"audio_s", record.audio_s},
      {"finish_reason", to_string(record.stats.finish_reason)},
      {"complete", record.is_complete()},
  });
  const std::string text =
      (has_line_break_ ? "" : "\n") + line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  has_line_break_ = true;
  RETURN_IF_ERROR(write_all(file_.get(), text.data(), text.size(), path_));
  return ::fsync(file_.get()) == 0 ? Status() : io_error("write", path_, errno);
}

/// A run that fails before its first output leaves nothing behind.
Status Manifest::open_file() {
  if (file_.get() >= 0) {
    return {};
  }
  file_ = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file_.get() < 0) {
    return io_error("create", path_, errno);
  }
  const bool is_whole = !has_half_line_ || ::ftruncate(file_.get(), static_cast<off_t>(whole_size_)) == 0;
  return is_whole ? Status() : io_error("write", path_, errno);
}

std::string Manifest::name_of(const Run& run) const {
  return fs::path(run.output_path).lexically_relative(output_dir_).string();
}

}  // namespace qwen3_tts
