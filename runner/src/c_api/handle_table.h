#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>

#include <qwen3_tts/result.h>

#include "base/error.h"
#include "c_api/handle_kind.h"

namespace qwen3_tts::c_api {

/// The objects of one kind that programs in C hold, by their handles. A handle is no address but a number that is never
/// used again, so whatever a program passes can be looked up: what was destroyed is known from what never was one.
/// `Handle` is the opaque type of the header. Thread-safe.
template <typename Handle, typename Object, HandleKind kKind>
class HandleTable {
 public:
  /// The only one. It is never destroyed: a program may end with handles open.
  static HandleTable& get() {
    static auto& table = *new HandleTable;
    return table;
  }

  Handle* add(std::shared_ptr<Object> object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    objects_.emplace(num_made_, std::move(object));
    const uintptr_t bits = num_made_++ << kIdShift | static_cast<uintptr_t>(kKind) << 1 | 1;
    return reinterpret_cast<Handle*>(bits);  // NOLINT(performance-no-int-to-ptr): it is no address.
  }

  /// The object, which lives on while somebody holds it. `name` is the parameter's.
  Result<std::shared_ptr<Object>> find(const Handle* handle, const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = find_entry(handle);
    return found == objects_.end() ? Result<std::shared_ptr<Object>>(why_not(handle, name)) : found->second;
  }

  /// Takes the object out. Null for a handle that is NULL.
  Result<std::shared_ptr<Object>> remove(const Handle* handle, const std::string& name) {
    if (handle == nullptr) {
      return std::shared_ptr<Object>();
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = find_entry(handle);
    if (found == objects_.end()) {
      return why_not(handle, name);
    }
    return std::move(objects_.extract(found).mapped());
  }

 private:
  using Objects = std::unordered_map<uintptr_t, std::shared_ptr<Object>>;

  // The lowest bit is set, as in no pointer to an object; the next three are the kind.
  static constexpr int kIdShift = 4;
  static_assert(sizeof(uintptr_t) == 8, "ids must never be used up");

  HandleTable() = default;

  static uintptr_t bits_of(const Handle* handle) { return reinterpret_cast<uintptr_t>(handle); }
  static uintptr_t id_of(const Handle* handle) { return bits_of(handle) >> kIdShift; }
  static uintptr_t kind_of(const Handle* handle) { return bits_of(handle) >> 1 & 7; }
  static bool has_mark(const Handle* handle) { return (bits_of(handle) & 1) == 1; }
  static bool is_of_kind(const Handle* handle) {
    return has_mark(handle) && kind_of(handle) == static_cast<uintptr_t>(kKind);
  }

  auto find_entry(const Handle* handle) const {
    return is_of_kind(handle) ? objects_.find(id_of(handle)) : objects_.end();
  }

  /// Under the lock.
  Error why_not(const Handle* handle, const std::string& name) const {
    const std::string wanted = "give the handle of " + std::string(describe(kKind));
    if (handle == nullptr) {
      return invalid_argument(name + " is NULL; " + wanted);
    }
    if (is_of_kind(handle) && id_of(handle) < num_made_) {
      return invalid_argument(name + ": this handle was destroyed already; " + wanted + " that is there");
    }
    if (has_mark(handle) && kind_of(handle) < kNumHandleKinds && !is_of_kind(handle)) {
      return invalid_argument(name + ": this is the handle of " + describe(static_cast<HandleKind>(kind_of(handle))) +
                              "; " + wanted);
    }
    std::ostringstream address;
    address << static_cast<const void*>(handle);
    return invalid_argument(name + ": " + address.str() + " is no handle; " + wanted);
  }

  mutable std::mutex mutex_;
  Objects objects_;
  uintptr_t num_made_ = 0;
};

}  // namespace qwen3_tts::c_api
