#include "program/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

/// Of microseconds of processor time in a period of microseconds. Nothing when one is not above 0: "no quota" is -1.
std::optional<int64_t> processors(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return quota / period + (quota % period > 0 ? 1 : 0);
}

/// Version 2: "150000 100000", or "max 100000", which is no number.
std::optional<int64_t> quota_of_2(const fs::path& group) {
  int64_t quota = -1;
  int64_t period = -1;
  std::ifstream(group / "cpu.max") >> quota >> period;
  return processors(quota, period);
}

std::optional<int64_t> quota_of_1(const fs::path& group) {
  int64_t quota = -1;
  int64_t period = -1;
  std::ifstream(group / "cpu.cfs_quota_us") >> quota;
  std::ifstream(group / "cpu.cfs_period_us") >> period;
  return processors(quota, period);
}

std::optional<int64_t> smaller(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (a && b) {
    return std::min(a, b);
  }
  return a ? a : b;
}

/// The smallest quota of the group and of those around it, up to `mount`. In a container the group's path may be the
/// host's, which is not there: then the container's own group is at `mount`.
template <typename QuotaOf>
std::optional<int64_t> smallest_quota(const fs::path& mount, const fs::path& group, const QuotaOf& quota_of) {
  std::optional<int64_t> smallest = quota_of(mount);
  fs::path folder = mount;
  for (const fs::path& part : group.lexically_normal().relative_path()) {
    folder /= part;
    smallest = smaller(smallest, quota_of(folder));
  }
  return smallest;
}

/// Is "cpu" one of the names between commas?
bool has_cpu(const std::string& controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

}  // namespace

std::optional<int64_t> cpu_quota(const fs::path& root) {
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  std::optional<int64_t> smallest;
  // "0::/group" is version 2, "4:cpu,cpuacct:/group" version 1.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      smallest = smaller(smallest, smallest_quota(mount, group, quota_of_2));
    } else if (has_cpu(controllers)) {
      smallest = smaller(smallest, smallest_quota(mount / controllers, group, quota_of_1));
      smallest = smaller(smallest, smallest_quota(mount / "cpu", group, quota_of_1));
    }
  }
  return smallest;
}

}  // namespace qwen3_tts
