#include "session/prefix_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace qwen3_tts {
namespace {

// The first byte of a key: whose state it is.
constexpr char kTalker = 't';
constexpr char kCodecDecoder = 'c';

template <typename T>
void append(std::string& key, const T* values, size_t count) {
  key.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

}  // namespace

const PrefixCache::Entry* PrefixCache::use(const std::string& key) {
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& candidate) { return candidate.key == key; });
  if (entry == entries_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return &entries_.front();
}

std::shared_ptr<const Snapshot> PrefixCache::find(const std::string& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Entry* entry = use(key);
  return entry == nullptr ? nullptr : entry->state;
}

void PrefixCache::keep(const std::string& key, Snapshot state) {
  if (!has_room_for(key, state.size())) {
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (use(key) != nullptr) {
    return;  // Another session was faster.
  }
  entries_.push_front({key, std::make_shared<const Snapshot>(std::move(state))});
  size_bytes_ += entries_.front().size_bytes();
  while (size_bytes_ > max_bytes_) {
    size_bytes_ -= entries_.back().size_bytes();
    entries_.pop_back();
  }
}

size_t PrefixCache::size_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return size_bytes_;
}

std::string prefix_key(const PromptPlan& plan, const Voice* voice, int64_t num_code_groups) {
  std::string key(1, kTalker);
  for (size_t i = 0; i < static_cast<size_t>(plan.num_prefix_rows); ++i) {
    const PlannedRow& row = plan.rows[i];
    const int64_t parts[] = {row.text_id, row.code_row, row.frame, row.is_voice ? 1 : 0};
    append(key, parts, std::size(parts));
    if (row.is_voice) {
      append(key, voice->x_vector.data(), voice->x_vector.size());
    }
    if (row.frame != PlannedRow::kNone) {
      const auto num_groups = static_cast<size_t>(num_code_groups);
      append(key, voice->codes.data() + static_cast<size_t>(row.frame) * num_groups, num_groups);
    }
  }
  return key;
}

std::string codes_key(const std::vector<int64_t>& codes) {
  std::string key(1, kCodecDecoder);
  append(key, codes.data(), codes.size());
  return key;
}

}  // namespace qwen3_tts
