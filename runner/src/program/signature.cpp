#include "program/signature.h"

#include <cstddef>
#include <string>

#include "base/error.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

using Sizes = std::vector<int64_t>;

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

std::vector<Signature> speaking_signatures(const ModelMetadata& metadata, bool program_keeps_state) {
  constexpr int64_t kAny = Signature::kAny;
  const int64_t rows = metadata.max_rows;
  const int64_t width = metadata.hidden_size;
  const int64_t groups = metadata.num_code_groups;
  const Sizes number = {1};
  const Sizes vocabulary = {metadata.talker_vocab_size};
  std::vector<Signature> signatures = {
      {contract::kEncodeText, {{rows}}, {}, true, true},
      {contract::kCodecEmbed, {{rows}}, {}, true, true},
      {contract::kTalkerPrefill, {{rows, width}, number, number}, {}},
      {contract::kTalker,
       {{program_keeps_state ? 1 : rows, width}, number},
       {{kAny, 2, kAny, metadata.max_seq_len, kAny}},
       true},
      {contract::kFrame, {{1, width}, number, vocabulary, vocabulary, {groups}, {6}}, {}},
      {contract::kCpGenerate, {{1, width}, number, {groups - 1}, {3}}, {{kAny, 2, kAny, groups, kAny}}},
      {contract::kCodePredictor, {{program_keeps_state ? 1 : 2, width}, number}, {{kAny, 2, kAny, groups, kAny}}, true},
      {contract::kCpHead, {{1, metadata.code_predictor_hidden_size}}, {}},
      {contract::kDecodeAudio,
       {{metadata.max_decode_frames, groups}, number},
       {{kAny}, {kAny, 2, kAny, kAny, kAny}},
       true,
       true},
  };
  for (Signature& signature : signatures) {
    if (program_keeps_state) {
      signature.states.clear();
    }
  }
  return signatures;
}

Status check_inputs(Program& program, const Signature& signature) {
  std::vector<Sizes> expected = signature.inputs;
  expected.insert(expected.end(), signature.states.begin(), signature.states.end());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program.input_spec(signature.method, i));
    if (!matches(spec, expected[i])) {
      return invalid_model("'" + program.path() + "': input " + std::to_string(i) + " of method '" + signature.method +
                           "' is not what the contract says");
    }
  }
  return {};
}

}  // namespace qwen3_tts
