#include "ops/kernels/quantized_convolution_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_set_test.h"
#include "packed_weights.h"

namespace qwen3_tts {
namespace {

using testing::Int8Weights;

class QuantizedConvolutionKernelsTest : public InstructionSetTest {
 protected:
  static std::vector<float> numbers(int64_t count, float phase) {
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = 3.0F * std::sin(1.7F * static_cast<float>(i) + phase);
    }
    return values;
  }

  /// What `quantize` writes, its offset taken off, with a guard behind it.
  struct Column {
    float scale;
    std::vector<int> codes;
  };

  static Column quantize(const std::vector<float>& values, int64_t digits, const float* alpha = nullptr,
                         const float* inv_beta = nullptr) {
    const auto width = static_cast<int64_t>(values.size());
    const int64_t depth = (width + kDepthMultiple - 1) / kDepthMultiple * kDepthMultiple;
    std::vector<float> scratch(static_cast<size_t>(depth), 1e9F);  // what an earlier column left
    std::vector<uint8_t> codes(static_cast<size_t>(depth * digits + 1), 77);
    const float scale =
        column_kernels().quantize({values.data(), alpha, inv_beta, width, depth, digits}, scratch.data(), codes.data());
    EXPECT_EQ(codes.back(), 77);
    codes.pop_back();
    std::vector<int> signed_codes;
    std::transform(codes.begin(), codes.end(), std::back_inserter(signed_codes),
                   [](uint8_t code) { return code - kCodeOffset; });
    return {scale, signed_codes};
  }

  /// Codes of columns that differ from each other.
  static std::vector<uint8_t> any_codes(int64_t count) {
    std::vector<uint8_t> codes(static_cast<size_t>(count));
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<uint8_t>(1 + i * 7907 % 255);
    }
    return codes;
  }

  /// What a kernel multiplies with: a tap of the outputs from `first` on.
  struct Slice {
    int64_t first;
    int64_t tap;
    std::vector<int8_t> bytes;  // behind one that spoils their alignment
  };

  static std::vector<Slice> slices(const Int8Weights& weights) {
    const QuantizedLayer layer = weights.layer();
    const std::vector<int8_t> packed = weights.packed();
    EXPECT_EQ(static_cast<int64_t>(packed.size()), layer.panels() * layer.panel_bytes());
    std::vector<Slice> slices;
    for (auto begin = packed.begin(); begin < packed.end(); begin += layer.tap_bytes()) {
      const auto number = static_cast<int64_t>(slices.size());
      slices.push_back({number / layer.taps * kPanelOutputs, number % layer.taps, {0}});
      slices.back().bytes.insert(slices.back().bytes.end(), begin, begin + layer.tap_bytes());
    }
    return slices;
  }

  static void expect_exact_products(const Int8Weights& weights, const Slice& slice, int64_t rows) {
    const int64_t depth = weights.layer().depth();
    const int64_t stride = depth + 5;
    std::vector<uint8_t> codes = any_codes(rows * stride);
    codes[0] = 255;
    std::vector<float> sums(static_cast<size_t>(rows * kPanelOutputs + 1), 0.5F);
    const std::vector<float> scales(static_cast<size_t>(rows), 0.25F);
    quantized_convolution_kernels().multiply(codes.data(), stride, scales.data(), rows, slice.bytes.data() + 1, depth,
                                             sums.data());
    EXPECT_EQ(sums.back(), 0.5F);
    for (int64_t place = 0; place < rows * kPanelOutputs; ++place) {
      int64_t sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const int64_t code = codes[static_cast<size_t>(place / kPanelOutputs * stride + k)] - kCodeOffset;
        sum += code * weights.high_digit(slice.first + place % kPanelOutputs, k, slice.tap);
      }
      EXPECT_EQ(sums[static_cast<size_t>(place)], 0.5F + 0.25F * static_cast<float>(sum)) << depth << ", " << place;
    }
  }

  static void expect_wide_products(const Int8Weights& weights, const Slice& slice, int64_t rows) {
    const int64_t depth = weights.layer().depth();
    const int64_t stride = 2 * depth + 3;
    const std::vector<uint8_t> codes = any_codes(rows * stride);
    std::vector<float> sums(static_cast<size_t>(rows * kPanelOutputs + 1));
    const std::vector<float> scales(static_cast<size_t>(rows), 1.0F);
    quantized_convolution_kernels().multiply_wide(codes.data(), stride, scales.data(), rows, slice.bytes.data() + 1,
                                                  depth, sums.data());
    EXPECT_EQ(sums.back(), 0.0F);
    for (int64_t place = 0; place < rows * kPanelOutputs; ++place) {
      const uint8_t* row = codes.data() + place / kPanelOutputs * stride;
      const int64_t output = slice.first + place % kPanelOutputs;
      int64_t sum = 0;
      int64_t size = 0;
      for (int64_t k = 0; k < depth; ++k) {
        const int64_t high = row[k] - kCodeOffset;
        const int64_t low = row[depth + k] - kCodeOffset;
        const int64_t high_weight = weights.high_digit(output, k, slice.tap);
        const int64_t low_weight = weights.low_digit(output, k, slice.tap);
        const int64_t product = high * high_weight * kDigitBase * kWeightBase + low * high_weight * kWeightBase +
                                high * low_weight * kDigitBase;
        sum += product;
        size += std::abs(product);
      }
      EXPECT_NEAR(sums[static_cast<size_t>(place)], static_cast<double>(sum), 3e-7 * static_cast<double>(size))
          << depth << ", " << place;
    }
  }
};

INSTANTIATE_INSTRUCTION_SETS(QuantizedConvolutionKernelsTest);

TEST_P(QuantizedConvolutionKernelsTest, QuantizesToOneDigit) {
  for (const int64_t width : {1, 5, 16, 17, 100}) {
    const std::vector<float> values = numbers(width, 0.3F);
    const Column column = quantize(values, 1);
    float peak = 0.0F;
    for (const float value : values) {
      peak = std::max(peak, std::abs(value));
    }
    EXPECT_EQ(column.scale, peak / 127.0F);
    for (size_t i = 0; i < column.codes.size(); ++i) {
      const float exact = i < values.size() ? values[i] * (127.0F / peak) : 0.0F;
      EXPECT_EQ(column.codes[i], static_cast<int>(std::nearbyint(exact))) << width << ", " << i;
    }
  }
}

TEST_P(QuantizedConvolutionKernelsTest, QuantizesToTwoDigits) {
  const std::vector<float> values = numbers(37, 0.3F);
  const Column column = quantize(values, 2);
  for (size_t i = 0; i < 48; ++i) {
    EXPECT_LE(std::abs(column.codes[i]), 127);
    EXPECT_LE(std::abs(column.codes[48 + i]), 127);
    const int code = column.codes[i] * static_cast<int>(kDigitBase) + column.codes[48 + i];
    EXPECT_NEAR(static_cast<float>(code) * column.scale, i < values.size() ? values[i] : 0.0F, 0.51F * column.scale);
  }
  EXPECT_NEAR(column.scale, 3.0F / (127 * 255 + 127), 1e-6);
}

TEST_P(QuantizedConvolutionKernelsTest, GoesThroughSnake) {
  const std::vector<float> alpha = numbers(21, 1.0F);
  const std::vector<float> inv_beta = numbers(21, 2.0F);
  for (const float size : {1.0F, 30.0F}) {
    std::vector<float> values = numbers(21, 0.3F);
    for (float& value : values) {
      value *= size;
    }
    const Column column = quantize(values, 2, alpha.data(), inv_beta.data());
    for (size_t i = 0; i < values.size(); ++i) {
      const double sine = std::sin(static_cast<double>(values[i]) * alpha[i]);
      const double exact = values[i] + sine * sine * inv_beta[i];
      const int code = column.codes[i] * static_cast<int>(kDigitBase) + column.codes[32 + i];
      const double found = code * static_cast<double>(column.scale);
      EXPECT_NEAR(found, exact, 0.5 * column.scale + 5e-6 * size) << i;
    }
  }
}

TEST_P(QuantizedConvolutionKernelsTest, WhatIsNoNumberIsSilent) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0F, 1e-38F, std::nanf(""), infinity, -infinity}) {
    for (const int64_t digits : {1, 2}) {
      const Column column = quantize(std::vector<float>(20, value), digits);
      EXPECT_EQ(column.scale, 0.0F) << value;
      EXPECT_EQ(std::count(column.codes.begin(), column.codes.end(), 0), 32 * digits) << value;
    }
  }
  std::vector<float> values = numbers(20, 0.3F);
  const std::vector<int> before = quantize(values, 1).codes;
  values[3] = std::nanf("");
  std::vector<int> after = quantize(values, 1).codes;
  EXPECT_EQ(after[3], 0);
  after[3] = before[3];
  EXPECT_EQ(after, before);
}

TEST_P(QuantizedConvolutionKernelsTest, MultipliesExactly) {
  for (const Int8Weights& weights : testing::packed_int8_weights()) {
    for (const Slice& slice : slices(weights)) {
      for (const int64_t rows : {1, 2, 3, 7, 8, 15, 21}) {
        expect_exact_products(weights, slice, rows);
      }
    }
  }
}

TEST_P(QuantizedConvolutionKernelsTest, MultipliesTwoDigits) {
  for (const Int8Weights& weights : testing::packed_int8_weights()) {
    for (const Slice& slice : weights.digits == 2 ? slices(weights) : std::vector<Slice>()) {
      for (const int64_t rows : {1, 2, 3, 7, 9}) {
        expect_wide_products(weights, slice, rows);
      }
    }
  }
}

TEST_P(QuantizedConvolutionKernelsTest, FinishesWhatIsThere) {
  constexpr int64_t kColumns = 3;
  const std::vector<float> sums = numbers(kColumns * kPanelOutputs, 0.0F);
  const std::vector<float> scales = numbers(kPanelOutputs, 1.0F);
  const std::vector<float> biases = numbers(kPanelOutputs, 2.0F);
  for (const int64_t width : {1, 15, 16, 20, 32}) {
    const int64_t stride = width + 2;
    const std::vector<float> residual = numbers(kColumns * stride, 3.0F);
    std::vector<float> out(static_cast<size_t>(kColumns * stride), 7.0F);
    column_kernels().finish({kColumns, width, stride, scales.data(), biases.data(), residual.data(), out.data()},
                            sums.data());
    for (int64_t place = 0; place < kColumns * stride; ++place) {
      const auto i = static_cast<size_t>(place % stride);
      const float sum = sums[static_cast<size_t>(place / stride * kPanelOutputs) + std::min<size_t>(i, 31)];
      const float expected =
          place % stride < width ? sum * scales[i] + biases[i] + residual[static_cast<size_t>(place)] : 7.0F;
      EXPECT_NEAR(out[static_cast<size_t>(place)], expected, 2e-6) << width << ", " << place;
    }
    column_kernels().finish({kColumns, width, stride, scales.data(), nullptr, nullptr, out.data()}, sums.data());
    EXPECT_EQ(out[0], sums[0] * scales[0]);
  }
}

}  // namespace
}  // namespace qwen3_tts
