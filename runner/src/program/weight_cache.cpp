#include "program/weight_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#ifdef __linux__
#include <linux/memfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr char kMagic[8] = {'Q', '3', 'T', 'T', 'S', 'W', 'C', '1'};
constexpr size_t kMagicPrefix = 7;  // Without the version: what tells our files from others.
constexpr size_t kFooterBytes = 20;
constexpr size_t kBlockBytes = size_t{1} << 20;

struct Seal {
  std::array<char, sizeof(kMagic)> magic;
  std::array<uint8_t, 16> key;
  std::array<uint8_t, 16> checksum;
};
static_assert(sizeof(Seal) == 40);

class Hasher {
 public:
  Hasher() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }
  void add(const void* data, size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  std::array<uint8_t, 16> value() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    std::array<uint8_t, 16> bytes;
    std::memcpy(bytes.data(), canonical.digest, bytes.size());
    return bytes;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

Error unusable(const std::string& path, const std::string& what) {
  return invalid_argument("weight cache '" + path + "': " + what);
}

/// Calls visit(data, size) -> Status with the first `size` bytes that read(data, size, offset) gives, block by block.
template <typename Read, typename Visit>
Status for_each_block(size_t size, const Read& read, const Visit& visit) {
  std::vector<char> block(std::min(size, kBlockBytes));
  for (size_t offset = 0; offset < size; offset += block.size()) {
    const size_t count = std::min(block.size(), size - offset);
    RETURN_IF_ERROR(read(block.data(), count, offset));
    RETURN_IF_ERROR(visit(block.data(), count));
  }
  return {};
}

/// How to read a file's blocks.
auto blocks_of(const FileDescriptor& file, const std::string& path) {
  return [&](void* data, size_t size, size_t offset) { return read_at(file.get(), data, size, offset, path); };
}

auto adding_to(Hasher& hasher) {
  return [&](const char* data, size_t count) {
    hasher.add(data, count);
    return Status();
  };
}

Result<size_t> file_size(const FileDescriptor& file, const std::string& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) {
    return io_error("open", path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return unusable(path, "it is not a regular file; name a file");
  }
  return static_cast<size_t>(info.st_size);
}

#ifdef __APPLE__

/// The kinds of all cores: there is no file of them.
std::string core_kinds() {
  std::string kinds;
  for (const char* const name : {"hw.cputype", "hw.cpusubtype", "hw.cpufamily", "hw.cpusubfamily"}) {
    uint32_t number = 0;
    size_t size = sizeof(number);
    if (::sysctlbyname(name, &number, &size, nullptr, 0) == 0) {
      kinds += "\n" + std::to_string(number);
    }
  }
  return kinds;
}

#else

/// The kinds of all cores, each once: those of one processor may differ.
std::string core_kinds() {
  constexpr std::string_view kKinds[] = {"vendor_id",       "cpu family",  "model",    "stepping", "flags",
                                         "CPU implementer", "CPU variant", "CPU part", "Features", "isa"};
  std::string kinds;
  std::vector<std::string> lines;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::string name = line.substr(0, std::min(line.find('\t'), line.find(':')));
    if (std::find(std::begin(kKinds), std::end(kKinds), name) != std::end(kKinds) &&
        std::find(lines.begin(), lines.end(), line) == lines.end()) {
      kinds += "\n" + line;
      lines.push_back(line);
    }
  }
  return kinds;
}

#endif

/// What the choice of XNNPACK's kernels, and with them the packing, may depend on.
std::string processor() {
  utsname system{};
  return (::uname(&system) == 0 ? system.machine : "") + core_kinds();
}

Result<std::array<uint8_t, 16>> cache_key(const ModelSource& model) {
  ASSIGN_OR_RETURN(const auto file, model.open());
  Hasher hasher;
  const std::string maker = "executorch " QWEN3_TTS_EXECUTORCH_VERSION "\n" + processor();
  hasher.add(maker.data(), maker.size());
  const auto read = [&](void* data, size_t size, size_t offset) { return file->read(data, size, offset); };
  RETURN_IF_ERROR(for_each_block(static_cast<size_t>(file->size()), read, adding_to(hasher)));
  return hasher.value();
}

/// Does the file hold this key's weights, undamaged? An error when it is no weight cache at all.
Result<bool> fits(const FileDescriptor& file, const std::array<uint8_t, 16>& key, const std::string& path) {
  ASSIGN_OR_RETURN(const size_t size, file_size(file, path));
  Seal seal{};
  std::array<char, kFooterBytes> footer{};
  if (size > sizeof(seal) + sizeof(footer)) {
    RETURN_IF_ERROR(read_at(file.get(), &seal, sizeof(seal), size - sizeof(footer) - sizeof(seal), path));
    RETURN_IF_ERROR(read_at(file.get(), footer.data(), sizeof(footer), size - sizeof(footer), path));
  }
  if (std::memcmp(seal.magic.data(), kMagic, kMagicPrefix) != 0) {
    return unusable(path,
                    "the file there is no weight cache, or only a part of one, and is left as it is; delete it "
                    "or name another file");
  }
  if (std::memcmp(seal.magic.data(), kMagic, sizeof(kMagic)) != 0 || seal.key != key) {
    return false;
  }
  Hasher hasher;
  RETURN_IF_ERROR(for_each_block(size - sizeof(footer) - sizeof(seal), blocks_of(file, path), adding_to(hasher)));
  hasher.add(footer.data(), footer.size());
  return hasher.value() == seal.checksum;
}

/// Keeps ExecuTorch, which asks for the file for itself alone, from writing to it.
Status lock_shared(const FileDescriptor& file, const std::string& path) {
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) {
    return {};
  }
  if (errno == EWOULDBLOCK) {
    return unusable(path, "another program has locked the file; name another file");
  }
  return io_error("lock", path, errno);
}

/// A file without a name. In memory where there is such a thing: ExecuTorch writes through a mapping.
FileDescriptor open_scratch(const std::string& path) {
#ifdef __linux__
  static_cast<void>(path);
  // Android's C library has a function for it since version 11 alone.
  return FileDescriptor(static_cast<int>(::syscall(SYS_memfd_create, "qwen3_tts_packed_weights", MFD_CLOEXEC)));
#else
  std::string name = path + ".XXXXXX";
  FileDescriptor file(::mkstemp(name.data()));
  if (file.get() >= 0) {
    ::unlink(name.c_str());
  }
  return file;
#endif
}

}  // namespace

Result<WeightCache> WeightCache::open(const std::string& path, const ModelSource& model) {
  ASSIGN_OR_RETURN(const auto key, cache_key(model));
  WeightCache cache(path, key);
  // O_NONBLOCK: a pipe must not wait for its writer.
  cache.packed_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (cache.packed_.get() < 0 && errno != ENOENT) {
    return io_error("open", path, errno);
  }
  if (cache.packed_.get() >= 0) {
    ASSIGN_OR_RETURN(const bool is_good, fits(cache.packed_, key, path));
    if (is_good) {
      RETURN_IF_ERROR(lock_shared(cache.packed_, path));
      return cache;
    }
  }
  auto file = NewFile::create(path);
  if (!file.ok()) {
    return Error{file.error().code, file.error().message + "; name a weight cache that can be written"};
  }
  cache.file_.emplace(std::move(*file));
  cache.packed_ = open_scratch(path);
  if (cache.packed_.get() < 0) {
    return io_error("make a scratch file for", path, errno);
  }
  return cache;
}

std::string WeightCache::runtime_path() const {
#ifdef __linux__
  const char* const descriptors = "/proc/self/fd/";
#else
  const char* const descriptors = "/dev/fd/";
#endif
  return descriptors + std::to_string(packed_.get());
}

/// Writes the scratch file of `size` bytes to file_, with the seal before its footer.
Status WeightCache::write_sealed(size_t size) {
  Hasher hasher;
  RETURN_IF_ERROR(for_each_block(size - kFooterBytes, blocks_of(packed_, path_), [&](const char* data, size_t count) {
    hasher.add(data, count);
    return file_->write(data, count);
  }));
  struct {
    Seal seal;
    std::array<char, kFooterBytes> footer;
  } end{};
  static_assert(sizeof(end) == sizeof(Seal) + kFooterBytes);
  RETURN_IF_ERROR(read_at(packed_.get(), end.footer.data(), kFooterBytes, size - kFooterBytes, path_));
  hasher.add(end.footer.data(), kFooterBytes);
  std::memcpy(end.seal.magic.data(), kMagic, sizeof(kMagic));
  end.seal.key = key_;
  end.seal.checksum = hasher.value();
  return file_->write(&end, sizeof(end));
}

Status WeightCache::make() {
  ASSIGN_OR_RETURN(const size_t size, file_size(packed_, path_));
  if (size <= kFooterBytes) {
    return unusable(path_, "XNNPACK packed no weights of this model; run it without a weight cache");
  }
  if (Status status = write_sealed(size); !status.ok()) {
    return Error{status.error().code, status.error().message + "; a weight cache is not needed to speak"};
  }
  ASSIGN_OR_RETURN(packed_, file_->commit());
  file_.reset();
  return lock_shared(packed_, path_);
}

}  // namespace qwen3_tts
