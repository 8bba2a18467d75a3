#include "program/cuda_contract.h"

#include <optional>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

/// Of the keys, of the methods of such a program, and of what they take and give.
constexpr int64_t kVersion = 4;

constexpr int64_t kMaxBatch = 32;

Error invalid(const std::string& what) {
  return Error{ErrorCode::kInvalidModel, "the model's constant 'cuda': " + what + kReexport + " --backend cuda"};
}

const std::string* text_of(const Json& value) {
  const auto* text = value.get_ptr<const std::string*>();
  return text != nullptr && !text->empty() ? text : nullptr;
}

Result<std::string> read_text(const Json& object, const std::string& key) {
  const auto entry = object.find(key);
  const std::string* text = entry == object.end() ? nullptr : text_of(*entry);
  if (text == nullptr) {
    return invalid("'" + key + "' must be a non-empty string");
  }
  return *text;
}

Result<int64_t> read_batch(const Json& object) {
  const auto entry = object.find("batch");
  const auto batch = entry == object.end() ? std::nullopt : integer_in(*entry, 1, kMaxBatch);
  if (!batch.has_value()) {
    return invalid("'batch' must be a whole number from 1 to " + std::to_string(kMaxBatch));
  }
  return *batch;
}

Result<bool> read_flag(const Json& object, const std::string& key) {
  const auto entry = object.find(key);
  if (entry == object.end() || !entry->is_boolean()) {
    return invalid("'" + key + "' must be true or false");
  }
  return entry->get<bool>();
}

Result<std::vector<std::string>> read_methods(const Json& object, const std::string& key) {
  const auto entry = object.find(key);
  if (entry == object.end() || !entry->is_array()) {
    return invalid("'" + key + "' must be a list");
  }
  std::vector<std::string> methods;
  for (const Json& element : *entry) {
    const std::string* name = text_of(element);
    // The backend takes one string of names with commas between them.
    if (name == nullptr || name->find(',') != std::string::npos) {
      return invalid("'" + key + "' must be a list of names of methods");
    }
    methods.push_back(*name);
  }
  return methods;
}

}  // namespace

Result<CudaContract> CudaContract::parse(std::string_view json) {
  const Json object = parse_json_object(json);
  if (!object.is_object()) {
    return invalid("it is not a valid JSON object");
  }
  const auto version = object.find("version");
  if (version == object.end() || !integer_in(*version, kVersion, kVersion)) {
    return invalid("'version' is " + (version == object.end() ? "missing" : version->dump()) +
                   ", this runner reads version " + std::to_string(kVersion));
  }
  CudaContract contract;
  ASSIGN_OR_RETURN(contract.gpu_arch, read_text(object, "gpu_arch"));
  ASSIGN_OR_RETURN(contract.dtype, read_text(object, "dtype"));
  ASSIGN_OR_RETURN(contract.batch, read_batch(object));
  ASSIGN_OR_RETURN(contract.int4, read_flag(object, "int4"));
  ASSIGN_OR_RETURN(contract.static_methods, read_methods(object, "static_methods"));
  return contract;
}

}  // namespace qwen3_tts
