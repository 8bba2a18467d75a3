#include "program/gpu_options.h"

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/backend/options.h>

#include "base/error.h"

namespace qwen3_tts {

namespace et = executorch::runtime;

Status configure_gpu(const std::vector<std::string>& graph_methods) {
  if (et::get_backend_class(kCudaBackend) == nullptr) {
    return {};
  }
  std::string names;
  for (const std::string& method : graph_methods) {
    names += (names.empty() ? "" : ",") + method;
  }
  et::BackendOptions<2> options;
  et::Error error = names.size() < et::kMaxOptionValueLength ? et::Error::Ok : et::Error::InvalidArgument;
  if (error == et::Error::Ok) {
    error = options.set_option("weight_sharing_across_methods", true);
  }
  if (error == et::Error::Ok) {
    error = options.set_option("enable_cuda_graph_for_method", names.c_str());
  }
  if (error == et::Error::Ok) {
    error = et::set_option(kCudaBackend, options.view());
  }
  if (error != et::Error::Ok) {
    return Error{ErrorCode::kExecution, "the CUDA backend does not take its options (" + names + ")"};
  }
  return {};
}

}  // namespace qwen3_tts
