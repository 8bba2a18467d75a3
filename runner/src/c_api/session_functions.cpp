#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/synthesis_session.h>

#include "base/error.h"
#include "base/try.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api/callback_sink.h"
#include "c_api/handles.h"
#include "c_api/in_use.h"
#include "c_api/request_arguments.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

namespace {

/// Runs `work` on the session, alone.
template <typename Work>
qwen3_tts_status use_session(const qwen3_tts_session* session, const Work& work) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Sessions::get().find(session, "session"));
    const InUse use(opened->is_in_use);
    RETURN_IF_ERROR(use.check("session"));
    return work(*opened);
  });
}

/// What an ended call would give belongs to a session that is gone.
Status check_not_destroyed(const OpenSession& session) {
  return session.is_destroyed ? invalid_argument("session: this handle was destroyed while the call ran") : Status();
}

/// Leaves what was, errors and stops included: a stop that comes from here on is about what begins now.
void begin(OpenSession& session) {
  session.session->reset();
  session.had_error = false;
}

Status note_error(OpenSession& session, Status status) {
  session.had_error = !status.ok();
  return status;
}

Status check_had_no_error(const OpenSession& session) {
  return session.had_error
             ? Error{ErrorCode::kInvalidState, "session: it had an error; start another utterance, or decode"}
             : Status();
}

}  // namespace

qwen3_tts_status qwen3_tts_session_create(qwen3_tts_engine* engine, qwen3_tts_session** session) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
    RETURN_IF_ERROR(require(session, "session"));
    auto made = std::make_shared<OpenSession>();
    ASSIGN_OR_RETURN(made->session, opened->engine->create_session());
    *session = Sessions::get().add(std::move(made));
    return {};
  });
}

qwen3_tts_status qwen3_tts_session_start(qwen3_tts_session* session, const char* request_json,
                                         const qwen3_tts_voice* voice) {
  return use_session(session, [&](OpenSession& opened) -> Status {
    begin(opened);
    ASSIGN_OR_RETURN(const RequestArguments arguments, read_request(request_json, voice));
    return note_error(opened, opened.session->start(arguments.request, arguments.options));
  });
}

qwen3_tts_status qwen3_tts_session_append(qwen3_tts_session* session, const char* text, size_t size) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Sessions::get().find(session, "session"));
    RETURN_IF_ERROR(require_values(text, size, "text"));
    return opened->session->append({text, size});
  });
}

qwen3_tts_status qwen3_tts_session_finish(qwen3_tts_session* session) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Sessions::get().find(session, "session"));
    return opened->session->finish();
  });
}

qwen3_tts_status qwen3_tts_session_next(qwen3_tts_session* session, qwen3_tts_chunk* chunk) {
  return use_session(session, [&](OpenSession& opened) -> Status {
    RETURN_IF_ERROR(require(chunk, "chunk"));
    RETURN_IF_ERROR(check_had_no_error(opened));
    const Result<AudioChunk> next = opened.session->next();
    RETURN_IF_ERROR(check_not_destroyed(opened));
    if (!next.ok()) {
      opened.had_error = next.error().code != ErrorCode::kInvalidState;  // There may be nothing to continue.
      return next.error();
    }
    *chunk = {next->samples,    next->num_samples, next->sample_rate, next->first_frame,
              next->num_frames, next->is_last,     next->needs_text};
    return {};
  });
}

qwen3_tts_status qwen3_tts_session_stop(qwen3_tts_session* session) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Sessions::get().find(session, "session"));
    opened->session->stop();
    return {};
  });
}

qwen3_tts_status qwen3_tts_session_stats(qwen3_tts_session* session, const char** json) {
  return use_session(session, [&](OpenSession& opened) -> Status {
    RETURN_IF_ERROR(require(json, "json"));
    opened.stats = to_json(opened.session->stats());
    *json = opened.stats.c_str();
    return {};
  });
}

qwen3_tts_status qwen3_tts_session_codes(qwen3_tts_session* session, const int64_t** codes, size_t* num_codes) {
  return use_session(session, [&](OpenSession& opened) -> Status {
    RETURN_IF_ERROR(require(codes, "codes"));
    RETURN_IF_ERROR(require(num_codes, "num_codes"));
    const std::vector<int64_t>& made = opened.session->codes();
    *codes = made.data();
    *num_codes = made.size();
    return {};
  });
}

qwen3_tts_status qwen3_tts_session_decode(qwen3_tts_session* session, const int64_t* codes, size_t num_codes,
                                          qwen3_tts_write write, void* user) {
  return use_session(session, [&](OpenSession& opened) -> Status {
    RETURN_IF_ERROR(require_values(codes, num_codes, "codes"));
    RETURN_IF_ERROR(require(write, "write"));
    const std::vector<int64_t> copy(codes, codes + num_codes);  // They may be this session's own.
    begin(opened);
    CallbackSink sink(write, user);
    Status status = note_error(opened, opened.session->decode(copy, sink));
    RETURN_IF_ERROR(check_not_destroyed(opened));
    return status;
  });
}

qwen3_tts_status qwen3_tts_session_destroy(qwen3_tts_session* session) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto removed, Sessions::get().remove(session, "session"));
    if (removed != nullptr) {
      removed->is_destroyed = true;
      removed->session->stop();  // What another thread may be running.
    }
    return {};
  });
}
