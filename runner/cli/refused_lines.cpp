#include "refused_lines.h"

#include <algorithm>
#include <cstddef>

namespace qwen3_tts {
namespace {

/// "line 3", "lines 3, 5 to 9"
std::string listed(const std::vector<int64_t>& lines) {
  std::string list = lines.size() == 1 ? "line" : "lines";
  for (size_t first = 0; first < lines.size();) {
    size_t last = first;
    while (last + 1 < lines.size() && lines[last + 1] == lines[last] + 1) {
      ++last;
    }
    list += (first == 0 ? " " : ", ") + std::to_string(lines[first]);
    if (last > first) {
      list += (last == first + 1 ? ", " : " to ") + std::to_string(lines[last]);
    }
    first = last + 1;
  }
  return list;
}

}  // namespace

void RefusedLines::add(int64_t line, Error error) {
  const auto same = std::find_if(faults_.begin(), faults_.end(),
                                 [&](const auto& fault) { return fault.first.message == error.message; });
  if (same != faults_.end()) {
    same->second.push_back(line);
  } else {
    faults_.emplace_back(std::move(error), std::vector<int64_t>{line});
  }
}

std::vector<Error> RefusedLines::errors(const std::string& file) const {
  std::vector<Error> errors;
  errors.reserve(faults_.size());
  for (const auto& [error, lines] : faults_) {
    errors.push_back({error.code, listed(lines) + " of " + file + ": " + error.message});
  }
  return errors;
}

}  // namespace qwen3_tts
