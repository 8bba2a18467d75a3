#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <qwen3_tts/voice.h>

#include "program/mapped_tensor.h"
#include "text/prompt_plan.h"

namespace qwen3_tts {

/// What the stages remember after reading how an utterance begins, for the utterances that begin alike. What was used
/// least recently goes first when there is too much. Thread-safe.
class PrefixCache {
 public:
  /// `max_bytes` of keys and states; 0: keeps nothing.
  explicit PrefixCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// The state under `key`, which stays valid while it is held; null: there is none.
  std::shared_ptr<const Snapshot> find(const std::string& key);

  /// Could a state of this size be kept? It need not be made otherwise.
  bool has_room_for(const std::string& key, size_t state_bytes) const { return key.size() + state_bytes <= max_bytes_; }

  /// Keeps `state`, if there can be room for it. A key has only one state: a second one is dropped.
  void keep(const std::string& key, Snapshot state);

  size_t size_bytes() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Snapshot> state;

    size_t size_bytes() const { return key.size() + state->size(); }
  };

  /// Moves the entry of `key` to the front. Under the lock.
  const Entry* use(const std::string& key);

  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  ///< Last used first; a few dozen at most, as states are large.
  size_t size_bytes_ = 0;
};

/// Everything that the talker's state after the plan's prefix depends on, byte for byte. `voice`: that of the plan, or
/// null.
std::string prefix_key(const PromptPlan& plan, const Voice* voice, int64_t num_code_groups);

/// The same for the codec decoder's state after `codes`, [num_frames * num_code_groups].
std::string codes_key(const std::vector<int64_t>& codes);

}  // namespace qwen3_tts
