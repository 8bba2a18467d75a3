#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace qwen3_tts {

enum class ErrorCode {
  kInvalidArgument,  ///< A value the caller gave: text, option, voice, codes.
  kInvalidModel,     ///< The .pte cannot be used: damaged, foreign, another contract.
  kIo,               ///< A file could not be read or written.
  kExecution,        ///< A method of the .pte failed.
  kInvalidState,     ///< Called out of order, or on a poisoned session.
  kOutOfMemory,      ///< There was not enough memory for it.
};

/// Why something failed. `message` names the offending value and the remedy, and an option by its field: data_path.
struct Error {
  ErrorCode code;
  std::string message;
};

/// A value or the Error that took its place.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}              // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::move(error)) {}          // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  /// Only when ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  /// Only when !ok().
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  /// Only when !ok().
  const Error& error() const { return *error_; }  // NOLINT(bugprone-unchecked-optional-access)

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace qwen3_tts
