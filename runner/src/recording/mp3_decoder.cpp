#include <mpg123.h>

#include <string>

#include "base/error.h"
#include "base/try.h"
#include "recording/byte_source.h"
#include "recording/mp3_frames.h"
#include "recording/sound_decoder.h"

namespace qwen3_tts {
namespace {

ByteCursor& cursor_of(void* data) { return *static_cast<ByteCursor*>(data); }

Error failure(const char* reason) { return invalid_argument(std::string("libmpg123 says ") + reason); }

class Mp3Decoder : public SoundDecoder {
 public:
  Mp3Decoder(const ByteSource& source, int64_t begin) : cursor_(source, begin) {}
  ~Mp3Decoder() override {
    if (handle_ != nullptr) {
      mpg123_delete(handle_);
    }
  }
  Mp3Decoder(const Mp3Decoder&) = delete;
  Mp3Decoder& operator=(const Mp3Decoder&) = delete;

  Status open(const std::optional<Mp3Length>& length) {
    static const int initialized = mpg123_init();  // Older versions need it.
    int error = initialized;
    handle_ = error == MPG123_OK ? mpg123_new(nullptr, &error) : nullptr;
    if (handle_ == nullptr) {
      return failure(mpg123_plain_strerror(error));
    }
    // It would write to standard error what it thinks of a file, and does all the same where no format is left: so all
    // are allowed. Players search on where a frame is damaged.
    constexpr int kFlags = MPG123_QUIET | MPG123_SKIP_ID3V2 | MPG123_FORCE_FLOAT | MPG123_GAPLESS;
    const bool is_ready = mpg123_param(handle_, MPG123_ADD_FLAGS, kFlags, 0) == MPG123_OK &&
                          mpg123_param(handle_, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0) == MPG123_OK &&
                          mpg123_param(handle_, MPG123_RESYNC_LIMIT, -1, 0) == MPG123_OK &&
                          mpg123_replace_reader_handle(handle_, read_bytes, seek, nullptr) == MPG123_OK &&
                          mpg123_open_handle(handle_, &cursor_) == MPG123_OK;
    const Format format = is_ready ? this->format() : Format{};
    if (format.encoding != MPG123_ENC_FLOAT_32) {
      return failure(mpg123_strerror(handle_));
    }
    sample_rate_ = format.rate;
    num_channels_ = format.num_channels;
    if (num_channels_ == 2) {  // Some frames may be mono.
      mpg123_param(handle_, MPG123_ADD_FLAGS, MPG123_FORCE_STEREO, 0);
    }
    if (length) {  // A Xing frame may say more: how much of the first and the last frame is padding.
      stated_moments_ = length->is_vbri ? length->num_moments : int64_t{mpg123_length(handle_)};
    }
    return {};
  }

  Result<int64_t> read(float* samples, int64_t num_moments) override {
    const auto moment_bytes = static_cast<size_t>(num_channels_) * sizeof(float);
    auto* const bytes = reinterpret_cast<unsigned char*>(samples);
    size_t done = 0;
    int outcome = MPG123_NEW_FORMAT;  // Which the first frame is, too.
    while (outcome == MPG123_NEW_FORMAT && done == 0) {
      if (!format().is(sample_rate_, num_channels_)) {
        return invalid_argument("its sample rate or its channels change on the way");
      }
      outcome = mpg123_read(handle_, bytes, static_cast<size_t>(num_moments) * moment_bytes, &done);
    }
    if (done > 0 || outcome == MPG123_OK || outcome == MPG123_DONE || is_end()) {
      return static_cast<int64_t>(done / moment_bytes);
    }
    return failure(mpg123_strerror(handle_));
  }

 private:
  static ssize_t read_bytes(void* cursor, void* data, size_t count) {
    return static_cast<ssize_t>(cursor_of(cursor).read(data, static_cast<int64_t>(count)));
  }
  static off_t seek(void* cursor, off_t offset, int whence) {
    return static_cast<off_t>(cursor_of(cursor).seek(offset, whence));
  }

  struct Format {
    long rate = 0;  // NOLINT(google-runtime-int): libmpg123's type.
    int num_channels = 0, encoding = 0;

    bool is(int64_t a_rate, int64_t a_number) const { return rate == a_rate && num_channels == a_number; }
  };

  /// All 0 when there is none.
  Format format() const {
    Format found;
    const int outcome = mpg123_getformat(handle_, &found.rate, &found.num_channels, &found.encoding);
    return outcome == MPG123_OK ? found : Format{};
  }

  /// No frame follows: tags at the end, or half a frame.
  bool is_end() const {
    const int error = mpg123_errcode(handle_);
    return error == MPG123_RESYNC_FAIL || error == MPG123_OUT_OF_SYNC || error == MPG123_ERR_READER;
  }

  ByteCursor cursor_;
  mpg123_handle* handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<SoundDecoder>> open_mp3(const ByteSource& source, int64_t begin) {
  auto decoder = std::make_unique<Mp3Decoder>(source, begin);
  RETURN_IF_ERROR(decoder->open(read_mp3_length(source, begin)));
  return std::unique_ptr<SoundDecoder>(std::move(decoder));
}

}  // namespace qwen3_tts
