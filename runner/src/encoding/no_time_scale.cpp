// What stands in for time_scale.cpp in a library that is built without libsonic.

#include "base/error.h"
#include "encoding/time_scale.h"

namespace qwen3_tts {
namespace {

Error missing() {
  return invalid_argument(
      "this library was built without libsonic, which changes the speed; install it and build again, or leave the "
      "speed at 1");
}

}  // namespace

void TimeScale::Delete::operator()(sonicStreamStruct*) const {}

Result<TimeScale> TimeScale::create(int64_t, double) { return missing(); }

// NOLINTBEGIN(readability-convert-member-functions-to-static): they have a stream where there is libsonic.
Status TimeScale::write(const int16_t*, int64_t, std::vector<float>&) { return missing(); }

Status TimeScale::finish(std::vector<float>&) { return missing(); }
// NOLINTEND(readability-convert-member-functions-to-static)

}  // namespace qwen3_tts
