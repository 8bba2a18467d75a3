#include "ops/exported_ops.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/kernel/operator_registry.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "program/runtime_log.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;
using executorch::extension::empty;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::BoxedEvalueList;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::KernelRuntimeContext;

using Sizes = std::vector<SizesType>;

/// Tensors of a list, or its numbers, with what ExecuTorch keeps beside them.
template <typename T>
class List {
 public:
  explicit List(std::vector<EValue> items) : items_(std::move(items)) {
    for (EValue& item : items_) {
      pointers_.push_back(&item);
      unwrapped_.push_back(item.to<T>());
    }
    list_.emplace(pointers_.data(), unwrapped_.data(), static_cast<int>(items_.size()));
  }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  EValue value() { return EValue(&*list_); }

 private:
  std::vector<EValue> items_;
  std::vector<EValue*> pointers_;
  std::vector<T> unwrapped_;
  std::optional<BoxedEvalueList<T>> list_;
};

/// Ours beside ExecuTorch's own ones, which this program links.
class ExportedOpsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    executorch::runtime::runtime_init();
    capture_runtime_log();  // what is refused is no news
  }

  TensorPtr floats(const Sizes& sizes) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count(sizes));
    for (float& value : values) {
      value = normal(random_);
    }
    return make_tensor_ptr(sizes, std::move(values));
  }

  TensorPtr numbers(const Sizes& sizes, int64_t least, int64_t most) {
    return make_tensor_ptr(sizes, integers<int64_t>(sizes, least, most));
  }

  template <typename T>
  std::vector<T> integers(const Sizes& sizes, int64_t least, int64_t most) {
    std::uniform_int_distribution<int64_t> uniform(least, most);
    std::vector<T> values(count(sizes));
    for (T& value : values) {
      value = static_cast<T>(uniform(random_));
    }
    return values;
  }

  static size_t count(const Sizes& sizes) {
    size_t product = 1;
    for (const SizesType size : sizes) {
      product *= static_cast<size_t>(size);
    }
    return product;
  }

  /// Calls ExecuTorch's operator with `arguments`, of which the last is its result.
  Error call(const char* name, std::vector<EValue> arguments) {
    const auto function = executorch::runtime::get_op_function_from_registry(name);
    if (!function.ok()) {
      return function.error();
    }
    arguments.push_back(arguments.back());
    std::vector<EValue*> stack;
    for (EValue& argument : arguments) {
      stack.push_back(&argument);
    }
    KernelRuntimeContext context(nullptr, &allocator_);
    (*function)(context, {stack.data(), stack.size()});
    return context.failure_state();
  }

  static bool are_same_bytes(const Tensor& left, const Tensor& right) {
    return left.sizes() == right.sizes() && left.scalar_type() == right.scalar_type() &&
           std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0;
  }

  KernelRuntimeContext context_;
  executorch::extension::MallocMemoryAllocator allocator_;
  std::mt19937_64 random_{7};  // NOLINT(bugprone-random-generator-seed): every run is the same
};

/// Results in memory for more than they need: that of the largest sizes, as programs plan it.
TensorPtr room(const Sizes& sizes, ScalarType type) {
  return empty(sizes, type, executorch::aten::TensorShapeDynamism::DYNAMIC_BOUND);
}

#define EXPECT_SAME_AS_EXECUTORCH(name, result, expected, ...)                               \
  do {                                                                                       \
    EXPECT_EQ(context_.failure_state(), Error::Ok);                                          \
    ASSERT_EQ(call(name, std::vector<EValue>{__VA_ARGS__, EValue(*(expected))}), Error::Ok); \
    EXPECT_TRUE(are_same_bytes(*(result), *(expected)));                                     \
  } while (false)

TEST_F(ExportedOpsTest, CatIsExecuTorchs) {
  for (const int64_t dim : {0, 1, -1}) {
    const TensorPtr tensors[] = {numbers({2, 3}, -9, 9), numbers({2, 3}, -9, 9), numbers({2, 3}, -9, 9)};
    List<Tensor> list({EValue(*tensors[0]), EValue(*tensors[1]), EValue(*tensors[2])});
    const TensorPtr ours = room(dim == 0 ? Sizes{9, 3} : Sizes{2, 12}, ScalarType::Long);
    const TensorPtr theirs = room(dim == 0 ? Sizes{9, 3} : Sizes{2, 12}, ScalarType::Long);
    EValue value = list.value();
    exported::cat_out(context_, value.toTensorList(), dim, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::cat.out", ours, theirs, list.value(), EValue(dim));
  }
}

TEST_F(ExportedOpsTest, SlicesAndSelectionsAreExecuTorchs) {
  struct Case {
    int64_t dim;
    std::optional<int64_t> start, end;
  };
  const TensorPtr x = floats({4, 5, 3});
  for (const Case& part : {Case{0, 1, 3}, Case{1, {}, {}}, Case{1, 1, std::numeric_limits<int64_t>::max()},
                           Case{-1, -2, {}}, Case{1, 4, 2}, Case{2, -9, 9}}) {
    const TensorPtr ours = room({4, 5, 3}, ScalarType::Float);
    const TensorPtr theirs = room({4, 5, 3}, ScalarType::Float);
    exported::slice_copy_out(context_, *x, part.dim, part.start, part.end, 1, *ours);
    const auto number = [](std::optional<int64_t> given) { return given ? EValue(*given) : EValue(); };
    EXPECT_SAME_AS_EXECUTORCH("aten::slice_copy.Tensor_out", ours, theirs, EValue(*x), EValue(part.dim),
                              number(part.start), number(part.end), EValue(int64_t{1}));
  }
  for (const int64_t index : {0, 2, -1}) {
    const TensorPtr ours = room({4, 5}, ScalarType::Float);
    const TensorPtr theirs = room({4, 5}, ScalarType::Float);
    exported::select_copy_out(context_, *x, 2, index, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::select_copy.int_out", ours, theirs, EValue(*x), EValue(int64_t{2}), EValue(index));
  }
  for (const int64_t dim : {0, 1, 2}) {
    const TensorPtr rows = numbers({6}, 0, 2);
    const TensorPtr ours = room({6, 6, 6}, ScalarType::Float);
    const TensorPtr theirs = room({6, 6, 6}, ScalarType::Float);
    exported::index_select_out(context_, *x, dim, *rows, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::index_select.out", ours, theirs, EValue(*x), EValue(dim), EValue(*rows));
  }
}

TEST_F(ExportedOpsTest, OtherShapesOfTheSameNumbersAreExecuTorchs) {
  const TensorPtr x = floats({4, 6});
  const std::vector<std::pair<int64_t, Sizes>> unsqueezed = {
      {0, {1, 4, 6}}, {1, {4, 1, 6}}, {2, {4, 6, 1}}, {-1, {4, 6, 1}}};
  for (const auto& [dim, sizes] : unsqueezed) {
    const TensorPtr ours = room(sizes, ScalarType::Float);
    const TensorPtr theirs = room(sizes, ScalarType::Float);
    exported::unsqueeze_copy_out(context_, *x, dim, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::unsqueeze_copy.out", ours, theirs, EValue(*x), EValue(dim));
  }
  List<int64_t> sizes({EValue(int64_t{4}), EValue(int64_t{-1}), EValue(int64_t{2})});
  const TensorPtr ours = room({4, 3, 2}, ScalarType::Float);
  const TensorPtr theirs = room({4, 3, 2}, ScalarType::Float);
  EValue value = sizes.value();
  exported::view_copy_out(context_, *x, value.toIntList(), *ours);
  EXPECT_SAME_AS_EXECUTORCH("aten::view_copy.out", ours, theirs, EValue(*x), sizes.value());
}

TEST_F(ExportedOpsTest, NumbersAreExecuTorchs) {
  const TensorPtr x = numbers({3, 4}, -99, 99);
  for (const Sizes& sizes : {Sizes{}, Sizes{4}, Sizes{3, 4}}) {
    const TensorPtr y = numbers(sizes, -99, 99);
    const TensorPtr ours = room({3, 4}, ScalarType::Long);
    const TensorPtr theirs = room({3, 4}, ScalarType::Long);
    exported::add_out(context_, *x, *y, 3, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::add.out", ours, theirs, EValue(*x), EValue(*y), EValue(int64_t{3}));
  }
  const TensorPtr filled = room({3, 4}, ScalarType::Long);
  const TensorPtr filled_by_them = room({3, 4}, ScalarType::Long);
  exported::full_like_out(context_, *x, 7, std::nullopt, *filled);
  EXPECT_SAME_AS_EXECUTORCH("aten::full_like.out", filled, filled_by_them, EValue(*x), EValue(int64_t{7}), EValue());

  std::vector<executorch::aten::Half> halves;
  for (const float value : {0.0F, -0.0F, 1.0F, -65504.0F, 6e-8F, 0.333F}) {
    halves.emplace_back(value);
  }
  const TensorPtr half = make_tensor_ptr({2, 3}, std::move(halves));
  const TensorPtr wide = room({2, 3}, ScalarType::Float);
  const TensorPtr widened_by_them = room({2, 3}, ScalarType::Float);
  exported::to_copy_out(context_, *half, false, std::nullopt, *wide);
  EXPECT_SAME_AS_EXECUTORCH("aten::_to_copy.out", wide, widened_by_them, EValue(*half), EValue(false), EValue());
}

TEST_F(ExportedOpsTest, SumsAreExecuTorchs) {
  const TensorPtr x = floats({4, 15, 32});
  List<int64_t> dims({EValue(int64_t{1})});
  for (const bool keeps_dim : {false, true}) {
    const Sizes sizes = keeps_dim ? Sizes{4, 1, 32} : Sizes{4, 32};
    const TensorPtr ours = room(sizes, ScalarType::Float);
    const TensorPtr theirs = room(sizes, ScalarType::Float);
    EValue value = dims.value();
    exported::sum_out(context_, *x, value.toIntList(), keeps_dim, std::nullopt, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::sum.IntList_out", ours, theirs, EValue(*x), dims.value(), EValue(keeps_dim),
                              EValue());
  }
}

/// Sums in double are closer to the truth than ExecuTorch's, whose order depends on the processor.
TEST_F(ExportedOpsTest, LayerNormIsThatOfExactSums) {
  constexpr int kRows = 3;
  for (const int width : {1, 7, 64, 512}) {
    const TensorPtr x = floats({kRows, width});
    const TensorPtr weight = floats({width});
    const TensorPtr bias = floats({width});
    const TensorPtr out = room({kRows, width}, ScalarType::Float);
    const TensorPtr mean = room({kRows, 1}, ScalarType::Float);
    const TensorPtr deviation = room({kRows, 1}, ScalarType::Float);
    List<int64_t> shape({EValue(int64_t{width})});
    EValue value = shape.value();
    exported::layer_norm_out(context_, *x, value.toIntList(), *weight, *bias, 1e-6, *out, *mean, *deviation);
    ASSERT_EQ(context_.failure_state(), Error::Ok);

    const TensorPtr theirs = room({kRows, width}, ScalarType::Float);
    const TensorPtr their_mean = room({kRows, 1}, ScalarType::Float);
    const TensorPtr their_deviation = room({kRows, 1}, ScalarType::Float);
    List<Tensor> results({EValue(*theirs), EValue(*their_mean), EValue(*their_deviation)});
    const auto function = executorch::runtime::get_op_function_from_registry("aten::native_layer_norm.out");
    ASSERT_TRUE(function.ok());
    std::vector<EValue> arguments = {EValue(*x),     shape.value(),   EValue(*weight),     EValue(*bias),
                                     EValue(1e-6),   EValue(*theirs), EValue(*their_mean), EValue(*their_deviation),
                                     results.value()};
    std::vector<EValue*> stack;
    for (EValue& argument : arguments) {
      stack.push_back(&argument);
    }
    KernelRuntimeContext context(nullptr, &allocator_);
    (*function)(context, {stack.data(), stack.size()});
    ASSERT_EQ(context.failure_state(), Error::Ok);

    for (int i = 0; i < kRows * width; ++i) {
      EXPECT_NEAR(out->const_data_ptr<float>()[i], theirs->const_data_ptr<float>()[i], 4e-6) << width;
    }
    for (int i = 0; i < kRows; ++i) {
      EXPECT_NEAR(mean->const_data_ptr<float>()[i], their_mean->const_data_ptr<float>()[i], 1e-6) << width;
      EXPECT_FLOAT_EQ(deviation->const_data_ptr<float>()[i], their_deviation->const_data_ptr<float>()[i]) << width;
    }
  }
}

TEST_F(ExportedOpsTest, RowsAreExecuTorchs) {
  const TensorPtr indices = numbers({3, 2}, 0, 9);
  for (const ScalarType type : {ScalarType::Float, ScalarType::Half}) {
    const TensorPtr table =
        type == ScalarType::Float
            ? floats({10, 32})
            : make_tensor_ptr({10, 32}, integers<uint16_t>({10, 32}, 0, 65535), {}, {}, ScalarType::Half);
    const TensorPtr ours = room({3, 2, 32}, type);
    const TensorPtr theirs = room({3, 2, 32}, type);
    exported::embedding_out(context_, *table, *indices, -1, false, false, *ours);
    EXPECT_SAME_AS_EXECUTORCH("aten::embedding.out", ours, theirs, EValue(*table), EValue(*indices),
                              EValue(int64_t{-1}), EValue(false), EValue(false));
  }
  const TensorPtr bytes = make_tensor_ptr({10, 64}, integers<int8_t>({10, 64}, -128, 127));
  const TensorPtr pairs = make_tensor_ptr({10, 32}, integers<uint8_t>({10, 32}, 0, 255), {}, {}, ScalarType::Byte);
  const TensorPtr flat = numbers({5}, 0, 9);
  for (const int num_groups : {1, 2}) {
    const TensorPtr scales = floats({10, num_groups});
    const TensorPtr ours = room({5, 64}, ScalarType::Float);
    const TensorPtr theirs = room({5, 64}, ScalarType::Float);
    exported::embedding_byte_out(context_, *bytes, *scales, std::nullopt, -128, 127, *flat, *ours);
    EXPECT_SAME_AS_EXECUTORCH("quantized_decomposed::embedding_byte.out", ours, theirs, EValue(*bytes), EValue(*scales),
                              EValue(), EValue(int64_t{-128}), EValue(int64_t{127}), EValue(*flat));
    exported::embedding_4bit_out(context_, *pairs, *scales, std::nullopt, -8, 7, *flat, *ours);
    EXPECT_SAME_AS_EXECUTORCH("quantized_decomposed::embedding_4bit.out", ours, theirs, EValue(*pairs), EValue(*scales),
                              EValue(), EValue(int64_t{-8}), EValue(int64_t{7}), EValue(*flat));
  }
}

/// What a damaged program may ask for.
TEST_F(ExportedOpsTest, WhatDoesNotFitIsRefused) {
  const TensorPtr x = floats({4, 6});
  const TensorPtr table = floats({10, 6});
  const TensorPtr out = room({4, 6}, ScalarType::Float);
  const TensorPtr column = room({4, 1}, ScalarType::Float);
  const auto refuses = [&](const auto& run) {
    KernelRuntimeContext context(nullptr, &allocator_);
    run(context);
    EXPECT_EQ(context.failure_state(), Error::InvalidArgument);
  };
  for (const int64_t index : {int64_t{-1}, int64_t{10}, std::numeric_limits<int64_t>::max()}) {
    const TensorPtr rows = make_tensor_ptr({1}, std::vector<int64_t>{index});
    refuses([&](auto& context) { exported::embedding_out(context, *table, *rows, -1, false, false, *out); });
    refuses([&](auto& context) { exported::index_select_out(context, *table, 0, *rows, *out); });
  }
  refuses([&](auto& context) { exported::slice_copy_out(context, *x, 2, 0, 1, 1, *out); });
  refuses([&](auto& context) { exported::slice_copy_out(context, *x, 0, 0, 4, 2, *out); });
  refuses([&](auto& context) { exported::select_copy_out(context, *x, 0, 4, *out); });
  refuses([&](auto& context) { exported::unsqueeze_copy_out(context, *x, 4, *out); });
  refuses([&](auto& context) { exported::slice_copy_out(context, *table, 0, 0, 9, 1, *out); });  // no room
  refuses([&](auto& context) { exported::to_copy_out(context, *x, false, std::nullopt, *out); });
  refuses([&](auto& context) { exported::add_out(context, *x, *x, 1, *out); });
  refuses([&](auto& context) { exported::full_like_out(context, *x, 1, std::nullopt, *out); });

  List<int64_t> wrong({EValue(int64_t{5}), EValue(int64_t{-1})});
  EValue sizes = wrong.value();
  refuses([&](auto& context) { exported::view_copy_out(context, *x, sizes.toIntList(), *out); });
  refuses([&](auto& context) { exported::sum_out(context, *x, sizes.toIntList(), false, std::nullopt, *out); });
  refuses([&](auto& context) {
    exported::layer_norm_out(context, *x, sizes.toIntList(), std::nullopt, std::nullopt, 1e-6, *out, *column, *column);
  });

  const TensorPtr narrow = floats({4, 5});
  List<Tensor> list({EValue(*x), EValue(*narrow)});
  EValue tensors = list.value();
  refuses([&](auto& context) { exported::cat_out(context, tensors.toTensorList(), 0, *out); });

  const TensorPtr codes = make_tensor_ptr({10, 6}, integers<int8_t>({10, 6}, -128, 127));
  const TensorPtr rows = numbers({4}, 0, 9);
  const TensorPtr scales_of_others = floats({9, 1});
  const TensorPtr uneven = floats({10, 4});
  for (const TensorPtr& scales : {scales_of_others, uneven}) {
    refuses([&](auto& context) {
      exported::embedding_byte_out(context, *codes, *scales, std::nullopt, -128, 127, *rows, *out);
    });
  }
  refuses(
      [&](auto& context) { exported::embedding_4bit_out(context, *codes, *uneven, std::nullopt, -8, 7, *rows, *out); });
}

}  // namespace
}  // namespace qwen3_tts
