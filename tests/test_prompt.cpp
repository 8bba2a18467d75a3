#include "stages/prompt.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

/// "text+codes" of every planned row, where codes is a row of the code table, a frame, or the voice: easy to compare
/// with the tables of the model's description.
std::string describe(const PromptPlan& plan) {
  std::string rows;
  for (const PlannedRow& row : plan.rows) {
    rows += (rows.empty() ? "" : " ") + std::to_string(row.text_id);
    if (row.code_row != PlannedRow::kNone) {
      rows += "+" + std::to_string(row.code_row);
    }
    if (row.frame != PlannedRow::kNone) {
      rows += "+frame" + std::to_string(row.frame);
    }
    if (row.is_voice) {
      rows += "+voice";
    }
  }
  return rows;
}

// Ids of the tiny contract: role 90 70 10, tts pad 95 bos 96 eos 97, codec pad 8 bos 9, think 11 nothink 12,
// think_bos 13 think_eos 14, english 15 chinese 16 sichuan 17, ryan 20 eric 21.
const std::string kRole = "90 70 10 ";
const std::string kNoLanguage = "95+12 95+13 95+14 ";
const std::string kRyan = "95+20 ";
const std::string kVoice = "95+voice ";
const std::string kBos = "96+8 ";

std::string language(int row) { return "95+11 95+13 95+" + std::to_string(row) + " 95+14 "; }

class PromptTest : public ::testing::Test {
 protected:
  PromptTest() { request_.speaker = "ryan"; }

  void use_base_model() {
    metadata_.model_type = "base";
    metadata_.speakers.clear();
    metadata_.speaker_dialects.clear();
    metadata_.supports_instruct = false;
    request_.speaker.clear();
  }

  /// A voice with `num_frames` frames and the transcript ids 30, 31.
  void use_voice(int64_t num_frames) {
    use_base_model();
    voice_ = std::make_shared<Voice>();
    voice_->name = "Ann";
    voice_->x_vector = {0.25F, 0.5F, 0.75F};
    voice_->codes.assign(static_cast<size_t>(num_frames * metadata_.num_code_groups), 1);
    if (num_frames > 0) {
      voice_->text_ids = {30, 31};
    }
    request_.voice = voice_;
  }

  PromptPlan plan(TextLayout layout) {
    const auto resolved = resolve_request(request_, text_.instruct, metadata_);
    EXPECT_TRUE(resolved.ok()) << (resolved.ok() ? "" : resolved.error().message);
    return resolved.ok() ? plan_prompt(*resolved, text_.body, layout, metadata_) : PromptPlan{};
  }

  int64_t num_context_frames() {
    return resolve_request(request_, text_.instruct, metadata_).value().num_context_frames(metadata_);
  }

  std::string plan_error() {
    const auto resolved = resolve_request(request_, text_.instruct, metadata_);
    EXPECT_FALSE(resolved.ok());
    if (resolved.ok()) {
      return "";
    }
    EXPECT_EQ(resolved.error().code, ErrorCode::kInvalidArgument);
    return resolved.error().message;
  }

  ModelMetadata metadata_ = testing::tiny_metadata();
  SynthesisRequest request_;
  std::shared_ptr<Voice> voice_;  ///< That of the request, or null.
  PromptText text_{{40, 41, 42}, {}};
};

/// Text id i is (i, 0, 0), code table row j is (0, j, 1): a row shows what it is the sum of.
class CountingSource : public RowSource {
 public:
  explicit CountingSource(int64_t max_rows) : max_rows_(max_rows) {}

  Status encode_text(const int64_t* ids, int64_t num_ids, float* rows) override {
    return fill(ids, num_ids, rows, [](int64_t id, float* row) { row[0] = static_cast<float>(id); });
  }

  Status codec_embed(const int64_t* ids, int64_t num_ids, float* rows) override {
    return fill(ids, num_ids, rows, [](int64_t id, float* row) {
      row[1] = static_cast<float>(id);
      row[2] = 1;
    });
  }

  bool fails = false;

 private:
  template <typename Set>
  Status fill(const int64_t* ids, int64_t num_ids, float* rows, const Set& set) {
    if (fails) {
      return Error{ErrorCode::kExecution, "no rows today"};
    }
    EXPECT_GE(num_ids, 1);
    EXPECT_LE(num_ids, max_rows_);
    std::fill_n(rows, num_ids * 3, 0.0F);
    for (int64_t i = 0; i < num_ids; ++i) {
      set(ids[i], rows + i * 3);
    }
    return {};
  }

  int64_t max_rows_;
};

bool mentions(const std::string& message, const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return message.find(word) != std::string::npos; });
}

// ---------------------------------------------------------------------------------------------------------------------
// Layouts

TEST_F(PromptTest, StreamingLayoutHoldsTheFirstTextRowAndTrailsTheRest) {
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  EXPECT_EQ(describe(plan), kRole + kNoLanguage + kRyan + kBos + "40+9");
  EXPECT_EQ(plan.trailing_ids, (std::vector<int64_t>{41, 42, 97}));
}

TEST_F(PromptTest, StreamingLayoutOfOneTokenTrailsTheEnd) {
  text_.body = {40};
  EXPECT_EQ(plan(TextLayout::kStreaming).trailing_ids, (std::vector<int64_t>{97}));
}

TEST_F(PromptTest, FullLayoutHoldsAllTextRows) {
  const PromptPlan plan = this->plan(TextLayout::kFull);
  EXPECT_EQ(describe(plan), kRole + kNoLanguage + kRyan + kBos + "40+8 41+8 42+8 97+8 95+9");
  EXPECT_TRUE(plan.trailing_ids.empty());
}

TEST_F(PromptTest, LanguageRowFollowsThinkBos) {
  request_.language = "English";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(15) + kRyan + kBos + "40+9");
}

TEST_F(PromptTest, InstructStandsBeforeTheRole) {
  text_.instruct = {50, 51};
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)),
            "90 71 10 50 51 91 10 " + kRole + kNoLanguage + kRyan + kBos + "40+9");
}

TEST_F(PromptTest, BaseModelWithoutVoiceHasNoSpeakerRow) {
  use_base_model();
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kBos + "40+9");
}

TEST_F(PromptTest, VoiceDesignHasNoSpeakerRowAndNeedsNoInstruct) {
  metadata_.model_type = "voice_design";
  metadata_.speakers.clear();
  request_.speaker.clear();
  EXPECT_EQ(describe(plan(TextLayout::kFull)), kRole + kNoLanguage + kBos + "40+8 41+8 42+8 97+8 95+9");
}

TEST_F(PromptTest, XVectorStandsInTheSpeakersPlace) {
  use_voice(0);
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kVoice + kBos + "40+9");
}

// In-context cloning: text = 30 31 40 41 42 97, spoken = bos, then the frames.

TEST_F(PromptTest, InContextStreamingTrailsTextThatOutlastsTheFrames) {
  use_voice(2);
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  EXPECT_EQ(describe(plan), kRole + kNoLanguage + kVoice + kBos + "30+9 31+frame0 40+frame1");
  EXPECT_EQ(plan.trailing_ids, (std::vector<int64_t>{41, 42, 97}));
}

TEST_F(PromptTest, InContextStreamingPadsTextThatIsShorterThanTheFrames) {
  use_voice(7);
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  EXPECT_EQ(describe(plan), kRole + kNoLanguage + kVoice + kBos +
                                "30+9 31+frame0 40+frame1 41+frame2 42+frame3 97+frame4 95+frame5 95+frame6");
  EXPECT_TRUE(plan.trailing_ids.empty());
}

TEST_F(PromptTest, InContextStreamingOfEqualLengthsTrailsNothing) {
  use_voice(5);
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  EXPECT_EQ(describe(plan),
            kRole + kNoLanguage + kVoice + kBos + "30+9 31+frame0 40+frame1 41+frame2 42+frame3 97+frame4");
  EXPECT_TRUE(plan.trailing_ids.empty());
}

TEST_F(PromptTest, InContextFullLayoutPutsTheTextBeforeTheFrames) {
  use_voice(2);
  const PromptPlan plan = this->plan(TextLayout::kFull);
  EXPECT_EQ(describe(plan),
            kRole + kNoLanguage + kVoice + kBos + "30+8 31+8 40+8 41+8 42+8 97+8 " + "95+9 95+frame0 95+frame1");
  EXPECT_TRUE(plan.trailing_ids.empty());
}

// ---------------------------------------------------------------------------------------------------------------------
// Where the text to speak begins

/// Rows of the prefix: those that two texts of different lengths share.
int64_t num_shared_rows(const PromptPlan& left, const PromptPlan& right) {
  const auto is_same = [](const PlannedRow& a, const PlannedRow& b) {
    return a.text_id == b.text_id && a.code_row == b.code_row && a.frame == b.frame && a.is_voice == b.is_voice;
  };
  const auto end = std::mismatch(left.rows.begin(), left.rows.end(), right.rows.begin(), right.rows.end(), is_same);
  return end.first - left.rows.begin();
}

TEST_F(PromptTest, PrefixIsWhatTextsHaveInCommon) {
  const auto expect_common = [this](TextLayout layout) {
    text_.body = {40, 41, 42};
    const PromptPlan one = plan(layout);
    text_.body = {60};
    const PromptPlan other = plan(layout);
    EXPECT_EQ(one.num_prefix_rows, num_shared_rows(one, other));
    EXPECT_EQ(other.num_prefix_rows, one.num_prefix_rows);
  };
  text_.instruct = {50, 51};
  for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
    expect_common(layout);
  }
  text_.instruct.clear();
  for (const int64_t num_frames : {0, 2, 7}) {
    use_voice(num_frames);
    for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
      SCOPED_TRACE(num_frames);
      expect_common(layout);
    }
  }
}

TEST_F(PromptTest, LastRowIsNeverOfThePrefix) {
  use_voice(1);  // Two rows beside two ids of the transcript: the text to speak only trails.
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  EXPECT_EQ(plan.trailing_ids, (std::vector<int64_t>{40, 41, 42, 97}));
  EXPECT_EQ(plan.num_prefix_rows, static_cast<int64_t>(plan.rows.size()) - 1);
}

TEST_F(PromptTest, RowsOfThePrefixCanBeLeftOut) {
  use_voice(3);
  CountingSource source(metadata_.max_rows);
  for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
    const PromptPlan plan = this->plan(layout);
    const auto whole = build_prompt(plan, 0, voice_.get(), metadata_, source);
    const auto rest = build_prompt(plan, plan.num_prefix_rows, voice_.get(), metadata_, source);
    ASSERT_TRUE(whole.ok() && rest.ok());
    EXPECT_EQ(rest->num_rows, whole->num_rows - plan.num_prefix_rows);
    EXPECT_EQ(rest->rows, std::vector<float>(whole->rows.begin() + plan.num_prefix_rows * 3, whole->rows.end()));
    EXPECT_EQ(rest->trailing, whole->trailing);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Voice modes

TEST_F(PromptTest, VoiceModeChoosesBetweenXVectorAndContext) {
  use_voice(2);
  const std::string in_context = describe(plan(TextLayout::kStreaming));
  request_.voice_mode = VoiceMode::kInContext;
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), in_context);
  EXPECT_EQ(num_context_frames(), 2);
  request_.voice_mode = VoiceMode::kXVector;
  const PromptPlan x_vector = plan(TextLayout::kStreaming);
  EXPECT_EQ(describe(x_vector), kRole + kNoLanguage + kVoice + kBos + "40+9");
  EXPECT_EQ(num_context_frames(), 0);
}

TEST_F(PromptTest, ContextOfAVoiceThatHasNoneIsRefused) {
  use_voice(0);
  request_.voice_mode = VoiceMode::kXVector;
  plan(TextLayout::kStreaming);
  request_.voice_mode = VoiceMode::kInContext;
  EXPECT_TRUE(mentions(plan_error(), {"'Ann'", "icl", "transcript", "xvector"}));
}

TEST_F(PromptTest, VoiceModeWithoutAVoiceIsRefused) {
  use_base_model();
  request_.voice_mode = VoiceMode::kXVector;
  EXPECT_TRUE(mentions(plan_error(), {"xvector", "there is none"}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Dialects

TEST_F(PromptTest, DialectOfTheSpeakerReplacesAutoAndChinese) {
  request_.speaker = "Eric";
  for (const char* name : {"auto", "chinese", "Chinese"}) {
    request_.language = name;
    EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(17) + "95+21 " + kBos + "40+9") << name;
  }
}

TEST_F(PromptTest, AnotherLanguageWinsOverTheDialect) {
  request_.speaker = "eric";
  request_.language = "english";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(15) + "95+21 " + kBos + "40+9");
}

TEST_F(PromptTest, CodeOfChineseGivesWayToTheDialectToo) {
  request_.speaker = "eric";
  request_.language = "zh-CN";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(17) + "95+21 " + kBos + "40+9");
}

TEST_F(PromptTest, CodesStandForLanguages) {
  for (const char* code : {"en", "EN", "en-US", "en_GB", "eng"}) {
    request_.language = code;
    EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(15) + kRyan + kBos + "40+9") << code;
  }
}

TEST_F(PromptTest, NoLanguageIsAuto) {
  request_.language = "";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kRyan + kBos + "40+9");
}

TEST_F(PromptTest, CodeOfALanguageThatTheModelHasNotSaysWhichItIs) {
  request_.language = "fr-CA";
  const std::string message = plan_error();
  EXPECT_TRUE(mentions(message, {"'fr-CA' (french)", "auto, chinese, english"})) << message;
}

TEST_F(PromptTest, CodeOfADialectIsNoLanguage) {
  request_.language = "zh-CN-sichuan";
  const std::string message = plan_error();
  EXPECT_TRUE(mentions(message, {"'zh-CN-sichuan'", "dialect", "speaker"})) << message;
}

TEST_F(PromptTest, DialectIsNoLanguage) {
  request_.language = "sichuan_dialect";
  const std::string message = plan_error();
  EXPECT_TRUE(mentions(message, {"'sichuan_dialect'", "auto, chinese, english"})) << message;
}

TEST_F(PromptTest, NamesAreFoundInAnyCaseAndToldAsTheModelSpellsThem) {
  metadata_.languages = {{"English", 15}, {"Chinese", 16}, {"Sichuan_Dialect", 17}};
  metadata_.dialects = {"Sichuan_Dialect"};
  metadata_.speakers = {{"Ryan", 20}, {"Eric", 21}};
  metadata_.speaker_dialects = {{"Eric", "Sichuan_Dialect"}};
  request_.speaker = "eRIC";
  for (const char* name : {"auto", "AUTO", "chinese"}) {
    request_.language = name;
    EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(17) + "95+21 " + kBos + "40+9") << name;
  }
  request_.language = "eNGLISH";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + language(15) + "95+21 " + kBos + "40+9");
  request_.language = "sichuan_dialect";
  EXPECT_TRUE(mentions(plan_error(), {"auto, Chinese, English"}));
  request_.language = "english";
  request_.speaker = "bob";
  EXPECT_TRUE(mentions(plan_error(), {"'bob'", "Eric, Ryan"}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Refused requests

TEST_F(PromptTest, UnknownLanguageListsTheKnownOnes) {
  request_.language = "klingon";
  const std::string message = plan_error();
  EXPECT_TRUE(mentions(message, {"'klingon'", "auto, chinese, english"})) << message;
  EXPECT_FALSE(mentions(message, {"dialect"})) << message;
}

TEST_F(PromptTest, UnknownSpeakerListsTheKnownOnes) {
  request_.speaker = "bob";
  const std::string message = plan_error();
  EXPECT_TRUE(mentions(message, {"'bob'", "eric, ryan"})) << message;
}

TEST_F(PromptTest, MissingSpeakerListsTheKnownOnes) {
  request_.speaker.clear();
  EXPECT_TRUE(mentions(plan_error(), {"no speaker", "eric, ryan"}));
}

TEST_F(PromptTest, OnlySpeakerNeedsNoName) {
  metadata_.speakers.erase("eric");
  request_.speaker.clear();
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kRyan + kBos + "40+9");
  EXPECT_EQ(metadata_.default_speaker(), "ryan");
  request_.speaker = "eric";
  EXPECT_TRUE(mentions(plan_error(), {"'eric'", "ryan"}));
}

TEST_F(PromptTest, VoiceTakesThePlaceOfTheOnlySpeaker) {
  use_voice(0);
  metadata_.speakers = {{"ann", 20}};
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kVoice + kBos + "40+9");
}

TEST_F(PromptTest, NamesAreFoundInAnyCaseOfAnyAlphabet) {
  metadata_.speakers = {{"Анна", 20}, {"Élodie", 21}};
  request_.speaker = "анна";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + kRyan + kBos + "40+9");
  request_.speaker = "E\u0301LODIE";
  EXPECT_EQ(describe(plan(TextLayout::kStreaming)), kRole + kNoLanguage + "95+21 " + kBos + "40+9");
  request_.speaker = "Anna";
  EXPECT_TRUE(mentions(plan_error(), {"'Anna'", "Élodie, Анна"}));
}

TEST_F(PromptTest, SpeakerOnAModelWithoutSpeakersIsRefused) {
  use_base_model();
  request_.speaker = "ryan";
  EXPECT_TRUE(mentions(plan_error(), {"'ryan'", "base"}));
}

TEST_F(PromptTest, InstructOnAModelThatTakesNoneIsRefused) {
  metadata_.supports_instruct = false;
  text_.instruct = {50};
  EXPECT_TRUE(mentions(plan_error(), {"instruct", "0b6 custom_voice"}));
}

TEST_F(PromptTest, VoiceOnACustomVoiceModelIsRefused) {
  use_voice(0);
  metadata_ = testing::tiny_metadata();
  request_.speaker = "ryan";
  EXPECT_TRUE(mentions(plan_error(), {"'Ann'", "custom_voice"}));
}

TEST_F(PromptTest, VoiceOfAnotherWidthIsRefused) {
  use_voice(0);
  voice_->x_vector.push_back(0);
  EXPECT_TRUE(mentions(plan_error(), {"'Ann'", "4", "3"}));
}

TEST_F(PromptTest, VoiceWithCodesOutOfRangeIsRefused) {
  use_voice(2);
  voice_->codes[5] = 8;
  EXPECT_TRUE(mentions(plan_error(), {"Ann", "8"}));
}

TEST_F(PromptTest, VoiceWithCodesButNoTranscriptIsRefused) {
  use_voice(2);
  voice_->text_ids.clear();
  EXPECT_TRUE(mentions(plan_error(), {"Ann", "transcript"}));
}

TEST_F(PromptTest, VoiceWithTranscriptIdsOutOfRangeIsRefused) {
  use_voice(2);
  voice_->text_ids.back() = metadata_.text_vocab_size;
  EXPECT_TRUE(mentions(plan_error(), {"Ann", "100"}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows

TEST_F(PromptTest, RowsAreTheSumsOfTheirParts) {
  use_voice(3);
  voice_->codes = {1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0};
  CountingSource source(metadata_.max_rows);
  const PromptPlan plan = this->plan(TextLayout::kFull);
  const auto prompt = build_prompt(plan, 0, voice_.get(), metadata_, source);
  ASSERT_TRUE(prompt.ok());
  ASSERT_EQ(prompt->num_rows, 3 + 3 + 1 + 1 + 6 + 4);
  const auto row = [&](int64_t i) {
    return std::vector<float>(prompt->rows.begin() + i * 3, prompt->rows.begin() + i * 3 + 3);
  };
  EXPECT_EQ(row(0), (std::vector<float>{90, 0, 0}));            // Text alone.
  EXPECT_EQ(row(3), (std::vector<float>{95, 12, 1}));           // Pad + nothink.
  EXPECT_EQ(row(6), (std::vector<float>{95.25F, 0.5F, 0.75F})); // Pad + x-vector.
  EXPECT_EQ(row(14), (std::vector<float>{95, 9, 1}));           // Pad + codec bos.
  // Frame (1, 2, 3, 4): rows 1, 24 + 2, 32 + 3, 40 + 4 of the stacked table.
  EXPECT_EQ(row(15), (std::vector<float>{95, 1 + 26 + 35 + 44, 4}));
  EXPECT_EQ(row(16), (std::vector<float>{95, 5 + 30 + 39 + 40, 4}));
  EXPECT_EQ(row(17), (std::vector<float>{95, 0 + 24 + 32 + 40, 4}));
}

TEST_F(PromptTest, TextRowsTrailAndThenPad) {
  CountingSource source(metadata_.max_rows);
  const PromptPlan plan = this->plan(TextLayout::kStreaming);
  const auto prompt = build_prompt(plan, 0, voice_.get(), metadata_, source);
  ASSERT_TRUE(prompt.ok());
  ASSERT_EQ(prompt->num_trailing, 3);
  const std::vector<float> expected = {41, 42, 97, 95, 95};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(prompt->text_row(static_cast<int64_t>(i))[0], expected[i]) << i;
  }
}

TEST_F(PromptTest, ErrorOfTheSourceIsPassedOn) {
  CountingSource source(metadata_.max_rows);
  source.fails = true;
  const auto prompt = build_prompt(plan(TextLayout::kFull), 0, voice_.get(), metadata_, source);
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().message, "no rows today");
}

}  // namespace
}  // namespace qwen3_tts
