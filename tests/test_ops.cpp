#include "ops/ops.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/kernel/operator_registry.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

using executorch::aten::DimOrderType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;
using executorch::runtime::EValue;

constexpr int kHeadDim = 8;

class OpsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { executorch::runtime::runtime_init(); }

  /// [rows, width] of numbers that differ from each other.
  static TensorPtr rows(int num_rows, int width, float phase) {
    std::vector<float> values(static_cast<size_t>(num_rows * width));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = std::sin(static_cast<float>(i) + phase);
    }
    return make_tensor_ptr({num_rows, width}, std::move(values));
  }

  static TensorPtr position(int64_t value) { return make_tensor_ptr({1}, std::vector<int64_t>{value}); }

  executorch::extension::MallocMemoryAllocator allocator_;
};

TEST_F(OpsTest, CausalHistoryJoinsAndRemembers) {
  KernelRuntimeContext context;
  const auto history = make_tensor_ptr({4}, std::vector<float>{0, 0, 1, 2});  // [length 1, C 2] at offset 2
  const auto x = make_tensor_ptr({1, 2, 1, 3}, std::vector<float>{3, 5, 7, 4, 6, 8});
  const std::vector<DimOrderType> channels_last = {0, 2, 3, 1};
  const auto out = make_tensor_ptr({1, 2, 1, 4}, std::vector<float>(8), channels_last);
  causal_history_out(context, *x, *history, 2, 1, true, *out);
  ASSERT_EQ(context.failure_state(), Error::Ok);
  const auto* values = out->const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(values, values + 8), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  const auto* kept = history->const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(kept, kept + 4), (std::vector<float>{0, 0, 7, 8}));
  causal_history_out(context, *x, *history, 3, 1, true, *out);
  EXPECT_EQ(context.failure_state(), Error::InvalidArgument) << "beyond the history";
}

TEST_F(OpsTest, SignalsMayBeContiguous) {
  KernelRuntimeContext context;
  const auto history = make_tensor_ptr({2}, std::vector<float>{1, 2});
  const auto x = make_tensor_ptr({1, 2, 1, 3}, std::vector<float>{3, 5, 7, 4, 6, 8});
  const auto joined = make_tensor_ptr({1, 2, 1, 4}, std::vector<float>(8));
  causal_history_out(context, *x, *history, 0, 1, false, *joined);
  const auto* values = joined->const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(values, values + 8), (std::vector<float>{1, 3, 5, 7, 2, 4, 6, 8}));
  const auto steps = make_tensor_ptr({1, 1, 1, 6}, std::vector<float>(6));
  steps_from_phases_out(context, *x, 2, false, *steps);
  ASSERT_EQ(context.failure_state(), Error::Ok);
  values = steps->const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(values, values + 6), (std::vector<float>{3, 4, 5, 6, 7, 8}));
}

TEST_F(OpsTest, StepsFromPhasesCutsColumns) {
  KernelRuntimeContext context;
  const std::vector<DimOrderType> channels_last = {0, 2, 3, 1};
  const auto x = make_tensor_ptr({1, 6, 1, 2}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, channels_last);
  const auto out = make_tensor_ptr({1, 2, 1, 6}, std::vector<float>(12), channels_last);
  steps_from_phases_out(context, *x, 3, true, *out);
  ASSERT_EQ(context.failure_state(), Error::Ok);
  const auto* values = out->const_data_ptr<float>();
  EXPECT_EQ(std::vector<float>(values, values + 12), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  steps_from_phases_out(context, *x, 4, true, *out);
  EXPECT_EQ(context.failure_state(), Error::InvalidArgument) << "six channels are not four times anything";
}

TEST_F(OpsTest, CallsWithOtherArgumentsAreRefused) {
  register_ops();
  const auto rope = executorch::runtime::get_op_function_from_registry("qwen3_tts::rope.out");
  ASSERT_TRUE(rope.ok());
  const TensorPtr signal = rows(2, kHeadDim, 0.0F);
  const TensorPtr start = position(0);
  const TensorPtr table = rows(2, kHeadDim, 0.0F);
  EValue input(*signal);
  EValue first(*start);
  EValue width(int64_t{kHeadDim});
  EValue theta(10000.0);
  EValue out(*table);
  const auto state_after = [&](std::vector<EValue*> stack) {
    KernelRuntimeContext context(nullptr, &allocator_);
    (*rope)(context, {stack.data(), stack.size()});
    return context.failure_state();
  };
  EXPECT_EQ(state_after({&input, &first, &width, &theta, &out, &out}), Error::Ok);
  EXPECT_EQ(state_after({&input, &first, &width, &theta, &out}), Error::InvalidProgram) << "one too few";
  EXPECT_EQ(state_after({&input, &first, &width, &theta, &theta, &out, &out}), Error::InvalidProgram) << "one too many";
  EXPECT_EQ(state_after({&input, &first, &theta, &width, &out, &out}), Error::InvalidProgram) << "types exchanged";
  EXPECT_EQ(state_after({}), Error::InvalidProgram);
}

TEST_F(OpsTest, SampleRefusesLogitsThatAreNoNumbers) {
  const auto uniforms = make_tensor_ptr({1}, std::vector<float>{0.5F});
  const auto sampling = make_tensor_ptr({3}, std::vector<float>{1.0F, 0.0F, 1.0F});
  const auto out = make_tensor_ptr({1}, std::vector<int64_t>{-7});
  KernelRuntimeContext good;
  sample_out(good, *make_tensor_ptr({1, 3}, std::vector<float>{0.0F, 50.0F, 0.0F}), *uniforms, 0, *sampling, *out);
  EXPECT_EQ(good.failure_state(), Error::Ok);
  EXPECT_EQ(*out->const_data_ptr<int64_t>(), 1);
  KernelRuntimeContext bad;
  sample_out(bad, *make_tensor_ptr({1, 2}, std::vector<float>{std::nanf(""), 0.0F}), *uniforms, 0, *sampling, *out);
  EXPECT_EQ(bad.failure_state(), Error::InvalidArgument);
}

}  // namespace
}  // namespace qwen3_tts
