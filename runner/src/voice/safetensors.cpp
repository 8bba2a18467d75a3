#include "voice/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr size_t kLengthSize = sizeof(uint64_t);
constexpr char kMetadataKey[] = "__metadata__";
constexpr uint64_t kElementSize = 4;  // of F32 and of I32

using Range = std::pair<uint64_t, uint64_t>;  // first byte, one past the last

std::optional<uint64_t> unsigned_of(const Json& value) {
  const auto* number = value.get_ptr<const Json::number_unsigned_t*>();
  return number == nullptr ? std::nullopt : std::optional<uint64_t>(*number);
}

/// The shape with the bytes it takes; nothing when it is no list of sizes or the product is too large.
std::optional<std::pair<std::vector<int64_t>, uint64_t>> read_shape(const Json& value) {
  if (!value.is_array()) {
    return std::nullopt;
  }
  std::vector<int64_t> shape;
  uint64_t num_bytes = kElementSize;
  for (const Json& element : value) {
    const auto size = unsigned_of(element);
    constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
    if (!size || *size > kLargest || (*size != 0 && num_bytes > kLargest / *size)) {
      return std::nullopt;
    }
    num_bytes *= *size;
    shape.push_back(static_cast<int64_t>(*size));
  }
  return std::make_pair(std::move(shape), num_bytes);
}

std::optional<Range> read_range(const Json& value, uint64_t data_size) {
  if (!value.is_array() || value.size() != 2) {
    return std::nullopt;
  }
  const auto begin = unsigned_of(value[0]);
  const auto end = unsigned_of(value[1]);
  if (!begin || !end || *begin > *end || *end > data_size) {
    return std::nullopt;
  }
  return Range(*begin, *end);
}

/// One entry of the header; `range` receives where its data lies.
Result<std::pair<TensorView, Range>> read_tensor(const std::string& name, const Json& entry, std::string_view data) {
  const auto member = [&entry](const char* key) {
    const auto found = entry.is_object() ? entry.find(key) : entry.end();
    return found == entry.end() ? Json() : *found;
  };
  const Json dtype = member("dtype");
  const auto* dtype_name = dtype.get_ptr<const std::string*>();
  if (dtype_name == nullptr || (*dtype_name != "F32" && *dtype_name != "I32")) {
    return invalid_argument("tensor '" + name + "' must have the dtype F32 or I32");
  }
  const auto shape = read_shape(member("shape"));
  if (!shape) {
    return invalid_argument("tensor '" + name + "' has no valid shape");
  }
  const auto range = read_range(member("data_offsets"), data.size());
  if (!range) {
    return invalid_argument("the data of tensor '" + name + "' is not inside the file: it is truncated or damaged");
  }
  if (range->second - range->first != shape->second) {
    return invalid_argument("tensor '" + name + "' takes " + std::to_string(shape->second) + " bytes, the file has " +
                            std::to_string(range->second - range->first) + " for it");
  }
  TensorView tensor{*dtype_name, shape->first, data.substr(range->first, shape->second)};
  return std::make_pair(std::move(tensor), *range);
}

Result<std::map<std::string, std::string>> read_metadata(const Json& entry) {
  std::map<std::string, std::string> metadata;
  if (!entry.is_object()) {
    return invalid_argument("the metadata is not an object of strings");
  }
  for (const auto& [key, value] : entry.items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) {
      return invalid_argument("metadata '" + key + "' is not a string");
    }
    metadata.emplace(key, *text);
  }
  return metadata;
}

/// Whether the ranges, put in order, lead from 0 to `data_size` without hole or overlap.
bool cover_exactly(std::vector<Range> ranges, uint64_t data_size) {
  std::sort(ranges.begin(), ranges.end());
  uint64_t position = 0;
  for (const Range& range : ranges) {
    if (range.first != position) {
      return false;
    }
    position = range.second;
  }
  return position == data_size;
}

}  // namespace

Result<SafeTensors> SafeTensors::parse(std::string_view bytes) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie in the file");
  uint64_t header_size = 0;
  if (bytes.size() < kLengthSize) {
    return invalid_argument("it is too short for a safetensors file");
  }
  std::memcpy(&header_size, bytes.data(), kLengthSize);
  if (header_size > bytes.size() - kLengthSize) {
    return invalid_argument("it is not a safetensors file, or it is truncated: its header would take " +
                            std::to_string(header_size) + " bytes");
  }
  const Json header = parse_json_object(bytes.substr(kLengthSize, header_size));
  if (!header.is_object()) {
    return invalid_argument("it is not a safetensors file: its header is not a JSON object");
  }
  const std::string_view data = bytes.substr(kLengthSize + header_size);
  SafeTensors file;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      ASSIGN_OR_RETURN(file.metadata, read_metadata(entry));
      continue;
    }
    ASSIGN_OR_RETURN(auto tensor, read_tensor(name, entry, data));
    ranges.push_back(tensor.second);
    file.tensors.emplace(name, std::move(tensor.first));
  }
  if (!cover_exactly(std::move(ranges), data.size())) {
    return invalid_argument("its tensors overlap or do not cover its data: it is damaged");
  }
  return file;
}

std::string write_safetensors(const std::vector<std::pair<std::string, TensorView>>& tensors,
                              const std::vector<std::pair<std::string, std::string>>& metadata) {
  nlohmann::ordered_json header;
  for (const auto& [key, value] : metadata) {
    header[kMetadataKey][key] = value;
  }
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data += tensor.data;
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + kLengthSize - 1) / kLengthSize * kLengthSize, ' ');
  const uint64_t text_size = text.size();
  return std::string(reinterpret_cast<const char*>(&text_size), kLengthSize) + text + data;
}

}  // namespace qwen3_tts
