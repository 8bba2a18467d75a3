#include "program/cuda_contract.h"

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

TEST(CudaContractTest, ReadsWhatTheExportWrites) {
  const auto contract = CudaContract::parse(
      R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 3, "int4": true,
          "static_methods": ["talker", "frame"]})");
  ASSERT_TRUE(contract.ok()) << contract.error().message;
  EXPECT_EQ(contract->gpu_arch, "sm_90");
  EXPECT_EQ(contract->dtype, "bf16");
  EXPECT_EQ(contract->batch, 3);
  EXPECT_TRUE(contract->int4);
  EXPECT_EQ(contract->static_methods, (std::vector<std::string>{"talker", "frame"}));
}

struct Broken {
  const char* json;
  const char* message;
};

void PrintTo(const Broken& broken, std::ostream* stream) { *stream << broken.json; }

class BrokenCudaContractTest : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenCudaContractTest, IsRefused) {
  const auto contract = CudaContract::parse(GetParam().json);
  ASSERT_FALSE(contract.ok());
  EXPECT_EQ(contract.error().code, ErrorCode::kInvalidModel);
  EXPECT_NE(contract.error().message.find(GetParam().message), std::string::npos) << contract.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Values, BrokenCudaContractTest,
    ::testing::Values(
        Broken{"", "not a valid JSON object"}, Broken{"[]", "not a valid JSON object"},
        Broken{"{}", "'version' is missing, this runner reads version 4"},
        Broken{R"({"version": 3, "gpu_arch": "sm_90", "dtype": "bf16", "static_methods": []})", "'version' is 3"},
        Broken{R"({"version": 4, "dtype": "bf16", "static_methods": []})", "'gpu_arch' must be a non-empty string"},
        Broken{R"({"version": 4, "gpu_arch": 90, "dtype": "bf16", "static_methods": []})", "'gpu_arch' must be"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "", "static_methods": []})", "'dtype' must be"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "static_methods": []})",
               "'batch' must be a whole"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 0, "static_methods": []})",
               "'batch' must"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 33, "static_methods": []})", "1 to 32"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 1, "static_methods": []})",
               "'int4' must be true or false"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 1, "int4": 1, "static_methods": []})",
               "'int4' must be"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "bf16", "batch": 1, "int4": false})",
               "'static_methods' must be a list"},
        Broken{R"({"version": 4, "gpu_arch": "sm_90", "dtype": "b", "batch": 1, "int4": true, "static_methods": [1]})",
               "list of names"},
        Broken{R"({"version": 4, "gpu_arch": "s", "dtype": "b", "batch": 1, "int4": true, "static_methods": ["a,b"]})",
               "list of names"}));

}  // namespace
}  // namespace qwen3_tts
