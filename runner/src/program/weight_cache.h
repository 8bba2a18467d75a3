#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <qwen3_tts/result.h>

#include "base/file.h"
#include "program/model_source.h"

namespace qwen3_tts {

/// A file that keeps a model's weights as XNNPACK packed them: the next process maps it and packs nothing.
///
/// ExecuTorch writes and reads such files, but it empties whatever it does not recognise, believes every byte of what
/// it does, packs into pages that a full disk takes away (SIGBUS), and keeps other processes out while it runs. So it
/// never gets the user's path. It packs into a scratch file in memory, which is copied beside the path, sealed and
/// renamed; and it opens only a file whose seal is right, through a descriptor whose shared lock keeps it from
/// writing. Any number of processes may use one file, and one that replaces it does not disturb the others.
///
/// The file is what ExecuTorch wrote with the seal before its footer (where its reader does not look):
///
///     packed weights and index | magic "Q3TTSWC1" (8) | key (16) | checksum of all the rest (16) | footer (20)
///
/// The key is a hash of the model file, of the version of ExecuTorch and of the processor, which choose the packing. A
/// sealed file with another key or a wrong checksum is made again. Any other file is somebody else's: an error.
/// Hashes are XXH3: they find damage, not malice, so the file deserves the same trust as the model.
class WeightCache {
 public:
  /// Opens the cache of `model` at `path`, or gets ready to make it. kIo or kInvalidArgument when the path cannot
  /// be used; nothing has been changed then.
  static Result<WeightCache> open(const std::string& path, const ModelSource& model);

  /// The file exists and fits. Otherwise methods that are loaded with runtime_path() pack into the scratch file.
  bool is_made() const { return !file_.has_value(); }

  /// What ExecuTorch is to open. Valid until make(); no method may use it when the cache is destroyed.
  std::string runtime_path() const;

  /// Makes the file of what was packed since open(). Afterwards is_made(), and runtime_path() is another.
  Status make();

 private:
  using Hash = std::array<uint8_t, 16>;

  WeightCache(std::string path, Hash key) : path_(std::move(path)), key_(key) {}
  Status write_sealed(size_t size);

  std::string path_;
  Hash key_;
  std::optional<NewFile> file_;  ///< What will be at `path_`, until it is.
  FileDescriptor packed_;        ///< The scratch file, or the one at `path_`.
};

}  // namespace qwen3_tts
