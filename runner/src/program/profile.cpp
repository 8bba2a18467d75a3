#include "program/profile.h"

#include <cstdlib>
#include <memory>

namespace qwen3_tts {

std::string Profile::take() {
  const executorch::etdump::ETDumpResult result = get_etdump_data();
  const std::unique_ptr<void, decltype(&std::free)> owner(result.buf, &std::free);
  std::string content;
  if (result.buf != nullptr) {
    content.assign(static_cast<const char*>(result.buf), result.size);
  }
  reset();
  return content;
}

void Profile::create_event_block(const char* name) {
  ETDumpGen::create_event_block(method_.empty() ? name : method_.c_str());
}

}  // namespace qwen3_tts
