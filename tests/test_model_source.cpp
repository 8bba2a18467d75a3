#include "program/model_source.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <qwen3_tts.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/model_info.h>
#include <qwen3_tts/synthesis_session.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "base/file_descriptor.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::must;

constexpr char kModel[] = "tiny-customvoice";
constexpr uint64_t kTail = 1000;

/// A model inside a larger file, as an asset is inside a package.
class ModelSourceTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { put(GetParam(), model_); }

  void put(uint64_t offset, const std::string& model) {
    testing::write_bytes(path_, std::string(offset, 'x') + model + std::string(kTail, 'y'));
    package_ = FileDescriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_GE(package_.get(), 0);
  }

  EngineOptions options() const {
    EngineOptions options;
    options.model_fd = package_.get();
    options.model_offset = GetParam();
    options.model_length = model_.size();
    return options;
  }

  static Error error_of(const EngineOptions& options) {
    const auto engine = Engine::create(options);
    return engine.ok() ? Error{ErrorCode::kExecution, "it was opened"} : engine.error();
  }

  static std::vector<float> speak(Engine& engine) {
    SynthesisRequest request;
    request.text = "Hello there.";
    request.speaker = "ryan";
    SynthesisOptions about;
    about.seed = 7;
    about.max_new_tokens = 12;
    const auto session = must(engine.create_session());
    EXPECT_TRUE(session->start(request, about).ok());
    std::vector<float> samples;
    for (bool is_last = false; !is_last;) {
      const AudioChunk chunk = must(session->next());
      samples.insert(samples.end(), chunk.samples, chunk.samples + chunk.num_samples);
      is_last = chunk.is_last;
    }
    return samples;
  }

  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("package");
  std::string model_ = testing::read_bytes(testing::model_path(kModel));
  FileDescriptor package_;
};

// Pages, and the four bytes to which packages align.
INSTANTIATE_TEST_SUITE_P(Offsets, ModelSourceTest, ::testing::Values(4096, 4));

TEST_P(ModelSourceTest, APartSpeaksAsTheFileDoes) {
  for (const std::string& name : {std::string(kModel), kModel + std::string("-small")}) {
    model_ = testing::read_bytes(testing::model_path(name));
    put(GetParam(), model_);
    const auto engine = must(Engine::create(options()));
    package_ = FileDescriptor();  // The engine has one of its own.
    const std::vector<float> samples = speak(*engine);
    EXPECT_FALSE(samples.empty());
    EXPECT_EQ(samples, speak(*testing::make_engine(name))) << name;
  }
}

TEST_P(ModelSourceTest, APartSaysOfItselfWhatTheFileDoes) {
  const ModelInfo info = must(read_model_info(options()));
  EXPECT_EQ(info.file_bytes, static_cast<int64_t>(model_.size()));
  EXPECT_EQ(info.metadata.speakers, must(read_model_info(testing::model_path(kModel))).metadata.speakers);
}

TEST_P(ModelSourceTest, DigestsAreThoseOfThePart) {
  std::string damaged = model_;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 4);
  put(GetParam(), damaged);
  const Error error = error_of(options());
  EXPECT_EQ(error.code, ErrorCode::kInvalidModel);
  EXPECT_NE(error.message.find("are not what was exported"), std::string::npos) << error.message;
  put(GetParam(), model_);
  EXPECT_TRUE(Engine::create(options()).ok());
}

TEST_P(ModelSourceTest, AWrongPlaceIsNamed) {
  EngineOptions wrong = options();
  wrong.model_offset = std::filesystem::file_size(path_);
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidArgument);
  EXPECT_NE(error_of(wrong).message.find("give offset and length of the model in it"), std::string::npos);

  wrong = options();
  wrong.model_length = model_.size() + kTail + 1;
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidArgument);
  wrong.model_length = ~uint64_t{0};
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidArgument);

  wrong = options();
  wrong.model_offset += 1;
  wrong.model_length -= 1;
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidModel) << "what is there is no program";
  wrong = options();
  wrong.model_length -= 1;
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidModel) << "its digests are cut off";
  wrong.model_length = 0;
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidModel) << "what follows it has no digests";
}

TEST_P(ModelSourceTest, AWrongDescriptorIsNamed) {
  EngineOptions wrong = options();
  package_ = FileDescriptor();
  const Error closed = error_of(wrong);
  EXPECT_EQ(closed.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(closed.message.find("file descriptor " + std::to_string(wrong.model_fd) + " cannot be used"),
            std::string::npos)
      << closed.message;

  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const FileDescriptor from(ends[0]);
  const FileDescriptor to(ends[1]);
  wrong.model_fd = from.get();
  EXPECT_NE(error_of(wrong).message.find("is of no regular file"), std::string::npos);

  wrong.model_fd = -1;
  EXPECT_EQ(error_of(wrong).code, ErrorCode::kInvalidArgument) << "offset and length of nothing";
  put(GetParam(), model_);
  wrong = options();
  wrong.model_path = path_;
  EXPECT_NE(error_of(wrong).message.find("the model is given twice"), std::string::npos);
}

TEST_P(ModelSourceTest, AWeightCacheIsThatOfThePart) {
  EngineOptions cached = options();
  cached.weight_cache = folder_.file("weights.cache");
  const std::vector<float> samples = speak(*must(Engine::create(cached)));
  ASSERT_TRUE(std::filesystem::exists(cached.weight_cache));
  const auto made = std::filesystem::last_write_time(cached.weight_cache);
  EXPECT_EQ(speak(*must(Engine::create(cached))), samples);
  cached.model_fd = -1;
  cached.model_offset = 0;
  cached.model_length = 0;
  cached.model_path = testing::model_path(kModel);
  EXPECT_EQ(speak(*must(Engine::create(cached))), samples);
  EXPECT_EQ(std::filesystem::last_write_time(cached.weight_cache), made) << "the file and the part are one model";
}

TEST_P(ModelSourceTest, InC) {
  const auto json = [](const EngineOptions& options) {
    return "{\"model_fd\": " + std::to_string(options.model_fd) +
           ", \"model_offset\": " + std::to_string(options.model_offset) +
           ", \"model_length\": " + std::to_string(options.model_length) + "}";
  };
  qwen3_tts_engine* engine = nullptr;
  ASSERT_EQ(qwen3_tts_engine_create(json(options()).c_str(), &engine), QWEN3_TTS_OK) << qwen3_tts_last_error();
  const char* info = nullptr;
  EXPECT_EQ(qwen3_tts_engine_info(engine, &info), QWEN3_TTS_OK);
  EXPECT_EQ(nlohmann::json::parse(info).at("file_bytes"), model_.size());
  qwen3_tts_engine_destroy(engine);
  EngineOptions closed = options();
  package_ = FileDescriptor();
  EXPECT_EQ(qwen3_tts_engine_create(json(closed).c_str(), &engine), QWEN3_TTS_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace qwen3_tts
