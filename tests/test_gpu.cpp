// With tests/cuda_driver.cpp in place of NVIDIA's driver, which LD_LIBRARY_PATH names.

#include "program/gpu.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TEST_CUDA_ERROR", "0", 1);
    ::setenv("TEST_CUDA_GPUS", "2", 1);
  }

  static std::string problem() {
    const auto architecture = gpu_architecture();
    return architecture.ok() ? "none" : architecture.error().message;
  }
};

TEST_F(GpuTest, ArchitectureIsTheFirstGpus) {
  const auto architecture = gpu_architecture();
  ASSERT_TRUE(architecture.ok()) << architecture.error().message;
  EXPECT_EQ(*architecture, "sm_121");
}

TEST_F(GpuTest, NoGpuIsSaid) {
  ::setenv("TEST_CUDA_GPUS", "0", 1);
  EXPECT_EQ(problem(), "there is no NVIDIA GPU: the driver finds none; CUDA_VISIBLE_DEVICES may hide it");
}

TEST_F(GpuTest, ADriverThatDoesNotStartIsSaid) {
  ::setenv("TEST_CUDA_ERROR", "803", 1);
  EXPECT_EQ(problem(), "there is no NVIDIA GPU: the driver does not start (CUDA error 803)");
}

}  // namespace
}  // namespace qwen3_tts
