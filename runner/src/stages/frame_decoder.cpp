#include "stages/frame_decoder.h"

#include <algorithm>

#include "base/try.h"

namespace qwen3_tts {

Status DecoderState::clear() {
  position = 0;
  for (MappedTensor& tensor : tensors) {
    RETURN_IF_ERROR(tensor.clear());
  }
  return {};
}

size_t DecoderState::snapshot_bytes() const {
  size_t size = 0;
  for (const MappedTensor& tensor : tensors) {
    size += tensor.size_bytes();
  }
  return size;
}

Snapshot DecoderState::snapshot() const {
  Snapshot snapshot;
  snapshot.reserve(snapshot_bytes());
  for (const MappedTensor& tensor : tensors) {
    snapshot.insert(snapshot.end(), tensor.data(), tensor.data() + tensor.size_bytes());
  }
  return snapshot;
}

void DecoderState::restore(const Snapshot& snapshot, int64_t num_frames) {
  const std::byte* from = snapshot.data();
  for (const MappedTensor& tensor : tensors) {
    std::copy_n(from, tensor.size_bytes(), tensor.data());
    from += tensor.size_bytes();
  }
  position = num_frames;
}

}  // namespace qwen3_tts
