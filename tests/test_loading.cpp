// Which methods of a model are loaded, and when.

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/engine.h>

#include "edited_model.h"
#include "session_testing.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::make_engine;
using testing::model_path;
using testing::must;
using testing::options;
using testing::request;
using testing::speak;
using testing::Utterance;
using Names = std::vector<std::string>;

const Names kCodes = {"encode_text", "codec_embed", "talker", "cp_generate"};
const Names kSpeech = {"encode_text", "codec_embed", "talker", "cp_generate", "decode_audio"};

Names loaded(const Engine& engine) {
  Names names;
  for (const LoadedMethod& method : engine.loaded_methods()) {
    EXPECT_GT(method.load_ms, 0) << method.name;
    names.push_back(method.name);
  }
  return names;
}

SynthesisOptions codes_only(int64_t max_new_tokens) {
  SynthesisOptions given = options(max_new_tokens);
  given.codes_only = true;
  return given;
}

TEST(LoadingTest, NothingIsLoadedBeforeItIsNeeded) {
  const auto engine = make_engine("tiny-base");
  const double create_ms = engine->load_ms();
  const auto session = must(engine->create_session());
  ASSERT_TRUE(engine->check(request("Hello."), options(8)).ok());
  EXPECT_FALSE(session->start(request(" "), options(8)).ok());
  EXPECT_EQ(loaded(*engine), Names());
  session->reset();
  speak(*session, request("Hello."), options(8));
  EXPECT_EQ(loaded(*engine), kSpeech);
  EXPECT_GT(session->stats().load_ms, 0);
  EXPECT_GT(engine->load_ms(), create_ms);
}

TEST(LoadingTest, StepwiseEngineLoadsNoFusedMethod) {
  const auto engine = make_engine("tiny-base", /*fused_code_predictor=*/false);
  ASSERT_TRUE(engine->preload(Workload::kSpeech).ok());
  EXPECT_EQ(loaded(*engine),
            (Names{"encode_text", "codec_embed", "talker", "code_predictor", "cp_head", "decode_audio"}));
}

TEST(LoadingTest, DecodingNeedsTheCodecDecoderAlone) {
  const auto engine = make_engine("tiny-base");
  const auto session = must(engine->create_session());
  testing::MemorySink sink;
  ASSERT_TRUE(session->decode(testing::some_codes(3, engine->metadata()), sink).ok());
  EXPECT_EQ(loaded(*engine), Names{"decode_audio"});
  EXPECT_FALSE(sink.received.empty());
}

TEST(LoadingTest, CodesAloneNeedNoCodecDecoder) {
  const Utterance whole = speak(*must(make_engine("tiny-base")->create_session()), request("Hello."), options(40));
  ASSERT_GT(whole.stats.frames, 16);
  const auto engine = make_engine("tiny-base");
  const auto session = must(engine->create_session());
  const Utterance codes = speak(*session, request("Hello."), codes_only(40));
  EXPECT_EQ(codes.codes, whole.codes);
  EXPECT_EQ(codes.tokens, whole.tokens);
  EXPECT_TRUE(codes.samples.empty());
  EXPECT_EQ(codes.stats.samples, 0);
  EXPECT_EQ(loaded(*engine), kCodes);
  // The same session has not forgotten how to sound.
  testing::MemorySink sink;
  ASSERT_TRUE(session->decode(codes.codes, sink).ok());
  EXPECT_EQ(sink.received, whole.samples);
  testing::expect_equal(speak(*session, request("Hello."), options(40)), whole);
}

TEST(LoadingTest, CodesOfAClonedVoiceAreTheSameWithoutSound) {
  SynthesisRequest cloned = request("Hello.");
  const auto engine = make_engine("tiny-base");
  cloned.voice = testing::some_voice(5, engine->metadata());
  const auto session = must(engine->create_session());
  const Utterance codes = speak(*session, cloned, codes_only(12));
  EXPECT_EQ(loaded(*engine), kCodes);
  EXPECT_EQ(codes.codes, speak(*session, cloned, options(12)).codes);
}

TEST(LoadingTest, PreloadedEngineLoadsNoMore) {
  const auto engine = make_engine("tiny-base");
  ASSERT_TRUE(engine->preload(Workload::kCodes).ok());
  EXPECT_EQ(loaded(*engine), kCodes);
  ASSERT_TRUE(engine->preload(Workload::kSpeech).ok());
  EXPECT_EQ(loaded(*engine), kSpeech);
  const double load_ms = engine->load_ms();
  const Utterance first = speak(*must(engine->create_session()), request("Hello."), options(8));
  EXPECT_EQ(engine->load_ms(), load_ms);
  testing::expect_equal(first, speak(*must(make_engine("tiny-base")->create_session()), request("Hello."), options(8)));
}

TEST(LoadingTest, WeightCacheIsMadeAtOnceAndItsMethodsAreLoadedLater) {
  const testing::TempFolder folder;
  EngineOptions given;
  given.model_path = model_path("tiny-base");
  given.weight_cache = folder.file("weights.cache");
  const Utterance expected = speak(*must(make_engine("tiny-base")->create_session()), request("Hello."), options(8));
  for (const char* state : {"cold", "warm"}) {
    const auto engine = must(Engine::create(given));
    EXPECT_FALSE(folder.is_empty());
    EXPECT_EQ(loaded(*engine), Names()) << state;
    const auto session = must(engine->create_session());
    testing::MemorySink sink;
    ASSERT_TRUE(session->decode(expected.codes, sink).ok());
    EXPECT_EQ(sink.received, expected.samples) << state;
    testing::expect_equal(speak(*session, request("Hello."), options(8)), expected);
  }
}

TEST(LoadingTest, FirstRequestsOfSeveralThreadsLoadOnce) {
  const Utterance expected = speak(*must(make_engine("tiny-base")->create_session()), request("Hello."), options(8));
  const auto engine = make_engine("tiny-base");
  constexpr size_t kNumThreads = 4;
  std::vector<std::unique_ptr<SynthesisSession>> sessions;
  std::vector<Utterance> spoken(kNumThreads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kNumThreads; ++i) {
    sessions.push_back(must(engine->create_session()));
  }
  for (size_t i = 0; i < kNumThreads; ++i) {
    threads.emplace_back([&, i] {
      if (i % 2 == 1) {
        EXPECT_TRUE(engine->preload(Workload::kDecoding).ok());
      }
      spoken[i] = speak(*sessions[i], request("Hello."), options(8));
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Utterance& utterance : spoken) {
    testing::expect_equal(utterance, expected);
  }
  Names names = loaded(*engine);
  EXPECT_EQ(names.size(), kSpeech.size());
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), std::set<std::string>(kSpeech.begin(), kSpeech.end()));
}

/// Where the programs of the XNNPACK delegate begin.
std::vector<size_t> delegates(const std::string& bytes) {
  std::vector<size_t> found;
  for (size_t at = bytes.find("XH00"); at != std::string::npos; at = bytes.find("XH00", at + 1)) {
    found.push_back(at);
  }
  return found;
}

/// A model of which no method with such a program can be loaded.
void write_damaged(const std::string& path) {
  std::string bytes = testing::read_bytes(model_path("tiny-base"));
  for (const size_t at : delegates(bytes)) {
    bytes[at] = 'Y';
  }
  testing::write_bytes(path, testing::with_new_digests(bytes));
}

/// Mends it where it lies, so that whoever has mapped it sees that.
void mend(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const size_t at : delegates(testing::read_bytes(model_path("tiny-base")))) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put('X');
  }
  file.close();
  ASSERT_TRUE(file.good());
}

TEST(LoadingTest, MethodWhoseLoadingFailedIsLoadedWhenItCanBe) {
  const testing::TempFolder folder;
  const Utterance expected = speak(*must(make_engine("tiny-base")->create_session()), request("Hello."), options(8));
  EngineOptions given;
  given.model_path = folder.file("damaged.pte");
  write_damaged(given.model_path);
  const auto engine = must(Engine::create(given));
  const auto session = must(engine->create_session());
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_FALSE(engine->preload(Workload::kSpeech).ok());
    EXPECT_FALSE(session->start(request("Hello."), options(8)).ok());
    session->reset();
  }
  const Names before = loaded(*engine);
  EXPECT_LT(before.size(), kSpeech.size());
  mend(given.model_path);
  testing::expect_equal(speak(*session, request("Hello."), options(8)), expected);
  EXPECT_EQ(loaded(*engine), kSpeech) << "each once";
}

TEST(LoadingTest, MethodThatCannotBeLoadedIsNamed) {
  const testing::TempFolder folder;
  EngineOptions given;
  given.model_path = folder.file("damaged.pte");
  write_damaged(given.model_path);
  const auto engine = must(Engine::create(given));
  const auto session = must(engine->create_session());
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Status loading = engine->preload(Workload::kDecoding);
    const Status speaking = session->start(request("Hello."), options(8));
    for (const Status& status : {loading, speaking}) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code, ErrorCode::kInvalidModel);
      EXPECT_NE(status.error().message.find("damaged.pte': method '"), std::string::npos) << status.error().message;
      EXPECT_NE(status.error().message.find("cannot be loaded"), std::string::npos) << status.error().message;
    }
    session->reset();
  }
  const Names names = loaded(*engine);
  EXPECT_EQ(std::count(names.begin(), names.end(), "decode_audio"), 0);
}

}  // namespace
}  // namespace qwen3_tts
