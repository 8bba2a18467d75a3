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
