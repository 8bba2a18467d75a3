#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "ops/kernels/quantized_convolution_kernels.h"

/// Weights for the tests of qwen3_tts::quantized_convolution.
namespace qwen3_tts::testing {

inline int64_t padded(int64_t size, int64_t multiple) { return (size + multiple - 1) / multiple * multiple; }

/// Weights of one digit or two that differ from each other.
struct Digits {
  int64_t outputs;
  int64_t inputs;
  int64_t taps;
  int64_t digits;

  int64_t panels() const { return padded(outputs, kPanelOutputs) / kPanelOutputs; }
  int64_t depth() const { return padded(inputs, kDepthMultiple); }
  int64_t tap_bytes() const { return kPanelOutputs * (4 + depth() + (digits == 1 ? 0 : 4 + depth() / 2)); }

  /// The high digit (0) or the low one (1).
  int at(int64_t output, int64_t input, int64_t tap, int64_t digit) const {
    if (output >= outputs || input >= inputs) {
      return 0;
    }
    const int64_t number = output * 7919 + input * 104729 + tap * 1299709;
    return static_cast<int>(digit == 0 ? number % 255 - 127 : number / 7 % kWeightBase - kWeightBase / 2);
  }

  /// The weight that they stand for, in multiples of its output's scale.
  double value(int64_t output, int64_t input, int64_t tap) const {
    const int high = at(output, input, tap, 0);
    return digits == 1 ? high : high * static_cast<double>(kWeightBase) + at(output, input, tap, 1);
  }

  /// [panels, taps, tap_bytes()], as qwen3_tts/quantized_convolution.py packs them.
  std::vector<int8_t> pack() const {
    std::vector<int8_t> packed;
    for (int64_t panel = 0; panel < panels(); ++panel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const std::vector<int8_t> high = slice(panel * kPanelOutputs, tap, 0);
        packed.insert(packed.end(), high.begin(), high.end());
        if (digits == 2) {
          const std::vector<int8_t> low = pack_pairs(slice(panel * kPanelOutputs, tap, 1));
          packed.insert(packed.end(), low.begin(), low.end());
        }
      }
    }
    return packed;
  }

  /// What the kernel multiplies with: the sums of the outputs from `first` on, and one digit of their weights.
  std::vector<int8_t> slice(int64_t first, int64_t tap, int64_t digit) const {
    std::vector<int8_t> bytes(static_cast<size_t>(kPanelOutputs * (4 + depth())));
    for (int64_t i = 0; i < kPanelOutputs; ++i) {
      int32_t sum = 0;
      for (int64_t input = 0; input < depth(); ++input) {
        const int weight = at(first + i, input, tap, digit);
        sum += weight;
        const int64_t quad = kPanelOutputs * 4 + input / 4 * kPanelOutputs * 4;
        bytes[static_cast<size_t>(quad + i * 4 + input % 4)] = static_cast<int8_t>(weight);
      }
      sum *= -kCodeOffset;
      std::memcpy(bytes.data() + i * 4, &sum, sizeof(sum));
    }
    return bytes;
  }

  /// A slice of low digits, two to a byte.
  static std::vector<int8_t> pack_pairs(const std::vector<int8_t>& slice) {
    constexpr size_t kQuad = kPanelOutputs * 4;
    std::vector<int8_t> packed(slice.begin(), slice.begin() + kQuad);
    for (size_t quad = kQuad; quad < slice.size(); quad += 2 * kQuad) {
      for (size_t i = quad; i < quad + kQuad; ++i) {
        packed.push_back(static_cast<int8_t>((slice[i] + 8) | ((slice[i + kQuad] + 8) << 4)));
      }
    }
    return packed;
  }
};

}  // namespace qwen3_tts::testing
