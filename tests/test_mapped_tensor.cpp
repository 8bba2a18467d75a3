#include "program/mapped_tensor.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;

float* data(const MappedTensor& tensor) { return tensor.tensor().mutable_data_ptr<float>(); }

bool is_zero(const MappedTensor& tensor) {
  return std::all_of(data(tensor), data(tensor) + tensor.tensor().numel(), [](float value) { return value == 0.0F; });
}

TEST(MappedTensorTest, BeginsAsZerosOfTheGivenShape) {
  const auto tensor = MappedTensor::create({ScalarType::Float, {3, 1000, 7}});
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(tensor->tensor().numel(), 21000);
  EXPECT_EQ(tensor->tensor().size(1), 1000);
  EXPECT_TRUE(is_zero(*tensor));
}

TEST(MappedTensorTest, ClearMakesZerosAtTheSameAddress) {
  auto tensor = MappedTensor::create({ScalarType::Float, {5000}});
  ASSERT_TRUE(tensor.ok());
  float* before = data(*tensor);
  std::fill_n(before, 5000, 1.5F);
  ASSERT_TRUE(tensor->clear().ok());
  EXPECT_EQ(data(*tensor), before);
  EXPECT_TRUE(is_zero(*tensor));
}

TEST(MappedTensorTest, MovedToKeepsTheMemory) {
  auto from = MappedTensor::create({ScalarType::Float, {10}});
  ASSERT_TRUE(from.ok());
  data(*from)[9] = 2.0F;
  const MappedTensor to = std::move(*from);
  EXPECT_EQ(data(to)[9], 2.0F);
}

TEST(MappedTensorTest, MoreThanTheAddressSpaceIsAnError) {
  const auto tensor = MappedTensor::create({ScalarType::Float, {1 << 30, 1 << 30, 1 << 30}});
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.error().code, ErrorCode::kInvalidModel);
}

TEST(MappedTensorTest, MoreThanTheMachineCanMapIsAnError) {
  const auto tensor = MappedTensor::create({ScalarType::Float, {1 << 30, 1 << 26}});
  ASSERT_FALSE(tensor.ok());
  EXPECT_EQ(tensor.error().code, ErrorCode::kOutOfMemory);
}

}  // namespace
}  // namespace qwen3_tts
