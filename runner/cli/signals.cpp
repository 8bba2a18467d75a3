#include "signals.h"

#include <atomic>
#include <csignal>

namespace qwen3_tts {
namespace {

std::atomic<SynthesisSession*> current_session{nullptr};
std::atomic<int> last_signal{0};

extern "C" void handle_signal(int number) {
  last_signal = number;
  if (SynthesisSession* session = current_session.load()) {
    session->stop();
  }
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = handle_signal;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A reader that went away and a disk quota are errors of a write, which says so.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void set_current_session(SynthesisSession* session) { current_session = session; }

int received_signal() { return last_signal; }

}  // namespace qwen3_tts
