#include <qwen3_tts/engine.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::model_path;

Error create_error(const std::string& path) {
  EngineOptions options;
  options.model_path = path;
  const auto engine = Engine::create(options);
  EXPECT_FALSE(engine.ok());
  return engine.ok() ? Error{ErrorCode::kInvalidState, ""} : engine.error();
}

class EngineTest : public ::testing::Test {
 protected:
  void expect_refused(const std::string& path, ErrorCode code, const std::string& words) {
    const Error error = create_error(path);
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message.find(path), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(words), std::string::npos) << error.message;
  }

  const testing::TempFolder folder_;
};

TEST_F(EngineTest, MissingFileIsAnIoError) { expect_refused(folder_.file("none.pte"), ErrorCode::kIo, "No such file"); }

TEST_F(EngineTest, FolderIsAnIoError) {
  const std::string path = folder_.file("folder.pte");
  std::filesystem::create_directory(path);
  expect_refused(path, ErrorCode::kIo, "not a regular file");
}

TEST_F(EngineTest, EmptyFileIsNoModel) {
  const std::string path = folder_.file("empty.pte");
  testing::write_bytes(path, "");
  expect_refused(path, ErrorCode::kInvalidModel, "empty");
}

TEST_F(EngineTest, ForeignFileIsNoModel) {
  const std::string path = folder_.file("foreign.pte");
  testing::write_bytes(path, std::string(5000, 'x'));
  expect_refused(path, ErrorCode::kInvalidModel, "not an ExecuTorch program");
}

TEST_F(EngineTest, TruncatedFileIsNoModel) {
  const std::string whole = testing::read_bytes(model_path("tiny-base"));
  const std::string path = folder_.file("truncated.pte");
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{64}}) {
    testing::write_bytes(path, whole.substr(0, size));
    expect_refused(path, ErrorCode::kInvalidModel, "truncated");
  }
}

TEST_F(EngineTest, DamagedProgramIsNoModel) {
  std::string bytes = testing::read_bytes(model_path("tiny-base"));
  std::fill(bytes.begin() + 100, bytes.begin() + 4000, '\x7f');
  const std::string path = folder_.file("damaged.pte");
  testing::write_bytes(path, bytes);
  expect_refused(path, ErrorCode::kInvalidModel, "damaged");
}

TEST_F(EngineTest, ModelDescribesItself) {
  const auto engine = testing::make_engine("tiny-base");
  EXPECT_EQ(engine->metadata().model_type, "base");
  EXPECT_EQ(engine->metadata().num_code_groups, 16);
  EXPECT_GT(engine->load_ms(), 0);
}

TEST_F(EngineTest, FirstEngineOfAProcessChoosesTheThreads) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  ASSERT_TRUE(Engine::create(options).ok());
  options.num_threads = 1000;
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(engine.error().message.find("num_threads is 1000"), std::string::npos) << engine.error().message;
  options.num_threads = 0;
  EXPECT_TRUE(Engine::create(options).ok());
}

TEST_F(EngineTest, NegativeThreadsAreRefused) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  options.num_threads = -1;
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace qwen3_tts
