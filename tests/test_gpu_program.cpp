// Models for a GPU, with methods that run on a CPU (tests/gpu_program.py): state in the program, weights beside it.
// What they speak is compared with the Python modules in test_gpu_program.py.

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/engine.h>

#include "edited_model.h"
#include "session_testing.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::MemorySink;
using testing::model_path;
using testing::must;
using testing::options;
using testing::some_codes;
using testing::speak;
using testing::TempFolder;
using testing::Utterance;

constexpr char kOneCall[] = "tiny-customvoice-gpu";
constexpr char kTwoCalls[] = "tiny-customvoice-gpu-two-calls";

SynthesisRequest request(const std::string& text) {
  SynthesisRequest request = testing::request(text);
  request.speaker = "ryan";
  return request;
}

std::string error_of(const EngineOptions& options) {
  const auto engine = Engine::create(options);
  return engine.ok() ? "none" : engine.error().message;
}

EngineOptions options_for(const std::string& path) {
  EngineOptions options;
  options.model_path = path;
  return options;
}

/// Chunks of frames and single ones are decoded by different methods, whose last bits differ.
void expect_near(const std::vector<float>& samples, const std::vector<float>& expected) {
  ASSERT_EQ(samples.size(), expected.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    ASSERT_NEAR(samples[i], expected[i], 1e-5F) << "sample " << i;
  }
}

void expect_same_sound(const Utterance& utterance, const Utterance& expected) {
  EXPECT_EQ(utterance.codes, expected.codes);
  expect_near(utterance.samples, expected.samples);
}

class GpuProgramTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }

  void SetUp() override {
    if (engine_ == nullptr) {
      engine_ = testing::make_engine(kOneCall).release();
    }
    session_ = must(engine_->create_session());
  }

  static Engine* engine_;
  std::unique_ptr<SynthesisSession> session_;
};

Engine* GpuProgramTest::engine_ = nullptr;

Utterance speak_with(const std::string& model, bool fused_code_predictor, const SynthesisOptions& given) {
  const auto engine = testing::make_engine(model, fused_code_predictor);
  const auto session = must(engine->create_session());
  return speak(*session, request("Any number of calls."), given);
}

TEST(GpuProgramCallsTest, HoweverManyAFrameTakesItIsTheSame) {
  SynthesisOptions sampled = options(12);
  sampled.repetition_penalty = 1.3F;
  SynthesisOptions greedy = options(12);
  greedy.temperature = greedy.subtalker_temperature = 0.0F;
  for (const SynthesisOptions& given : {sampled, greedy}) {
    const Utterance one = speak_with(kOneCall, true, given);
    EXPECT_EQ(one.stats.frames, 11);  // The codec's window is 8.
    expect_equal(speak_with(kTwoCalls, true, given), one);
    expect_equal(speak_with(kOneCall, false, given), one);
  }
}

TEST_F(GpuProgramTest, NothingIsLeftOfTheUtteranceBefore) {
  const Utterance first = speak(*session_, request("Again."), options(12));
  speak(*session_, request("Something longer in between, which fills more of the caches."), options(20, 7));
  expect_equal(speak(*session_, request("Again."), options(12)), first);
}

TEST_F(GpuProgramTest, ChunkSizeDoesNotChangeTheSpeech) {
  SynthesisOptions given = options(12);
  const Utterance expected = speak(*session_, request("Any size."), given);
  given.first_chunk_frames = 3;
  given.chunk_frames = 100;
  expect_same_sound(speak(*session_, request("Any size."), given), expected);
}

TEST_F(GpuProgramTest, FramesOfASpeechDecodeToItsSamples) {
  const Utterance spoken = speak(*session_, request("Twice."), options(10));
  MemorySink sink;
  ASSERT_TRUE(session_->decode(spoken.codes, sink).ok());
  expect_near(sink.received, spoken.samples);
}

TEST_F(GpuProgramTest, PiecesOfATextAreOneUtterance) {
  SynthesisOptions given = options(30);
  given.long_text = LongText::kSplit;
  given.frame_budget = 5;
  std::string text;
  for (int i = 0; i < 12; ++i) {
    text += "This is a sentence of some length, and it is number " + std::to_string(i) + ". ";
  }
  const Utterance spoken = speak(*session_, request(text), given);
  EXPECT_GT(spoken.stats.pieces, 1);
  EXPECT_EQ(spoken.stats.cached_rows, 0);  // What a program keeps cannot be remembered outside.
  EXPECT_EQ(spoken.samples.size(),
            spoken.codes.size() / 3 * static_cast<size_t>(engine_->metadata().samples_per_frame));
}

TEST_F(GpuProgramTest, WarmingUpDoesNotChangeTheSpeech) {
  const Utterance expected = speak(*session_, request("Warm."), options(8));
  session_.reset();
  const auto engine = testing::make_engine(kOneCall);
  ASSERT_TRUE(engine->preload(Workload::kSpeech).ok());
  const auto session = must(engine->create_session());
  expect_equal(speak(*session, request("Warm."), options(8)), expected);
}

TEST_F(GpuProgramTest, OneSessionAnEngine) {
  const auto second = engine_->create_session();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kInvalidState);
  EXPECT_NE(second.error().message.find("1 utterance at once"), std::string::npos) << second.error().message;
  ASSERT_TRUE(engine_->preload(Workload::kSpeech).ok());  // That of the session beside it is not disturbed.
  EXPECT_EQ(engine_->capacity().max_sessions, 1);
  session_.reset();
  EXPECT_EQ(engine_->capacity().num_sessions, 0);
  EXPECT_TRUE(engine_->create_session().ok());
}

/// Each has a state of its own, also two of one file. One is loaded, warmed up and let go while the other speaks.
TEST_F(GpuProgramTest, EnginesSpeakBesideEachOther) {
  const Utterance expected = speak(*session_, request("Side by side."), options(5));
  std::atomic<bool> is_done{false};
  std::thread beside([&] {
    for (const char* model : {kOneCall, kTwoCalls}) {
      const auto engine = testing::make_engine(model);
      EXPECT_TRUE(engine->preload(Workload::kSpeech).ok());
      expect_equal(speak(*must(engine->create_session()), request("Side by side."), options(5)), expected);
    }
    is_done = true;
  });
  do {
    expect_equal(speak(*session_, request("Side by side."), options(5)), expected);
  } while (!is_done);
  beside.join();
}

/// Such layers share a buffer of the process.
TEST_F(GpuProgramTest, OneEngineWithInt4LayersSpeaksAtATime) {
  const TempFolder folder;
  const EngineOptions options = testing::says_int4(model_path(kOneCall), folder.file("int4.pte"));
  const auto first = must(Engine::create(options));
  const auto second = must(Engine::create(options));
  auto session = must(first->create_session());
  const auto refused = second->create_session();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidState);
  EXPECT_NE(refused.error().message.find("another engine has sessions"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(second->preload(Workload::kSpeech).ok());  // Which loads, and runs nothing.
  expect_equal(speak(*session, request("Four bits."), testing::options(4)),
               speak(*session_, request("Four bits."), testing::options(4)));
  session.reset();
  EXPECT_EQ(speak(*must(second->create_session()), request("Four bits."), testing::options(4)).stats.frames, 3);
}

TEST(GpuProgramFilesTest, WeightsMayBeElsewhere) {
  const TempFolder folder;
  const std::string program = folder.file("moved.pte");
  std::filesystem::copy_file(model_path(kOneCall), program);
  const std::string said = error_of(options_for(program));
  EXPECT_NE(said.find("moved.ptd', which holds the weights of"), std::string::npos) << said;
  EXPECT_NE(said.find("(data_path)"), std::string::npos) << said;
  EngineOptions options = options_for(program);
  options.data_path = std::filesystem::path(model_path(kOneCall)).replace_extension(".ptd");
  const auto engine = must(Engine::create(options));
  EXPECT_EQ(speak(*must(engine->create_session()), request("Here."), testing::options(4)).stats.frames, 3);
}

TEST(GpuProgramFilesTest, OtherWeightsAreRefused) {
  const TempFolder folder;
  EngineOptions options = options_for(model_path(kOneCall));
  options.data_path = folder.file("other.ptd");
  testing::write_bytes(options.data_path, std::string(10000, 'x'));
  EXPECT_NE(error_of(options).find("other.ptd' is no file of weights"), std::string::npos) << error_of(options);
}

TEST(GpuProgramFilesTest, DamagedWeightsAreRefused) {
  const TempFolder folder;
  EngineOptions options = options_for(model_path(kOneCall));
  std::string bytes = testing::read_bytes(std::filesystem::path(model_path(kOneCall)).replace_extension(".ptd"));
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  options.data_path = folder.file("damaged.ptd");
  testing::write_bytes(options.data_path, bytes);
  EXPECT_NE(error_of(options).find("damaged.ptd' is damaged: its bytes"), std::string::npos) << error_of(options);
  testing::write_bytes(options.data_path, bytes.substr(0, bytes.size() - 1));
  EXPECT_NE(error_of(options).find("ends without the digests"), std::string::npos) << error_of(options);
}

TEST(GpuProgramFilesTest, OptionsForTheOtherKindAreRefused) {
  EngineOptions cpu = options_for(model_path("tiny-customvoice"));
  cpu.data_path = "model.ptd";
  EXPECT_NE(error_of(cpu).find("holds its weights itself"), std::string::npos);
  cpu.data_path.clear();
  cpu.cuda_graphs = false;
  EXPECT_NE(error_of(cpu).find("is for CPUs"), std::string::npos);
  EngineOptions gpu = options_for(model_path(kOneCall));
  gpu.weight_cache = "weights.cache";
  EXPECT_NE(error_of(gpu).find("is for a GPU and packs no weights"), std::string::npos);
}

TEST(GpuProgramFilesTest, InfoNeedsNeitherWeightsNorGpu) {
  const TempFolder folder;
  const std::string program = folder.file("alone.pte");
  std::filesystem::copy_file(model_path(kOneCall), program);
  const auto info = must(read_model_info(program));
  EXPECT_EQ(info.gpu_arch, "sm_90");
  EXPECT_EQ(info.gpu_dtype, "fp32");
  const auto frame = std::find_if(info.methods.begin(), info.methods.end(),
                                  [](const MethodInfo& method) { return method.name == "frame"; });
  ASSERT_NE(frame, info.methods.end());
  EXPECT_EQ(frame->inputs, std::vector<std::string>{"float[1, 77]"});  // A row of 64, 3 random numbers, 10 others.
  EXPECT_TRUE(must(read_model_info(model_path("tiny-customvoice"))).gpu_arch.empty());
}

}  // namespace
}  // namespace qwen3_tts
