#include "session/prefix_cache.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "session_testing.h"
#include "test_models.h"
#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::must;
using testing::options;
using testing::request;
using testing::some_voice;
using testing::speak;
using testing::Utterance;

// ---------------------------------------------------------------------------------------------------------------------
// The cache

Snapshot state_of(size_t size, int value) { return Snapshot(size, static_cast<std::byte>(value)); }

TEST(PrefixCacheTest, FindsWhatWasKept) {
  PrefixCache cache(100);
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.keep("a", state_of(10, 1));
  cache.keep("b", state_of(10, 2));
  ASSERT_NE(cache.find("a"), nullptr);
  EXPECT_EQ(*cache.find("a"), state_of(10, 1));
  EXPECT_EQ(*cache.find("b"), state_of(10, 2));
  EXPECT_EQ(cache.size_bytes(), 22U);
}

TEST(PrefixCacheTest, LeastRecentlyUsedGoesFirst) {
  PrefixCache cache(33);
  for (const char* key : {"a", "b", "c"}) {
    cache.keep(key, state_of(10, *key));
  }
  EXPECT_EQ(cache.size_bytes(), 33U);
  cache.find("a");
  cache.keep("d", state_of(10, 'd'));
  EXPECT_EQ(cache.find("b"), nullptr);
  for (const char* key : {"a", "c", "d"}) {
    EXPECT_NE(cache.find(key), nullptr) << key;
  }
  cache.keep("e", state_of(30, 'e'));
  EXPECT_EQ(cache.size_bytes(), 31U);
  EXPECT_EQ(cache.find("d"), nullptr);
}

TEST(PrefixCacheTest, WhatIsTooLargeIsNotKeptAndDrivesNothingOut) {
  PrefixCache cache(20);
  cache.keep("a", state_of(10, 1));
  EXPECT_TRUE(cache.has_room_for("b", 19));
  EXPECT_FALSE(cache.has_room_for("b", 20));
  cache.keep("b", state_of(20, 2));
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_NE(cache.find("a"), nullptr);
  PrefixCache none(0);
  EXPECT_FALSE(none.has_room_for("a", 0));
}

TEST(PrefixCacheTest, KeyHasOneState) {
  PrefixCache cache(100);
  cache.keep("a", state_of(10, 1));
  cache.keep("a", state_of(10, 1));
  EXPECT_EQ(cache.size_bytes(), 11U);
}

TEST(PrefixCacheTest, StateOutlivesItsEntry) {
  PrefixCache cache(11);
  cache.keep("a", state_of(10, 1));
  const auto held = cache.find("a");
  cache.keep("b", state_of(10, 2));
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_EQ(*held, state_of(10, 1));
}

TEST(PrefixCacheTest, ThreadsMayUseIt) {
  PrefixCache cache(500);
  const auto work = [&cache] {
    for (int i = 0; i < 2000; ++i) {
      const int value = i % 40;
      const std::string key = std::to_string(value);
      if (const auto state = cache.find(key); state != nullptr) {
        EXPECT_EQ(*state, state_of(20, value));
      } else {
        cache.keep(key, state_of(20, value));
      }
      EXPECT_LE(cache.size_bytes(), 500U);
    }
  };
  std::thread other(work);
  work();
  other.join();
}

// ---------------------------------------------------------------------------------------------------------------------
// Keys

class PrefixKeyTest : public ::testing::Test {
 protected:
  PrefixKeyTest() {
    metadata_.model_type = "base";
    metadata_.speakers.clear();
    metadata_.speaker_dialects.clear();
    request_.voice = voice_ = some_voice(3, metadata_);
  }

  std::string key(const PromptText& text = {{40, 41}, {}}) {
    const ResolvedRequest resolved = must(resolve_request(request_, text.instruct, metadata_));
    return prefix_key(plan_prompt(resolved, text.body, layout_, metadata_), request_.voice.get(),
                      metadata_.num_code_groups);
  }

  ModelMetadata metadata_ = testing::tiny_metadata();
  std::shared_ptr<Voice> voice_;  ///< That of the request.
  SynthesisRequest request_;
  TextLayout layout_ = TextLayout::kFull;
};

TEST_F(PrefixKeyTest, TextHasNoPartInIt) {
  const std::string before = key({{40, 41}, {}});
  EXPECT_EQ(key({{50}, {}}), before);
  voice_->name = "Another";
  EXPECT_EQ(key(), before);
}

TEST_F(PrefixKeyTest, EverythingElseHas) {
  // Streaming: the transcript stands beside the frames, which are then of the prefix.
  layout_ = TextLayout::kStreaming;
  std::vector<std::string> keys = {key(), key({{40, 41}, {50}})};
  const auto add = [&](auto&& change) {
    const SynthesisRequest before = request_;
    const Voice voice_before = *voice_;
    change(request_, *voice_);
    keys.push_back(key());
    request_ = before;
    *voice_ = voice_before;
  };
  add([](SynthesisRequest& r, Voice&) { r.language = "english"; });
  add([](SynthesisRequest&, Voice& voice) { voice.x_vector[1] = 0.5F; });
  add([](SynthesisRequest&, Voice& voice) { voice.x_vector[0] = -0.0F; });  // It was 0.
  add([](SynthesisRequest&, Voice& voice) { voice.codes[2] ^= 1; });
  add([](SynthesisRequest&, Voice& voice) { voice.text_ids[0] = 60; });
  add([](SynthesisRequest& r, Voice&) { r.voice_mode = VoiceMode::kXVector; });
  layout_ = TextLayout::kFull;
  keys.push_back(key());
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
}

TEST_F(PrefixKeyTest, CodesAreAnotherKindOfKey) {
  EXPECT_NE(codes_key({1, 2}), codes_key({1, 3}));
  EXPECT_NE(codes_key({}), prefix_key(PromptPlan{{PlannedRow{1}}, 0, {}}, nullptr, 4));
}

// ---------------------------------------------------------------------------------------------------------------------
// Utterances that begin alike

std::unique_ptr<Engine> engine_with(const std::string& model, size_t prefix_cache_bytes) {
  EngineOptions options;
  options.model_path = testing::model_path(model);
  options.prefix_cache_bytes = prefix_cache_bytes;
  return must(Engine::create(options));
}

constexpr size_t kRoomy = size_t{64} << 20;

/// Requests that begin in different ways, two texts each.
std::vector<SynthesisRequest> requests(const ModelMetadata& metadata) {
  std::vector<SynthesisRequest> list;
  const auto add = [&](auto&& change) {
    for (const char* text : {"The first text.", "Quite another one, and longer."}) {
      list.push_back(request(text));
      if (!metadata.speakers.empty()) {
        list.back().speaker = "ryan";
      }
      change(list.back());
    }
  };
  add([](SynthesisRequest&) {});
  add([](SynthesisRequest& r) { r.language = "english"; });
  if (metadata.supports_instruct) {
    add([](SynthesisRequest& r) { r.instruct = "A calm, deep voice."; });
    add([](SynthesisRequest& r) { r.instruct = std::string(300, '1'); });  // More rows than a call takes.
  }
  if (!metadata.speakers.empty()) {
    add([](SynthesisRequest& r) { r.speaker = "dylan"; });
  }
  if (metadata.model_type == "base") {
    add([&](SynthesisRequest& r) { r.voice = some_voice(0, metadata); });
    add([&](SynthesisRequest& r) { r.voice = some_voice(2, metadata); });  // All but the last row known.
    add([&](SynthesisRequest& r) { r.voice = some_voice(40, metadata); });
    add([&](SynthesisRequest& r) {
      r.voice = some_voice(40, metadata);
      r.voice_mode = VoiceMode::kXVector;
    });
  }
  return list;
}

class PrefixTest : public ::testing::TestWithParam<const char*> {};

/// Nothing remembered, everything remembered, and twice in one session: the same bits.
TEST_P(PrefixTest, KnownOrNotTheSpeechIsTheSame) {
  const auto without = engine_with(GetParam(), 0);
  const auto with = engine_with(GetParam(), kRoomy);
  const auto expected_session = must(without->create_session());
  const auto session = must(with->create_session());
  for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
    SynthesisOptions given = options(12);
    given.text_layout = layout;
    std::vector<Utterance> expected;
    for (const SynthesisRequest& wanted : requests(with->metadata())) {
      expected.push_back(speak(*expected_session, wanted, given));
      EXPECT_EQ(expected.back().stats.cached_rows, 0);
    }
    for (int round = 0; round < 2; ++round) {
      size_t i = 0;
      for (const SynthesisRequest& wanted : requests(with->metadata())) {
        SCOPED_TRACE(i);
        const Utterance utterance = speak(*session, wanted, given);
        expect_equal(utterance, expected[i]);
        EXPECT_EQ(utterance.stats.prompt_rows, expected[i].stats.prompt_rows);
        EXPECT_LT(utterance.stats.cached_rows, utterance.stats.prompt_rows);
        if (round == 1 || i % 2 == 1) {
          EXPECT_GE(utterance.stats.cached_rows, 7);  // Role, tags, bos.
        }
        ++i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PrefixTest,
                         ::testing::Values("tiny-base", "tiny-customvoice", "tiny-voicedesign",
                                           "tiny-customvoice-balanced", "tiny-mtp"));

TEST(PrefixSessionsTest, SessionsOfAnEngineShareWhatIsKnown) {
  const auto engine = engine_with("tiny-base", kRoomy);
  SynthesisRequest wanted = request("Shared.");
  wanted.voice = some_voice(20, engine->metadata());
  const Utterance first = speak(*must(engine->create_session()), wanted, options(8));
  const Utterance second = speak(*must(engine->create_session()), wanted, options(8));
  EXPECT_EQ(first.stats.cached_rows, 0);
  EXPECT_GT(second.stats.cached_rows, 0);
  expect_equal(second, first);
}

TEST(PrefixSessionsTest, ThreadsWithAlternatingVoicesDoNotDisturbEachOther) {
  const auto quiet = engine_with("tiny-base", 0);
  const auto wanted = requests(quiet->metadata());
  std::vector<Utterance> expected;
  const auto quiet_session = must(quiet->create_session());
  for (const SynthesisRequest& one : wanted) {
    expected.push_back(speak(*quiet_session, one, options(6)));
  }
  // Room for some of the states only, so that they come and go while others read them.
  const auto engine = engine_with("tiny-base", 400000);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      const auto session = must(engine->create_session());
      for (size_t i = 0; i < 2 * wanted.size(); ++i) {
        const size_t which = (i * (thread + 1) + thread) % wanted.size();
        expect_equal(speak(*session, wanted[which], options(6)), expected[which]);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(PrefixSessionsTest, WithoutRoomNothingIsKnown) {
  const auto engine = engine_with("tiny-base", 1000);
  const auto session = must(engine->create_session());
  EXPECT_EQ(speak(*session, request("Again."), options(3)).stats.cached_rows, 0);
  EXPECT_EQ(speak(*session, request("Again."), options(3)).stats.cached_rows, 0);
}

TEST(PrefixSessionsTest, SecondUtteranceOfAVoiceDecodesNoRecording) {
  const auto engine = engine_with("tiny-base", kRoomy);
  const auto session = must(engine->create_session());
  SynthesisRequest wanted = request("Sooner.");
  const auto voice = some_voice(400, engine->metadata());
  voice->text_ids.assign(300, 40);
  wanted.voice = voice;
  const SynthesisStats first = speak(*session, wanted, options(2)).stats;
  const SynthesisStats second = speak(*session, wanted, options(2)).stats;
  EXPECT_EQ(second.cached_rows, 300 + 8);  // Role, three tags, voice, bos; transcript.
  EXPECT_EQ(first.cached_frames, 0);
  EXPECT_EQ(second.cached_frames, 400);
}

}  // namespace
}  // namespace qwen3_tts
