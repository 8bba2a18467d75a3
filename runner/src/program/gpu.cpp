#include "program/gpu.h"

#include <dlfcn.h>

#include <executorch/runtime/backend/interface.h>

#include "base/try.h"
#include "program/gpu_options.h"

namespace qwen3_tts {
namespace {

namespace et = executorch::runtime;

constexpr char kForCpu[] = "; for CPUs, export it with --backend xnnpack";

/// Of the driver's interface (CUDA Driver API), which keeps its numbers from version to version.
namespace driver {
constexpr char kLibrary[] = "libcuda.so.1";
constexpr int kSuccess = 0;
constexpr int kCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kCapabilityMinor = 76;
using Init = int (*)(unsigned int flags);
using GetCount = int (*)(int* count);
using Get = int (*)(int* device, int ordinal);
using GetAttribute = int (*)(int* value, int attribute, int device);
}  // namespace driver

template <typename Function>
Function function_of(void* library, const char* name) {
  return reinterpret_cast<Function>(::dlsym(library, name));
}

Error no_gpu(const std::string& what) { return Error{ErrorCode::kInvalidModel, "there is no NVIDIA GPU: " + what}; }

Result<std::string> architecture_from(void* library) {
  const auto init = function_of<driver::Init>(library, "cuInit");
  const auto get_count = function_of<driver::GetCount>(library, "cuDeviceGetCount");
  const auto get = function_of<driver::Get>(library, "cuDeviceGet");
  const auto get_attribute = function_of<driver::GetAttribute>(library, "cuDeviceGetAttribute");
  if (init == nullptr || get_count == nullptr || get == nullptr || get_attribute == nullptr) {
    return no_gpu(std::string(driver::kLibrary) + " is not NVIDIA's driver");
  }
  if (const int error = init(0); error != driver::kSuccess) {
    return no_gpu("the driver does not start (CUDA error " + std::to_string(error) + ")");
  }
  int count = 0;
  int device = 0;
  if (get_count(&count) != driver::kSuccess || count == 0 || get(&device, 0) != driver::kSuccess) {
    return no_gpu("the driver finds none; CUDA_VISIBLE_DEVICES may hide it");
  }
  int major = 0;
  int minor = 0;
  if (get_attribute(&major, driver::kCapabilityMajor, device) != driver::kSuccess ||
      get_attribute(&minor, driver::kCapabilityMinor, device) != driver::kSuccess) {
    return no_gpu("the driver does not tell its architecture");
  }
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

/// kInvalidModel: what does not go together.
Error wrong_gpu(const Program& program, const CudaContract& contract, const std::string& what) {
  return Error{ErrorCode::kInvalidModel,
               "'" + program.name() + "' is for NVIDIA GPUs of architecture " + contract.gpu_arch + ", and " + what};
}

}  // namespace

Result<std::string> gpu_architecture() {
  void* library = ::dlopen(driver::kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return no_gpu("its driver is not installed (no " + std::string(driver::kLibrary) + ")");
  }
  auto architecture = architecture_from(library);
  ::dlclose(library);
  return architecture;
}

Status check_gpu(Program& program, const CudaContract& contract) {
  ASSIGN_OR_RETURN(const bool needs_gpu, program.uses_backend(kCudaBackend));
  if (!needs_gpu) {
    return {};
  }
  if (et::get_backend_class(kCudaBackend) == nullptr) {
    return wrong_gpu(program, contract,
                     "this program was built without CUDA; build it against ExecuTorch's CUDA wheel with the CMake "
                     "preset 'cuda'" +
                         std::string(kForCpu));
  }
  const auto present = gpu_architecture();
  if (!present.ok()) {
    return wrong_gpu(program, contract, present.error().message + kForCpu);
  }
  if (*present != contract.gpu_arch) {
    return wrong_gpu(program, contract,
                     "the one here is " + *present +
                         "; kernels run on the kind of GPU that exported them alone: export "
                         "it again on this machine");
  }
  return {};
}

}  // namespace qwen3_tts
