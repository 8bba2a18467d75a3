#pragma once

#include <string>

#include <executorch/devtools/etdump/etdump_flatcc.h>

namespace qwen3_tts {

/// Records when the operators of a program run: an ETDump in memory, one block a call. ExecuTorch calls every block
/// "Execute"; here it has the name of the method. Not thread-safe.
class Profile : public executorch::etdump::ETDumpGen {
 public:
  /// What the blocks from now on are called.
  void set_method(const std::string& method) { method_ = method; }

  /// The ETDump of what ran since it was taken last or reset(); "" when nothing ran.
  std::string take();

  void create_event_block(const char* name) override;

 private:
  std::string method_;
};

}  // namespace qwen3_tts
