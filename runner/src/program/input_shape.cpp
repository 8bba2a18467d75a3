#include "program/input_shape.h"

#include <string>

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

bool matches(const TensorSpec& spec, const std::vector<int64_t>& sizes) {
  if (spec.sizes.size() != sizes.size()) {
    return false;
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != InputShape::kAny && sizes[i] != spec.sizes[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

Status check_shapes(Program& program, const std::vector<InputShape>& shapes) {
  for (const InputShape& shape : shapes) {
    ASSIGN_OR_RETURN(const TensorSpec spec, program.input_spec(shape.method, shape.index));
    if (!matches(spec, shape.sizes)) {
      return invalid_model("'" + program.path() + "': input " + std::to_string(shape.index) + " of method '" +
                           shape.method + "' is not what the contract says");
    }
  }
  return {};
}

}  // namespace qwen3_tts
