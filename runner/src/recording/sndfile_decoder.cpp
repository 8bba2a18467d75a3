#include <sndfile.h>

#include <string>

#include "base/error.h"
#include "base/try.h"
#include "recording/byte_source.h"
#include "recording/sound_decoder.h"
#include "recording/stated_size.h"

namespace qwen3_tts {
namespace {

ByteCursor& cursor_of(void* data) { return *static_cast<ByteCursor*>(data); }

SF_VIRTUAL_IO reading() {
  SF_VIRTUAL_IO io{};
  io.get_filelen = [](void* data) { return sf_count_t{cursor_of(data).size()}; };
  io.seek = [](sf_count_t offset, int whence, void* data) { return sf_count_t{cursor_of(data).seek(offset, whence)}; };
  io.read = [](void* bytes, sf_count_t count, void* data) { return sf_count_t{cursor_of(data).read(bytes, count)}; };
  io.tell = [](void* data) { return sf_count_t{cursor_of(data).position()}; };
  return io;
}

class SndfileDecoder : public SoundDecoder {
 public:
  SndfileDecoder(const ByteSource& source, int64_t begin) : cursor_(source, begin) {}
  ~SndfileDecoder() override {
    if (file_ != nullptr) {
      sf_close(file_);
    }
  }
  SndfileDecoder(const SndfileDecoder&) = delete;
  SndfileDecoder& operator=(const SndfileDecoder&) = delete;

  Status open(const std::optional<StatedSize>& size) {
    SF_VIRTUAL_IO io = reading();
    SF_INFO info{};
    file_ = sf_open_virtual(&io, SFM_READ, &info, &cursor_);
    if (file_ == nullptr) {
      return invalid_argument(std::string("libsndfile: ") + sf_strerror(nullptr));
    }
    if (info.channels < 1 || info.samplerate < 1) {
      return invalid_argument("it has no channel or no sample rate");
    }
    sample_rate_ = info.samplerate;
    num_channels_ = info.channels;
    // libsndfile counts what is there; SF_COUNT_MAX: the header does not say.
    if (size && size->present > 0) {
      stated_moments_ = static_cast<int64_t>(static_cast<double>(info.frames) * static_cast<double>(size->stated) /
                                             static_cast<double>(size->present));
    } else if ((info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC && info.frames != SF_COUNT_MAX) {
      stated_moments_ = info.frames;
    }
    return {};
  }

  Result<int64_t> read(float* samples, int64_t num_moments) override {
    const int64_t count = failure_.empty() ? sf_readf_float(file_, samples, num_moments) : 0;
    if (failure_.empty() && sf_error(file_) != SF_ERR_NO_ERROR) {
      failure_ = std::string("libsndfile says ") + sf_strerror(file_);
    }
    if (count == 0 && !failure_.empty()) {
      return invalid_argument(failure_);
    }
    return count;
  }

 private:
  ByteCursor cursor_;
  SNDFILE* file_ = nullptr;
  std::string failure_;  ///< Of the read before, which also gave samples.
};

}  // namespace

Result<std::unique_ptr<SoundDecoder>> open_sndfile(ByteSource& source, int64_t begin) {
  const auto size = read_stated_size(source, begin);
  auto decoder = std::make_unique<SndfileDecoder>(source, begin);
  RETURN_IF_ERROR(decoder->open(size));
  return std::unique_ptr<SoundDecoder>(std::move(decoder));
}

}  // namespace qwen3_tts
