#include "program/profile.h"

#include <cstdlib>
#include <utility>

#include <executorch/devtools/etdump/etdump_flatcc.h>

namespace qwen3_tts {
namespace {

class EtdumpProfile final : public executorch::etdump::ETDumpGen, public Profile {
 public:
  void set_method(const std::string& method) override { method_ = method; }
  std::string take() override;
  void forget() override { reset(); }

  void create_event_block(const char* name) override {
    ETDumpGen::create_event_block(method_.empty() ? name : method_.c_str());
  }

 private:
  std::string method_;
};

std::string EtdumpProfile::take() {
  const executorch::etdump::ETDumpResult result = get_etdump_data();
  const std::unique_ptr<void, decltype(&std::free)> owner(result.buf, &std::free);
  std::string content;
  if (result.buf != nullptr) {
    content.assign(static_cast<const char*>(result.buf), result.size);
  }
  reset();
  return content;
}

}  // namespace

Result<Recorder> make_recorder() {
  auto recorder = std::make_unique<EtdumpProfile>();
  Profile* const profile = recorder.get();
  return Recorder{std::move(recorder), profile};
}

}  // namespace qwen3_tts
