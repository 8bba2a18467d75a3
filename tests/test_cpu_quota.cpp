#include "program/cpu_quota.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "temp_folder.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

/// A machine of files alone.
class CpuQuotaTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& content) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }

  /// 0: none.
  int64_t quota() const { return cpu_quota(root_).value_or(0); }

  testing::TempFolder folder_;
  fs::path root_ = folder_.file("");
};

TEST_F(CpuQuotaTest, ThereNeedBeNone) {
  EXPECT_EQ(quota(), 0);
  write("proc/self/cgroup", "0::/\n");
  EXPECT_EQ(quota(), 0);
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), 0);
}

TEST_F(CpuQuotaTest, RoundsUp) {
  write("proc/self/cgroup", "0::/\n");
  for (const auto& [quota_us, expected] : {std::pair("200000", 2), std::pair("200001", 3), std::pair("150000", 2),
                                           std::pair("100000", 1), std::pair("1000", 1)}) {
    write("sys/fs/cgroup/cpu.max", std::string(quota_us) + " 100000\n");
    EXPECT_EQ(quota(), expected) << quota_us;
  }
}

TEST_F(CpuQuotaTest, SmallestOfTheGroupsAroundCounts) {
  write("proc/self/cgroup", "0::/pod/container\n");
  write("sys/fs/cgroup/pod/container/cpu.max", "800000 100000\n");
  EXPECT_EQ(quota(), 8);
  write("sys/fs/cgroup/pod/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/pod/container/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 1);
  write("sys/fs/cgroup/other/cpu.max", "1000 100000\n");
  EXPECT_EQ(quota(), 1);
}

TEST_F(CpuQuotaTest, PathOfTheHostMeansTheContainersOwnGroup) {
  write("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
  write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  EXPECT_EQ(quota(), 3);
}

TEST_F(CpuQuotaTest, ReadsTheFirstVersion) {
  write("proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/\n");
  write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 0);
  write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "120000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuotaTest, ReadsTheFirstVersionWhereItIsLinked) {
  write("proc/self/cgroup", "4:cpuacct,cpu:/\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "60000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "20000\n");
  EXPECT_EQ(quota(), 3);
}

TEST_F(CpuQuotaTest, OtherControllersHaveNoSay) {
  write("proc/self/cgroup", "3:cpuset:/\n2:cpuacct:/\nnonsense\n");
  write("sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 0);
}

TEST_F(CpuQuotaTest, DamagedFilesSayNothing) {
  write("proc/self/cgroup", "0::/\n");
  for (const char* content : {"", "100000", "x y", "100000 0", "-5 100000", "99999999999999999999 100000"}) {
    write("sys/fs/cgroup/cpu.max", content);
    EXPECT_EQ(quota(), 0) << content;
  }
}

}  // namespace
}  // namespace qwen3_tts
