#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "columns.h"
#include "instruction_set_test.h"
#include "ops/kernels/convolution_kernels.h"
#include "ops/ops.h"
#include "packed_weights.h"

namespace qwen3_tts {
namespace {

using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;
using testing::floats;
using testing::in_pieces;
using testing::values_of;

/// weight(output, input, tap) in the order of packing/convolution.py: [panels, taps, inputs, kPanelOutputs].
template <typename Weight>
std::vector<float> pack(int64_t outputs, int64_t inputs, int64_t taps, const Weight& weight) {
  std::vector<float> packed;
  for (int64_t first = 0; first < outputs; first += kPanelOutputs) {
    for (int64_t place = 0; place < taps * inputs * kPanelOutputs; ++place) {
      const int64_t output = first + place % kPanelOutputs;
      const int64_t row = place / kPanelOutputs;
      packed.push_back(output < outputs ? weight(output, row % inputs, row / inputs) : 0.0F);
    }
  }
  return packed;
}

struct Layer {
  int64_t outputs;
  int64_t inputs;
  int64_t taps;
  int64_t dilation = 1;
  int64_t frame_size = 0;
  int64_t rate = 1;
  bool has_snake = false;

  int64_t past() const { return (taps - 1) * dilation; }

  static float weight(int64_t output, int64_t input, int64_t tap) {
    return std::sin(static_cast<float>(output * 79 + input * 13 + tap * 31));
  }

  TensorPtr weights() const {
    return make_tensor_ptr(
        {static_cast<int32_t>((outputs + kPanelOutputs - 1) / kPanelOutputs), static_cast<int32_t>(taps),
         static_cast<int32_t>(inputs), static_cast<int32_t>(kPanelOutputs)},
        pack(outputs, inputs, taps, weight));
  }

  TensorPtr bias() const { return floats({static_cast<int32_t>(outputs)}, 0.7F); }
  TensorPtr snake() const { return floats({2, static_cast<int32_t>(inputs)}, 0.1F); }
  /// Room for the earlier columns and two more values.
  TensorPtr make_history() const {
    const int64_t size = 2 + past() * inputs;
    return make_tensor_ptr({static_cast<int32_t>(size)}, std::vector<float>(static_cast<size_t>(size)));
  }

  double input(const TensorPtr& x, int64_t column, int64_t i) const {
    if (column < 0) {
      return 0.0;
    }
    const double value = x->const_data_ptr<float>()[column * inputs + i];
    const std::vector<float> curve = values_of(snake());
    const double sine = std::sin(value * curve[static_cast<size_t>(i)]);
    return has_snake ? value + sine * sine * curve[static_cast<size_t>(inputs + i)] : value;
  }

  /// Outputs [T, outputs] in double precision; columns before x are zeros.
  std::vector<double> exact(const TensorPtr& x) const {
    std::vector<double> columns;
    for (int64_t t = -past(); t < x->size(0); ++t) {
      for (int64_t i = 0; i < inputs; ++i) {
        columns.push_back(input(x, t, i));
      }
    }
    std::vector<double> sums;
    for (int64_t place = 0; place < x->size(0) * outputs; ++place) {
      const int64_t output = place % outputs;
      double sum = values_of(bias())[static_cast<size_t>(output)];
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t column = place / outputs + tap * dilation;
        for (int64_t i = 0; i < inputs; ++i) {
          sum += columns[static_cast<size_t>(column * inputs + i)] * weight(output, i, tap);
        }
      }
      sums.push_back(sum);
    }
    return sums;
  }
};

class ConvolutionTest : public InstructionSetTest {
 protected:
  static void SetUpTestSuite() { executorch::runtime::runtime_init(); }

  /// The columns that follow what `history` holds, or nothing when the operator refuses.
  std::optional<std::vector<float>> convolve(const Layer& layer, const TensorPtr& x, const TensorPtr& history,
                                             int64_t offset = 0, const TensorPtr& residual = nullptr) {
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto columns = static_cast<int32_t>(x->size(0) * layer.rate);
    const auto out = floats({columns, static_cast<int32_t>(layer.outputs / layer.rate)}, 0.0F);
    const TensorPtr snake = layer.snake();
    causal_convolution_out(context, *x, *layer.weights(), *layer.bias(),
                           layer.has_snake ? std::optional(*snake) : std::nullopt,
                           residual == nullptr ? std::nullopt : std::optional(*residual), *history, offset,
                           layer.outputs, layer.dilation, layer.rate, layer.frame_size, *out);
    return context.failure_state() == Error::Ok ? std::optional(values_of(out)) : std::nullopt;
  }

  std::optional<std::vector<float>> convolve_depthwise(const TensorPtr& x, const TensorPtr& weights,
                                                       const TensorPtr& bias, const TensorPtr& history,
                                                       int64_t offset = 0) {
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto out = floats({static_cast<int32_t>(x->size(0)), static_cast<int32_t>(x->size(1))}, 0.0F);
    depthwise_convolution_out(context, *x, *weights, *bias, *history, offset, *out);
    return context.failure_state() == Error::Ok ? std::optional(values_of(out)) : std::nullopt;
  }

  executorch::extension::MallocMemoryAllocator allocator_;
};

INSTANTIATE_INSTRUCTION_SETS(ConvolutionTest);

// Few columns for many weights, many for few, widths that fill no register, and minimal filtering with frames that its
// tiles and dilations do not divide, also of more inputs than it takes at once.
const std::vector<Layer> kLayers = {
    {8, 5, 1},
    {33, 16, 2, 1, 0, 3},
    {64, 100, 3, 1, 0, 1, true},
    {1, 24, 7, 9},
    {1, 24, 7, 1, 0, 1, true},
    {130, 40, 7, 3},
    {96, 96, 1},
    {40, 20, 7, 1, 6},
    {33, 21, 7, 9, 15, 1, true},
    {96, 64, 7, 3, 30},
    {20, 200, 7, 9, 2},
    {64, 32, 7, 1, 150},
    {12, 4, 7, 3, 10, 1, true},
};

TEST(ConvolutionWeightsTest, StandAsPythonPacksThem) {
  constexpr int64_t kOutputs = 33;
  constexpr int64_t kInputs = 16;
  constexpr int64_t kTaps = 2;
  std::vector<float> weights = pack(kOutputs, kInputs, kTaps, [](int64_t output, int64_t input, int64_t tap) {
    return static_cast<float>(testing::number_at(output, input, tap) % 255 - 127);
  });
  EXPECT_EQ(weights, testing::read_packed<float>("convolution"));
}

TEST_P(ConvolutionTest, IsNearExactArithmetic) {
  for (const Layer& layer : kLayers) {
    for (const int32_t columns : {30, 150}) {
      if (layer.frame_size > columns) {
        continue;
      }
      const TensorPtr x = floats({columns, static_cast<int32_t>(layer.inputs)}, 0.2F);
      const auto found = convolve(layer, x, layer.make_history());
      ASSERT_TRUE(found.has_value());
      const std::vector<double> exact = layer.exact(x);
      const double tolerance = 3e-6 * std::sqrt(static_cast<double>(layer.inputs * layer.taps)) + 1e-6;
      for (size_t place = 0; place < exact.size(); ++place) {
        ASSERT_NEAR((*found)[place], exact[place], tolerance)
            << layer.outputs << " x " << layer.inputs << " x " << layer.taps << ", " << place;
      }
    }
  }
}

TEST_P(ConvolutionTest, AnySplitGivesTheSameBytes) {
  for (const Layer& layer : kLayers) {
    const int64_t unit = std::max<int64_t>(layer.frame_size, 1);  // a call has whole frames
    const TensorPtr x = floats({static_cast<int32_t>(330 / unit * unit), static_cast<int32_t>(layer.inputs)}, 0.4F);
    const auto whole = convolve(layer, x, layer.make_history());
    ASSERT_TRUE(whole.has_value());
    for (const std::vector<int64_t>& sizes :
         {std::vector<int64_t>{unit}, {4 * unit}, {97 * unit}, {unit, 20 * unit, 3 * unit}}) {
      const TensorPtr history = layer.make_history();
      const auto run = [&](const TensorPtr& piece) { return convolve(layer, piece, history, 1); };
      EXPECT_EQ(in_pieces(x, sizes, run), *whole) << layer.outputs << " outputs, pieces of " << sizes[0];
    }
  }
}

TEST_P(ConvolutionTest, AddsTheResidual) {
  for (const Layer& layer : {Layer{40, 20, 1}, Layer{40, 20, 7, 1, 6}, Layer{30, 20, 2, 1, 0, 3}}) {
    const TensorPtr x = floats({12, 20}, 0.2F);
    const TensorPtr residual =
        floats({static_cast<int32_t>(12 * layer.rate), static_cast<int32_t>(layer.outputs / layer.rate)}, 0.9F);
    const auto without = convolve(layer, x, layer.make_history());
    const auto with = convolve(layer, x, layer.make_history(), 0, residual);
    ASSERT_TRUE(without.has_value() && with.has_value());
    for (size_t i = 0; i < with->size(); ++i) {
      EXPECT_NEAR((*with)[i], (*without)[i] + residual->const_data_ptr<float>()[i], 1e-5);
    }
  }
}

TEST_P(ConvolutionTest, DepthwiseTakesEveryChannelByItself) {
  const TensorPtr x = floats({40, 21}, 0.2F);
  const TensorPtr weights = floats({7, 21}, 0.5F);
  const TensorPtr bias = floats({21}, 0.7F);
  const auto make_history = [] { return make_tensor_ptr({128}, std::vector<float>(128)); };
  const auto whole = convolve_depthwise(x, weights, bias, make_history());
  ASSERT_TRUE(whole.has_value());
  for (int64_t place = 0; place < x->numel(); ++place) {
    const int64_t channel = place % 21;
    double exact = bias->const_data_ptr<float>()[channel];
    for (int64_t tap = 0; tap < 7; ++tap) {
      const int64_t column = place / 21 + tap - 6;
      exact += column < 0 ? 0.0
                          : static_cast<double>(x->const_data_ptr<float>()[column * 21 + channel]) *
                                weights->const_data_ptr<float>()[tap * 21 + channel];
    }
    EXPECT_NEAR((*whole)[static_cast<size_t>(place)], exact, 2e-6);
  }
  const TensorPtr history = make_history();
  const auto run = [&](const TensorPtr& piece) { return convolve_depthwise(piece, weights, bias, history, 2); };
  EXPECT_EQ(in_pieces(x, {1, 9, 2}, run), *whole);
  EXPECT_FALSE(convolve_depthwise(x, weights, bias, make_history(), 3).has_value()) << "a history that ends too early";
  EXPECT_FALSE(convolve_depthwise(x, floats({7, 20}, 0.5F), bias, make_history()).has_value()) << "another width";
  EXPECT_FALSE(convolve_depthwise(x, weights, floats({20}, 0.5F), make_history()).has_value()) << "another bias";
}

TEST_P(ConvolutionTest, RefusesWhatDoesNotFit) {
  const Layer layer = {40, 20, 3, 2};
  const Layer other = {40, 40, 3, 2};
  const TensorPtr x = floats({4, 20}, 0.0F);
  const auto refuses = [&](const Layer& wrong) { return !convolve(wrong, x, layer.make_history()).has_value(); };
  EXPECT_TRUE(convolve(layer, x, layer.make_history(), 2).has_value());
  EXPECT_FALSE(convolve(layer, x, layer.make_history(), 3).has_value()) << "a history that ends too early";
  EXPECT_FALSE(convolve(layer, x, layer.make_history(), -1).has_value()) << "a history that begins before itself";
  EXPECT_FALSE(convolve(other, x, other.make_history()).has_value()) << "inputs of another width";
  EXPECT_TRUE(refuses({40, 20, 3, 2, 0, 3})) << "40 is not three times anything";
  EXPECT_TRUE(refuses({40, 20, 3, 0})) << "no dilation";
  EXPECT_TRUE(refuses({40, 20, 3, 2, 2})) << "minimal filtering of three taps";
  EXPECT_FALSE(convolve({40, 20, 7, 1, 3}, x, floats({500}, 0.0F)).has_value()) << "a frame and a part of one";
  EXPECT_FALSE(convolve({40, 20, 7, 1, -4}, x, floats({500}, 0.0F)).has_value()) << "frames of less than nothing";
  EXPECT_FALSE(convolve(layer, floats({1, 4, 20}, 0.0F), layer.make_history()).has_value()) << "no columns";
  EXPECT_FALSE(convolve(layer, x, layer.make_history(), 0, floats({5, 40}, 0.0F)).has_value()) << "a long residual";
}

}  // namespace
}  // namespace qwen3_tts
