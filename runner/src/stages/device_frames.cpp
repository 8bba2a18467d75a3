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

std::array<float, kSamplingValues> values_of(const SamplingParams& params) {
  return {params.temperature, static_cast<float>(params.top_k), params.top_p};
}

}  // namespace

struct DeviceFrames::Stream : FrameStream {
  TalkerState talker;
};

DeviceFrames::Stream& DeviceFrames::own(FrameStream& stream) { return static_cast<Stream&>(stream); }

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
      packed_(static_cast<size_t>(metadata.hidden_size + metadata.num_code_groups) + 2 * kSamplingValues + kNumbers),
      uniforms_(static_cast<size_t>(metadata.num_code_groups - 1)),
      sampling_(kSamplingValues),
      codes_(static_cast<size_t>(metadata.num_code_groups)) {
  const auto vector_of = [](std::vector<float>& data) {
    return make_tensor_ptr({static_cast<SizesType>(data.size())}, data.data());
  };
  packed_tensor_ = vector_of(packed_);
  code0_tensor_ = make_tensor_ptr({1}, codes_.data(), ScalarType::Long);
  uniforms_tensor_ = vector_of(uniforms_);
  sampling_tensor_ = vector_of(sampling_);
}

Result<std::unique_ptr<FrameStream>> DeviceFrames::create_stream() {
  auto stream = std::make_unique<Stream>();
  ASSIGN_OR_RETURN(stream->talker, talker_->create_state());
  return std::unique_ptr<FrameStream>(std::move(stream));
}

void DeviceFrames::begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) {
  own(stream).talker.position = 0;
  stream.begin_tokens(piece, max_tokens);
}

Status DeviceFrames::read(FrameStream& stream, const float* rows, int64_t num_rows) {
  return talker_->read(own(stream).talker, rows, num_rows);
}

Status DeviceFrames::draw(const Streams& streams) {
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    stream.status = {};
    RETURN_IF_ERROR(stream.tokens.empty() ? make_first(stream) : make_next(stream));
    if (stream.status.ok()) {
      stream.status = check_codes(stream.tokens.size());
    }
    if (stream.status.ok()) {
      stream.codes = codes_;
      stream.tokens.push_back(codes_[0]);
    }
  }
  return {};
}

Status DeviceFrames::make_first(Stream& stream) {
  const DrawOptions& draw = stream.draw;
  const auto token = talker_->sample(stream.talker, draw, stream.tokens, uniform(draw.seed, 0, 0, stream.piece));
  if (!token.ok()) {
    stream.status = token.error();
    return {};
  }
  std::fill(codes_.begin(), codes_.end(), 0);
  codes_[0] = *token;
  if (*token == metadata_.codec_eos_id) {
    return {};
  }
  for (size_t i = 0; i < uniforms_.size(); ++i) {
    uniforms_[i] = uniform(draw.seed, 0, static_cast<uint32_t>(i + 1), stream.piece);
  }
  const auto values = values_of(draw.subtalker);
  std::copy(values.begin(), values.end(), sampling_.begin());
  std::vector<float>& hidden = stream.talker.hidden;
  const auto hidden_tensor = make_tensor_ptr({1, static_cast<SizesType>(hidden.size())}, hidden.data());
  return program_.execute(cp_generate_, {*hidden_tensor, *code0_tensor_, *uniforms_tensor_, *sampling_tensor_},
                          {{codes_.data(), static_cast<int64_t>(codes_.size())}});
}

Status DeviceFrames::make_next(Stream& stream) {
  pack(stream);
  RETURN_IF_ERROR(program_.execute(frame_, {*packed_tensor_}, {{codes_.data(), static_cast<int64_t>(codes_.size())}}));
  ++stream.talker.position;
  return {};
}

void DeviceFrames::pack(const Stream& stream) {
  const DrawOptions& draw = stream.draw;
  const auto num_tokens = static_cast<int64_t>(stream.tokens.size());
  auto value = std::copy_n(stream.prompt.text_row(num_tokens - 1), metadata_.hidden_size, packed_.begin());
  for (size_t group = 0; group < codes_.size(); ++group) {
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
void DeviceFrames::rest(FrameStream& stream) { own(stream).talker.position = 0; }

Status DeviceFrames::check_codes(uint64_t frame) const {
  const auto is_code = [&](int64_t code) { return code >= 0 && code < metadata_.code_vocab_size; };
  const bool is_token = is_code(codes_[0]) || codes_[0] == metadata_.codec_eos_id;
  if (is_token && std::all_of(codes_.begin() + 1, codes_.end(), is_code)) {
    return {};
  }
  return Error{ErrorCode::kExecution, "the codes of frame " + std::to_string(frame) +
                                          " are out of range, so logits were not numbers; the model is damaged"};
}

}  // namespace qwen3_tts
