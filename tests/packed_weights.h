#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/quantized_layer.h"

/// Weights as Python packs them, and what they stand for: tests/packed_golden.py has the same formulas.
namespace qwen3_tts::testing {

/// A whole number for each place.
inline int64_t number_at(int64_t a, int64_t b, int64_t c = 0) { return a * 7919 + b * 104729 + c * 1299709; }

/// The elements of tests/golden/packed/`name`.bin. Throws, which fails the test, when there is no such file.
template <typename T>
std::vector<T> read_packed(const std::string& name) {
  std::ifstream file(QWEN3_TTS_PACKED_WEIGHTS "/" + name + ".bin", std::ios::binary);
  if (!file) {
    throw std::runtime_error("no packed weights " + name);
  }
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<T> elements(bytes.size() / sizeof(T));
  std::copy_n(bytes.begin(), elements.size() * sizeof(T), reinterpret_cast<char*>(elements.data()));
  return elements;
}

/// Bytes in [-100, 100], for what holds whatever the weights are.
inline std::vector<int8_t> any_bytes(int64_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::vector<int8_t> bytes(static_cast<size_t>(count));
  std::generate(bytes.begin(), bytes.end(),
                [&] { return static_cast<int8_t>(static_cast<int>(random() % 201) - 100); });
  return bytes;
}

/// Weights of qwen3_tts::quantized_convolution, of one digit or two.
struct Int8Weights {
  int64_t outputs;
  int64_t inputs;
  int64_t taps;
  int64_t digits;

  /// What the operator makes of their sizes.
  QuantizedLayer layer() const {
    QuantizedLayer layer = {};
    layer.width = inputs;
    layer.outputs = outputs;
    layer.digits = digits;
    layer.taps = taps;
    layer.dilation = 1;
    return layer;
  }

  int64_t largest() const { return digits == 1 ? 127 : 2039; }
  /// The weight in multiples of its output's scale; 0 where the packed bytes have padding.
  int64_t code(int64_t output, int64_t input, int64_t tap) const {
    if (output >= outputs || input >= inputs) {
      return 0;
    }
    return input == 0 && tap == 0 ? largest() : number_at(output, input, tap) % (2 * largest() + 1) - largest();
  }
  /// The code's parts: kWeightBase * high + low, with low in [-8, 7].
  int64_t high_digit(int64_t output, int64_t input, int64_t tap) const {
    const int64_t shifted = code(output, input, tap) + kWeightBase / 2;
    return digits == 1 ? code(output, input, tap)
                       : (shifted - (shifted % kWeightBase + kWeightBase) % kWeightBase) / kWeightBase;
  }
  int64_t low_digit(int64_t output, int64_t input, int64_t tap) const {
    return digits == 1 ? 0 : code(output, input, tap) - kWeightBase * high_digit(output, input, tap);
  }

  /// [panels, taps, tap_bytes], packed by Python: for the shapes that tests/packed_golden.py knows.
  std::vector<int8_t> packed() const {
    return read_packed<int8_t>("int8_" + std::to_string(outputs) + "x" + std::to_string(inputs) + "x" +
                               std::to_string(taps) + "_" + std::to_string(digits));
  }

  /// Other weights in the same places, for any shape: their headers say zero.
  std::vector<int8_t> any() const {
    const QuantizedLayer sizes = layer();
    std::vector<int8_t> bytes = any_bytes(sizes.panels() * sizes.panel_bytes());
    const auto clear_header = [&](int64_t place) { std::fill_n(bytes.begin() + place, kSliceHeaderBytes, int8_t{0}); };
    for (int64_t slice = 0; slice < sizes.panels() * taps; ++slice) {
      clear_header(slice * sizes.tap_bytes());
      if (digits == 2) {
        clear_header(slice * sizes.tap_bytes() + sizes.high_bytes());
      }
    }
    return bytes;
  }
};

/// Those that tests/packed_golden.py packs.
inline std::vector<Int8Weights> packed_int8_weights() {
  return {{8, 5, 1, 1},   {33, 16, 2, 1}, {64, 100, 3, 1}, {1, 24, 7, 1},   {40, 130, 7, 1},
          {96, 96, 7, 1}, {70, 20, 1, 2}, {12, 65, 2, 2},  {20, 1100, 3, 2}};
}

}  // namespace qwen3_tts::testing
