#include <qwen3_tts/encoded_sink.h>

#include <optional>
#include <utility>

#include "audio/pcm.h"
#include "audio/wav_header.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/file_ending.h"
#include "base/try.h"
#include "encoding/byte_output.h"
#include "encoding/encoder.h"

namespace qwen3_tts {
namespace {

/// Encodes nothing to nowhere.
Status try_out(AudioFormat format, int64_t sample_rate, bool is_stream) {
  ByteOutput nowhere([](const void*, size_t) { return Status(); });
  ASSIGN_OR_RETURN(Encoder encoder, Encoder::open(format, sample_rate, is_stream, nowhere));
  return encoder.close();
}

}  // namespace

struct EncodedSink::State {
  std::string path;  ///< Empty: a stream.
  Append append;     ///< Of a stream.
  AudioFormat format = AudioFormat::kWav;
  int64_t sample_rate = 0;
  int64_t num_samples = 0;
  std::optional<ByteOutput> output;  ///< None before the first write.
  std::optional<Encoder> encoder;    ///< From then on. Gone before the output.
  bool is_closed = false;
  Status failure;  ///< The first one: what follows has it, too.

  bool is_stream() const { return path.empty(); }
  Status begin();
  Status write(const float* samples, int64_t count);
  Status end();
  Status fail(Status status);
};

/// Nothing to do after the first time.
Status EncodedSink::State::begin() {
  if (encoder.has_value()) {
    return {};
  }
  if (is_stream()) {
    output.emplace(append);
  } else {
    ASSIGN_OR_RETURN(NewFile file, NewFile::create(path));
    output.emplace(std::move(file));
  }
  ASSIGN_OR_RETURN(Encoder opened, Encoder::open(format, sample_rate, is_stream(), *output));
  encoder.emplace(std::move(opened));
  return {};
}

Status EncodedSink::State::write(const float* samples, int64_t count) {
  if (format == AudioFormat::kWav && !is_stream() && count > WavHeader::kMaxSamples - num_samples) {
    return WavHeader::too_long(path);
  }
  RETURN_IF_ERROR(check_not_nan(samples, count));
  RETURN_IF_ERROR(begin());
  num_samples += count;
  return for_each_int16_block(samples, count,
                              [this](const int16_t* block, int64_t size) { return encoder->write(block, size); });
}

Status EncodedSink::State::end() {
  RETURN_IF_ERROR(begin());
  if (num_samples == 0 && format != AudioFormat::kWav) {
    constexpr int16_t kSilence = 0;  // FLAC and MP3 have no file without a sample.
    RETURN_IF_ERROR(encoder->write(&kSilence, 1));
  }
  RETURN_IF_ERROR(encoder->close());
  return output->commit();
}

/// An output that failed is none.
Status EncodedSink::State::fail(Status status) {
  failure = std::move(status);
  if (output.has_value()) {
    output->drop();
  }
  return failure;
}

EncodedSink::EncodedSink(std::unique_ptr<State> state) : state_(std::move(state)) {}

EncodedSink::~EncodedSink() {
  if (!state_->is_closed && state_->output.has_value()) {
    state_->output->drop();  // Before the encoder, which would complete it.
  }
}

Result<std::unique_ptr<EncodedSink>> EncodedSink::to_file(std::string path, int64_t sample_rate,
                                                          AudioFormat otherwise) {
  return catching([&]() -> Result<std::unique_ptr<EncodedSink>> {
    const std::string subject = "'" + path + "'";
    ASSIGN_OR_RETURN(const auto named, about(subject, format_of_ending(path)));
    auto state = std::make_unique<State>();
    state->path = std::move(path);
    state->format = named.value_or(otherwise);
    state->sample_rate = sample_rate;
    RETURN_IF_ERROR(about(subject, try_out(state->format, sample_rate, /*is_stream=*/false)));
    return std::unique_ptr<EncodedSink>(new EncodedSink(std::move(state)));
  });
}

Result<std::unique_ptr<EncodedSink>> EncodedSink::to_stream(Append append, int64_t sample_rate, AudioFormat format) {
  return catching([&]() -> Result<std::unique_ptr<EncodedSink>> {
    RETURN_IF_ERROR(try_out(format, sample_rate, /*is_stream=*/true));
    auto state = std::make_unique<State>();
    state->append = std::move(append);
    state->format = format;
    state->sample_rate = sample_rate;
    return std::unique_ptr<EncodedSink>(new EncodedSink(std::move(state)));
  });
}

Status EncodedSink::write(const float* samples, int64_t num_samples) {
  return catching([&]() -> Status {
    RETURN_IF_ERROR(state_->failure);
    if (state_->is_closed) {
      return Error{ErrorCode::kInvalidState, (state_->is_stream() ? "the stream" : "'" + state_->path + "'") +
                                                 std::string(" is closed; make another EncodedSink")};
    }
    Status status = state_->write(samples, num_samples);
    return status.ok() ? status : state_->fail(std::move(status));
  });
}

Status EncodedSink::close() {
  return catching([&]() -> Status {
    RETURN_IF_ERROR(state_->failure);
    if (state_->is_closed) {
      return {};
    }
    Status status = state_->end();
    state_->is_closed = true;
    return status.ok() ? status : state_->fail(std::move(status));
  });
}

}  // namespace qwen3_tts
