#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "columns.h"
#include "instruction_set_test.h"
#include "ops/ops.h"
#include "packed_weights.h"

namespace qwen3_tts {
namespace {

using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;
using testing::floats;
using testing::in_pieces;
using testing::Int8Weights;
using testing::values_of;

/// A convolution whose weights are about one, and what runs it.
struct Layer {
  Int8Weights shape;
  int64_t dilation = 1;
  int64_t rate = 1;
  TensorPtr weights = to_tensor(shape.any());
  TensorPtr scales = make_tensor_ptr({static_cast<int32_t>(shape.outputs)},
                                     std::vector<float>(static_cast<size_t>(shape.outputs), unit()));
  TensorPtr bias = floats({static_cast<int32_t>(shape.outputs)}, 0.7F);

  TensorPtr to_tensor(std::vector<int8_t> bytes) const {
    const QuantizedLayer layer = shape.layer();
    return make_tensor_ptr({static_cast<int32_t>(layer.panels()), static_cast<int32_t>(layer.taps),
                            static_cast<int32_t>(layer.tap_bytes())},
                           std::move(bytes));
  }
  float unit() const { return 1.0F / static_cast<float>(shape.largest()); }
  int64_t past() const { return (shape.taps - 1) * dilation; }
  /// Room for the codes of earlier columns and a scale each, and two more values.
  TensorPtr make_history() const {
    const int64_t size = 2 + past() * (shape.digits * shape.layer().depth() / 4 + 1);
    return make_tensor_ptr({static_cast<int32_t>(size)}, std::vector<float>(static_cast<size_t>(size)));
  }

  /// Output `output` of column t of x in double precision; columns before x are zeros.
  double exact(const TensorPtr& x, int64_t t, int64_t output) const {
    double sum = bias->const_data_ptr<float>()[output];
    for (int64_t tap = 0; tap < shape.taps; ++tap) {
      const int64_t column = t + tap * dilation - past();
      for (int64_t input = 0; column >= 0 && input < shape.inputs; ++input) {
        sum += static_cast<double>(shape.code(output, input, tap)) * unit() *
               x->const_data_ptr<float>()[column * shape.inputs + input];
      }
    }
    return sum;
  }
};

class QuantizedConvolutionTest : public InstructionSetTest {
 protected:
  static void SetUpTestSuite() { executorch::runtime::runtime_init(); }

  /// The columns that follow what `history` holds, or nothing when the operator refuses.
  std::optional<std::vector<float>> convolve(const Layer& layer, const TensorPtr& x, const TensorPtr& history,
                                             int64_t offset = 0) {
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto columns = static_cast<int32_t>(x->size(0) * layer.rate);
    const auto out = floats({columns, static_cast<int32_t>(layer.shape.outputs / layer.rate)}, 0.0F);
    quantized_convolution_out(context, *x, *layer.weights, *layer.scales, *layer.bias, std::nullopt, *history, offset,
                              layer.dilation, layer.rate, *out);
    return context.failure_state() == Error::Ok ? std::optional(values_of(out)) : std::nullopt;
  }

  std::optional<std::vector<float>> run_unit(const Layer& first, const Layer& second, const TensorPtr& x,
                                             const TensorPtr& history) {
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto out = floats({static_cast<int32_t>(x->size(0)), static_cast<int32_t>(x->size(1))}, 0.0F);
    const auto snake = floats({2, static_cast<int32_t>(x->size(1))}, 0.1F);
    quantized_residual_unit_out(context, *x, *first.weights, *first.scales, *first.bias, *snake, *second.weights,
                                *second.scales, *second.bias, *snake, *history, 0, first.dilation, *out);
    return context.failure_state() == Error::Ok ? std::optional(values_of(out)) : std::nullopt;
  }

  executorch::extension::MallocMemoryAllocator allocator_;
};

INSTANTIATE_INSTRUCTION_SETS(QuantizedConvolutionTest);

TEST_P(QuantizedConvolutionTest, IsNearExactArithmetic) {
  std::vector<Layer> layers = {
      {{8, 5, 1, 1}},   {{33, 16, 2, 1}, 1, 3}, {{64, 100, 3, 1}},      {{1, 24, 7, 1}, 9},    {{40, 130, 7, 1}, 3},
      {{96, 96, 7, 1}}, {{70, 20, 1, 2}},       {{12, 65, 2, 2}, 1, 4}, {{20, 1100, 3, 2}, 5},
  };
  for (Layer& layer : layers) {
    const Int8Weights& shape = layer.shape;
    layer.weights = layer.to_tensor(shape.packed());
    for (const int32_t columns : {1, 6, 150}) {
      const TensorPtr x = floats({columns, static_cast<int32_t>(shape.inputs)}, 0.2F);
      const auto found = convolve(layer, x, layer.make_history());
      ASSERT_TRUE(found.has_value());
      // Each input errs by up to half a code of its column, with any sign.
      const double code = shape.digits == 1 ? 1.0 / 127 : 1.0 / 32512;
      const double tolerance = 2.0 * code * std::sqrt(static_cast<double>(shape.inputs * shape.taps)) + 1e-5;
      for (int64_t place = 0; place < columns * shape.outputs; ++place) {
        EXPECT_NEAR((*found)[static_cast<size_t>(place)], layer.exact(x, place / shape.outputs, place % shape.outputs),
                    tolerance)
            << shape.outputs << " x " << shape.inputs << " x " << shape.taps << ", " << place;
      }
    }
  }
}

TEST_P(QuantizedConvolutionTest, AnySplitGivesTheSameBytes) {
  // Few columns for many weights, many for few, and the two ways that work is shared by threads.
  const std::vector<Layer> layers = {{{96, 40, 7, 1}, 9}, {{288, 192, 2, 1}, 1, 3}, {{160, 260, 7, 2}, 3}};
  for (const Layer& layer : layers) {
    const TensorPtr x = floats({331, static_cast<int32_t>(layer.shape.inputs)}, 0.4F);
    const auto whole = convolve(layer, x, layer.make_history());
    ASSERT_TRUE(whole.has_value());
    for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{1}, {4}, {97}, {1, 200, 13}}) {
      const TensorPtr history = layer.make_history();
      const auto run = [&](const TensorPtr& piece) { return convolve(layer, piece, history, 1); };
      EXPECT_EQ(in_pieces(x, sizes, run), *whole) << "pieces of " << sizes[0];
    }
  }
}

TEST_P(QuantizedConvolutionTest, ResidualUnitIsItsConvolutions) {
  for (const int64_t width : {96, 20}) {
    const Layer first = {{width, width, 7, 1}, 3};
    const Layer second = {{width, width, 1, 1}};
    const auto size = static_cast<int32_t>(width);
    const TensorPtr x = floats({205, size}, 0.4F);
    const auto whole = run_unit(first, second, x, first.make_history());
    ASSERT_TRUE(whole.has_value());

    KernelRuntimeContext context(nullptr, &allocator_);
    const auto snake = floats({2, size}, 0.1F);
    const TensorPtr between = floats({205, size}, 0.0F);
    const TensorPtr out = floats({205, size}, 0.0F);
    quantized_convolution_out(context, *x, *first.weights, *first.scales, *first.bias, *snake, *first.make_history(), 0,
                              3, 1, *between);
    quantized_convolution_out(context, *between, *second.weights, *second.scales, *second.bias, *snake, std::nullopt, 0,
                              1, 1, *out);
    ASSERT_EQ(context.failure_state(), Error::Ok);
    std::vector<float> expected = values_of(out);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] += x->const_data_ptr<float>()[i];
    }
    EXPECT_EQ(*whole, expected);

    const TensorPtr history = first.make_history();
    const auto run = [&](const TensorPtr& piece) { return run_unit(first, second, piece, history); };
    EXPECT_EQ(in_pieces(x, {1, 64, 7}, run), *whole);
  }
}

TEST_P(QuantizedConvolutionTest, RefusesWhatDoesNotFit) {
  const Layer layer = {{40, 20, 3, 1}, 2};
  const Layer upsampling = {{40, 20, 3, 1}, 2, 3};
  const Layer other = {{40, 40, 3, 1}, 2};
  const TensorPtr x = floats({4, 20}, 0.0F);
  EXPECT_TRUE(convolve(layer, x, layer.make_history(), 2).has_value());
  EXPECT_FALSE(convolve(layer, x, layer.make_history(), 3).has_value()) << "a history that ends too early";
  EXPECT_FALSE(convolve(layer, x, layer.make_history(), -1).has_value()) << "a history that begins before itself";
  EXPECT_FALSE(convolve(other, x, other.make_history()).has_value()) << "inputs of another width";
  EXPECT_FALSE(convolve(upsampling, x, layer.make_history()).has_value()) << "40 is not three times anything";
  EXPECT_FALSE(convolve({{2, 4097, 1, 2}}, floats({1, 4097}, 0.0F), layer.make_history()).has_value()) << "too wide";
  EXPECT_FALSE(convolve({{40, 20, 3, 1}, 0}, x, layer.make_history()).has_value()) << "no dilation";
  EXPECT_FALSE(convolve(layer, floats({1, 4, 20}, 0.0F), layer.make_history()).has_value()) << "no columns";
  EXPECT_FALSE(run_unit(layer, layer, x, layer.make_history()).has_value()) << "another width at the end";
  const Layer square = {{20, 20, 3, 1}, 2};
  EXPECT_FALSE(run_unit(square, square, x, square.make_history()).has_value()) << "a second layer with a past";
}

}  // namespace
}  // namespace qwen3_tts
