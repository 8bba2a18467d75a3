#include "audio/codes_file.h"

#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "temp_folder.h"
#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

using testing::read_bytes;
using testing::write_bytes;

/// 4 code groups of 8 codes.
class CodesFileTest : public ::testing::Test {
 protected:
  const ModelMetadata metadata_ = testing::tiny_metadata();
  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("a.codes");
  const std::vector<int64_t> codes_ = {0, 1, 2, 3, 4, 5, 6, 7, 7, 0, 7, 0};

  static std::string ints(const std::vector<int32_t>& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t));
  }

  void expect_refused(const std::string& bytes, const std::string& word) {
    write_bytes(path_, bytes);
    const auto codes = read_codes_file(path_, metadata_);
    ASSERT_FALSE(codes.ok());
    EXPECT_EQ(codes.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(codes.error().message.find(path_), std::string::npos) << codes.error().message;
    EXPECT_NE(codes.error().message.find(word), std::string::npos) << codes.error().message;
  }
};

TEST_F(CodesFileTest, RoundTrip) {
  ASSERT_TRUE(write_codes_file(path_, codes_, metadata_).ok());
  EXPECT_EQ(read_bytes(path_), ints({3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 7, 0, 7, 0}));
  const auto codes = read_codes_file(path_, metadata_);
  ASSERT_TRUE(codes.ok()) << codes.error().message;
  EXPECT_EQ(*codes, codes_);
}

TEST_F(CodesFileTest, EmptyUtteranceRoundTrip) {
  ASSERT_TRUE(write_codes_file(path_, {}, metadata_).ok());
  const auto codes = read_codes_file(path_, metadata_);
  ASSERT_TRUE(codes.ok()) << codes.error().message;
  EXPECT_TRUE(codes->empty());
}

TEST_F(CodesFileTest, EveryOtherSizeIsRefused) {
  const std::string bytes = ints({2, 4, 0, 1, 2, 3, 4, 5, 6, 7});
  for (size_t size = 0; size < bytes.size(); ++size) {
    expect_refused(bytes.substr(0, size), "bytes");
  }
  expect_refused(bytes + "x", "bytes");
  expect_refused(bytes + ints({0}), "bytes");
  expect_refused(bytes + ints({0, 0, 0, 0}), "bytes");
}

TEST_F(CodesFileTest, ForeignHeadersAreRefused) {
  expect_refused(ints({-1, 4}), "-1 frames");
  expect_refused(ints({0x7fffffff, 4}), "frames");
  expect_refused(ints({0x40000000, 4}), "frames");  // times 4 is 2^32
  expect_refused(ints({1, 16, 0}), "16 code groups");
  expect_refused(ints({1, -4, 0}), "-4 code groups");
  expect_refused("RIFF....WAVE", "code groups");
}

TEST_F(CodesFileTest, CodesOutOfRangeAreRefused) {
  expect_refused(ints({1, 4, 0, 8, 0, 0}), "code 8 of frame 0, group 1");
  expect_refused(ints({2, 4, 0, 0, 0, 0, 0, 0, 0, -1}), "code -1 of frame 1, group 3");
}

TEST_F(CodesFileTest, MissingFileIsAnIoError) {
  const auto codes = read_codes_file(path_, metadata_);
  ASSERT_FALSE(codes.ok());
  EXPECT_EQ(codes.error().code, ErrorCode::kIo);
  EXPECT_NE(codes.error().message.find("No such file"), std::string::npos);
}

TEST_F(CodesFileTest, FolderIsAnIoError) {
  const auto codes = read_codes_file(folder_.file("."), metadata_);
  ASSERT_FALSE(codes.ok());
  EXPECT_EQ(codes.error().code, ErrorCode::kIo);
}

TEST_F(CodesFileTest, BadCodesAreNotWritten) {
  EXPECT_FALSE(write_codes_file(path_, {0, 1, 2}, metadata_).ok());
  EXPECT_FALSE(write_codes_file(path_, {0, 1, 2, 8}, metadata_).ok());
  EXPECT_TRUE(folder_.is_empty());
}

TEST_F(CodesFileTest, FailedWriteLeavesNothingBehind) {
  const std::string taken = folder_.file("folder");
  ASSERT_EQ(::mkdir(taken.c_str(), 0777), 0);
  const Status status = write_codes_file(taken, codes_, metadata_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("not a regular file"), std::string::npos) << status.error().message;
  EXPECT_FALSE(write_codes_file("/dev/null", codes_, metadata_).ok());
  EXPECT_FALSE(write_codes_file(folder_.file("no/such/folder"), codes_, metadata_).ok());
  EXPECT_EQ(::rmdir(taken.c_str()), 0);
  EXPECT_TRUE(folder_.is_empty());
}

TEST_F(CodesFileTest, LinkStaysAndLeadsToTheNewFile) {
  const std::string link = folder_.file("link");
  write_bytes(path_, "old");
  std::filesystem::create_symlink(path_, link);
  ASSERT_TRUE(write_codes_file(link, codes_, metadata_).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*read_codes_file(path_, metadata_), codes_);
}

TEST_F(CodesFileTest, ReplacesAnOldFile) {
  write_bytes(path_, std::string(5000, 'x'));
  ASSERT_TRUE(write_codes_file(path_, codes_, metadata_).ok());
  EXPECT_EQ(read_bytes(path_).size(), 8 + 4 * codes_.size());
}

}  // namespace
}  // namespace qwen3_tts
