#include "stages/slot_pool.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;

// [slots, L, 2, KVH, C, D] of floats: a slot takes 48 KiB.
const TensorSpec kSpec{ScalarType::Float, {3, 2, 2, 3, 64, 16}};

float* numbers_of(const SlotPool& pool, const Slot& slot) {
  const auto& tensor = pool.tensor();
  return tensor.mutable_data_ptr<float>() + slot.index() * (tensor.numel() / tensor.size(0));
}

TEST(SlotPoolTest, LeasesEachSlotOnce) {
  const auto pool = SlotPool::create(kSpec).value();
  EXPECT_EQ(pool->num_slots(), 3);
  std::vector<Slot> slots;
  std::set<int64_t> indices;
  for (int i = 0; i < 3; ++i) {
    slots.push_back(pool->lease().value());
    indices.insert(slots.back().index());
  }
  EXPECT_EQ(indices, (std::set<int64_t>{0, 1, 2}));
  const auto none = pool->lease();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidState);
  EXPECT_NE(none.error().message.find("all 3 places"), std::string::npos) << none.error().message;
  const int64_t index = slots[1].index();
  slots.erase(slots.begin() + 1);
  EXPECT_EQ(pool->lease().value().index(), index);
}

TEST(SlotPoolTest, SnapshotHoldsTheFirstPositionsOfEveryHead) {
  const auto pool = SlotPool::create(kSpec).value();
  const Slot from = pool->lease().value();
  Slot to = pool->lease().value();
  float* numbers = numbers_of(*pool, from);
  for (int64_t i = 0; i < int64_t{12} * 64 * 16; ++i) {
    numbers[i] = static_cast<float>(i);
  }
  constexpr int64_t kPositions = 5;
  const Snapshot snapshot = from.snapshot(kPositions);
  EXPECT_EQ(snapshot.size(), from.snapshot_bytes(kPositions));
  EXPECT_EQ(snapshot.size(), 12 * kPositions * 16 * sizeof(float));
  to.restore(snapshot, kPositions);
  const float* restored = numbers_of(*pool, to);
  for (int64_t head = 0; head < 12; ++head) {
    for (int64_t i = 0; i < int64_t{64} * 16; ++i) {
      ASSERT_EQ(restored[head * 64 * 16 + i], i < kPositions * 16 ? numbers[head * 64 * 16 + i] : 0.0F);
    }
  }
}

TEST(SlotPoolTest, MemoryOfALeftSlotIsGivenBackAndThatOfOthersStays) {
  const auto pool = SlotPool::create(kSpec).value();
  std::optional<Slot> left = pool->lease().value();
  const Slot kept = pool->lease().value();
  float* numbers = numbers_of(*pool, *left);
  float* others = numbers_of(*pool, kept);
  constexpr int64_t kCount = int64_t{12} * 64 * 16;
  std::fill_n(numbers, kCount, 1.0F);
  std::fill_n(others, kCount, 2.0F);
  left.reset();
  EXPECT_TRUE(std::all_of(others, others + kCount, [](float value) { return value == 2.0F; }));
#ifdef __linux__
  EXPECT_TRUE(std::all_of(numbers, numbers + kCount, [](float value) { return value == 0.0F; })) << "whole pages";
#endif
}

TEST(SlotPoolTest, MemoryOfAClearedSlotIsGivenBackAndItStaysLeased) {
  const auto pool = SlotPool::create(kSpec).value();
  Slot slot = pool->lease().value();
  float* numbers = numbers_of(*pool, slot);
  constexpr int64_t kCount = int64_t{12} * 64 * 16;
  std::fill_n(numbers, kCount, 1.0F);
  slot.clear();
#ifdef __linux__
  EXPECT_TRUE(std::all_of(numbers, numbers + kCount, [](float value) { return value == 0.0F; })) << "whole pages";
#endif
  EXPECT_NE(pool->lease().value().index(), slot.index());
}

TEST(SlotPoolTest, HasAsManySlotsAsTheAddressSpaceHolds) {
  // A slot of 512 GiB: the address space of a process holds some of 512, and one under ThreadSanitizer.
  const auto pool = SlotPool::create({ScalarType::Float, {512, 1 << 10, 2, 1 << 10, 1 << 11, 1 << 5}});
  ASSERT_TRUE(pool.ok()) << pool.error().message;
  EXPECT_GT((*pool)->num_slots(), 0);
  EXPECT_LT((*pool)->num_slots(), 512);
}

TEST(SlotPoolTest, OneSlotThatIsTooLargeIsAnError) {
  EXPECT_FALSE(SlotPool::create({ScalarType::Float, {4, 1 << 20, 2, 1 << 10, 1 << 11, 1 << 10}}).ok());
}

}  // namespace
}  // namespace qwen3_tts
