#include "recording/audio_file.h"

#include <fcntl.h>
#include <sndfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/io_error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kBlockSamples = 1 << 16;  // Of all channels together.

/// A file to read from its begin, with something in it.
Result<FileDescriptor> open_regular(const std::string& path) {
  // O_NONBLOCK: a pipe that nobody writes to is refused below, not waited for.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return io_error("open", path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kIo, "cannot read '" + path + "': it is not a regular file; name a sound file"};
  }
  if (info.st_size == 0) {
    return invalid_argument("'" + path + "' is empty; name a sound file");
  }
  return file;
}

}  // namespace

struct AudioFile::Handle {
  SNDFILE* file = nullptr;
  SF_INFO info{};
  FileDescriptor descriptor;  ///< Closed after the file.

  explicit Handle(FileDescriptor opened) : descriptor(std::move(opened)) {
    file = sf_open_fd(descriptor.get(), SFM_READ, &info, SF_FALSE);
  }
  ~Handle() {
    if (file != nullptr) {
      sf_close(file);
    }
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

Result<AudioFile> AudioFile::open(const std::string& path) {
  ASSIGN_OR_RETURN(FileDescriptor descriptor, open_regular(path));
  auto handle = std::make_unique<Handle>(std::move(descriptor));
  if (handle->file == nullptr || handle->info.channels < 1 || handle->info.samplerate < 1) {
    const std::string reason = handle->file == nullptr ? sf_strerror(nullptr) : "it has no channel or no sample rate";
    return invalid_argument("'" + path + "' is not a sound file that can be read (libsndfile: " + reason +
                            "); convert it to WAV or FLAC");
  }
  return AudioFile(path, std::move(handle));
}

AudioFile::AudioFile(std::string path, std::unique_ptr<Handle> handle)
    : path_(std::move(path)),
      handle_(std::move(handle)),
      sample_rate_(handle_->info.samplerate),
      num_channels_(handle_->info.channels),
      moments_left_(handle_->info.frames) {}

AudioFile::AudioFile(AudioFile&&) noexcept = default;

AudioFile::~AudioFile() = default;

Error AudioFile::damaged(const std::string& what) const {
  return invalid_argument("'" + path_ + "' is damaged or cut off: " + what + "; copy or make it again");
}

Status AudioFile::read(std::vector<float>& samples) {
  const int64_t block_moments = std::max<int64_t>(1, kBlockSamples / num_channels_);
  samples.resize(static_cast<size_t>(block_moments * num_channels_));
  const int64_t num_moments = sf_readf_float(handle_->file, samples.data(), block_moments);
  samples.resize(static_cast<size_t>(num_moments * num_channels_));
  if (sf_error(handle_->file) != SF_ERR_NO_ERROR) {
    return damaged(std::string("libsndfile says ") + sf_strerror(handle_->file));
  }
  moments_left_ -= num_moments;
  // SF_COUNT_MAX: the header does not say.
  if (num_moments == 0 && moments_left_ > 0 && handle_->info.frames != SF_COUNT_MAX) {
    return damaged("its header promises " + std::to_string(handle_->info.frames) + " samples, " +
                   std::to_string(handle_->info.frames - moments_left_) + " are there");
  }
  return {};
}

}  // namespace qwen3_tts
