#include "program/weight_cache.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <qwen3_tts/engine.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/runtime_log.h"
#include "session_testing.h"
#include "temp_folder.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;
using testing::model_path;
using testing::read_bytes;
using testing::Utterance;
using testing::write_bytes;

constexpr size_t kFooterBytes = 20;
constexpr size_t kSealBytes = 40;

Result<std::unique_ptr<Engine>> create(const std::string& model, const std::string& cache, bool is_fused = true) {
  EngineOptions options;
  options.model_path = model_path(model);
  options.weight_cache = cache;
  options.fused_code_predictor = is_fused;
  auto engine = Engine::create(options);
  if (!engine.ok()) {
    return engine;
  }
  Status status = (*engine)->preload(Workload::kSpeech);
  return status.ok() ? std::move(engine) : status.error();
}

Utterance speak(Engine& engine) {
  const auto session = testing::must(engine.create_session());
  SynthesisRequest request = testing::request("Hello there, how are you?");
  if (!engine.metadata().speakers.empty()) {
    request.speaker = engine.metadata().speakers.begin()->first;
  }
  return testing::speak(*session, request, testing::options(12));
}

Utterance speak(const std::string& model, const std::string& cache, bool is_fused = true) {
  return speak(*testing::must(create(model, cache, is_fused)));
}

/// How often the file at `path` is part of this process's memory. Linux names every mapping's file.
int num_mappings(const std::string& path) {
  int count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const bool is_it = line.size() > path.size() && line.compare(line.size() - path.size(), path.size(), path) == 0;
    count += is_it ? 1 : 0;
  }
  return count;
}

class WeightCacheTest : public ::testing::Test {
 protected:
  /// Creating an engine fails with these words, and what is at `path` stays as it is.
  void expect_refused(const std::string& path, ErrorCode code, const std::string& words) {
    std::error_code unreachable;
    const bool is_file = fs::is_regular_file(path, unreachable);
    const std::string before = is_file ? read_bytes(path) : "";
    const auto engine = create("tiny-base", path);
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, code);
    EXPECT_NE(engine.error().message.find(path), std::string::npos) << engine.error().message;
    EXPECT_NE(engine.error().message.find(words), std::string::npos) << engine.error().message;
    EXPECT_EQ(fs::is_regular_file(path, unreachable), is_file);
    EXPECT_TRUE(!is_file || read_bytes(path) == before);
  }

  size_t num_files() const {
    const fs::directory_iterator files(fs::path(cache_).parent_path());
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  const testing::TempFolder folder_;
  const std::string cache_ = folder_.file("weights.cache");
};

class WeightCacheOfModelTest : public WeightCacheTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(WeightCacheOfModelTest, SamplesAreTheSameWithoutColdAndWarm) {
  const Utterance without = speak(GetParam(), "");
  EXPECT_GT(without.samples.size(), 0u);
  testing::expect_equal(without, speak(GetParam(), cache_));
  const std::string made = read_bytes(cache_);
  testing::expect_equal(without, speak(GetParam(), cache_));
  EXPECT_TRUE(read_bytes(cache_) == made);
  EXPECT_EQ(num_files(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Models, WeightCacheOfModelTest, ::testing::Values("tiny-base", "tiny-customvoice-balanced"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(WeightCacheTest, WeightsAreMappedFromTheFile) {
  for (const char* state : {"cold", "warm"}) {
    const auto engine = testing::must(create("tiny-base", cache_));
    EXPECT_EQ(num_mappings(cache_), 1) << state;
  }
  EXPECT_EQ(num_mappings(cache_), 0);
}

TEST_F(WeightCacheTest, StepwiseEngineMayUseAFusedOnesFile) {
  const Utterance fused = speak("tiny-base", cache_);
  const Utterance stepwise = speak("tiny-base", cache_, /*is_fused=*/false);
  EXPECT_EQ(fused.codes, stepwise.codes);
  testing::expect_equal(stepwise, speak("tiny-base", "", /*is_fused=*/false));
}

/// What is being made has no name yet, so that a process that is killed leaves nothing.
TEST_F(WeightCacheTest, NothingIsThereBeforeItIsComplete) {
  auto cache = testing::must(WeightCache::open(cache_, model_path("tiny-base")));
  ASSERT_FALSE(cache.is_made());
  EXPECT_TRUE(folder_.is_empty());
}

TEST_F(WeightCacheTest, DamagedFileIsMadeAgain) {
  const Utterance expected = speak("tiny-base", cache_);
  const std::string whole = read_bytes(cache_);
  const size_t seal = whole.size() - kFooterBytes - kSealBytes;
  // Weights, index, version, key, checksum and footer.
  for (const size_t at : {size_t{0}, whole.size() / 2, seal - 1, seal + 7, seal + 8, seal + 24, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_bytes(cache_, damaged);
    testing::expect_equal(expected, speak("tiny-base", cache_));
    EXPECT_EQ(read_bytes(cache_).size(), whole.size()) << at;
    EXPECT_TRUE(read_bytes(cache_) != damaged) << at;
  }
}

TEST_F(WeightCacheTest, AnotherModelsFileIsMadeAgainAndStaysMappedWhereItIsInUse) {
  const auto engine = testing::must(create("tiny-base", cache_));
  const Utterance before = speak(*engine);
  testing::expect_equal(speak("tiny-customvoice", ""), speak("tiny-customvoice", cache_));
  testing::expect_equal(before, speak(*engine));
  testing::expect_equal(before, speak("tiny-base", cache_));
}

TEST_F(WeightCacheTest, EnginesOfOneProcessShareTheFile) {
  const auto first = testing::must(create("tiny-base", cache_));
  const auto second = testing::must(create("tiny-base", cache_));
  EXPECT_EQ(num_mappings(cache_), 2);
  const Utterance expected = speak("tiny-base", "");
  testing::expect_equal(expected, speak(*second));
  testing::expect_equal(expected, speak(*first));
}

TEST_F(WeightCacheTest, CutFileIsRefused) {
  const auto engine = create("tiny-base", cache_);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  const std::string whole = read_bytes(cache_);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{61}, size_t{60}, size_t{1}}) {
    write_bytes(folder_.file("cut.cache"), whole.substr(0, size));
    expect_refused(folder_.file("cut.cache"), ErrorCode::kInvalidArgument, "only a part of one");
  }
}

TEST_F(WeightCacheTest, FilesOfOthersAreRefused) {
  ASSERT_TRUE(create("tiny-base", cache_).ok());
  std::string without_seal = read_bytes(cache_);
  without_seal.erase(without_seal.size() - kFooterBytes - kSealBytes, kSealBytes);
  for (const std::string& content : {std::string(), std::string("my diary"), std::string(100000, '\0'), without_seal}) {
    write_bytes(folder_.file("diary.txt"), content);
    expect_refused(folder_.file("diary.txt"), ErrorCode::kInvalidArgument,
                   "is left as it is; delete it or name another");
  }
}

TEST_F(WeightCacheTest, ModelItselfIsRefused) {
  expect_refused(model_path("tiny-base"), ErrorCode::kInvalidArgument, "no weight cache");
}

TEST_F(WeightCacheTest, PathsThatCannotHoldAFileAreRefused) {
  const std::string pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  write_bytes(folder_.file("file"), "x");
  expect_refused(fs::path(pipe).parent_path(), ErrorCode::kInvalidArgument, "not a regular file");
  expect_refused(pipe, ErrorCode::kInvalidArgument, "not a regular file");
  expect_refused("/dev/null", ErrorCode::kInvalidArgument, "not a regular file");
  expect_refused(folder_.file("none/weights.cache"), ErrorCode::kIo, "name a weight cache that can be written");
  expect_refused(folder_.file("file/weights.cache"), ErrorCode::kIo, "Not a directory");
  expect_refused(folder_.file(std::string(300, 'x')), ErrorCode::kIo, "File name too long");
}

TEST_F(WeightCacheTest, PathMayBeLong) {
  const std::string folder = folder_.file(std::string(200, 'a') + "/" + std::string(200, 'b'));
  fs::create_directories(folder);
  const Utterance cold = speak("tiny-base", folder + "/weights.cache");
  const auto engine = testing::must(create("tiny-base", folder + "/weights.cache"));
  EXPECT_EQ(num_mappings(folder + "/weights.cache"), 1);
  testing::expect_equal(cold, speak(*engine));
}

TEST_F(WeightCacheTest, LockedFileIsRefused) {
  ASSERT_TRUE(create("tiny-base", cache_).ok());
  const FileDescriptor file(::open(cache_.c_str(), O_RDWR));
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  expect_refused(cache_, ErrorCode::kInvalidArgument, "locked");
}

TEST_F(WeightCacheTest, ModelWithoutPackedWeightsIsRefused) {
  const auto engine = create("tiny-base-portable", cache_);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message.find("packed no weights"), std::string::npos) << engine.error().message;
  EXPECT_TRUE(folder_.is_empty());
}

/// A disk of 64 kB at `path`, where this user can mount one.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    fs::create_directory(path_);
    is_mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=64k") == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) {
      ::umount(path_.c_str());
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_mounted() const { return is_mounted_; }
  bool make_read_only() const {
    return ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=64m") == 0;
  }
  bool grow() const { return ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, "size=64m") == 0; }

 private:
  std::string path_;
  bool is_mounted_;
};

TEST_F(WeightCacheTest, FullDiskIsAnError) {
  const SmallDisk disk(folder_.file("disk"));
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "this user cannot mount a small disk";
  }
  expect_refused(folder_.file("disk/weights.cache"), ErrorCode::kIo, "a weight cache is not needed");
  EXPECT_TRUE(fs::is_empty(folder_.file("disk")));
}

TEST_F(WeightCacheTest, ReadOnlyDiskServesWhatItHas) {
  const SmallDisk disk(folder_.file("disk"));
  if (!disk.is_mounted()) {
    GTEST_SKIP() << "this user cannot mount a small disk";
  }
  ASSERT_TRUE(disk.grow());
  const std::string cache = folder_.file("disk/weights.cache");
  const Utterance cold = speak("tiny-base", cache);
  ASSERT_TRUE(disk.make_read_only());
  {
    const auto engine = testing::must(create("tiny-base", cache));
    EXPECT_EQ(num_mappings("/weights.cache"), 1);
    testing::expect_equal(cold, speak(*engine));
  }
  expect_refused(folder_.file("disk/other.cache"), ErrorCode::kIo, "Read-only file system");
  const auto other = create("tiny-customvoice", cache);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().message.find("name a weight cache that can be written"), std::string::npos);
}

TEST_F(WeightCacheTest, RefusedWritesAreNotRememberedAsErrors) {
  const auto cold = create("tiny-base", cache_);
  ASSERT_TRUE(cold.ok());
  EXPECT_EQ(take_runtime_error(), "");
  ASSERT_TRUE(create("tiny-base", cache_).ok());
  EXPECT_EQ(take_runtime_error(), "");
}

// ---------------------------------------------------------------------------------------------------------------------
// Several processes

pid_t start_process(std::string cache, std::string output) {
  std::string program = fs::read_symlink("/proc/self/exe").replace_filename("weight_cache_process");
  std::string model = model_path("tiny-base");
  char* arguments[] = {program.data(), model.data(), cache.data(), output.data(), nullptr};
  pid_t child = -1;
  EXPECT_EQ(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ), 0);
  return child;
}

TEST_F(WeightCacheTest, ProcessesMayMakeAndUseTheFileAtOnce) {
  constexpr int kNumChildren = 4;
  const std::string without = folder_.file("without");
  const auto wait_for = [](pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  };
  wait_for(start_process("", without));
  ASSERT_GT(fs::file_size(without), 0u);
  for (const char* round : {"cold", "warm"}) {
    std::vector<pid_t> children;
    for (int i = 0; i < kNumChildren; ++i) {
      children.push_back(start_process(cache_, folder_.file(round + std::to_string(i))));
    }
    for (int i = 0; i < kNumChildren; ++i) {
      wait_for(children[static_cast<size_t>(i)]);
      EXPECT_TRUE(read_bytes(folder_.file(round + std::to_string(i))) == read_bytes(without)) << round << i;
    }
  }
  EXPECT_EQ(num_files(), 2u + 2 * kNumChildren);  // No temporary file is left.
}

}  // namespace
}  // namespace qwen3_tts
