// In place of NVIDIA's driver, libcuda.so.1: finds the GPUs that the environment says.

#include <cstdlib>
#include <string>

namespace {

int number(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : static_cast<int>(std::strtol(value, nullptr, 10));
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int cuInit(unsigned int /*flags*/) { return number("TEST_CUDA_ERROR"); }

__attribute__((visibility("default"))) int cuDeviceGetCount(int* count) {
  *count = number("TEST_CUDA_GPUS");
  return 0;
}

__attribute__((visibility("default"))) int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return 0;
}

__attribute__((visibility("default"))) int cuDeviceGetAttribute(int* value, int attribute, int /*device*/) {
  constexpr int kMajor = 75;
  constexpr int kMinor = 76;
  if (attribute != kMajor && attribute != kMinor) {
    return 1;
  }
  *value = attribute == kMajor ? 12 : 1;
  return 0;
}

}  // extern "C"
