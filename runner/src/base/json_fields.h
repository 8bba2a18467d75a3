#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/names.h"
#include "base/try.h"

/// Structs as JSON objects: one table of keys and members serves reading, writing and what is said about a wrong key.
namespace qwen3_tts {

using OrderedJson = nlohmann::ordered_json;

// ---------------------------------------------------------------------------------------------------------------------
// Values. An error says what a value must be, without its key.

inline Status read_value(const Json& json, std::string& value) {
  if (!json.is_string()) {
    return invalid_argument("must be a string in quotes");
  }
  value = json.get<std::string>();
  return {};
}

inline Status read_value(const Json& json, bool& value) {
  if (!json.is_boolean()) {
    return invalid_argument("must be true or false");
  }
  value = json.get<bool>();
  return {};
}

template <typename Integer>
std::enable_if_t<std::is_integral_v<Integer>, Status> read_value(const Json& json, Integer& value) {
  using Limits = std::numeric_limits<Integer>;
  const std::string below = "below 2^" + std::to_string(Limits::digits);
  if constexpr (std::is_unsigned_v<Integer>) {
    if (!json.is_number_unsigned() || json.get<uint64_t>() > Limits::max()) {
      return invalid_argument("must be a whole number of 0 or more, and " + below);
    }
    value = static_cast<Integer>(json.get<uint64_t>());
  } else {
    const auto number = integer_in(json, Limits::min(), Limits::max());
    if (!number.has_value()) {
      return invalid_argument("must be a whole number" + (json.is_number_integer() ? " " + below : ""));
    }
    value = static_cast<Integer>(*number);
  }
  return {};
}

inline Status read_value(const Json& json, double& value) {
  if (!json.is_number()) {
    return invalid_argument("must be a number");
  }
  value = json.get<double>();
  return {};
}

inline Status read_value(const Json& json, float& value) {
  if (!json.is_number()) {
    return invalid_argument("must be a number");
  }
  value = json.get<float>();
  return {};
}

template <typename Enum>
std::enable_if_t<std::is_enum_v<Enum>, Status> read_value(const Json& json, Enum& value) {
  std::string name;
  RETURN_IF_ERROR(read_value(json, name));
  const auto found = value_named<Enum>(name);
  if (!found.has_value()) {
    return invalid_argument("'" + name + "' is none of its values; write " + names_of<Enum>());
  }
  value = *found;
  return {};
}

/// null: unset.
template <typename T>
Status read_value(const Json& json, std::optional<T>& value) {
  if (json.is_null()) {
    value.reset();
    return {};
  }
  T given{};
  RETURN_IF_ERROR(read_value(json, given));
  value = std::move(given);
  return {};
}

template <typename T>
OrderedJson to_value(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return name_of(value);
  } else {
    return value;
  }
}

template <typename T>
void write_value(const T& value, OrderedJson& json, const char* key) {
  json[key] = to_value(value);
}

/// What is unset is not written.
template <typename T>
void write_value(const std::optional<T>& value, OrderedJson& json, const char* key) {
  if (value.has_value()) {
    write_value(*value, json, key);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Objects

/// A key, and the member that it stands for.
template <typename Object>
struct JsonField {
  const char* key;
  Status (*read)(const Json& json, Object& object);
  void (*write)(const Object& object, OrderedJson& json, const char* key);
};

/// The member `kMember`.
template <typename Object, auto kMember>
constexpr JsonField<Object> json_field(const char* key) {
  return {key, [](const Json& json, Object& object) { return read_value(json, object.*kMember); },
          [](const Object& object, OrderedJson& json, const char* name) { write_value(object.*kMember, json, name); }};
}

/// The field with this key, or null.
template <typename Fields>
auto find_field(const Fields& fields, const std::string& key) -> decltype(std::begin(fields)) {
  const auto found =
      std::find_if(std::begin(fields), std::end(fields), [&](const auto& one) { return key == one.key; });
  return found == std::end(fields) ? nullptr : &*found;
}

/// "text, language"
template <typename Fields>
std::string keys_of(const Fields& fields) {
  std::string list;
  for (const auto& field : fields) {
    list += (list.empty() ? "" : ", ") + std::string(field.key);
  }
  return list;
}

/// Members in the order of the table.
template <typename Fields, typename Object>
OrderedJson write_fields(const Fields& fields, const Object& object) {
  auto json = OrderedJson::object();
  for (const auto& field : fields) {
    field.write(object, json, field.key);
  }
  return json;
}

/// In UTF-8: bytes that are no such text become U+FFFD.
inline std::string to_text(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

/// Reads one value. An error names the key.
template <typename Object>
Status read_field(const JsonField<Object>& field, const Json& json, Object& object) {
  Status status = field.read(json, object);
  return status.ok() ? status : invalid_argument("key '" + std::string(field.key) + "' " + status.error().message);
}

inline Error unknown_key(const std::string& key, const std::string& known) {
  return invalid_argument("there is no key '" + key + "'; use " + known);
}

/// Reads all keys of `json`, which is an object.
template <typename Fields, typename Object>
Status read_fields(const Fields& fields, const Json& json, Object& object) {
  for (const auto& [key, value] : json.items()) {
    const auto* field = find_field(fields, key);
    if (field == nullptr) {
      return unknown_key(key, keys_of(fields));
    }
    RETURN_IF_ERROR(read_field(*field, value, object));
  }
  return {};
}

}  // namespace qwen3_tts
