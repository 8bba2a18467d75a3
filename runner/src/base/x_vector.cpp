#include "base/x_vector.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>

#include "base/error.h"

namespace qwen3_tts {
namespace {

constexpr double kMaxLength = 1e4;  // qwen3_tts/voice.py has it, too

}  // namespace

Status check_x_vector(const float* values, size_t size) {
  const float* const bad = std::find_if_not(values, values + size, [](float value) { return std::isfinite(value); });
  if (bad != values + size) {
    return invalid_argument("value " + std::to_string(bad - values) + " of the x-vector is " + std::to_string(*bad) +
                            "; give finite numbers");
  }
  const double length = std::sqrt(std::inner_product(values, values + size, values, 0.0, std::plus<>(),
                                                     [](float a, float b) { return double{a} * double{b}; }));
  if (length > kMaxLength) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g", length);
    return invalid_argument("the x-vector has the length " + std::string(text) + ", and that of no voice is above " +
                            std::to_string(static_cast<int>(kMaxLength)) + "; give one that a voice encoder made");
  }
  return {};
}

}  // namespace qwen3_tts
