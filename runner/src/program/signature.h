#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/program.h"

namespace qwen3_tts {

/// What a contract says about the inputs of a method: sizes, the largest ones where a size is dynamic.
struct Signature {
  static constexpr int64_t kAny = -1;  ///< A size of which the contract says nothing.

  const char* method;
  std::vector<std::vector<int64_t>> inputs;
  std::vector<std::vector<int64_t>> states;  ///< Inputs behind these, which the method writes through.
  /// ExecuTorch does not tell which sizes are dynamic: it is the first one of so many first inputs, states among them,
  /// and of so many first outputs.
  size_t num_dynamic_inputs = 0;
  size_t num_dynamic_outputs = 0;
  bool has_slot = false;  ///< The last of the inputs is the number of a slot of the program's state.
};

/// The methods that speak, in the order of the data flow; no file has all of them. Those of a program that keeps the
/// state itself take none but the number of the utterance's slot, and read one row of an utterance at a time after the
/// prompt.
std::vector<Signature> speaking_signatures(const ModelMetadata& metadata, bool program_keeps_state);

/// kInvalidModel unless the program's method has these inputs. Loads nothing.
Status check_inputs(Program& program, const Signature& signature);

}  // namespace qwen3_tts
