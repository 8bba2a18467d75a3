#pragma once

#include <cstddef>
#include <map>
#include <string>

#include <qwen3_tts/result.h>

#include "base/file_descriptor.h"
#include "base/json_fields.h"
#include "run_record.h"
#include "runs.h"

namespace qwen3_tts {

/// A file with a JSON object a line, one for every output that is complete: its name, what it says, who says it, and
/// how it ended. It grows: the last line of an output counts. A program that was killed may leave the half of a line at
/// the end; it is dropped.
class Manifest {
 public:
  /// Reads the file, if there is one. Outputs are named as they are in `output_dir`. Refuses a file that holds
  /// something else.
  static Result<Manifest> open(const std::string& path, const std::string& output_dir);

  /// Does it know the run's output, but with another text, voice, language, style, or seed of the prompt's own?
  bool knows_other(const Run& run) const;

  /// Appends the line of a run, and stores it.
  Status add(const Run& run, const RunRecord& record);

 private:
  Manifest(std::string path, std::string output_dir) : path_(std::move(path)), output_dir_(std::move(output_dir)) {}

  Status read_lines(const std::string& content);
  Status open_file();
  std::string name_of(const Run& run) const;

  std::string path_;
  std::string output_dir_;
  std::map<std::string, Json> lines_;  ///< Name of the output -> its last line.
  bool has_line_break_ = true;  ///< At its end, or need none.
  bool has_half_line_ = false;
  size_t whole_size_ = 0;  ///< Bytes up to the half line.
  FileDescriptor file_;    ///< None before the first line is added.
};

}  // namespace qwen3_tts
