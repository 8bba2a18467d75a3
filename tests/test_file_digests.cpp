#include "program/file_digests.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/model_info.h>
#include <sys/stat.h>

#include "edited_model.h"
#include "program/verification.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::model_path;
using testing::must;

class FileDigestsTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::copy_file(model_path(kModel), path_); }

  static constexpr char kModel[] = "tiny-customvoice-small";

  /// Changes one bit, and the file's time with it.
  void flip(uint64_t at) const {
    std::string bytes = testing::read_bytes(path_);
    bytes.at(at) = static_cast<char>(bytes[at] ^ 4);
    testing::write_bytes(path_, bytes);
  }

  Status create(Verify when) const {
    EngineOptions options;
    options.model_path = path_;
    options.verify = when;
    const auto engine = Engine::create(options);
    return engine.ok() ? Status() : engine.error();
  }

  void expect_damaged(const Status& status, const std::string& words) const {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidModel);
    const std::string& message = status.error().message;
    EXPECT_NE(message.find("'" + path_ + "'"), std::string::npos) << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
    EXPECT_NE(message.find("copy or export it again"), std::string::npos) << message;
  }

  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("model.pte");
};

/// What Python wrote is what C++ reads: whole blocks, and a shorter last one.
TEST_F(FileDigestsTest, AnExportIsWhole) {
  const auto digests = must(FileDigests::read(path_));
  ASSERT_TRUE(digests.has_value());
  EXPECT_GT(digests->size(), uint64_t{1} << 20);
  EXPECT_TRUE(digests->check(digests->size()).ok());
  EXPECT_EQ(std::filesystem::file_size(path_), digests->size() + 8 * (digests->size() / (1 << 20) + 1) + 24);
}

TEST_F(FileDigestsTest, EveryDamagedByteIsNoticedBeforeAnythingIsLoaded) {
  const std::string whole = testing::read_bytes(path_);
  const uint64_t size = must(FileDigests::read(path_))->size();
  std::mt19937_64 random(whole.size());
  std::vector<uint64_t> places = {
      0, 8, 63, (1 << 20) - 1, 1 << 20, size - 1, size, whole.size() - 24, whole.size() - 16, whole.size() - 1};
  for (int i = 0; i < 15; ++i) {
    places.push_back(random() % whole.size());
  }
  for (const uint64_t at : places) {
    testing::write_bytes(path_, whole);
    flip(at);
    expect_damaged(create(Verify::kAlways), "damaged");
  }
}

TEST_F(FileDigestsTest, DamageIsNamed) {
  flip((1 << 20) + 5);
  const std::string block = "its bytes 1048576 to " + std::to_string(must(FileDigests::read(path_))->size() - 1);
  expect_damaged(create(Verify::kOnce), block + " are not what was exported");
}

/// A model that lost its digests, or a part of them, with its program whole.
TEST_F(FileDigestsTest, WithoutDigestsAModelIsRefused) {
  const std::string whole = testing::read_bytes(path_);
  const uint64_t size = must(FileDigests::read(path_))->size();
  for (const uint64_t end : {size, size + 8, static_cast<uint64_t>(whole.size() - 1)}) {
    testing::write_bytes(path_, whole.substr(0, end));
    expect_damaged(create(Verify::kOnce), "ends without the digests of its bytes");
  }
  EXPECT_TRUE(create(Verify::kNever).ok());
}

/// A size that would lie about where the digests are.
TEST_F(FileDigestsTest, SizesAreChecked) {
  const std::string whole = testing::read_bytes(path_);
  for (const uint64_t size : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0}, uint64_t{whole.size()}}) {
    std::string bytes = whole;
    std::memcpy(&bytes[whole.size() - 24], &size, sizeof(size));
    testing::write_bytes(path_, bytes);
    expect_damaged(create(Verify::kOnce), "its digests are of another size");
  }
}

TEST_F(FileDigestsTest, EditedModelWithNewDigestsIsNotDamaged) {
  testing::write_bytes(path_, testing::with_new_digests(testing::read_bytes(path_)));
  EXPECT_EQ(testing::read_bytes(path_), testing::read_bytes(model_path(kModel)));
  EXPECT_TRUE(create(Verify::kAlways).ok());
}

/// Damage that the file system does not tell of, as of a disk: the same times.
TEST_F(FileDigestsTest, OnceRemembersAFileByWhatTheFileSystemSaysOfIt) {
  ASSERT_TRUE(verify(path_, Verify::kOnce, Extent::kFile).ok());
  const auto before = must(FileDigests::read(path_))->identity();
  ASSERT_TRUE(verify(path_, Verify::kOnce, Extent::kFile).ok());
  flip(1000);
  EXPECT_NE(must(FileDigests::read(path_))->identity(), before);
  expect_damaged(verify(path_, Verify::kOnce, Extent::kFile), "are not what was exported");
  EXPECT_TRUE(verify(path_, Verify::kNever, Extent::kFile).ok());
}

/// Weights may be gigabytes, and --list_speakers needs none.
TEST_F(FileDigestsTest, ADescriptionNeedsTheProgramAlone) {
  const uint64_t last = must(FileDigests::read(path_))->size() - 1;
  flip(last);
  EXPECT_TRUE(read_model_info(path_).ok());
  EXPECT_FALSE(create(Verify::kOnce).ok());
  flip(last);
  flip(200);
  const auto info = read_model_info(path_);
  expect_damaged(info.ok() ? Status() : info.error(), "its bytes 0 to 1048575");
}

TEST_F(FileDigestsTest, WhatIsNoFileHasNone) {
  EXPECT_FALSE(must(FileDigests::read(folder_.file("."))).has_value());
  ASSERT_EQ(::mkfifo(folder_.file("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(must(FileDigests::read(folder_.file("pipe"))).has_value()) << "and nobody waits for its writer";
  testing::write_bytes(folder_.file("short"), "Q3TTSXX1");
  EXPECT_FALSE(must(FileDigests::read(folder_.file("short"))).has_value());
  EXPECT_EQ(FileDigests::read(folder_.file("none")).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace qwen3_tts
