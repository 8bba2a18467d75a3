#include "stages/codec_decoder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

Error all_taken(int64_t count) {
  return Error{ErrorCode::kInvalidState,
               "this model for a GPU was exported for " + std::to_string(count) +
                   (count == 1 ? " utterance" : " utterances") +
                   " at once (--batch), and as many sessions exist; destroy one that is not needed, export with a "
                   "larger --batch, or speak in another process"};
}

}  // namespace

CodecDecoder::CodecDecoder(Program& program, const ModelMetadata& metadata, SlotNumbers* slots)
    : program_(program),
      slots_(slots),
      num_code_groups_(metadata.num_code_groups),
      samples_per_frame_(metadata.samples_per_frame),
      method_(contract::kDecodeAudio),
      chunk_method_(contract::kDecodeChunk),
      max_frames_(metadata.max_decode_frames),
      codes_(static_cast<size_t>(metadata.max_decode_frames * num_code_groups_)),
      positions_(static_cast<size_t>(metadata.max_decode_frames)),
      codes_tensor_(make_tensor_ptr(
          {static_cast<SizesType>(metadata.max_decode_frames), static_cast<SizesType>(num_code_groups_)}, codes_.data(),
          ScalarType::Long)) {}

Result<DecoderState> CodecDecoder::create_state() {
  DecoderState state;
  if (slots_ != nullptr) {
    state.place = slots_->lease();
    if (!state.place.has_value()) {
      return all_taken(slots_->size());
    }
    return state;
  }
  constexpr size_t kFirstState = 2;  // Of the method's inputs.
  constexpr size_t kNumStates = 2;
  for (size_t i = 0; i < kNumStates; ++i) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program_.state_spec(method_, kFirstState + i));
    ASSIGN_OR_RETURN(MappedTensor tensor, MappedTensor::create(spec));
    state.tensors.push_back(std::move(tensor));
  }
  return state;
}

Status CodecDecoder::decode(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) {
  if (slots_ == nullptr) {
    return decode_frames(state, codes, num_frames, samples);
  }
  if (num_frames == max_frames_) {
    return decode_chunk(state, codes, samples);
  }
  for (int64_t frame = 0; frame < num_frames; ++frame) {
    RETURN_IF_ERROR(decode_frames(state, codes + frame * num_code_groups_, 1, samples + frame * samples_per_frame_));
  }
  return {};
}

Status CodecDecoder::decode_chunk(DecoderState& state, const int64_t* codes, float* samples) {
  std::copy_n(codes, codes_.size(), codes_.begin());
  return run(chunk_method_, state, max_frames_, samples);
}

Status CodecDecoder::decode_frames(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) {
  std::copy_n(codes, num_frames * num_code_groups_, codes_.begin());
  return run(method_, state, num_frames, samples);
}

/// Of the first frames of codes_.
Status CodecDecoder::run(const std::string& method, DecoderState& state, int64_t num_frames, float* samples) {
  const std::array<SizesType, 2> sizes = {static_cast<SizesType>(num_frames), static_cast<SizesType>(num_code_groups_)};
  if (executorch::runtime::resize_tensor(*codes_tensor_, {sizes.data(), sizes.size()}) !=
      executorch::runtime::Error::Ok) {
    return Error{ErrorCode::kExecution, "'" + method + "' cannot take " + std::to_string(num_frames) + " frames"};
  }
  std::iota(positions_.begin(), positions_.end(), state.position);
  const auto positions_tensor = make_tensor_ptr({sizes[0]}, positions_.data(), ScalarType::Long);
  std::vector<executorch::runtime::EValue> inputs = {*codes_tensor_, *positions_tensor};
  int64_t slot = state.place ? state.place->value() : 0;
  const auto slot_tensor = make_tensor_ptr({1}, &slot, ScalarType::Long);
  if (state.place.has_value()) {
    inputs.emplace_back(*slot_tensor);
  }
  for (const MappedTensor& tensor : state.tensors) {
    inputs.emplace_back(tensor.tensor());
  }
  RETURN_IF_ERROR(program_.execute(method, inputs, {{samples, num_frames * samples_per_frame_}}));
  state.position += num_frames;
  return {};
}

}  // namespace qwen3_tts
