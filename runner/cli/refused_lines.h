#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Lines of a prompts file that are wrong. Those with the same fault are told as one: a file of ten thousand lines may
/// have it in each.
class RefusedLines {
 public:
  void add(int64_t line, Error error);
  bool empty() const { return faults_.empty(); }
  /// An error for every fault, in the order of their first lines: "lines 3, 5 to 9 of 'a.txt': unknown speaker 'x'".
  /// `file` is how an error calls the file.
  std::vector<Error> errors(const std::string& file) const;

 private:
  std::vector<std::pair<Error, std::vector<int64_t>>> faults_;  ///< With the lines, in their order.
};

}  // namespace qwen3_tts
