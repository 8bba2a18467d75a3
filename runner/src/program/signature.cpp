#include "program/signature.h"

#include <cstddef>
#include <string>

#include "base/error.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using Sizes = std::vector<int64_t>;

constexpr int64_t kFrameNumbers = 10;  // Of `frame`, beside a row and its random numbers: DeviceFrames packs them.

bool matches(const TensorSpec& spec, const Sizes& sizes) {
  if (spec.sizes.size() != sizes.size()) {
    return false;
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != Signature::kAny && sizes[i] != spec.sizes[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

namespace {

std::vector<Signature> cpu_signatures(const ModelMetadata& metadata) {
  constexpr int64_t kAny = Signature::kAny;
  const int64_t rows = metadata.max_rows;
  const int64_t batch = metadata.max_batch;
  const int64_t width = metadata.hidden_size;
  const int64_t groups = metadata.num_code_groups;
  const Sizes scratch = {batch, kAny, 2, kAny, groups, kAny};
  return {
      {contract::kEncodeText, {{rows}}, {}, 1, 1},
      {contract::kCodecEmbed, {{rows}}, {}, 1, 1},
      {contract::kTalker,
       {{rows, width}, {rows}, {rows}, {batch}},
       {{kAny, kAny, 2, kAny, metadata.max_seq_len, kAny}},
       5,
       2},
      {contract::kCpGenerate, {{batch, width}, {batch}, {batch, groups - 1}, {batch, 3}, {batch}}, {scratch}, 5, 2},
      {contract::kCodePredictor, {{2 * batch, width}, {2 * batch}, {2 * batch}, {batch}}, {scratch}, 4, 1},
      {contract::kCpHead, {{batch, metadata.code_predictor_hidden_size}}, {}, 1, 1},
      {contract::kDecodeAudio,
       {{metadata.max_decode_frames, groups}, {metadata.max_decode_frames}},
       {{kAny}, {1, kAny, 2, kAny, kAny, kAny}},
       2,
       1},
  };
}

std::vector<Signature> gpu_signatures(const ModelMetadata& metadata) {
  const int64_t rows = metadata.max_rows;
  const int64_t width = metadata.hidden_size;
  const int64_t groups = metadata.num_code_groups;
  const Sizes number = {1};
  const Sizes slot = {1};
  const Sizes row = {1, width};
  return {
      {contract::kEncodeText, {{rows}}, {}, 1, 1},
      {contract::kCodecEmbed, {{rows}}, {}, 1, 1},
      {contract::kTalkerPrefill, {{rows, width}, number, number, slot}, {}, 0, 0, true},
      {contract::kTalker, {row, number, slot}, {}, 0, 0, true},
      {contract::kFrame, {{metadata.max_batch, width + groups + kFrameNumbers}}, {}},
      {contract::kCpGenerate, {row, number, {groups - 1}, {3}, slot}, {}, 0, 0, true},
      {contract::kCodePredictor, {row, number}, {}},
      {contract::kCpHead, {{1, metadata.code_predictor_hidden_size}}, {}},
      {contract::kDecodeAudio, {{1, groups}, number, slot}, {}, 0, 0, true},
      {contract::kDecodeChunk,
       {{metadata.max_decode_frames, groups}, {metadata.max_decode_frames}, slot},
       {},
       0,
       0,
       true},
  };
}

}  // namespace

std::vector<Signature> speaking_signatures(const ModelMetadata& metadata, bool program_keeps_state) {
  return program_keeps_state ? gpu_signatures(metadata) : cpu_signatures(metadata);
}

Status check_inputs(Program& program, const Signature& signature) {
  std::vector<Sizes> expected = signature.inputs;
  expected.insert(expected.end(), signature.states.begin(), signature.states.end());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program.input_spec(signature.method, i));
    if (!matches(spec, expected[i])) {
      return invalid_model("'" + program.name() + "': input " + std::to_string(i) + " of method '" + signature.method +
                           "' is not what the contract says");
    }
  }
  return {};
}

}  // namespace qwen3_tts
