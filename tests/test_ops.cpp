#include "ops/ops.h"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/kernel/operator_registry.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "ops/parallel.h"
#include "program/thread_pool.h"
#include "stages/one_core.h"

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

  executorch::extension::MallocMemoryAllocator allocator_;
};

TEST_F(OpsTest, CallsWithOtherArgumentsAreRefused) {
  register_ops();
  const auto rope = executorch::runtime::get_op_function_from_registry("qwen3_tts::rope.out");
  ASSERT_TRUE(rope.ok());
  const TensorPtr positions = make_tensor_ptr({2}, std::vector<int64_t>{0, 5});
  const TensorPtr table = rows(2, kHeadDim, 0.0F);
  EValue at(*positions);
  EValue width(int64_t{kHeadDim});
  EValue theta(10000.0);
  EValue out(*table);
  const auto state_after = [&](std::vector<EValue*> stack) {
    KernelRuntimeContext context(nullptr, &allocator_);
    (*rope)(context, {stack.data(), stack.size()});
    return context.failure_state();
  };
  EXPECT_EQ(state_after({&at, &width, &theta, &out, &out}), Error::Ok);
  EXPECT_EQ(state_after({&at, &width, &theta, &out}), Error::InvalidProgram) << "one too few";
  EXPECT_EQ(state_after({&at, &width, &theta, &theta, &out, &out}), Error::InvalidProgram) << "one too many";
  EXPECT_EQ(state_after({&at, &theta, &width, &out, &out}), Error::InvalidProgram) << "types exchanged";
  EXPECT_EQ(state_after({}), Error::InvalidProgram);
}

/// Sizes of a program have 64 bits and those of tensors 32: the head size and a multiple of 2^32 must not be one.
TEST_F(OpsTest, RopeTakesNoOtherSizesThanItsOutputHas) {
  const TensorPtr positions = make_tensor_ptr({2}, std::vector<int64_t>{0, 1});
  const auto state_of = [&](int64_t head_dim, const TensorPtr& out) {
    KernelRuntimeContext context(nullptr, &allocator_);
    rope_out(context, *positions, head_dim, 10000.0, *out);
    return context.failure_state();
  };
  const TensorPtr out = rows(2, kHeadDim, 0.0F);
  EXPECT_EQ(state_of(kHeadDim, out), Error::Ok);
  for (const int64_t head_dim : {(int64_t{1} << 47) + kHeadDim, (int64_t{1} << 32) + kHeadDim, int64_t{1} << 32,
                                 std::numeric_limits<int64_t>::max() - 1}) {
    EXPECT_EQ(state_of(head_dim, out), Error::InvalidArgument) << head_dim;
  }
  const TensorPtr half = make_tensor_ptr({2, kHeadDim}, std::vector<uint16_t>(size_t{2} * kHeadDim), {}, {},
                                         executorch::aten::ScalarType::Half);
  EXPECT_EQ(state_of(kHeadDim, half), Error::InvalidArgument) << "half the memory";
  const TensorPtr flat = make_tensor_ptr({2 * kHeadDim}, std::vector<float>(size_t{2} * kHeadDim));
  EXPECT_EQ(state_of(kHeadDim, flat), Error::InvalidArgument) << "another number of dimensions";
  const TensorPtr unplanned = make_tensor_ptr({2, kHeadDim}, nullptr);
  EXPECT_EQ(state_of(kHeadDim, unplanned), Error::InvalidArgument) << "no memory";
}

TEST_F(OpsTest, SwigluTakesNoInputWithoutMemory) {
  const TensorPtr out = rows(2, kHeadDim, 0.0F);
  const auto state_of = [&](const TensorPtr& gate_up) {
    KernelRuntimeContext context(nullptr, &allocator_);
    swiglu_out(context, *gate_up, *out);
    return context.failure_state();
  };
  EXPECT_EQ(state_of(rows(2, 2 * kHeadDim, 0.0F)), Error::Ok);
  EXPECT_EQ(state_of(make_tensor_ptr({2, 2 * kHeadDim}, nullptr)), Error::InvalidArgument);
}

TEST_F(OpsTest, SampleMarksTheRowsWithoutNumbersAlone) {
  const float nan = std::nanf("");
  const auto logits = make_tensor_ptr({3, 3}, std::vector<float>{0, 50, 0, nan, 0, 0, 50, 0, 0});
  const auto uniforms = make_tensor_ptr({3, 2}, std::vector<float>(6, 0.5F));
  const auto sampling = make_tensor_ptr({3, 3}, std::vector<float>{1, 0, 1, 1, 0, 1, 1, 0, 1});
  const auto out = make_tensor_ptr({3}, std::vector<int64_t>{-7, -7, -7});
  KernelRuntimeContext context;
  sample_out(context, *logits, *uniforms, 1, *sampling, *out);
  EXPECT_EQ(context.failure_state(), Error::Ok);
  const auto* codes = out->const_data_ptr<int64_t>();
  EXPECT_EQ(std::vector<int64_t>(codes, codes + 3), (std::vector<int64_t>{1, -1, 0}));
}

TEST_F(OpsTest, SampleRefusesWhatDoesNotBelongTogether) {
  const auto logits = make_tensor_ptr({2, 3}, std::vector<float>(6, 0.0F));
  const auto uniforms = make_tensor_ptr({2, 2}, std::vector<float>(4, 0.5F));
  const auto one_uniform = make_tensor_ptr({1, 2}, std::vector<float>(2, 0.5F));
  const auto sampling = make_tensor_ptr({2, 3}, std::vector<float>(6, 1.0F));
  const auto one_sampling = make_tensor_ptr({1, 3}, std::vector<float>(3, 1.0F));
  const auto out = make_tensor_ptr({2}, std::vector<int64_t>{-7, -7});
  const auto state = [&](const TensorPtr& numbers, int64_t index, const TensorPtr& parameters) {
    KernelRuntimeContext context;
    sample_out(context, *logits, *numbers, index, *parameters, *out);
    return context.failure_state();
  };
  EXPECT_EQ(state(uniforms, 1, sampling), Error::Ok);
  EXPECT_EQ(state(uniforms, 2, sampling), Error::InvalidArgument);
  EXPECT_EQ(state(uniforms, -1, sampling), Error::InvalidArgument);
  EXPECT_EQ(state(one_uniform, 1, sampling), Error::InvalidArgument);
  EXPECT_EQ(state(uniforms, 1, one_sampling), Error::InvalidArgument);
}

/// Into how many parts an operator cuts its work now.
int64_t num_parts() {
  std::atomic<int64_t> count{0};
  parallel_for(100, 1, [&](int64_t, int64_t) { ++count; });
  return count;
}

/// Asked by every operator anew: a call that began while the other core was taken uses it when it is free.
TEST_F(OpsTest, TakenCoresAreLeftAlone) {
  ASSERT_TRUE(set_thread_count(2).ok());
  EXPECT_EQ(num_parts(), 2);
  std::optional<TakenCore> taken(std::in_place);
  const OneCore one_core(TakenCore::is_any());
  EXPECT_EQ(num_parts(), 1);
  taken.reset();
  EXPECT_EQ(num_parts(), 2);
}

}  // namespace
}  // namespace qwen3_tts
