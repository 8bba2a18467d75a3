#include "stages/code_predictor.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/philox.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::EValue;

// The inputs that are state, when the caller keeps it.
constexpr size_t kGenerateKv = 5;
constexpr size_t kStepKv = 4;

TensorPtr matrix(std::vector<float>& data, size_t num_rows, size_t width) {
  return make_tensor_ptr({static_cast<SizesType>(num_rows), static_cast<SizesType>(width)}, data.data());
}

TensorPtr row_of(std::vector<float>& data, size_t width) {
  return make_tensor_ptr({static_cast<SizesType>(width)}, data.data());
}

TensorPtr numbers(int64_t* data, size_t count) {
  return make_tensor_ptr({static_cast<SizesType>(count)}, data, ScalarType::Long);
}

}  // namespace

Result<std::unique_ptr<CodePredictor>> CodePredictor::create(Program& program, Embedding& embedding,
                                                             const ModelMetadata& metadata, bool is_fused,
                                                             bool program_keeps_kv) {
  std::optional<MappedTensor> kv;
  if (!program_keeps_kv) {
    ASSIGN_OR_RETURN(const TensorSpec spec, is_fused ? program.state_spec(contract::kCpGenerate, kGenerateKv)
                                                     : program.state_spec(contract::kCodePredictor, kStepKv));
    ASSIGN_OR_RETURN(MappedTensor made, MappedTensor::create(spec));
    kv.emplace(std::move(made));
  }
  return std::unique_ptr<CodePredictor>(new CodePredictor(program, embedding, metadata, is_fused, std::move(kv)));
}

CodePredictor::CodePredictor(Program& program, Embedding& embedding, const ModelMetadata& metadata, bool is_fused,
                             std::optional<MappedTensor> kv)
    : program_(program),
      embedding_(embedding),
      metadata_(metadata),
      is_fused_(is_fused),
      cp_generate_(contract::kCpGenerate),
      code_predictor_(contract::kCodePredictor),
      cp_head_(contract::kCpHead),
      num_groups_(static_cast<size_t>(metadata.num_code_groups)),
      width_(static_cast<size_t>(metadata.hidden_size)),
      kv_(std::move(kv)) {
  const auto most = static_cast<size_t>(metadata.max_batch);
  codes_.resize(most * num_groups_);
  frame_embeddings_.resize(most * width_);
  code0_.resize(most);
  uniforms_.resize(most * (num_groups_ - 1));
  sampling_.resize(most * 3);
  rows_.resize(2 * most * width_);
  positions_.resize(2 * most);
  slots_.resize(2 * most);
  outputs_.resize(2 * most);
  states_.resize(most * static_cast<size_t>(metadata.code_predictor_hidden_size));
  logits_.resize((num_groups_ - 1) * most * static_cast<size_t>(metadata.code_vocab_size));
  std::iota(outputs_.begin(), outputs_.end(), 0);
}

Status CodePredictor::predict(const std::vector<BegunFrame>& frames) {
  frames_ = &frames;
  auto uniform_number = uniforms_.begin();
  auto parameter = sampling_.begin();
  for (size_t i = 0; i < frames.size(); ++i) {
    const BegunFrame& frame = frames[i];
    const SamplingParams& params = frame.draw->subtalker;
    std::copy_n(frame.hidden, width_, rows_.begin() + static_cast<std::ptrdiff_t>(i * width_));
    code0_[i] = frame.code0;
    slots_[i] = slots_[frames.size() + i] = kv_ ? static_cast<int64_t>(i) : frame.slot;
    for (size_t group = 1; group < num_groups_; ++group) {
      *uniform_number++ = uniform(frame.draw->seed, frame.index, static_cast<uint32_t>(group), frame.piece);
    }
    *parameter++ = params.temperature;
    *parameter++ = static_cast<float>(params.top_k);
    *parameter++ = params.top_p;
  }
  return is_fused_ ? predict_fused() : predict_stepwise();
}

Status CodePredictor::check(size_t frame) const {
  const bool is_valid = std::all_of(codes(frame), codes(frame) + num_groups_,
                                    [&](int64_t code) { return code >= 0 && code < metadata_.code_vocab_size; });
  if (is_valid) {
    return {};
  }
  return Error{ErrorCode::kExecution, "the codes of frame " + std::to_string((*frames_)[frame].index) +
                                          " are out of range, so logits were not numbers; the model is damaged"};
}

Status CodePredictor::predict_fused() {
  const size_t count = frames_->size();
  const auto hidden = matrix(rows_, count, width_);
  const auto code0 = numbers(code0_.data(), count);
  const auto uniforms = kv_ ? matrix(uniforms_, count, num_groups_ - 1) : row_of(uniforms_, num_groups_ - 1);
  const auto sampling = kv_ ? matrix(sampling_, count, 3) : row_of(sampling_, 3);
  const auto slots = numbers(slots_.data(), count);
  std::vector<EValue> inputs = {*hidden, *code0, *uniforms, *sampling, *slots};
  if (kv_) {
    inputs.emplace_back(kv_->tensor());
  }
  return program_.execute(cp_generate_, inputs,
                          {{codes_.data(), static_cast<int64_t>(count * num_groups_)},
                           {frame_embeddings_.data(), static_cast<int64_t>(count * width_)}});
}

Status CodePredictor::predict_stepwise() {
  const size_t count = frames_->size();
  const auto num_values = static_cast<std::ptrdiff_t>(count * width_);
  std::fill_n(frame_embeddings_.begin(), num_values, -0.0F);  // Plus x gives x, whatever its sign.
  for (size_t i = 0; i < count; ++i) {
    codes_[i * num_groups_] = code0_[i];
  }
  RETURN_IF_ERROR(embed(0, rows_.data() + num_values));
  RETURN_IF_ERROR(run_first_rows());
  for (size_t group = 1; group < num_groups_; ++group) {
    if (group > 1) {
      RETURN_IF_ERROR(run_rows(static_cast<int64_t>(group)));
    }
    RETURN_IF_ERROR(draw(group));
    RETURN_IF_ERROR(embed(group, rows_.data()));
  }
  return {};
}

/// The talker's rows at position 0 and those of code 0 at 1: in one call, or one after the other.
Status CodePredictor::run_first_rows() {
  const size_t count = frames_->size();
  if (!kv_) {
    RETURN_IF_ERROR(run_rows(0));
    std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(width_), width_, rows_.begin());
    return run_rows(1);
  }
  std::fill_n(positions_.begin(), count, 0);
  std::fill_n(positions_.begin() + static_cast<std::ptrdiff_t>(count), count, 1);
  return run(2 * count);
}

Status CodePredictor::run_rows(int64_t position) {
  std::fill_n(positions_.begin(), frames_->size(), position);
  return run(frames_->size());
}

Status CodePredictor::run(size_t num_rows) {
  const size_t count = frames_->size();
  const auto rows = matrix(rows_, num_rows, width_);
  const auto positions = numbers(positions_.data(), num_rows);
  const auto slots = numbers(slots_.data(), num_rows);
  const auto outputs = numbers(outputs_.data() + (num_rows - count), count);
  std::vector<EValue> inputs = {*rows, *positions};
  if (kv_) {
    inputs.insert(inputs.end(), {*slots, *outputs, kv_->tensor()});
  }
  const auto num_values = static_cast<int64_t>(count) * metadata_.code_predictor_hidden_size;
  return program_.execute(code_predictor_, inputs, {{states_.data(), num_values}});
}

/// A code that cannot be drawn stays -1: the frame is then without meaning, and no other one.
Status CodePredictor::draw(size_t group) {
  const size_t count = frames_->size();
  const auto size = static_cast<size_t>(metadata_.code_vocab_size);
  const auto states = matrix(states_, count, static_cast<size_t>(metadata_.code_predictor_hidden_size));
  RETURN_IF_ERROR(program_.execute(cp_head_, {*states},
                                   {{logits_.data(), static_cast<int64_t>((num_groups_ - 1) * count * size)}}));
  for (size_t i = 0; i < count; ++i) {
    codes_[i * num_groups_ + group] =
        sampler_.pick(logits_.data() + (i * (num_groups_ - 1) + group - 1) * size, metadata_.code_vocab_size,
                      (*frames_)[i].draw->subtalker, uniforms_[i * (num_groups_ - 1) + group - 1]);
  }
  return {};
}

Status CodePredictor::embed(size_t group, float* rows) {
  const size_t count = frames_->size();
  std::vector<int64_t> ids(count);
  for (size_t i = 0; i < count; ++i) {
    ids[i] = metadata_.group_offsets[group] + codes_[i * num_groups_ + group];
  }
  RETURN_IF_ERROR(embedding_.codec_embed(ids.data(), static_cast<int64_t>(count), rows));
  std::transform(rows, rows + count * width_, frame_embeddings_.begin(), frame_embeddings_.begin(),
                 [](float row, float sum) { return sum + row; });
  return {};
}

}  // namespace qwen3_tts
