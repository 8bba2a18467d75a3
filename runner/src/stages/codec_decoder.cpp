#include "stages/codec_decoder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Result<std::unique_ptr<CodecDecoder>> CodecDecoder::create(Program& program, const ModelMetadata& metadata,
                                                           bool keeps_state) {
  constexpr size_t kFirstState = 2;  // Of the method's inputs.
  constexpr size_t kNumStates = 2;
  std::vector<MappedTensor> states;
  for (size_t i = 0; i < kNumStates && !keeps_state; ++i) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program.state_spec(contract::kDecodeAudio, kFirstState + i));
    ASSIGN_OR_RETURN(MappedTensor state, MappedTensor::create(spec));
    states.push_back(std::move(state));
  }
  return std::unique_ptr<CodecDecoder>(new CodecDecoder(program, metadata, std::move(states)));
}

CodecDecoder::CodecDecoder(Program& program, const ModelMetadata& metadata, std::vector<MappedTensor> states)
    : program_(program),
      num_code_groups_(metadata.num_code_groups),
      max_decode_frames_(metadata.max_decode_frames),
      samples_per_frame_(metadata.samples_per_frame),
      method_(contract::kDecodeAudio),
      states_(std::move(states)),
      codes_(static_cast<size_t>(max_decode_frames_ * num_code_groups_)),
      codes_tensor_(
          make_tensor_ptr({static_cast<SizesType>(max_decode_frames_), static_cast<SizesType>(num_code_groups_)},
                          codes_.data(), ScalarType::Long)),
      position_tensor_(make_tensor_ptr({1}, &position_, ScalarType::Long)),
      inputs_{*codes_tensor_, *position_tensor_} {
  for (const MappedTensor& state : states_) {
    inputs_.emplace_back(state.tensor());
  }
}

Status CodecDecoder::reset() {
  position_ = 0;  // At which a program that keeps the state begins anew.
  for (MappedTensor& state : states_) {
    RETURN_IF_ERROR(state.clear());
  }
  return {};
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
    RETURN_IF_ERROR(decode(codes.data() + first * num_code_groups_, count, dropped.data()));
  }
  return {};
}

size_t CodecDecoder::state_bytes() const {
  return std::accumulate(states_.begin(), states_.end(), size_t{0},
                         [](size_t sum, const MappedTensor& state) { return sum + state.size_bytes(); });
}

Snapshot CodecDecoder::state() const {
  Snapshot state;
  state.reserve(state_bytes());
  for (const MappedTensor& tensor : states_) {
    state.insert(state.end(), tensor.data(), tensor.data() + tensor.size_bytes());
  }
  return state;
}

void CodecDecoder::set_state(const Snapshot& state, int64_t num_frames) {
  const std::byte* from = state.data();
  for (const MappedTensor& tensor : states_) {
    std::copy_n(from, tensor.size_bytes(), tensor.data());
    from += tensor.size_bytes();
  }
  position_ = num_frames;
}

}  // namespace qwen3_tts
