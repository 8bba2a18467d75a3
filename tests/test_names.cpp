#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/folded_name.h"
#include "base/unicode_nfc.h"
#include "text/language_names.h"

namespace qwen3_tts {
namespace {

const std::map<std::string, int64_t> kPublished = {
    {"chinese", 1}, {"English", 2}, {"german", 3}, {"beijing_dialect", 4}, {"sichuan_dialect", 5}};

/// What a language that is asked for is called in `names`; "none" where it is not there.
std::string language(const std::string& given, const std::map<std::string, int64_t>& names = kPublished) {
  const std::string* found = find_language(names, given);
  return found == nullptr ? "none" : *found;
}

// ---------------------------------------------------------------------------------------------------------------------
// Case

TEST(FoldCaseTest, FoldsEveryAlphabet) {
  EXPECT_EQ(fold_case(U""), U"");
  EXPECT_EQ(fold_case(U"Ryan 7_é"), U"ryan 7_é");
  EXPECT_EQ(fold_case(U"АННА ΣΊΣΥΦΟΣ ΐ"), U"анна σίσυφοσ \u03B9\u0308\u0301");
  EXPECT_EQ(fold_case(U"Straße STRASSE ẞ ﬃ"), U"strasse strasse ss ffi");
  EXPECT_EQ(fold_case(U"İı"), U"i\u0307ı");  // The two of Turkish stay two.
}

TEST(FoldNameTest, ComposedAndDecomposedAreOne) {
  EXPECT_EQ(folded_name("E\u0301LODIE"), folded_name("élodie"));
  EXPECT_EQ(folded_name("J\u030C"), folded_name("\u01F0"));  // Its small letter alone has a code point.
  EXPECT_EQ(folded_name("\u1100\u1161"), "가");
  EXPECT_NE(folded_name("Elodie"), folded_name("Élodie"));
}

TEST(FoldNameTest, BytesThatAreNoTextStay) { EXPECT_EQ(folded_name("A\xFF"), "A\xFF"); }

TEST(FindNameTest, KeepsTheSpelling) {
  const std::vector<std::string> names = {"Анна", "ÉLODIE", "straße", "Uncle_Fu"};
  const auto find = [&](const std::string& name) {
    const std::string* found = find_name(names, name);
    return found == nullptr ? "none" : *found;
  };
  EXPECT_EQ(find("анна"), "Анна");
  EXPECT_EQ(find("АННА"), "Анна");
  EXPECT_EQ(find("e\u0301lodie"), "ÉLODIE");
  EXPECT_EQ(find("STRASSE"), "straße");
  EXPECT_EQ(find("uncle_fu"), "Uncle_Fu");
  EXPECT_EQ(find("Anna"), "none");
  EXPECT_EQ(find(""), "none");
}

// ---------------------------------------------------------------------------------------------------------------------
// Codes of languages

TEST(FindLanguageTest, TakesNamesAndCodes) {
  for (const char* given : {"English", "ENGLISH", "en", "EN", "eng", "en-US", "en_us", "en-Latn-GB", "en-029"}) {
    EXPECT_EQ(language(given), "English") << given;
  }
  for (const char* given :
       {"chinese", "zh", "zho", "chi", "cmn", "zh-CN", "zh_TW", "zh-Hans-CN", "zh-cmn-Hans", "cmn-CN"}) {
    EXPECT_EQ(language(given), "chinese") << given;
  }
  EXPECT_EQ(language("ger"), "german");
  EXPECT_EQ(language("de-1996"), "german");
}

TEST(FindLanguageTest, DialectsHaveVariants) {
  EXPECT_EQ(language("zh-CN-sichuan"), "sichuan_dialect");
  EXPECT_EQ(language("cmn_Beijing"), "beijing_dialect");
  EXPECT_EQ(language("zh-CN-henan"), "chinese");  // This model has no such dialect.
}

TEST(FindLanguageTest, OnlyWhatTheModelHasCounts) {
  for (const char* given : {"", "fr", "tlh", "zh-yue", "yue", "e", "english-", "-en", "en--US", "en US", "en.UTF-8",
                            "englisch", "en-toolongsubtag"}) {
    EXPECT_EQ(language(given), "none") << given;
  }
  EXPECT_EQ(language("zh-yue", {{"Cantonese", 1}, {"Chinese", 2}}), "Cantonese");
  EXPECT_EQ(language("nl_BE", {{"dutch", 1}}), "dutch");
}

TEST(FindLanguageTest, NameOfTheModelComesFirst) {
  EXPECT_EQ(language("en", {{"english", 1}, {"EN", 2}}), "EN");
  EXPECT_EQ(language("en-US", {{"english", 1}, {"EN", 2}}), "english");
}

TEST(LanguageTest, AutoAndNothingAreAuto) {
  for (const char* given : {"auto", "Auto", "AUTO", ""}) {
    EXPECT_TRUE(is_auto_language(given)) << given;
  }
  EXPECT_FALSE(is_auto_language("au"));
}

}  // namespace
}  // namespace qwen3_tts
