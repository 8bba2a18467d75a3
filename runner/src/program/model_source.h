#pragma once

#include <memory>
#include <string>
#include <utility>

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/result.h>

#include "base/file_part.h"

namespace qwen3_tts {

/// Where a .pte is: at a path, or in a part of a file that somebody has opened. Copies share what they have open.
class ModelSource {
 public:
  ModelSource(std::string path) : name_(std::move(path)) {}  // NOLINT(google-explicit-constructor): a path is one

  /// kInvalidArgument when the options name none, or two; and what FilePart::of_descriptor() says.
  static Result<ModelSource> of(const EngineOptions& options);

  /// The path, or how errors call it.
  const std::string& name() const { return name_; }
  bool is_path() const { return part_ == nullptr; }

  /// What is at the path now, or the part. kIo.
  Result<std::shared_ptr<const FilePart>> open() const;

  /// All of the part, aligned as ExecuTorch and the kernels want it; null where it is a path. It lives as long as a
  /// copy of this.
  const FileBytes* bytes() const { return bytes_.get(); }

 private:
  std::string name_;
  std::shared_ptr<const FilePart> part_;
  std::shared_ptr<const FileBytes> bytes_;
};

}  // namespace qwen3_tts
