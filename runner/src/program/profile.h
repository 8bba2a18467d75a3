#pragma once

#include <memory>
#include <string>

#include <executorch/runtime/core/event_tracer.h>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Records when the operators of a program run: an ETDump in memory, one block a call. ExecuTorch calls every block
/// "Execute"; here it has the name of the method. Not thread-safe.
class Profile {
 public:
  virtual ~Profile() = default;

  /// What the blocks from now on are called.
  virtual void set_method(const std::string& method) = 0;
  /// The ETDump of what ran since it was taken last or forgotten; "" when nothing ran.
  virtual std::string take() = 0;
  virtual void forget() = 0;
};

/// What a module is to own, and the same as a profile.
struct Recorder {
  std::unique_ptr<executorch::runtime::EventTracer> tracer;
  Profile* profile;
};

/// kInvalidArgument in a library that was built without ExecuTorch's profiler.
Result<Recorder> make_recorder();

}  // namespace qwen3_tts
