#pragma once

#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// Lets Ctrl-C (SIGINT), SIGTERM, SIGHUP and SIGQUIT end what is spoken and complete its files; those that the
/// program was started to ignore stay ignored. A second one ends the program at once. Call it in the thread that
/// writes.
///
/// A reader of standard output that takes nothing more keeps nobody waiting: a second or two after the signal the rest
/// is dropped.
void install_signal_handlers();

/// The session is stopped by a signal, until it is forgotten, which must be before it is gone. There may be as many as
/// a batch can hold.
void stop_at_signal(SynthesisSession& session);
void forget_at_signal(SynthesisSession& session);

/// The signal that asked the program to end; 0: none.
int received_signal();

}  // namespace qwen3_tts
