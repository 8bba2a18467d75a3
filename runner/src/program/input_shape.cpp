#include "program/input_shape.h"

#include <string>

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
    const auto spec = program.input_spec(shape.method, shape.index);
    if (!spec.ok()) {
      return spec.error();
    }
    if (!matches(*spec, shape.sizes)) {
      return Error{ErrorCode::kInvalidModel, "'" + program.path() + "': input " + std::to_string(shape.index) +
                                                 " of method '" + shape.method +
                                                 "' is not what the contract says; re-export with export_unified.py"};
    }
  }
  return {};
}

}  // namespace qwen3_tts
