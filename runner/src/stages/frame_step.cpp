#include "stages/frame_step.h"

#include <algorithm>
#include <limits>

#include "base/philox.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;

constexpr float kBanned = -std::numeric_limits<float>::infinity();

}  // namespace

std::unique_ptr<FrameStep> FrameStep::create(Program& program, const ModelMetadata& metadata) {
  return std::unique_ptr<FrameStep>(new FrameStep(program, metadata));
}

FrameStep::FrameStep(Program& program, const ModelMetadata& metadata)
    : program_(program),
      metadata_(metadata),
      method_(contract::kFrame),
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

void FrameStep::reset(const DrawOptions& options) {
  options_ = options;
  std::fill(penalty_.begin(), penalty_.end(), 1.0F);
  auto value = sampling_.begin();
  for (const SamplingParams& params : {options.talker, options.subtalker}) {
    *value++ = params.temperature;
    *value++ = static_cast<float>(params.top_k);
    *value++ = params.top_p;
  }
}

Result<int64_t> FrameStep::run(const float* text_row, int64_t position, int64_t num_tokens, uint64_t frame) {
  std::copy_n(text_row, text_row_.size(), text_row_.begin());
  position_ = position;
  bans_[static_cast<size_t>(metadata_.codec_eos_id)] = num_tokens < options_.min_new_tokens ? kBanned : 0.0F;
  for (size_t group = 0; group < uniforms_.size(); ++group) {
    uniforms_[group] = uniform(options_.seed, frame, static_cast<uint32_t>(group));
  }
  Status status = program_.execute(method_, inputs_, {{codes_.data(), static_cast<int64_t>(codes_.size())}});
  if (status.ok()) {
    status = check_codes(frame);
  }
  if (!status.ok()) {
    return status.error();
  }
  penalty_[static_cast<size_t>(codes_[0])] = options_.repetition_penalty;
  return codes_[0];
}

/// -1 says that there was nothing to draw from.
Status FrameStep::check_codes(uint64_t frame) const {
  const auto is_code = [&](int64_t code) { return code >= 0 && code < metadata_.code_vocab_size; };
  const bool is_token = is_code(codes_[0]) || codes_[0] == metadata_.codec_eos_id;
  if (is_token && std::all_of(codes_.begin() + 1, codes_.end(), is_code)) {
    return {};
  }
  return Error{ErrorCode::kExecution, "the codes of frame " + std::to_string(frame) +
                                          " are out of range, so logits were not numbers; the model is damaged"};
}

}  // namespace qwen3_tts
