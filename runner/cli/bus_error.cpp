#include "bus_error.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace qwen3_tts {
namespace {

constexpr size_t kMaxPath = 4096;

// Of a signal handler, which must not allocate.
std::array<char, 64> program_name{};
std::array<char, kMaxPath> model_name{};
std::array<char, 2 * kMaxPath> line{};
std::atomic_flag is_told = ATOMIC_FLAG_INIT;

template <size_t N>
void keep(const char* text, std::array<char, N>& to) {
  std::strncpy(to.data(), text, to.size() - 1);
}

void say(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) {  // Nobody can be told.
    return;
  }
}

uintptr_t read_hex(const char*& cursor) {
  uintptr_t value = 0;
  for (;; ++cursor) {
    const char c = *cursor;
    if (c >= '0' && c <= '9') {
      value = value * 16 + static_cast<uintptr_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value * 16 + static_cast<uintptr_t>(c - 'a' + 10);
    } else {
      return value;
    }
  }
}

/// The path in a line of /proc/self/maps ("begin-end permissions offset device inode path"), if its range has the
/// address.
const char* path_if_mapped(const char* text, uintptr_t address) {
  const uintptr_t begin = read_hex(text);
  const uintptr_t end = *text == '-' ? read_hex(++text) : 0;
  return address >= begin && address < end ? std::strchr(text, '/') : nullptr;
}

/// The file that is mapped at `address`; null where nobody tells.
const char* mapped_file(uintptr_t address) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  size_t size = 0;
  for (char c = 0; maps >= 0 && ::read(maps, &c, 1) == 1;) {
    if (c != '\n') {
      line[size] = c;
      size = size + 1 < line.size() ? size + 1 : size;
      continue;
    }
    line[size] = '\0';
    size = 0;
    if (const char* path = path_if_mapped(line.data(), address)) {
      return path;
    }
  }
  return nullptr;
}

extern "C" void handle_bus_error(int, siginfo_t* info, void*) {
  while (is_told.test_and_set()) {  // Several threads read the file: the first one tells it and ends the program.
    ::pause();
  }
  const char* const path = mapped_file(reinterpret_cast<uintptr_t>(info->si_addr));
  say(program_name.data());
  say(": error: '");
  say(path == nullptr ? model_name.data() : path);
  say("' can no longer be read: it was made shorter while it was in use, or its disk fails; replace files by renaming "
      "and never write into one that is in use\n");
  ::_exit(EXIT_FAILURE);
}

}  // namespace

void tell_bus_errors(const char* program, const std::string& model_path) {
  keep(program, program_name);
  keep(model_path.c_str(), model_name);
  struct sigaction action{};
  action.sa_sigaction = handle_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace qwen3_tts
