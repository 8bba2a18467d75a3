#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "instruction_set_test.h"
#include "ops/kernels/linear_kernels.h"
#include "ops/ops.h"
#include "packed_weights.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;

constexpr int64_t kOutputs = 48;  // of the weights that Python packed,
constexpr int64_t kColumns = 192;  // and their inputs

/// Codes and scales as the operator takes them.
struct Weight {
  TensorPtr codes;
  TensorPtr scales;
};

Weight make_weight(int64_t bits, int64_t outputs, int64_t columns, int64_t group_size, std::vector<uint8_t> codes,
                   const std::vector<uint16_t>& scales) {
  const auto size = [](int64_t number) { return static_cast<SizesType>(number); };
  std::vector<executorch::aten::BFloat16> values(scales.size());
  std::memcpy(values.data(), scales.data(), scales.size() * sizeof(uint16_t));
  return {make_tensor_ptr({size(outputs / PackedWeight::kPanelRows), size(columns / PackedWeight::kBlockColumns),
                           size(PackedWeight::block_bytes(bits))},
                          std::move(codes), {}, {}, ScalarType::Byte),
          make_tensor_ptr(
              {size(outputs / PackedWeight::kPanelRows), size(columns / group_size), size(PackedWeight::kPanelRows)},
              std::move(values))};
}

/// For what holds whatever the weight is.
Weight any_weight(int64_t bits, int64_t outputs, int64_t columns, int64_t group_size) {
  std::mt19937_64 random(static_cast<uint64_t>(bits * outputs + columns));
  std::vector<uint8_t> codes(static_cast<size_t>(outputs * columns * bits / 8));
  std::vector<uint16_t> scales(static_cast<size_t>(outputs * columns / group_size));
  std::generate(codes.begin(), codes.end(), [&] { return static_cast<uint8_t>(random()); });
  std::generate(scales.begin(), scales.end(), [&] { return static_cast<uint16_t>(0x3C00 + random() % 256); });
  return make_weight(bits, outputs, columns, group_size, std::move(codes), scales);
}

/// [kOutputs, kColumns] as qwen3_tts/export/packing/linear.py packs it.
Weight packed_weight(int64_t bits, int64_t group_size) {
  return make_weight(bits, kOutputs, kColumns, group_size,
                     testing::read_packed<uint8_t>("linear_codes_" + std::to_string(bits)),
                     testing::read_packed<uint16_t>("linear_scales_" + std::to_string(group_size)));
}

/// What packed_weight() stands for, by the formulas of tests/packed_golden.py.
double weight_at(int64_t bits, int64_t group_size, int64_t output, int64_t column) {
  const int64_t code = testing::number_at(output, column) % 257 % (int64_t{1} << bits);
  const auto scale_bits = static_cast<uint32_t>(0x3C00 + testing::number_at(output, column / group_size) % 251) << 16;
  float scale = 0.0F;
  std::memcpy(&scale, &scale_bits, sizeof(scale));
  return static_cast<double>(code - (int64_t{1} << (bits - 1))) * scale;
}

/// Numbers in [-1, 1) whose rounding to int8 in groups of `group_size` is exact: multiples of 1/127 of a largest 1.
std::vector<float> exact_inputs(int64_t count, int64_t group_size) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_largest = i % static_cast<size_t>(group_size) == 0;
    values[i] = is_largest ? 1.0F : static_cast<float>(static_cast<int>(random() % 255) - 127) / 127.0F;
  }
  return values;
}

class LinearTest : public InstructionSetTest {
 protected:
  static void SetUpTestSuite() { executorch::runtime::runtime_init(); }

  /// Rows of the product, or nothing when the kernel refuses.
  std::optional<std::vector<float>> multiply(const TensorPtr& x, const TensorPtr& codes, const TensorPtr& scales,
                                             const std::optional<Tensor>& bias = std::nullopt,
                                             const std::optional<Tensor>& norm = std::nullopt,
                                             const std::optional<Tensor>& residual = std::nullopt) {
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto rows = static_cast<SizesType>(x->size(0));
    const auto outputs = static_cast<SizesType>(codes->size(0) * 16);
    const auto out = make_tensor_ptr({rows, outputs}, std::vector<float>(static_cast<size_t>(rows * outputs)));
    linear_out(context, *x, *codes, *scales, bias, norm, 1e-6, residual, *out);
    if (context.failure_state() != Error::Ok) {
      return std::nullopt;
    }
    return std::vector<float>(out->const_data_ptr<float>(), out->const_data_ptr<float>() + out->numel());
  }

  Error state_of(const TensorPtr& x, const Weight& weight, Tensor& out) {
    KernelRuntimeContext context(nullptr, &allocator_);
    linear_out(context, *x, *weight.codes, *weight.scales, std::nullopt, std::nullopt, 1e-6, std::nullopt, out);
    return context.failure_state();
  }

  executorch::extension::MallocMemoryAllocator allocator_;
};

INSTANTIATE_INSTRUCTION_SETS(LinearTest);

TEST_P(LinearTest, EqualsTheProductInDoublePrecision) {
  for (const auto& [bits, rows, group_size] :
       {std::tuple(4, 1, 32), std::tuple(4, 7, 64), std::tuple(5, 3, 32), std::tuple(6, 2, 32), std::tuple(6, 3, 96),
        std::tuple(8, 5, 32), std::tuple(8, 1, 192), std::tuple(4, 15, 32), std::tuple(5, 9, 32), std::tuple(6, 12, 64),
        std::tuple(8, 16, 32)}) {
    const Weight weight = packed_weight(bits, group_size);
    const std::vector<float> x = exact_inputs(rows * kColumns, group_size);
    const auto y = multiply(make_tensor_ptr({rows, static_cast<SizesType>(kColumns)}, x), weight.codes, weight.scales);
    ASSERT_TRUE(y.has_value());
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t n = 0; n < kOutputs; ++n) {
        double expected = 0.0;
        for (int64_t k = 0; k < kColumns; ++k) {
          expected +=
              weight_at(bits, group_size, n, k) * static_cast<double>(x[static_cast<size_t>(row * kColumns + k)]);
        }
        EXPECT_NEAR((*y)[static_cast<size_t>(row * kOutputs + n)], expected, 1e-5 * (1.0 + std::abs(expected)))
            << bits << " bits, row " << row << ", output " << n;
      }
    }
  }
}

/// A kernel may add up a few products in 16 bits: those of the largest codes have to fit.
TEST_P(LinearTest, TheLargestProductsFit) {
  constexpr int64_t kWidth = 64;
  const std::vector<uint16_t> ones(PackedWeight::kPanelRows * kWidth / 32, 0x3F80);
  for (const int64_t bits : {4, 5, 6, 8}) {
    for (const SizesType rows : {1, 2, 4, 8}) {
      for (const bool is_high : {false, true}) {
        const std::vector<uint8_t> codes(static_cast<size_t>(PackedWeight::kPanelRows * kWidth * bits / 8),
                                         is_high ? 0xFF : 0x00);
        const Weight weight = make_weight(bits, PackedWeight::kPanelRows, kWidth, 32, codes, ones);
        const auto half = static_cast<float>(int64_t{1} << (bits - 1));
        const float value = is_high ? half - 1.0F : -half;
        for (const float input : {-1.0F, 1.0F}) {
          const std::vector<float> x(static_cast<size_t>(rows * kWidth), input);
          const auto y =
              multiply(make_tensor_ptr({rows, static_cast<SizesType>(kWidth)}, x), weight.codes, weight.scales);
          ASSERT_TRUE(y.has_value());
          for (const float output : *y) {
            EXPECT_NEAR(output, input * value * kWidth, 1e-2) << bits << " bits, " << rows << " rows";
          }
        }
      }
    }
  }
}

TEST_P(LinearTest, AddsNormBiasAndResidual) {
  const Weight weight = any_weight(8, 16, 32, 32);
  std::vector<float> x(64);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<float>(i));
  }
  const auto rows = make_tensor_ptr({2, 32}, x);
  const auto bias = make_tensor_ptr({16}, std::vector<float>(16, 3.0F));
  const auto residual = make_tensor_ptr({2, 16}, std::vector<float>(32, 5.0F));
  const auto norm = make_tensor_ptr({32}, std::vector<float>(32, 2.0F));
  const auto y = multiply(rows, weight.codes, weight.scales, *bias, *norm, *residual);
  for (size_t row = 0; row < 2; ++row) {  // The norm by hand, the rest by the kernel without extras.
    double square = 0.0;
    for (size_t k = 0; k < 32; ++k) {
      square += static_cast<double>(x[row * 32 + k]) * static_cast<double>(x[row * 32 + k]);
    }
    for (size_t k = 0; k < 32; ++k) {
      x[row * 32 + k] *= static_cast<float>(2.0 / std::sqrt(square / 32 + 1e-6));
    }
  }
  const auto plain = multiply(make_tensor_ptr({2, 32}, x), weight.codes, weight.scales);
  ASSERT_TRUE(y.has_value() && plain.has_value());
  for (size_t i = 0; i < y->size(); ++i) {
    EXPECT_NEAR((*y)[i], (*plain)[i] + 8.0F, 0.02) << i;  // a code of an input may round to its neighbour
  }
}

TEST_P(LinearTest, ARowIsTheSameAmongOthersAndAlone) {
  constexpr int64_t kMost = 23;  // A pass takes eight rows, four, two or one.
  const std::vector<float> x = exact_inputs(kMost * 64, 50);
  const auto rows_of = [&](int64_t first, int64_t count) {
    return make_tensor_ptr({static_cast<SizesType>(count), 64},
                           std::vector<float>(x.begin() + first * 64, x.begin() + (first + count) * 64));
  };
  for (const int64_t bits : {4, 5, 6, 8}) {
    const Weight weight = any_weight(bits, 32, 64, 32);
    std::vector<float> alone;
    for (int64_t row = 0; row < kMost; ++row) {
      const auto one = multiply(rows_of(row, 1), weight.codes, weight.scales);
      ASSERT_TRUE(one.has_value());
      alone.insert(alone.end(), one->begin(), one->end());
    }
    for (int64_t rows = 2; rows <= kMost; ++rows) {
      const auto all = multiply(rows_of(0, rows), weight.codes, weight.scales);
      ASSERT_TRUE(all.has_value());
      EXPECT_EQ(*all, std::vector<float>(alone.begin(), alone.begin() + rows * 32)) << bits << " bits, " << rows;
    }
  }
}

TEST_P(LinearTest, ZerosStayZeros) {
  const Weight weight = any_weight(6, 16, 32, 32);
  const auto y = multiply(make_tensor_ptr({1, 32}, std::vector<float>(32)), weight.codes, weight.scales);
  EXPECT_EQ(y, std::vector<float>(16));
}

TEST_P(LinearTest, NoRowsAreNoWork) {
  const Weight weight = any_weight(4, 32, 64, 32);
  EXPECT_EQ(multiply(make_tensor_ptr({0, 64}, std::vector<float>()), weight.codes, weight.scales),
            std::vector<float>());
}

TEST_P(LinearTest, RefusesWhatDoesNotFit) {
  const Weight weight = any_weight(4, 32, 64, 32);
  const auto x = make_tensor_ptr({1, 64}, std::vector<float>(64));
  const auto wide = make_tensor_ptr({1, 96}, std::vector<float>(96));
  const auto short_vector = make_tensor_ptr({31}, std::vector<float>(31));
  const auto rows = make_tensor_ptr({2, 32}, std::vector<float>(64));
  const auto bytes = make_tensor_ptr({2, 2, 255}, std::vector<uint8_t>(1020), {}, {}, ScalarType::Byte);
  const auto other = any_weight(4, 16, 64, 32).scales;
  const auto half_sums = make_tensor_ptr({1, 32}, std::vector<uint16_t>(32), {}, {}, ScalarType::Half);
  const auto no_codes = make_tensor_ptr({2, 0, 256}, std::vector<uint8_t>(), {}, {}, ScalarType::Byte);
  const auto no_columns = make_tensor_ptr({1, 0}, std::vector<float>());
  EXPECT_TRUE(multiply(x, weight.codes, weight.scales).has_value());
  EXPECT_EQ(state_of(x, weight, *half_sums), Error::InvalidArgument) << "an output of half the memory";
  constexpr int kTooMany = PackedWeight::kMaxGroupColumns + PackedWeight::kBlockColumns;
  const Weight long_group = any_weight(8, 16, kTooMany, kTooMany);
  const auto long_row = make_tensor_ptr({1, kTooMany}, std::vector<float>(kTooMany));
  EXPECT_FALSE(multiply(long_row, long_group.codes, long_group.scales).has_value()) << "sums that leave 32 bits";
  EXPECT_FALSE(multiply(no_columns, no_codes, weight.scales).has_value()) << "nothing to add up";
  EXPECT_FALSE(multiply(wide, weight.codes, weight.scales).has_value()) << "other columns";
  EXPECT_FALSE(multiply(x, bytes, weight.scales).has_value()) << "a format that there is not";
  EXPECT_FALSE(multiply(x, weight.codes, other).has_value()) << "scales of another weight";
  EXPECT_FALSE(multiply(x, weight.scales, weight.scales).has_value()) << "codes of another type";
  EXPECT_FALSE(multiply(x, weight.codes, weight.scales, *short_vector).has_value()) << "bias";
  EXPECT_FALSE(multiply(x, weight.codes, weight.scales, std::nullopt, *short_vector).has_value()) << "norm";
  EXPECT_FALSE(multiply(x, weight.codes, weight.scales, std::nullopt, std::nullopt, *rows).has_value()) << "residual";
}

TEST_P(LinearTest, RoundsInputsToTheNearestCode) {
  constexpr int kSize = 32;
  std::vector<float> x(kSize, 0.0F);
  x[0] = -12.7F;
  x[1] = 0.149F;
  x[2] = 0.25F;  // in the middle: to the even code
  x[3] = 12.65F;
  std::vector<int8_t> codes(kSize);
  float scale = 0.0F;
  int32_t sum = 0;
  linear_kernels().quantize(x.data(), 1, kSize, 0, {codes.data(), &scale, &sum});
  EXPECT_FLOAT_EQ(scale, 0.1F);
  EXPECT_EQ(codes[0], -127);
  EXPECT_EQ(codes[1], 1);
  EXPECT_EQ(codes[2], 2);
  EXPECT_NEAR(codes[3], 126.5, 0.6);
  EXPECT_EQ(sum, codes[0] + codes[1] + codes[2] + codes[3]);
}

TEST_P(LinearTest, SwigluEqualsDoublePrecision) {
  std::vector<float> gate_up;
  for (int i = 0; i < 101; ++i) {
    gate_up.push_back(static_cast<float>(i - 50) * 2.5F);  // where e^x has no number, too
  }
  gate_up.resize(202, 3.0F);
  const auto out = make_tensor_ptr({1, 101}, std::vector<float>(101));
  KernelRuntimeContext context;
  swiglu_out(context, *make_tensor_ptr({1, 202}, gate_up), *out);
  ASSERT_EQ(context.failure_state(), Error::Ok);
  for (size_t i = 0; i < 101; ++i) {
    const double gate = gate_up[i];
    const double expected = gate / (1.0 + std::exp(-gate)) * 3.0;
    EXPECT_NEAR(out->const_data_ptr<float>()[i], expected, 1e-6 * std::abs(expected) + 1e-30) << gate;
  }
}

}  // namespace
}  // namespace qwen3_tts
