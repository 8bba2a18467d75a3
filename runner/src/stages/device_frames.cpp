#include "stages/device_frames.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/philox.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

constexpr float kBanned = -std::numeric_limits<float>::infinity();

}  // namespace

struct DeviceFrames::Stream : FrameStream {
  TalkerState talker;
};

DeviceFrames::Stream& DeviceFrames::own(FrameStream& stream) { return static_cast<Stream&>(stream); }

DeviceFrames::DeviceFrames(Program& program, const ModelMetadata& metadata)
    : program_(program),
      metadata_(metadata),
      method_(contract::kFrame),
      talker_(program, metadata),
      text_row_(static_cast<size_t>(metadata.hidden_size)),
      penalty_(static_cast<size_t>(metadata.talker_vocab_size)),
      bans_(penalty_.size(), 0.0F),
      uniforms_(static_cast<size_t>(metadata.num_code_groups)),
      sampling_(6),
      codes_(uniforms_.size()) {
  std::fill(bans_.begin() + metadata.code_vocab_size, bans_.end(), kBanned);
  const auto vector_of = [](std::vector<float>& data) {
    return make_tensor_ptr({static_cast<SizesType>(data.size())}, data.data());
  };
  tensors_ = {make_tensor_ptr({1, static_cast<SizesType>(text_row_.size())}, text_row_.data()),
              make_tensor_ptr({1}, &position_, ScalarType::Long),
              vector_of(penalty_),
              vector_of(bans_),
              vector_of(uniforms_),
              vector_of(sampling_)};
  inputs_.reserve(tensors_.size());
  for (const auto& tensor : tensors_) {
    inputs_.emplace_back(*tensor);
  }
}

Result<std::unique_ptr<FrameStream>> DeviceFrames::create_stream() {
  auto stream = std::make_unique<Stream>();
  ASSIGN_OR_RETURN(stream->talker, talker_.create_state(/*program_keeps_kv=*/true));
  return std::unique_ptr<FrameStream>(std::move(stream));
}

void DeviceFrames::begin(FrameStream& stream, int64_t max_tokens) {
  own(stream).talker.position = 0;
  stream.begin_tokens(max_tokens);
}

Status DeviceFrames::read(FrameStream& stream, const float* rows, int64_t num_rows) {
  return talker_.read(own(stream).talker, rows, num_rows);
}

Status DeviceFrames::draw(const Streams& streams) {
  for (FrameStream* each : streams) {
    Stream& stream = own(*each);
    set_inputs(stream);
    std::copy_n(stream.prompt.text_row(static_cast<int64_t>(stream.tokens.size())), text_row_.size(),
                text_row_.begin());
    RETURN_IF_ERROR(program_.execute(method_, inputs_, {{codes_.data(), static_cast<int64_t>(codes_.size())}}));
    ++stream.talker.position;
    stream.status = check_codes(stream.num_drawn);
    if (stream.status.ok()) {
      stream.codes = codes_;
      stream.tokens.push_back(codes_[0]);
      ++stream.num_drawn;
    }
  }
  return {};
}

void DeviceFrames::set_inputs(const Stream& stream) {
  const DrawOptions& draw = stream.draw;
  position_ = stream.talker.position;
  std::fill(penalty_.begin(), penalty_.end(), 1.0F);
  for (const int64_t token : stream.tokens) {
    penalty_[static_cast<size_t>(token)] = draw.repetition_penalty;
  }
  const bool may_end = static_cast<int64_t>(stream.tokens.size()) >= draw.min_new_tokens;
  bans_[static_cast<size_t>(metadata_.codec_eos_id)] = may_end ? 0.0F : kBanned;
  for (size_t group = 0; group < uniforms_.size(); ++group) {
    uniforms_[group] = uniform(draw.seed, stream.num_drawn, static_cast<uint32_t>(group));
  }
  auto value = sampling_.begin();
  for (const SamplingParams& params : {draw.talker, draw.subtalker}) {
    *value++ = params.temperature;
    *value++ = static_cast<float>(params.top_k);
    *value++ = params.top_p;
  }
}

Status DeviceFrames::complete(const Streams& /*streams*/) { return {}; }

Snapshot DeviceFrames::snapshot(const FrameStream& /*stream*/) const { return {}; }

size_t DeviceFrames::snapshot_bytes(const FrameStream& /*stream*/, int64_t /*num_rows*/) const { return 0; }

void DeviceFrames::restore(FrameStream& stream, const Snapshot& /*snapshot*/, int64_t num_rows) {
  own(stream).talker.position = num_rows;
}

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
