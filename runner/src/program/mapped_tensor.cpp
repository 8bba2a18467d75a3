#include "program/mapped_tensor.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "base/io_error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

/// Fresh zero pages, at `address` when it is given. MAP_FAILED on error.
void* map_zeros(void* address, size_t size_bytes) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  if (address != nullptr) {
    flags |= MAP_FIXED;
  }
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* data = mmap(address, size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
#ifdef MADV_NOHUGEPAGE
  // A huge page would make 2 MiB resident for every head's first position.
  if (data != MAP_FAILED) {
    madvise(data, size_bytes, MADV_NOHUGEPAGE);
  }
#endif
  return data;
}

Error mapping_error(size_t size_bytes) {
  return Error{ErrorCode::kOutOfMemory, "could not map " + std::to_string(size_bytes) +
                                            " bytes of session state: " + std::strerror(errno) + remedy_of(errno)};
}

}  // namespace

Result<size_t> num_bytes(const TensorSpec& spec) {
  size_t size_bytes = executorch::runtime::elementSize(spec.type);
  for (const auto size : spec.sizes) {
    if (size <= 0) {
      return Error{ErrorCode::kInvalidModel, "a state tensor has a dimension of " + std::to_string(size)};
    }
    if (__builtin_mul_overflow(size_bytes, static_cast<size_t>(size), &size_bytes)) {
      return Error{ErrorCode::kInvalidModel, "a state tensor is larger than the address space"};
    }
  }
  return size_bytes;
}

Result<MappedTensor> MappedTensor::create(const TensorSpec& spec) {
  ASSIGN_OR_RETURN(const size_t size_bytes, num_bytes(spec));
  void* data = map_zeros(nullptr, size_bytes);
  if (data == MAP_FAILED) {
    return mapping_error(size_bytes);
  }
  return MappedTensor(data, size_bytes, executorch::extension::make_tensor_ptr(spec.sizes, data, spec.type));
}

MappedTensor::MappedTensor(void* data, size_t size_bytes, executorch::extension::TensorPtr tensor)
    : data_(data), size_bytes_(size_bytes), tensor_(std::move(tensor)) {}

MappedTensor::MappedTensor(MappedTensor&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(other.size_bytes_), tensor_(std::move(other.tensor_)) {}

MappedTensor& MappedTensor::operator=(MappedTensor&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(tensor_, other.tensor_);
  return *this;
}

MappedTensor::~MappedTensor() {
  if (data_ != nullptr) {
    munmap(data_, size_bytes_);
  }
}

Status MappedTensor::clear() {
  if (map_zeros(data_, size_bytes_) == MAP_FAILED) {
    return mapping_error(size_bytes_);
  }
  return {};
}

void MappedTensor::discard(size_t offset, size_t size_bytes) const {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + size_bytes) / page * page;
  if (begin < end) {  // Pages that are shared with another part stay.
    madvise(data() + begin, end - begin, MADV_DONTNEED);
  }
}

}  // namespace qwen3_tts
