#include "stages/slot_numbers.h"

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

TEST(SlotNumbersTest, LeasesEachNumberOnce) {
  SlotNumbers numbers(3);
  EXPECT_EQ(numbers.size(), 3);
  std::vector<SlotNumber> held;
  std::set<int64_t> values;
  for (int i = 0; i < 3; ++i) {
    held.push_back(numbers.lease().value());
    values.insert(held.back().value());
  }
  EXPECT_EQ(values, (std::set<int64_t>{0, 1, 2}));
  EXPECT_FALSE(numbers.lease().has_value());
  const int64_t value = held[1].value();
  held.erase(held.begin() + 1);
  EXPECT_EQ(numbers.lease().value().value(), value);
}

TEST(SlotNumbersTest, WhoIsMovedFromHoldsNothing) {
  SlotNumbers numbers(2);
  SlotNumber first = numbers.lease().value();
  std::optional<SlotNumber> moved = std::move(first);
  EXPECT_FALSE(first.is_held());  // NOLINT(bugprone-use-after-move)
  SlotNumber second = numbers.lease().value();
  EXPECT_FALSE(numbers.lease().has_value());
  const int64_t value = second.value();
  moved = std::move(second);
  EXPECT_EQ(moved->value(), value);
  moved.reset();
  EXPECT_EQ(numbers.lease().value().value(), value);
}

}  // namespace
}  // namespace qwen3_tts
