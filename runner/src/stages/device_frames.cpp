#include "stages/device_frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/philox.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

constexpr size_t kSamplingValues = 3;
constexpr size_t kNumbers = 4;  // Behind the text row, the random numbers and both kinds of sampling.
constexpr float kIdle = -1.0F;  // In place of a row's position, the first of those numbers.

std::array<float, kSamplingValues> values_of(const SamplingParams& params) {
  return {params.temperature, static_cast<float>(params.top_k), params.top_p};
}

}  // namespace

struct DeviceFrames::Stream : FrameStream {
  TalkerState talker;
};

DeviceFrames::Stream& DeviceFrames::own(FrameStream& stream) { return static_cast<Stream&>(stream); }

const DeviceFrames::Stream& DeviceFrames::own(const FrameStream& stream) { return static_cast<const Stream&>(stream); }

int64_t DeviceFrames::row_of(const Stream& stream) { return stream.talker.place->value(); }

Result<std::unique_ptr<DeviceFrames>> DeviceFrames::create(Program& program, const ModelMetadata& metadata) {
  ASSIGN_OR_RETURN(auto talker, Talker::create(program, metadata, /*program_keeps_kv=*/true));
  return std::unique_ptr<DeviceFrames>(new DeviceFrames(program, metadata, std::move(talker)));
}

DeviceFrames::DeviceFrames(Program& program, const ModelMetadata& metadata, std::unique_ptr<Talker> talker)
    : program_(program),
      metadata_(metadata),
      frame_(contract::kFrame),
      cp_generate_(contract::kCpGenerate),
      talker_(std::move(talker)),
      num_groups_(static_cast<size_t>(metadata.num_code_groups)),
      packed_size_(static_cast<size_t>(metadata.hidden_size) + num_groups_ + 2 * kSamplingValues + kNumbers),
      packed_(static_cast<size_t>(metadata.max_batch) * packed_size_),
      uniforms_(num_groups_ - 1),
      sampling_(kSamplingValues),
      codes_(static_cast<size_t>(metadata.max_batch) * num_groups_) {
  const auto vector_of = [](std::vector<float>& data) {
    return make_tensor_ptr({static_cast<SizesType>(data.size())}, data.data());
  };
  packed_tensor_ = make_tensor_ptr({static_cast<SizesType>(metadata.max_batch), static_cast<SizesType>(packed_size_)},
                                   packed_.data());
  uniforms_tensor_ = vector_of(uniforms_);
  sampling_tensor_ = vector_of(sampling_);
}

Result<std::unique_ptr<FrameStream>> DeviceFrames::create_stream() {
  auto stream = std::make_unique<Stream>();
  ASSIGN_OR_RETURN(stream->talker, talker_->create_state());
  return std::unique_ptr<FrameStream>(std::move(stream));
}

bool DeviceFrames::take_place(FrameStream& stream) { return talker_->take_place(own(stream).talker); }

bool DeviceFrames::has_place(const FrameStream& stream) const { return talker_->has_place(own(stream).talker); }

void DeviceFrames::leave_place(FrameStream& stream) { Talker::leave_place(own(stream).talker); }

void DeviceFrames::begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) {
  own(stream).talker.position = 0;
  stream.begin_tokens(piece, max_tokens);
}

Status DeviceFrames::read(FrameStream& stream, const float* rows, int64_t num_rows) {
  return talker_->read(own(stream).talker, rows, num_rows);
}

Status DeviceFrames::draw(const Streams& streams) {
  std::vector<Stream*> others;
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    if (!stream.tokens.empty()) {
      others.push_back(&stream);
      continue;
    }
    stream.status = make_first(stream);
    if (stream.status.ok()) {
      stream.status = take_codes(stream);
    }
  }
  const Status made = others.empty() ? Status() : make_next(others);
  for (Stream* stream : others) {
    stream->status = made.ok() ? take_codes(*stream) : made;
  }
  return {};
}

Status DeviceFrames::make_first(Stream& stream) {
  const DrawOptions& draw = stream.draw;
  ASSIGN_OR_RETURN(const int64_t token,
                   talker_->sample(stream.talker, draw, stream.tokens, uniform(draw.seed, 0, 0, stream.piece)));
  int64_t slot = row_of(stream);
  int64_t* codes = codes_.data() + static_cast<size_t>(slot) * num_groups_;
  std::fill_n(codes, num_groups_, 0);
  codes[0] = token;
  if (token == metadata_.codec_eos_id) {
    return {};
  }
  for (size_t i = 0; i < uniforms_.size(); ++i) {
    uniforms_[i] = uniform(draw.seed, 0, static_cast<uint32_t>(i + 1), stream.piece);
  }
  const auto values = values_of(draw.subtalker);
  std::copy(values.begin(), values.end(), sampling_.begin());
  std::vector<float>& hidden = stream.talker.hidden;
  const auto hidden_tensor = make_tensor_ptr({1, static_cast<SizesType>(hidden.size())}, hidden.data());
  const auto code0_tensor = make_tensor_ptr({1}, codes, ScalarType::Long);
  const auto slot_tensor = make_tensor_ptr({1}, &slot, ScalarType::Long);
  return program_.execute(cp_generate_,
                          {*hidden_tensor, *code0_tensor, *uniforms_tensor_, *sampling_tensor_, *slot_tensor},
                          {{codes, static_cast<int64_t>(num_groups_)}});
}

Status DeviceFrames::make_next(const std::vector<Stream*>& streams) {
  pack_idle();
  for (const Stream* stream : streams) {
    pack(*stream);
  }
  RETURN_IF_ERROR(program_.execute(frame_, {*packed_tensor_}, {{codes_.data(), static_cast<int64_t>(codes_.size())}}));
  for (Stream* stream : streams) {
    ++stream->talker.position;
  }
  return {};
}

/// Numbers that any row can be computed with: of zeros a greedy draw is made.
void DeviceFrames::pack_idle() {
  std::fill(packed_.begin(), packed_.end(), 0.0F);
  for (auto end = packed_.begin(); end != packed_.end();) {
    end += static_cast<std::ptrdiff_t>(packed_size_);
    *(end - kNumbers) = kIdle;
    *(end - 1) = 1.0F;  // The penalty of repetitions divides.
  }
}

void DeviceFrames::pack(const Stream& stream) {
  const DrawOptions& draw = stream.draw;
  const auto num_tokens = static_cast<int64_t>(stream.tokens.size());
  float* value = packed_.data() + static_cast<size_t>(row_of(stream)) * packed_size_;
  value = std::copy_n(stream.prompt.text_row(num_tokens - 1), metadata_.hidden_size, value);
  for (size_t group = 0; group < num_groups_; ++group) {
    *value++ = uniform(draw.seed, stream.tokens.size(), static_cast<uint32_t>(group), stream.piece);
  }
  for (const SamplingParams& params : {draw.talker, draw.subtalker}) {
    const auto values = values_of(params);
    value = std::copy(values.begin(), values.end(), value);
  }
  *value++ = static_cast<float>(stream.talker.position);
  *value++ = static_cast<float>(stream.tokens.back());
  *value++ = num_tokens >= draw.min_new_tokens ? 1.0F : 0.0F;
  *value++ = draw.repetition_penalty;
}

Status DeviceFrames::complete(const Streams& /*streams*/) { return {}; }

Snapshot DeviceFrames::snapshot(const FrameStream& /*stream*/) const { return {}; }

size_t DeviceFrames::snapshot_bytes(const FrameStream& /*stream*/, int64_t /*num_rows*/) const { return 0; }

void DeviceFrames::restore(FrameStream& stream, const Snapshot& /*snapshot*/, int64_t num_rows) {
  own(stream).talker.position = num_rows;
}

/// The program keeps the memory.
void DeviceFrames::rest(FrameStream& stream) {
  own(stream).talker.position = 0;
  leave_place(stream);
}

Status DeviceFrames::take_codes(Stream& stream) const {
  const int64_t* codes = codes_.data() + static_cast<size_t>(row_of(stream)) * num_groups_;
  const auto is_code = [&](int64_t code) { return code >= 0 && code < metadata_.code_vocab_size; };
  const bool is_token = is_code(codes[0]) || codes[0] == metadata_.codec_eos_id;
  if (!is_token || !std::all_of(codes + 1, codes + num_groups_, is_code)) {
    return Error{ErrorCode::kExecution, "the codes of frame " + std::to_string(stream.tokens.size()) +
                                            " are out of range, so logits were not numbers; the model is damaged"};
  }
  stream.codes.assign(codes, codes + num_groups_);
  stream.tokens.push_back(codes[0]);
  return {};
}

}  // namespace qwen3_tts
