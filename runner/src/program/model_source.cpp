#include "program/model_source.h"

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

/// A cache line: more than ExecuTorch asks for, and a vector of no kernel then lies across two of them.
constexpr uint64_t kAlignment = 64;

}  // namespace

Result<ModelSource> ModelSource::of(const EngineOptions& options) {
  const bool has_part = options.model_offset != 0 || options.model_length != 0;
  if (options.model_fd < 0) {
    if (has_part || options.model_fd != -1) {
      return invalid_argument("model_fd is " + std::to_string(options.model_fd) +
                              "; give the open file that model_offset and model_length are of");
    }
    return ModelSource(options.model_path);
  }
  if (!options.model_path.empty()) {
    return invalid_argument("the model is given twice: model_path '" + options.model_path + "' and model_fd " +
                            std::to_string(options.model_fd) + "; give one of them");
  }
  ASSIGN_OR_RETURN(FilePart part,
                   FilePart::of_descriptor(options.model_fd, options.model_offset, options.model_length));
  auto bytes = part.begin() % kAlignment == 0 ? part.map(0, static_cast<size_t>(part.size())) : part.copy();
  RETURN_IF_ERROR(bytes.ok() ? Status() : bytes.error());
  ModelSource source(part.name());
  source.part_ = std::make_shared<const FilePart>(std::move(part));
  source.bytes_ = std::make_shared<const FileBytes>(std::move(*bytes));
  return source;
}

Result<std::shared_ptr<const FilePart>> ModelSource::open() const {
  if (part_ != nullptr) {
    return part_;
  }
  ASSIGN_OR_RETURN(FilePart file, FilePart::open(name_));
  return std::make_shared<const FilePart>(std::move(file));
}

}  // namespace qwen3_tts
