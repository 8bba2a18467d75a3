#include "program/cuda_contract.h"

#include "base/json_reader.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

namespace key = contract::cuda_key;

Error invalid(const std::string& what) {
  return Error{ErrorCode::kInvalidModel,
               "the model's constant 'cuda': " + what + "; re-export with export_unified.py --backend cuda"};
}

const std::string* text_of(const Json& value) {
  const auto* text = value.get_ptr<const std::string*>();
  return text != nullptr && !text->empty() ? text : nullptr;
}

Status read_text(const Json& object, const char* name, std::string& target) {
  const auto entry = object.find(name);
  const std::string* text = entry == object.end() ? nullptr : text_of(*entry);
  if (text == nullptr) {
    return invalid("'" + std::string(name) + "' must be a non-empty string");
  }
  target = *text;
  return {};
}

Status read_methods(const Json& object, std::vector<std::string>& methods) {
  const auto entry = object.find(key::kStaticMethods);
  const bool is_list = entry != object.end() && entry->is_array();
  for (size_t i = 0; is_list && i < entry->size(); ++i) {
    const std::string* name = text_of((*entry)[i]);
    // The backend takes one string of names with commas between them.
    if (name == nullptr || name->find(',') != std::string::npos) {
      return invalid("'" + std::string(key::kStaticMethods) + "' must be a list of names of methods");
    }
    methods.push_back(*name);
  }
  return is_list ? Status() : invalid("'" + std::string(key::kStaticMethods) + "' must be a list");
}

}  // namespace

Result<CudaContract> CudaContract::parse(std::string_view json) {
  const Json object = parse_json_object(json);
  if (!object.is_object()) {
    return invalid("it is not a valid JSON object");
  }
  const auto version = object.find(key::kVersion);
  if (version == object.end() || !integer_in(*version, contract::kCudaVersion, contract::kCudaVersion)) {
    return invalid("'version' is " + (version == object.end() ? "missing" : version->dump()) +
                   ", this runner reads version " + std::to_string(contract::kCudaVersion));
  }
  CudaContract contract;
  Status status = read_text(object, key::kGpuArch, contract.gpu_arch);
  if (status.ok()) {
    status = read_text(object, key::kDtype, contract.dtype);
  }
  if (status.ok()) {
    status = read_methods(object, contract.static_methods);
  }
  if (!status.ok()) {
    return status.error();
  }
  return contract;
}

}  // namespace qwen3_tts
