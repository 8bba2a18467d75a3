#include <qwen3_tts/engine.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "edited_model.h"
#include "session_testing.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using std::string_literals::operator""s;
using testing::model_path;

Error create_error(const std::string& path) {
  EngineOptions options;
  options.model_path = path;
  const auto engine = Engine::create(options);
  EXPECT_FALSE(engine.ok());
  return engine.ok() ? Error{ErrorCode::kInvalidState, ""} : engine.error();
}

/// A model's `bytes` with its only `from` (of the same length) replaced.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(bytes.find(from, at + 1), std::string::npos) << from;
  return at == std::string::npos ? bytes : testing::with_new_digests(bytes.replace(at, from.size(), to));
}

/// The tokenizer.json of the checkpoint that the model was made of.
std::string checkpoint_tokenizer(const std::string& size) {
  return (std::filesystem::path(model_path(size)).parent_path() / "checkpoints" / size / "tokenizer.json").string();
}

testing::Utterance speak(Engine& engine, const SynthesisRequest& request) {
  return testing::speak(*testing::must(engine.create_session()), request, testing::options(8));
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
  for (const size_t size : {whole.size() - 1, whole.size() - 1000, whole.size() / 2, size_t{64}}) {
    testing::write_bytes(path, whole.substr(0, size));
    expect_refused(path, ErrorCode::kInvalidModel, "truncated");
  }
}

TEST_F(EngineTest, DamagedProgramIsNoModel) {
  std::string bytes = testing::read_bytes(model_path("tiny-base"));
  std::fill(bytes.begin() + 100, bytes.begin() + 4000, '\x7f');
  const std::string path = folder_.file("damaged.pte");
  testing::write_bytes(path, testing::with_new_digests(bytes));
  expect_refused(path, ErrorCode::kInvalidModel, "the program is damaged");
}

TEST_F(EngineTest, ModelDescribesItself) {
  const auto engine = testing::make_engine("tiny-base");
  EXPECT_EQ(engine->metadata().model_type, "base");
  EXPECT_EQ(engine->metadata().num_code_groups, 6);
  EXPECT_GT(engine->load_ms(), 0);
}

TEST_F(EngineTest, OldContractNamesBothVersions) {
  const std::string path = folder_.file("old.pte");
  testing::write_bytes(path, replaced(testing::read_bytes(model_path("tiny-base")), "\"contract_version\": 3",
                                      "\"contract_version\": 0"));
  expect_refused(path, ErrorCode::kInvalidModel, "contract_version 0, this runner reads version 3; re-export");
}

TEST_F(EngineTest, OtherProgramsAreNamed) {
  const std::string whole = testing::read_bytes(model_path("tiny-base"));
  const std::string path = folder_.file("other.pte");
  // Names of the same length, so that the file stays whole.
  testing::write_bytes(path, replaced(whole, "\x08\0\0\0contract\0"s, "\x08\0\0\0kontrakt\0"s));
  expect_refused(path, ErrorCode::kInvalidModel, "not a Qwen3-TTS model (it has no 'contract'); give the model.pte");
  testing::write_bytes(path, replaced(whole, "\x06\0\0\0talker\0"s, "\x06\0\0\0talkie\0"s));
  expect_refused(path, ErrorCode::kInvalidModel, "no method 'talker'; re-export");
}

TEST_F(EngineTest, ContractThatDoesNotFitTheMethodsIsRefused) {
  const std::string whole = testing::read_bytes(model_path("tiny-base"));
  const std::string path = folder_.file("damaged.pte");
  testing::write_bytes(path, replaced(whole, "\"max_seq_len\": 2560", "\"max_seq_len\": 9999"));
  expect_refused(path, ErrorCode::kInvalidModel, "input 4 of method 'talker'");
}

TEST_F(EngineTest, TokenizerWithMoreIdsThanTextRowsIsRefused) {
  std::string bytes = testing::read_bytes(model_path("tiny-base"));
  const size_t num_ids = bytes.find("Q3TTSTOK") + 12;
  bytes[num_ids + 1] = 0x7f;  // Of 2403 or so.
  const std::string path = folder_.file("ids.pte");
  testing::write_bytes(path, testing::with_new_digests(bytes));
  expect_refused(path, ErrorCode::kInvalidModel, "for 2560 text rows; re-export");
}

TEST_F(EngineTest, ModelInfoSaysWhatIsInTheFile) {
  const auto info = testing::must(read_model_info(model_path("tiny-base")));
  EXPECT_EQ(info.file_bytes, static_cast<int64_t>(std::filesystem::file_size(model_path("tiny-base"))));
  EXPECT_EQ(info.metadata.model_type, "base");
  EXPECT_EQ(info.metadata.contract_version, 3);
  EXPECT_EQ(info.metadata.recipe.at("backend"), "xnnpack");
  EXPECT_EQ(info.metadata.recipe.at("group_size"), "32");
}

/// The manifest is written by Python, which reads the file by other means.
TEST_F(EngineTest, ModelInfoEqualsTheManifest) {
  for (const char* name : {"tiny-base", "tiny-base-portable", "tiny-customvoice-balanced", "tiny-mtp"}) {
    const auto info = testing::must(read_model_info(model_path(name)));
    std::string manifest = model_path(name);
    manifest.replace(manifest.size() - 4, 4, ".manifest.json");
    const auto methods = nlohmann::json::parse(testing::read_bytes(manifest)).at("methods");
    EXPECT_EQ(info.methods.size(), methods.size());
    for (const MethodInfo& method : info.methods) {
      EXPECT_EQ(method.inputs, methods.at(method.name).at("inputs").get<std::vector<std::string>>()) << method.name;
      EXPECT_EQ(method.outputs, methods.at(method.name).at("outputs").get<std::vector<std::string>>()) << method.name;
    }
  }
}

TEST_F(EngineTest, ModelInfoRefusesWhatAnEngineRefuses) {
  const auto missing = read_model_info(folder_.file("none.pte"));
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  testing::write_bytes(folder_.file("foreign.pte"), std::string(5000, 'x'));
  const auto foreign = read_model_info(folder_.file("foreign.pte"));
  ASSERT_FALSE(foreign.ok());
  EXPECT_NE(foreign.error().message.find("not an ExecuTorch program"), std::string::npos) << foreign.error().message;
}

TEST_F(EngineTest, TokenizerFileIsRead) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  options.tokenizer_path = checkpoint_tokenizer("tiny-base");
  const auto request = testing::request("Hello there. It's 3 o'clock, 你好!");
  const auto from_tables = testing::make_engine("tiny-base");
  const auto from_file = testing::must(Engine::create(options));
  testing::expect_equal(speak(*from_tables, request), speak(*from_file, request));
}

TEST_F(EngineTest, BadTokenizerFileIsNamed) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  for (const auto& [content, words] :
       {std::pair("[1, 2]", "not a valid JSON object"), std::pair("{}", "normalizer must be that of Qwen2")}) {
    options.tokenizer_path = folder_.file("tokenizer.json");
    testing::write_bytes(options.tokenizer_path, content);
    const auto engine = Engine::create(options);
    ASSERT_FALSE(engine.ok());
    EXPECT_NE(engine.error().message.find(options.tokenizer_path), std::string::npos) << engine.error().message;
    EXPECT_NE(engine.error().message.find(words), std::string::npos) << engine.error().message;
  }
  options.tokenizer_path = folder_.file("none.json");
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::kIo);
}

TEST_F(EngineTest, EnginesWithTheSameNumberOfThreadsWorkTogether) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  // What the other tests of a process take.
  options.num_threads = static_cast<int32_t>(std::thread::hardware_concurrency());
  const auto first = testing::must(Engine::create(options));
  const auto second = testing::must(Engine::create(options));
  const auto request = testing::request("Hello.");
  testing::expect_equal(speak(*first, request), speak(*second, request));
}

TEST_F(EngineTest, FirstEngineOfAProcessChoosesTheThreads) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  ASSERT_TRUE(Engine::create(options).ok());
  options.num_threads = 1000;
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(engine.error().message.find("threads is 1000"), std::string::npos) << engine.error().message;
  options.num_threads = 0;
  EXPECT_TRUE(Engine::create(options).ok());
}

TEST_F(EngineTest, ProfileIsWhatRanSinceItWasStarted) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  options.profile = true;
  const auto engine = testing::must(Engine::create(options));
  const auto request = testing::request("Hello.");
  const std::string path = folder_.file("a.etdp");
  const auto plain = speak(*testing::make_engine("tiny-base"), request);
  testing::expect_equal(speak(*engine, request), plain);
  ASSERT_TRUE(engine->write_profile(path).ok());
  const auto first_bytes = std::filesystem::file_size(path);
  const Status nothing = engine->write_profile(folder_.file("none.etdp"));
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, ErrorCode::kInvalidState);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("none.etdp")));
  speak(*engine, request);
  engine->start_profile();
  speak(*engine, request);
  ASSERT_TRUE(engine->write_profile(path).ok());
  // Less than the first one, which also loaded the methods and read the prefix; two utterances would be more.
  EXPECT_LT(std::filesystem::file_size(path), first_bytes);
  EXPECT_GT(std::filesystem::file_size(path), first_bytes / 2);
}

TEST_F(EngineTest, ProfileThatWasNotAskedForIsRefused) {
  const auto engine = testing::make_engine("tiny-base");
  engine->start_profile();
  const Status status = engine->write_profile(folder_.file("a.etdp"));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidState);
  EXPECT_NE(status.error().message.find("EngineOptions::profile"), std::string::npos) << status.error().message;
}

TEST_F(EngineTest, ThreadsOutOfRangeAreRefused) {
  EngineOptions options;
  options.model_path = model_path("tiny-base");
  for (const int32_t num_threads :
       {-1, 1025, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
    options.num_threads = num_threads;
    const auto engine = Engine::create(options);
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(engine.error().message,
              "the number of threads is " + std::to_string(num_threads) + "; give 0 (all cores) to 1024");
  }
}

}  // namespace
}  // namespace qwen3_tts
