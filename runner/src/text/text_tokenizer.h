#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The text to speak: leading whitespace that contains a line break is stripped (the break would merge with the one
/// that ends the prompt's role). kInvalidArgument when there is nothing but whitespace. Same as normalize_text in
/// qwen3_tts/text_tokenizer.py.
Result<std::string_view> normalize_text(std::string_view utf8);

/// Pairs of tokens that the vocabulary merges, with the rank of each pair.
class MergeTable {
 public:
  struct Merge {
    uint32_t left, right, whole;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  explicit MergeTable(size_t num_merges);

  /// Gives the pair the next rank; false if it has one. At most num_merges times.
  bool append(const Merge& merge);
  /// The pair's rank, or kNoRank.
  uint32_t find(uint32_t left, uint32_t right) const;
  uint32_t whole(uint32_t rank) const { return merges_[rank].whole; }

 private:
  size_t slot(uint32_t left, uint32_t right) const;

  std::vector<Merge> merges_;    ///< By rank.
  std::vector<uint32_t> slots_;  ///< Open addressing: ranks; a power of two, at most two thirds of it in use.
};

/// Text to ids as the Qwen2 tokenizer of Hugging Face `tokenizers` makes them: NFC, the Qwen2 split, byte-level BPE.
/// Special-token strings in the text are text like any other.
class TextTokenizer {
 public:
  static constexpr uint32_t kMaxIds = 1u << 24;

  /// Every id in `byte_ids` and `merges` is smaller than `num_ids`, which is at most kMaxIds.
  TextTokenizer(int64_t num_ids, const std::array<uint32_t, 256>& byte_ids, MergeTable merges)
      : num_ids_(num_ids), byte_ids_(byte_ids), merges_(std::move(merges)) {}

  /// Reads the table that tokenizer_tables in qwen3_tts/text_tokenizer.py writes; the bytes are not needed afterwards.
  /// Anything that is wrong with them is kInvalidModel.
  static Result<TextTokenizer> create(const uint8_t* data, size_t size);

  /// kInvalidArgument with the byte offset when the text is not valid UTF-8, or when it is longer than 16 MiB.
  /// Safe to call from several threads.
  Result<std::vector<int64_t>> encode(std::string_view utf8) const;

  /// Every id that encode() gives is smaller.
  int64_t num_ids() const { return num_ids_; }

 private:
  int64_t num_ids_;
  std::array<uint32_t, 256> byte_ids_;
  MergeTable merges_;
};

}  // namespace qwen3_tts
