#include "codec_decoder.h"

#include <algorithm>
#include <array>
#include <utility>

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Result<std::unique_ptr<CodecDecoder>> CodecDecoder::create(Program& program, const ModelMetadata& metadata) {
  const auto map_state = [&](size_t index) -> Result<MappedTensor> {
    const auto spec = program.state_spec(contract::kDecodeAudio, index);
    if (!spec.ok()) {
      return spec.error();
    }
    return MappedTensor::create(*spec);
  };
  auto history = map_state(2);
  if (!history.ok()) {
    return history.error();
  }
  auto kv = map_state(3);
  if (!kv.ok()) {
    return kv.error();
  }
  return std::unique_ptr<CodecDecoder>(new CodecDecoder(program, metadata, std::move(*history), std::move(*kv)));
}

CodecDecoder::CodecDecoder(Program& program, const ModelMetadata& metadata, MappedTensor history, MappedTensor kv)
    : program_(program),
      num_code_groups_(metadata.num_code_groups),
      max_decode_frames_(metadata.max_decode_frames),
      samples_per_frame_(metadata.samples_per_frame),
      method_(contract::kDecodeAudio),
      history_(std::move(history)),
      kv_(std::move(kv)),
      codes_(static_cast<size_t>(max_decode_frames_ * num_code_groups_)),
      codes_tensor_(
          make_tensor_ptr({static_cast<SizesType>(max_decode_frames_), static_cast<SizesType>(num_code_groups_)},
                          codes_.data(), ScalarType::Long)),
      position_tensor_(make_tensor_ptr({1}, &position_, ScalarType::Long)),
      inputs_{*codes_tensor_, *position_tensor_, history_.tensor(), kv_.tensor()} {}

Status CodecDecoder::reset() {
  position_ = 0;
  Status status = history_.clear();
  return status.ok() ? kv_.clear() : status;
}

Status CodecDecoder::decode(const int64_t* codes, int64_t num_frames, float* samples) {
  std::copy_n(codes, num_frames * num_code_groups_, codes_.begin());
  const std::array<SizesType, 2> sizes = {static_cast<SizesType>(num_frames), static_cast<SizesType>(num_code_groups_)};
  if (executorch::runtime::resize_tensor(*codes_tensor_, {sizes.data(), sizes.size()}) !=
      executorch::runtime::Error::Ok) {
    return Error{ErrorCode::kExecution, "'" + method_ + "' cannot take " + std::to_string(num_frames) + " frames"};
  }
  Status status = program_.execute(method_, inputs_, {{samples, num_frames * samples_per_frame_}});
  position_ += num_frames;
  return status;
}

Status CodecDecoder::prime(const std::vector<int64_t>& codes) {
  if (codes.empty()) {
    return {};
  }
  std::vector<float> dropped(static_cast<size_t>(max_decode_frames_ * samples_per_frame_));
  const int64_t num_frames = static_cast<int64_t>(codes.size()) / num_code_groups_;
  for (int64_t first = 0; first < num_frames; first += max_decode_frames_) {
    const int64_t count = std::min(max_decode_frames_, num_frames - first);
    if (Status status = decode(codes.data() + first * num_code_groups_, count, dropped.data()); !status.ok()) {
      return status;
    }
  }
  return {};
}

PrefixCache::State CodecDecoder::state() const {
  PrefixCache::State state;
  state.reserve(state_bytes());
  for (const MappedTensor* tensor : {&history_, &kv_}) {
    state.insert(state.end(), tensor->data(), tensor->data() + tensor->size_bytes());
  }
  return state;
}

void CodecDecoder::set_state(const PrefixCache::State& state, int64_t num_frames) {
  const std::byte* from = state.data();
  for (const MappedTensor* tensor : {&history_, &kv_}) {
    std::copy_n(from, tensor->size_bytes(), tensor->data());
    from += tensor->size_bytes();
  }
  position_ = num_frames;
}

}  // namespace qwen3_tts
