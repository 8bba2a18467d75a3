#include "ops/kernels/convolution_kernels.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_set_test.h"

namespace qwen3_tts {
namespace {

class ConvolutionKernelsTest : public InstructionSetTest {
 protected:
  static std::vector<float> numbers(int64_t count, float phase) {
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = 3.0F * std::sin(1.7F * static_cast<float>(i) + phase);
    }
    return values;
  }
};

INSTANTIATE_INSTRUCTION_SETS(ConvolutionKernelsTest);

TEST_P(ConvolutionKernelsTest, SnakeIsExactToItsRounding) {
  for (const int64_t width : {1, 7, 16, 37, 96}) {
    for (const float size : {1.0F, 40.0F}) {
      std::vector<float> x = numbers(width, 0.3F);
      for (float& value : x) {
        value *= size;
      }
      const std::vector<float> alpha = numbers(width, 1.0F);
      const std::vector<float> inv_beta = numbers(width, 2.0F);
      std::vector<float> out(static_cast<size_t>(width + 1), 7.0F);
      convolution_kernels().snake(x.data(), alpha.data(), inv_beta.data(), width, out.data());
      EXPECT_EQ(out.back(), 7.0F);
      for (size_t i = 0; i < x.size(); ++i) {
        const double sine = std::sin(static_cast<double>(x[i] * alpha[i]));
        EXPECT_NEAR(out[i], x[i] + sine * sine * inv_beta[i], 1.2e-6 + 1e-7 * size) << width << ", " << i;
      }
    }
  }
}

TEST_P(ConvolutionKernelsTest, MultipliesRows) {
  for (const int64_t depth : {1, 5, 96, 700}) {
    const std::vector<float> weights = numbers(depth * kPanelOutputs, 0.1F);
    for (const int64_t count : {1, 2, 3, 4, 11, 12, 13, 31}) {
      const int64_t stride = depth + 3;
      const std::vector<float> rows = numbers(count * stride, 0.7F);
      std::vector<float> sums(static_cast<size_t>(count * kPanelOutputs + 1), 0.5F);
      convolution_kernels().multiply(rows.data(), stride, count, weights.data(), depth, sums.data());
      EXPECT_EQ(sums.back(), 0.5F);
      for (int64_t row = 0; row < count; ++row) {
        std::vector<float> alone(kPanelOutputs, 0.5F);
        convolution_kernels().multiply(rows.data() + row * stride, stride, 1, weights.data(), depth, alone.data());
        for (int64_t output = 0; output < kPanelOutputs; ++output) {
          double exact = 0.5;
          for (int64_t k = 0; k < depth; ++k) {
            exact += static_cast<double>(rows[static_cast<size_t>(row * stride + k)]) *
                     weights[static_cast<size_t>(k * kPanelOutputs + output)];
          }
          const float found = sums[static_cast<size_t>(row * kPanelOutputs + output)];
          EXPECT_NEAR(found, exact, 3e-6 * static_cast<double>(depth + 1));
          EXPECT_EQ(found, alone[static_cast<size_t>(output)]) << "row " << row << " of " << count;
        }
      }
    }
  }
}

TEST_P(ConvolutionKernelsTest, AddsProducts) {
  for (const int64_t size : {1, 8, 35, 672}) {
    const std::vector<float> x = numbers(size, 0.7F);
    const std::vector<float> weights = numbers(size, 0.1F);
    double exact = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      exact += static_cast<double>(x[i]) * weights[i];
    }
    EXPECT_NEAR(convolution_kernels().dot(x.data(), weights.data(), size), exact, 3e-6 * static_cast<double>(size));
  }
}

TEST_P(ConvolutionKernelsTest, MultipliesChannels) {
  for (const int64_t width : {1, 8, 35}) {
    const std::vector<float> x = numbers(width, 0.7F);
    const std::vector<float> weights = numbers(width, 0.1F);
    std::vector<float> out(static_cast<size_t>(width + 1), 0.5F);
    convolution_kernels().multiply_add(x.data(), weights.data(), width, out.data());
    EXPECT_EQ(out.back(), 0.5F);
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(out[i], 0.5 + static_cast<double>(x[i]) * weights[i], 1e-6);
    }
  }
}

/// A tile of one half of the taps, and the same of the other half, against the sums of products.
TEST_P(ConvolutionKernelsTest, MinimalFilteringIsAConvolution) {
  constexpr int64_t kSlice = kPanelOutputs;
  constexpr int64_t kColumns = kTileOutputs + kFilterTaps;  // of both tiles, one more than is read
  for (const int64_t width : {1, 16, 21, 40}) {
    const std::vector<float> columns = numbers(kColumns * width, 0.2F);
    const std::vector<float> weights = numbers(kFilterTaps * width * kSlice, 0.9F);
    std::vector<float> slices(static_cast<size_t>(kFilterSlices * width * kSlice + 1), 7.0F);
    convolution_kernels().evaluate_weights(weights.data(), width * kSlice, width, slices.data());
    EXPECT_EQ(slices.back(), 7.0F);

    const int64_t plane = 2 * width + 1;  // both tiles at one point, and something behind
    std::vector<float> values(static_cast<size_t>(kTileInputs * plane), 7.0F);
    for (int64_t tile = 0; tile < 2; ++tile) {
      std::vector<const float*> inputs;
      for (int64_t i = 0; i < kTileInputs; ++i) {
        inputs.push_back(columns.data() + (tile * kTileOutputs + i) * width);
      }
      convolution_kernels().evaluate_inputs(inputs.data(), width, values.data() + tile * width, plane);
    }
    EXPECT_EQ(values[static_cast<size_t>(2 * width)], 7.0F);

    std::vector<float> sums(kTileInputs * kSlice);
    for (int64_t slice = 0; slice < kFilterSlices; ++slice) {
      const int64_t point = slice % kTileInputs;
      convolution_kernels().multiply(values.data() + point * plane + slice / kTileInputs * width, width, 1,
                                     slices.data() + slice * width * kSlice, width, sums.data() + point * kSlice);
    }
    std::vector<float> outputs(kTileOutputs * kSlice);
    convolution_kernels().interpolate(sums.data(), kSlice, outputs.data());
    for (int64_t place = 0; place < kTileOutputs * kSlice; ++place) {
      double exact = 0.0;
      for (int64_t k = 0; k < kFilterTaps * width; ++k) {
        exact += static_cast<double>(columns[static_cast<size_t>(place / kSlice * width + k)]) *
                 weights[static_cast<size_t>(k * kSlice + place % kSlice)];
      }
      EXPECT_NEAR(outputs[static_cast<size_t>(place)], exact, 1e-4 * std::sqrt(static_cast<double>(width))) << place;
    }
  }
}

TEST_P(ConvolutionKernelsTest, FinishesWithoutScales) {
  constexpr int64_t kColumns = 3;
  const std::vector<float> sums = numbers(kColumns * kPanelOutputs, 0.0F);
  const std::vector<float> biases = numbers(kPanelOutputs, 2.0F);
  for (const int64_t width : {1, 15, 16, 20, 32}) {
    const int64_t stride = width + 2;
    const std::vector<float> residual = numbers(kColumns * stride, 3.0F);
    std::vector<float> out(static_cast<size_t>(kColumns * stride), 7.0F);
    column_kernels().finish({kColumns, width, stride, nullptr, biases.data(), residual.data(), out.data()},
                            sums.data());
    for (int64_t place = 0; place < kColumns * stride; ++place) {
      const auto i = static_cast<size_t>(place % stride);
      const float sum = sums[static_cast<size_t>(place / stride * kPanelOutputs) + std::min<size_t>(i, 31)];
      const float expected = place % stride < width ? sum + biases[i] + residual[static_cast<size_t>(place)] : 7.0F;
      EXPECT_EQ(out[static_cast<size_t>(place)], expected) << width << ", " << place;
    }
    column_kernels().finish({kColumns, width, stride, nullptr, nullptr, nullptr, out.data()}, sums.data());
    EXPECT_EQ(out[0], sums[0]);
  }
}

}  // namespace
}  // namespace qwen3_tts
