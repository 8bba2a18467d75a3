#include <memory>
#include <string>
#include <utility>

#include <qwen3_tts.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/model_info.h>

#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api/handles.h"
#include "c_api/request_arguments.h"
#include "c_api/thread_answer.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

int32_t qwen3_tts_abi_version() { return QWEN3_TTS_ABI_VERSION; }

const char* qwen3_tts_version() { return QWEN3_TTS_VERSION; }

qwen3_tts_status qwen3_tts_engine_create(const char* options_json, qwen3_tts_engine** engine) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(options_json, "options_json"));
    RETURN_IF_ERROR(require(engine, "engine"));
    EngineOptions options;
    RETURN_IF_ERROR(about("options_json", from_json(options_json, options)));
    if (options.model_path.empty() && options.model_fd < 0) {
      return invalid_argument(
          "options_json: key 'model_path' is missing or empty; name the model.pte, or give model_fd");
    }
    auto opened = std::make_shared<OpenEngine>();
    ASSIGN_OR_RETURN(opened->engine, Engine::create(options));
    ASSIGN_OR_RETURN(const ModelInfo info, read_model_info(options));
    opened->info = to_json(info);
    *engine = Engines::get().add(std::move(opened));
    return {};
  });
}

qwen3_tts_status qwen3_tts_engine_preload(qwen3_tts_engine* engine, const char* workload) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
    RETURN_IF_ERROR(require(workload, "workload"));
    const auto named = value_named<Workload>(workload);
    if (!named.has_value()) {
      return invalid_argument("workload '" + std::string(workload) + "' is none; write " + names_of<Workload>());
    }
    return opened->engine->preload(*named);
  });
}

qwen3_tts_status qwen3_tts_engine_info(qwen3_tts_engine* engine, const char** json) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
    RETURN_IF_ERROR(require(json, "json"));
    *json = opened->info.c_str();
    return {};
  });
}

qwen3_tts_status qwen3_tts_engine_capacity(qwen3_tts_engine* engine, const char** json) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
    RETURN_IF_ERROR(require(json, "json"));
    *json = keep_for_thread(to_json(opened->engine->capacity()));
    return {};
  });
}

qwen3_tts_status qwen3_tts_engine_check(qwen3_tts_engine* engine, const char* request_json,
                                        const qwen3_tts_voice* voice) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, Engines::get().find(engine, "engine"));
    ASSIGN_OR_RETURN(const RequestArguments arguments, read_request(request_json, voice));
    return opened->engine->check(arguments.request, arguments.options);
  });
}

qwen3_tts_status qwen3_tts_engine_destroy(qwen3_tts_engine* engine) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(Engines::get().remove(engine, "engine"));
    return {};
  });
}
