#include "signals.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace qwen3_tts {
namespace {

constexpr size_t kMostSessions = 64;
constexpr unsigned kPatienceSeconds = 1;

std::array<std::atomic<SynthesisSession*>, kMostSessions> sessions{};
std::atomic<int> num_stopping{0};  // handlers that may be about to stop a session
std::atomic<int> last_signal{0};
pthread_t writer{};
std::atomic<int> num_unread{-1};  // bytes before standard output's reader at the last look; -1: it took some

extern "C" void handle_signal(int number) {
  last_signal = number;
  ++num_stopping;
  for (const auto& place : sessions) {
    if (SynthesisSession* session = place.load()) {
      session->stop();
    }
  }
  --num_stopping;
  ::alarm(kPatienceSeconds);
}

/// Whether standard output has been full of the same bytes since the last look.
bool is_stalled() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  int unread = 0;
  if (::poll(&output, 1, 0) != 0 || ::ioctl(STDOUT_FILENO, FIONREAD, &unread) != 0) {
    num_unread = -1;
    return false;
  }
  return num_unread.exchange(unread) == unread;
}

/// The write that waits for the reader is interrupted, and goes on into nothing.
void drop_output() {
  const int nothing = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing >= 0) {
    ::dup2(nothing, STDOUT_FILENO);
    ::close(nothing);
  }
}

extern "C" void look_at_output(int number) {
  if (::pthread_equal(::pthread_self(), writer) == 0) {
    ::pthread_kill(writer, number);
    return;
  }
  if (is_stalled()) {
    drop_output();
  } else {
    ::alarm(kPatienceSeconds);
  }
}

void install(int number, void (*handler)(int), unsigned flags) {
  struct sigaction action{};
  ::sigaction(number, nullptr, &action);
  if (action.sa_handler == SIG_IGN) {
    return;
  }
  action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(flags);
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  writer = ::pthread_self();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    install(number, handle_signal, SA_RESTART | SA_RESETHAND);
  }
  install(SIGALRM, look_at_output, 0);
  // A reader that went away and a disk quota are errors of a write, which says so.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void stop_at_signal(SynthesisSession& session) {
  for (auto& place : sessions) {
    SynthesisSession* nobody = nullptr;
    if (place.compare_exchange_strong(nobody, &session)) {
      return;
    }
  }
}

void forget_at_signal(SynthesisSession& session) {
  for (auto& place : sessions) {
    SynthesisSession* found = &session;
    place.compare_exchange_strong(found, nullptr);
  }
  while (num_stopping > 0) {  // One in another thread may have found it.
    ::sched_yield();
  }
}

int received_signal() { return last_signal; }

}  // namespace qwen3_tts
