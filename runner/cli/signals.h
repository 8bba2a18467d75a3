#pragma once

#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// Lets Ctrl-C (SIGINT) and SIGTERM end the utterance and complete its file. A second one ends the program at once.
void install_signal_handlers();

/// The session that a signal stops; null: none.
void set_current_session(SynthesisSession* session);

/// The signal that asked the program to end; 0: none.
int received_signal();

}  // namespace qwen3_tts
