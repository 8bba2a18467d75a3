#include "text/text_tokenizer.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "base/unicode_nfc.h"

namespace qwen3_tts {

namespace {

constexpr char kMagic[] = {'Q', '3', 'T', 'T', 'S', 'T', 'O', 'K'};
constexpr uint32_t kVersion = 1;
constexpr size_t kMinMergeSize = 3;  // Three numbers of one byte.
// Far more than can be spoken; keeps positions in a piece (NFC at most triples the bytes) far below 32 bits.
constexpr size_t kMaxTextSize = size_t{1} << 24;

// ---------------------------------------------------------------------------------------------------------------------
// Table

/// Reads the table's numbers one after the other; nullopt once the bytes do not hold one.
class TableReader {
 public:
  TableReader(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  size_t remaining() const { return size_ - offset_; }

  bool skip(const char* expected, size_t size) {
    if (remaining() < size || std::memcmp(data_ + offset_, expected, size) != 0) {
      return false;
    }
    offset_ += size;
    return true;
  }

  std::optional<uint32_t> read_u32() {
    if (remaining() < 4) {
      return std::nullopt;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) {
      value |= uint32_t{data_[offset_++]} << 8 * i;
    }
    return value;
  }

  /// An unsigned LEB128 of at most four bytes.
  std::optional<uint32_t> read_leb128() {
    uint32_t value = 0;
    for (size_t i = 0; i < 4 && remaining() > 0; ++i) {
      const uint32_t byte = data_[offset_++];
      value |= (byte & 0x7F) << 7 * i;
      if (byte < 0x80) {
        return value;
      }
    }
    return std::nullopt;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t offset_ = 0;
};

Error invalid_table(const std::string& what) { return invalid_model("tokenizer table: " + what); }

struct TableHeader {
  uint32_t num_ids, num_merges;
};

Result<TableHeader> read_header(TableReader& reader) {
  if (!reader.skip(kMagic, sizeof(kMagic))) {
    return invalid_table("it does not begin with " + std::string(kMagic, sizeof(kMagic)));
  }
  const std::optional<uint32_t> version = reader.read_u32();
  if (version && *version != kVersion) {
    return invalid_table("version " + std::to_string(*version) + ", this program reads " + std::to_string(kVersion));
  }
  const std::optional<uint32_t> num_ids = reader.read_u32();
  const std::optional<uint32_t> num_merges = reader.read_u32();
  if (!num_ids || !num_merges) {
    return invalid_table("it ends inside the header");
  }
  if (*num_ids == 0 || *num_ids > TextTokenizer::kMaxIds) {
    return invalid_table("num_ids is " + std::to_string(*num_ids) + ", expected 1.." +
                         std::to_string(TextTokenizer::kMaxIds));
  }
  return TableHeader{*num_ids, *num_merges};
}

Error invalid_merge(uint32_t rank, const std::string& what) {
  return invalid_table("merge " + std::to_string(rank) + " " + what);
}

/// Reads the merges and makes sure that nothing follows them.
Result<MergeTable> read_merges(TableReader& reader, const TableHeader& header) {
  if (header.num_merges > reader.remaining() / kMinMergeSize) {
    return invalid_table("it is too short for " + std::to_string(header.num_merges) + " merges");
  }
  MergeTable table(header.num_merges);
  int64_t previous = 255;
  for (uint32_t rank = 0; rank < header.num_merges; ++rank) {
    const std::optional<uint32_t> left = reader.read_leb128();
    const std::optional<uint32_t> right = reader.read_leb128();
    const std::optional<uint32_t> step = reader.read_leb128();
    if (!left || !right || !step) {
      return invalid_merge(rank, "is cut off or malformed");
    }
    const int64_t half = *step / 2;
    const int64_t whole = previous + 1 + (*step % 2 == 0 ? half : -half - 1);
    if (*left >= header.num_ids || *right >= header.num_ids || whole < 0 || whole >= header.num_ids) {
      return invalid_merge(rank, "has an id outside 0.." + std::to_string(header.num_ids - 1));
    }
    if (!table.append({*left, *right, static_cast<uint32_t>(whole)})) {
      return invalid_merge(rank, "is listed twice");
    }
    previous = whole;
  }
  if (reader.remaining() > 0) {
    return invalid_table(std::to_string(reader.remaining()) + " bytes follow the last merge");
  }
  return table;
}

// ---------------------------------------------------------------------------------------------------------------------
// Split: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+

/// Cuts the text into the pieces of the Qwen2 split; each character belongs to one.
class Splitter {
 public:
  explicit Splitter(const std::u32string& text) : text_(text), classes_(text.size()) {
    std::transform(text.begin(), text.end(), classes_.begin(), char_class);
  }

  /// End of the piece that begins at `begin`. The alternatives in the order of the regular expression.
  size_t piece_end(size_t begin) const {
    if (const size_t size = contraction_size(begin); size > 0) {
      return begin + size;
    }
    const size_t letters = is(begin, CharClass::kLetter) || is_line_break(begin) ? begin : begin + 1;
    if (is(letters, CharClass::kLetter) && !is(begin, CharClass::kNumber)) {
      return run_end(letters, CharClass::kLetter);
    }
    if (is(begin, CharClass::kNumber)) {
      return begin + 1;
    }
    const size_t others = text_[begin] == U' ' ? begin + 1 : begin;
    if (is(others, CharClass::kOther)) {
      size_t end = run_end(others, CharClass::kOther);
      while (is_line_break(end)) {
        ++end;
      }
      return end;
    }
    return whitespace_end(begin);
  }

 private:
  bool is(size_t at, CharClass value) const { return at < text_.size() && classes_[at] == value; }
  bool is_line_break(size_t at) const { return at < text_.size() && (text_[at] == U'\n' || text_[at] == U'\r'); }

  size_t run_end(size_t begin, CharClass value) const {
    while (is(begin, value)) {
      ++begin;
    }
    return begin;
  }

  /// The letter at `at` in lower case if it is one of those in the contractions, else 0.
  char32_t contraction_letter(size_t at) const {
    const char32_t code = at < text_.size() ? text_[at] : 0;
    if (code == U'\u017F') {
      return U's';  // The long s folds to s.
    }
    return code < 0x80 ? code | 0x20 : 0;
  }

  size_t contraction_size(size_t begin) const {
    if (text_[begin] != U'\'') {
      return 0;
    }
    const char32_t first = contraction_letter(begin + 1);
    if (first == U's' || first == U't' || first == U'm' || first == U'd') {
      return 2;
    }
    const char32_t second = contraction_letter(begin + 2);
    const bool is_pair =
        (first == U'r' && second == U'e') || (first == U'v' && second == U'e') || (first == U'l' && second == U'l');
    return is_pair ? 3 : 0;
  }

  /// The run up to its last line break; without one all of it at the end of the text, else all but its last character
  /// (which opens the next piece), but one character at least.
  size_t whitespace_end(size_t begin) const {
    const size_t end = run_end(begin, CharClass::kSpace);
    for (size_t last = end; last > begin; --last) {
      if (is_line_break(last - 1)) {
        return last;
      }
    }
    return end == text_.size() || end == begin + 1 ? end : end - 1;
  }

  const std::u32string& text_;
  std::vector<CharClass> classes_;
};

// ---------------------------------------------------------------------------------------------------------------------
// BPE

/// Merges the pairs of one piece after the other: lowest rank first, leftmost first. n log n in the piece's length.
class Merger {
 public:
  Merger(const MergeTable& merges, const std::array<uint32_t, 256>& byte_ids) : merges_(merges), byte_ids_(byte_ids) {}

  void append_ids(std::string_view piece, std::vector<int64_t>& ids) {
    tokens_.resize(piece.size());
    for (uint32_t at = 0; at < tokens_.size(); ++at) {
      tokens_[at] = {byte_ids_[static_cast<uint8_t>(piece[at])], at - 1, at + 1, MergeTable::kNoRank};
    }
    for (uint32_t at = 0; at < tokens_.size(); ++at) {
      rank_pair(at);
    }
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      // A pair that changed meanwhile has another rank (a token that was merged away: none).
      if (tokens_[candidate.at].rank == candidate.rank) {
        merge(candidate);
      }
    }
    for (uint32_t at = 0; at < tokens_.size(); at = tokens_[at].next) {
      ids.push_back(tokens_[at].id);
    }
  }

 private:
  struct Token {
    uint32_t id;
    uint32_t previous, next;  ///< Positions; beyond the piece: none.
    uint32_t rank;            ///< Of the pair with the next token.
  };

  struct Candidate {
    uint32_t rank, at;
    bool operator>(const Candidate& other) const { return std::pair(rank, at) > std::pair(other.rank, other.at); }
  };

  void rank_pair(uint32_t at) {
    Token& token = tokens_[at];
    token.rank = token.next < tokens_.size() ? merges_.find(token.id, tokens_[token.next].id) : MergeTable::kNoRank;
    if (token.rank != MergeTable::kNoRank) {
      queue_.push({token.rank, at});
    }
  }

  void merge(const Candidate& candidate) {
    Token& left = tokens_[candidate.at];
    Token& right = tokens_[left.next];
    left.id = merges_.whole(candidate.rank);
    left.next = right.next;
    right.rank = MergeTable::kNoRank;
    if (left.next < tokens_.size()) {
      tokens_[left.next].previous = candidate.at;
    }
    rank_pair(candidate.at);
    if (left.previous < tokens_.size()) {
      rank_pair(left.previous);
    }
  }

  const MergeTable& merges_;
  const std::array<uint32_t, 256>& byte_ids_;
  std::vector<Token> tokens_;  ///< One for each byte of the piece; a linked list of those not merged away.
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// MergeTable

MergeTable::MergeTable(size_t num_merges) {
  merges_.reserve(num_merges);
  size_t num_slots = 4;
  while (num_slots < num_merges + num_merges / 2) {
    num_slots *= 2;
  }
  slots_.assign(num_slots, kNoRank);
}

/// Where the pair stands, or the free slot that it would take.
size_t MergeTable::slot(uint32_t left, uint32_t right) const {
  const uint64_t hash = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15u;  // Fibonacci hashing: high bits are good.
  const size_t mask = slots_.size() - 1;
  size_t at = static_cast<size_t>(hash >> 32) & mask;
  while (slots_[at] != kNoRank && (merges_[slots_[at]].left != left || merges_[slots_[at]].right != right)) {
    at = (at + 1) & mask;
  }
  return at;
}

bool MergeTable::append(const Merge& merge) {
  const size_t at = slot(merge.left, merge.right);
  if (slots_[at] != kNoRank) {
    return false;
  }
  slots_[at] = static_cast<uint32_t>(merges_.size());
  merges_.push_back(merge);
  return true;
}

uint32_t MergeTable::find(uint32_t left, uint32_t right) const { return slots_[slot(left, right)]; }

// ---------------------------------------------------------------------------------------------------------------------
// TextTokenizer

Result<std::string_view> normalize_text(std::string_view utf8) {
  size_t offset = 0;
  bool has_line_break = false;
  // Bytes that are no UTF-8 end the whitespace here; encode() reports them.
  while (const std::optional<DecodedChar> decoded = decode_char(utf8.substr(offset))) {
    if (char_class(decoded->code) != CharClass::kSpace) {
      break;
    }
    has_line_break = has_line_break || decoded->code == U'\n' || decoded->code == U'\r';
    offset += decoded->size;
  }
  if (offset == utf8.size()) {
    return invalid_argument("the text is empty; give at least one character to speak");
  }
  return has_line_break ? utf8.substr(offset) : utf8;
}

Result<TextTokenizer> TextTokenizer::create(const uint8_t* data, size_t size) {
  TableReader reader(data, size);
  ASSIGN_OR_RETURN(const TableHeader header, read_header(reader));
  std::array<uint32_t, 256> byte_ids;
  for (size_t byte = 0; byte < byte_ids.size(); ++byte) {
    const std::optional<uint32_t> id = reader.read_u32();
    if (!id) {
      return invalid_table("it ends inside the ids of the bytes");
    }
    if (*id >= header.num_ids) {
      return invalid_table("the id " + std::to_string(*id) + " of byte " + std::to_string(byte) + " is outside 0.." +
                           std::to_string(header.num_ids - 1));
    }
    byte_ids[byte] = *id;
  }
  ASSIGN_OR_RETURN(MergeTable merges, read_merges(reader, header));
  return TextTokenizer(header.num_ids, byte_ids, std::move(merges));
}

Result<std::vector<int64_t>> TextTokenizer::encode(std::string_view utf8) const {
  if (utf8.size() > kMaxTextSize) {
    return invalid_argument("the text has " + std::to_string(utf8.size()) + " bytes, at most " +
                            std::to_string(kMaxTextSize) + " are possible; split it");
  }
  ASSIGN_OR_RETURN(std::u32string decoded, decode_utf8(utf8));
  const std::u32string text = to_nfc(std::move(decoded));
  const Splitter splitter(text);
  Merger merger(merges_, byte_ids_);
  std::vector<int64_t> ids;
  std::string piece;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = splitter.piece_end(begin);
    piece.clear();
    for (size_t at = begin; at < end; ++at) {
      append_utf8(text[at], piece);
    }
    merger.append_ids(piece, ids);
    begin = end;
  }
  return ids;
}

}  // namespace qwen3_tts
