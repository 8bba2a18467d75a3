#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <qwen3_tts/result.h>

#include "program/program.h"

namespace qwen3_tts {

/// What a contract says about one input of a method; kAny where it says nothing.
struct InputShape {
  static constexpr int64_t kAny = -1;

  const char* method;
  size_t index;
  std::vector<int64_t> sizes;
};

/// kInvalidModel unless the program's methods have these inputs. Loads nothing.
Status check_shapes(Program& program, const std::vector<InputShape>& shapes);

}  // namespace qwen3_tts
