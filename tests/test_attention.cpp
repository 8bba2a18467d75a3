#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/runtime.h>
#include <gtest/gtest.h>

#include "instruction_set_test.h"
#include "ops/kernels/attention_kernels.h"
#include "ops/ops.h"
#include "program/executorch_thread_pool.h"

namespace qwen3_tts {
namespace {

using executorch::aten::Half;
using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;

constexpr float kLargestHalf = 65504.0F;

struct Layer {
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t window = 0;

  int64_t width() const { return (num_heads + 2 * num_kv_heads) * head_dim; }
};

TensorPtr tensor(const std::vector<int64_t>& sizes, void* data, ScalarType type = ScalarType::Float) {
  return make_tensor_ptr(std::vector<SizesType>(sizes.begin(), sizes.end()), data, type);
}

std::vector<float> numbers(int64_t count, float phase) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t period = i / 1013;
    values[i] = std::sin(1.7F * static_cast<float>(i % 1013) + phase * static_cast<float>(period + 1));
  }
  return values;
}

constexpr int64_t kSlots = 4;

/// A layer's cache, of several utterances, and what was asked of it.
class Attention {
 public:
  Attention(const Layer& layer, int64_t capacity, ScalarType type)
      : layer_(layer),
        bytes_(static_cast<size_t>(kSlots * 4 * layer.num_kv_heads * capacity * layer.head_dim) * sizeof(float)),
        norm_(numbers(layer.head_dim, 0.3F)),
        kv_(tensor({kSlots, 2, 2, layer.num_kv_heads, capacity, layer.head_dim}, bytes_.data(), type)) {}

  /// What rows [num_rows, width] of one utterance give from `first` on, or nothing when the kernel refuses.
  std::optional<std::vector<float>> attend(const float* rows, int64_t num_rows, int64_t first, int64_t index = 1) {
    std::vector<int64_t> positions(static_cast<size_t>(num_rows));
    std::iota(positions.begin(), positions.end(), static_cast<uint64_t>(first));
    return attend_in_slots(rows, positions, std::nullopt, index);
  }

  /// What rows give at these positions of the utterances in these slots.
  std::optional<std::vector<float>> attend_in_slots(const float* rows, std::vector<int64_t> positions,
                                                    std::optional<std::vector<int64_t>> slots, int64_t index = 1) {
    const auto num_rows = static_cast<int64_t>(positions.size());
    const int64_t out_width = layer_.num_heads * layer_.head_dim;
    std::vector<float> rotation(static_cast<size_t>(num_rows * layer_.head_dim));
    std::vector<float> result(static_cast<size_t>(num_rows * out_width));
    const auto qkv = tensor({num_rows, layer_.width()}, const_cast<float*>(rows));
    const auto rope = tensor({num_rows, layer_.head_dim}, rotation.data());
    const auto norm = tensor({layer_.head_dim}, norm_.data());
    const auto out = tensor({num_rows, out_width}, result.data());
    KernelRuntimeContext context(nullptr, &allocator_);
    const auto at = tensor({num_rows}, positions.data(), ScalarType::Long);
    std::optional<Tensor> in_slots;
    const auto slots_tensor = slots ? tensor({num_rows}, slots->data(), ScalarType::Long) : nullptr;
    if (slots) {
      in_slots = *slots_tensor;
    }
    rope_out(context, *at, layer_.head_dim, 10000.0, *rope);
    attention_out(context, *qkv, *norm, *norm, *rope, *at, in_slots, *kv_, index, layer_.num_heads, layer_.window, 1e-6,
                  *out);
    allocator_.reset();
    if (context.failure_state() != Error::Ok) {
      return std::nullopt;
    }
    return result;
  }

  /// The same, `step` rows a call.
  std::vector<float> attend_by(int64_t step, const std::vector<float>& rows) {
    const int64_t num_rows = static_cast<int64_t>(rows.size()) / layer_.width();
    std::vector<float> all;
    for (int64_t first = 0; first < num_rows; first += step) {
      const auto piece = attend(rows.data() + first * layer_.width(), std::min(step, num_rows - first), first);
      EXPECT_TRUE(piece.has_value());
      all.insert(all.end(), piece->begin(), piece->end());
    }
    return all;
  }

  double stored(bool is_value, int64_t kv_head, int64_t slot, int64_t i) const {
    const int64_t row = ((2 + (is_value ? 1 : 0)) * layer_.num_kv_heads + kv_head) * kv_->size(4) + slot;
    const int64_t index = row * layer_.head_dim + i;
    return kv_->scalar_type() == ScalarType::Half ? static_cast<float>(kv_->const_data_ptr<Half>()[index])
                                                  : kv_->const_data_ptr<float>()[index];
  }

  const std::vector<float>& norm() const { return norm_; }
  const Layer& layer() const { return layer_; }
  int64_t capacity() const { return kv_->size(4); }

 private:
  Layer layer_;
  std::vector<uint8_t> bytes_;
  std::vector<float> norm_;
  TensorPtr kv_;
  executorch::extension::MallocMemoryAllocator allocator_;
};

/// One head of a row after norm and rotation, in double precision.
std::vector<double> normed_and_rotated(const float* x, const std::vector<float>& norm, int64_t position) {
  const size_t size = norm.size();
  double squares = 0.0;
  for (size_t i = 0; i < size; ++i) {
    squares += static_cast<double>(x[i]) * x[i];
  }
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(size) + 1e-6);
  std::vector<double> out(size);
  for (size_t i = 0; i < size / 2; ++i) {
    const double angle =
        static_cast<double>(position) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(size));
    const double a = norm[i] * x[i] * scale;
    const double b = norm[size / 2 + i] * x[size / 2 + i] * scale;
    out[i] = a * std::cos(angle) - b * std::sin(angle);
    out[size / 2 + i] = b * std::cos(angle) + a * std::sin(angle);
  }
  return out;
}

/// One head's answer at `position` in double precision, from the query and what the cache holds.
std::vector<double> expected_head(const Attention& attention, const std::vector<double>& query, int64_t kv_head,
                                  int64_t position) {
  const int64_t head_dim = attention.layer().head_dim;
  const int64_t window = attention.layer().window;
  const int64_t oldest = window == 0 ? 0 : std::max<int64_t>(0, position - window + 1);
  std::vector<double> sums(query.size());
  double total = 0.0;
  for (int64_t p = oldest; p <= position; ++p) {
    double score = 0.0;
    for (int64_t i = 0; i < head_dim; ++i) {
      score += query[static_cast<size_t>(i)] * attention.stored(false, kv_head, p % attention.capacity(), i);
    }
    const double weight = std::exp(score / std::sqrt(static_cast<double>(head_dim)));
    total += weight;
    for (int64_t i = 0; i < head_dim; ++i) {
      sums[static_cast<size_t>(i)] += weight * attention.stored(true, kv_head, p % attention.capacity(), i);
    }
  }
  for (double& sum : sums) {
    sum /= total;
  }
  return sums;
}

using Parameters = std::tuple<InstructionSet, ScalarType>;

class AttentionTest : public ::testing::TestWithParam<Parameters> {
 protected:
  static void SetUpTestSuite() { executorch::runtime::runtime_init(); }

  ScalarType type() const { return std::get<1>(GetParam()); }

  Attention attention(const Layer& layer, int64_t capacity) const { return Attention(layer, capacity, type()); }

  /// A layer like the talker's, one with a narrow head, one with a window and a head for each kv head.
  static std::vector<Layer> layers() { return {{4, 2, 128}, {6, 2, 40}, {3, 3, 64, 9}, {8, 1, 6}}; }

 private:
  const ChosenInstructionSet chosen_{std::get<0>(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Every, AttentionTest,
                         ::testing::Combine(::testing::ValuesIn(available_instruction_sets()),
                                            ::testing::Values(ScalarType::Float, ScalarType::Half)),
                         [](const auto& tested) {
                           return std::string(name_of(std::get<0>(tested.param))) +
                                  (std::get<1>(tested.param) == ScalarType::Half ? "Half" : "Float");
                         });

TEST_P(AttentionTest, TheChosenInstructionSetRuns) {
#ifdef QWEN3_TTS_X86_KERNELS
  const std::vector<const AttentionKernels*> tables = {&baseline::attention_kernels, &avx2::attention_kernels,
                                                       &avxvnni::attention_kernels, &avx512::attention_kernels};
  EXPECT_EQ(&attention_kernels(), tables[static_cast<size_t>(std::get<0>(GetParam()))]);
#elif defined(QWEN3_TTS_ARM_KERNELS)
  const bool is_baseline = std::get<0>(GetParam()) == InstructionSet::kBaseline;
  EXPECT_EQ(&attention_kernels(), is_baseline ? &baseline::attention_kernels : &dotprod::attention_kernels);
#else
  EXPECT_EQ(&attention_kernels(), &baseline::attention_kernels);
#endif
}

TEST_P(AttentionTest, StoresKeysAndValues) {
  const double ulp = type() == ScalarType::Half ? 0x1p-11 : 0x1p-23;
  for (const Layer& layer : layers()) {
    Attention attention = this->attention(layer, 12);
    const std::vector<float> rows = numbers(12 * layer.width(), 0.5F);
    attention.attend_by(4, rows);
    for (int64_t p = 0; p < 12; ++p) {
      for (int64_t kv_head = 0; kv_head < layer.num_kv_heads; ++kv_head) {
        const float* key = rows.data() + p * layer.width() + (layer.num_heads + kv_head) * layer.head_dim;
        const float* value = key + layer.num_kv_heads * layer.head_dim;
        const auto expected = normed_and_rotated(key, attention.norm(), p);
        for (int64_t i = 0; i < layer.head_dim; ++i) {
          const double key_value = expected[static_cast<size_t>(i)];
          ASSERT_NEAR(attention.stored(false, kv_head, p, i), key_value, ulp * std::abs(key_value) + 1e-5);
          ASSERT_NEAR(attention.stored(true, kv_head, p, i), value[i], ulp * std::abs(value[i]));
        }
      }
    }
  }
}

TEST_P(AttentionTest, GivesSoftmaxSumsOfTheStoredRows) {
  for (const Layer& layer : layers()) {
    constexpr int64_t kRows = 70;
    Attention attention = this->attention(layer, layer.window == 0 ? kRows : layer.window - 1 + kRows);
    const std::vector<float> rows = numbers(kRows * layer.width(), 0.5F);
    const std::vector<float> found = attention.attend_by(kRows, rows);
    const int64_t group = layer.num_heads / layer.num_kv_heads;
    for (int64_t p = 0; p < kRows; ++p) {
      for (int64_t head = 0; head < layer.num_heads; ++head) {
        const float* query = rows.data() + p * layer.width() + head * layer.head_dim;
        const auto expected = expected_head(attention, normed_and_rotated(query, attention.norm(), p), head / group, p);
        const float* row = found.data() + (p * layer.num_heads + head) * layer.head_dim;
        for (int64_t i = 0; i < layer.head_dim; ++i) {
          ASSERT_NEAR(row[i], expected[static_cast<size_t>(i)], 5e-6) << p << " " << head << " " << i;
        }
      }
    }
  }
}

TEST_P(AttentionTest, DoesNotDependOnTheSplit) {
  for (const Layer& layer : layers()) {
    constexpr int64_t kRows = 37;
    const int64_t capacity = layer.window == 0 ? kRows : layer.window - 1 + kRows;
    const std::vector<float> rows = numbers(kRows * layer.width(), 0.5F);
    const std::vector<float> whole = attention(layer, capacity).attend_by(kRows, rows);
    for (const int64_t step : {1, 2, 3, 5, 16}) {
      EXPECT_EQ(attention(layer, capacity).attend_by(step, rows), whole) << step;
    }
  }
}

TEST_P(AttentionTest, DoesNotDependOnTheNumberOfThreads) {
  const Layer layer = {16, 8, 128};
  constexpr int64_t kRows = 150;
  const std::vector<float> rows = numbers(kRows * layer.width(), 0.5F);
  std::vector<std::vector<float>> found;
  for (const uint32_t num_threads : {1U, 2U, 3U}) {
    executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(num_threads);
    found.push_back(attention(layer, kRows).attend_by(50, rows));
  }
  EXPECT_EQ(found[1], found[0]);
  EXPECT_EQ(found[2], found[0]);
}

TEST_P(AttentionTest, WindowForgetsOlderPositions) {
  // With a window of three, the ring of four slots holds all that a row sees.
  const Layer layer = {4, 2, 8, 3};
  Attention ring = attention(layer, 4);
  Attention wide = attention(layer, 16);
  const std::vector<float> rows = numbers(14 * layer.width(), 0.5F);
  EXPECT_EQ(ring.attend_by(2, rows), wide.attend_by(2, rows));
}

TEST_P(AttentionTest, RefusesWhatDoesNotFit) {
  const Layer layer = {4, 2, 8};
  const std::vector<float> rows = numbers(3 * layer.width(), 0.5F);
  Attention all = attention(layer, 8);
  EXPECT_TRUE(all.attend(rows.data(), 2, 6).has_value());
  EXPECT_FALSE(all.attend(rows.data(), 2, 7).has_value()) << "beyond the capacity";
  EXPECT_FALSE(all.attend(rows.data(), 1, std::numeric_limits<int64_t>::max()).has_value()) << "overflowing position";
  EXPECT_FALSE(all.attend(rows.data(), 1, -1).has_value()) << "negative position";
  EXPECT_FALSE(all.attend(rows.data(), 1, 0, 2).has_value()) << "no such layer";
  Attention ring = attention({4, 2, 8, 3}, 4);
  EXPECT_FALSE(ring.attend(rows.data(), 3, 0).has_value()) << "a ring that forgets what its rows see";
  EXPECT_FALSE(Attention(layer, 8, ScalarType::Int).attend(rows.data(), 1, 0).has_value()) << "no type for a cache";
}

/// Whatever stands beside them: more of an utterance than one row, other utterances, nothing.
TEST_P(AttentionTest, RowsOfSeveralUtterancesAreAsAlone) {
  for (const Layer& layer : {Layer{4, 2, 128}, Layer{6, 2, 40}, Layer{8, 1, 6}}) {
    constexpr int64_t kRows = 23;
    std::vector<std::vector<float>> rows;
    std::vector<std::vector<float>> alone;
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      rows.push_back(numbers(kRows * layer.width(), 0.5F + static_cast<float>(slot)));
      alone.push_back(attention(layer, kRows).attend_by(kRows, rows.back()));
    }
    Attention all = attention(layer, kRows);
    std::vector<int64_t> next(kSlots, 0);
    for (int64_t call = 0; *std::min_element(next.begin(), next.end()) < kRows; ++call) {
      std::vector<float> given;
      std::vector<int64_t> positions;
      std::vector<int64_t> slots;
      for (int64_t slot = kSlots - 1; slot >= 0; --slot) {
        const int64_t count = std::min((call + slot) % 4, kRows - next[static_cast<size_t>(slot)]);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t position = next[static_cast<size_t>(slot)]++;
          const auto row = rows[static_cast<size_t>(slot)].begin() + position * layer.width();
          given.insert(given.end(), row, row + layer.width());
          positions.push_back(position);
          slots.push_back(slot);
        }
      }
      if (positions.empty()) {
        continue;
      }
      const auto found = all.attend_in_slots(given.data(), positions, slots);
      ASSERT_TRUE(found.has_value());
      const int64_t width = layer.num_heads * layer.head_dim;
      for (size_t i = 0; i < positions.size(); ++i) {
        const auto expected = alone[static_cast<size_t>(slots[i])].begin() + positions[i] * width;
        EXPECT_TRUE(std::equal(expected, expected + width, found->begin() + static_cast<int64_t>(i) * width))
            << slots[i] << " " << positions[i];
      }
    }
  }
}

TEST_P(AttentionTest, RefusesSlotsThatThereAreNot) {
  const Layer layer = {4, 2, 8};
  const std::vector<float> rows = numbers(2 * layer.width(), 0.5F);
  Attention all = attention(layer, 8);
  using Slots = std::vector<int64_t>;
  EXPECT_TRUE(all.attend_in_slots(rows.data(), {3, 0}, Slots{0, kSlots - 1}).has_value());
  EXPECT_FALSE(all.attend_in_slots(rows.data(), {3, 0}, Slots{0, kSlots}).has_value());
  EXPECT_FALSE(all.attend_in_slots(rows.data(), {3, 0}, Slots{-1, 0}).has_value());
  EXPECT_FALSE(all.attend_in_slots(rows.data(), {3, 8}, Slots{0, 1}).has_value()) << "beyond the capacity";
  Attention ring = attention({4, 2, 8, 3}, 8);
  EXPECT_FALSE(ring.attend_in_slots(rows.data(), {0, 0}, Slots{0, 1}).has_value()) << "a ring takes one utterance";
}

class HalfRowsTest : public InstructionSetTest {
 protected:
  static uint16_t stored(float value) {
    uint16_t bits = 0;
    attention_kernels().half_rows.store_row(&value, 1, &bits);
    return bits;
  }

  /// A stored half as a factor of one.
  static float widened(uint16_t bits) {
    const float one = 1.0F;
    float product = 0.0F;
    attention_kernels().half_rows.dot_products(&one, 1, &bits, 1, 1, 1.0F, &product, 1);
    return product;
  }
};

INSTANTIATE_INSTRUCTION_SETS(HalfRowsTest);

TEST_P(HalfRowsTest, EveryHalfIsReadAndStoredAsItself) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const Half half(static_cast<uint16_t>(bits), Half::from_bits());
    const auto value = static_cast<float>(half);
    if (std::isfinite(value)) {
      ASSERT_EQ(widened(half.x), value) << bits;
      ASSERT_EQ(stored(value), half.x) << bits;
    }
  }
}

TEST_P(HalfRowsTest, RoundsToTheNearest) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {  // every finite positive one but the largest
    const auto low = static_cast<float>(Half(static_cast<uint16_t>(bits), Half::from_bits()));
    const auto high = static_cast<float>(Half(static_cast<uint16_t>(bits + 1), Half::from_bits()));
    const float middle = (low + high) / 2.0F;
    const uint32_t even = bits + bits % 2;
    ASSERT_EQ(stored(middle), even);
    ASSERT_EQ(stored(-middle), 0x8000U | even);
    ASSERT_EQ(stored(std::nextafter(middle, low)), bits);
    ASSERT_EQ(stored(std::nextafter(middle, high)), bits + 1);
  }
}

TEST_P(HalfRowsTest, NothingBecomesInfinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(widened(stored(65520.0F)), kLargestHalf);
  EXPECT_EQ(widened(stored(infinity)), kLargestHalf);
  EXPECT_EQ(widened(stored(-infinity)), -kLargestHalf);
  EXPECT_TRUE(std::isnan(static_cast<float>(Half(stored(std::nanf("")), Half::from_bits()))));
}

}  // namespace
}  // namespace qwen3_tts
