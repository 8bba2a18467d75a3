#include "program/runtime_log.h"

#include <string>
#include <thread>

#include <executorch/runtime/platform/log.h>
#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

class RuntimeLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    capture_runtime_log();
    clear_runtime_error();
  }
};

TEST_F(RuntimeLogTest, FirstErrorIsTheCause) {
  ET_LOG(Info, "loading");
  ET_LOG(Error, "the file ends at byte %d", 7);
  ET_LOG(Error, "the program cannot be loaded");
  EXPECT_EQ(take_runtime_error(), "the file ends at byte 7");
  EXPECT_EQ(take_runtime_error(), "");
}

TEST_F(RuntimeLogTest, ClearedErrorIsForgotten) {
  ET_LOG(Error, "of the call before");
  clear_runtime_error();
  ET_LOG(Error, "of this call");
  EXPECT_EQ(take_runtime_error(), "of this call");
}

TEST_F(RuntimeLogTest, BytesThatAreNoTextAreReplaced) {
  ET_LOG(Error, "no method \x01\xff\n here");
  EXPECT_EQ(take_runtime_error(), "no method ??? here");
}

TEST_F(RuntimeLogTest, LongErrorIsCutAndStaysOneError) {
  const std::string words(300, 'x');
  ET_LOG(Error, "%s", words.c_str());
  ET_LOG(Error, "echo");
  const std::string error = take_runtime_error();
  EXPECT_GT(error.size(), 200U);
  EXPECT_EQ(words.compare(0, error.size(), error), 0) << error;
}

TEST_F(RuntimeLogTest, ThreadsKeepTheirErrorsApart) {
  ET_LOG(Error, "of the first thread");
  std::string before;
  std::string own;
  std::thread second([&] {
    before = take_runtime_error();
    clear_runtime_error();
    ET_LOG(Error, "of the second thread");
    own = take_runtime_error();
    ET_LOG(Error, "that nobody asks for");
  });
  second.join();
  EXPECT_EQ(before, "");
  EXPECT_EQ(own, "of the second thread");
  EXPECT_EQ(take_runtime_error(), "of the first thread");
}

}  // namespace
}  // namespace qwen3_tts
