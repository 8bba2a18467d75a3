# Toolchain file: Linux on AArch64, built elsewhere. By Debian's g++-aarch64-linux-gnu, unless CMAKE_CXX_COMPILER names
# another one, such as clang++, which takes that package's C++ library.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_COMPILER_TARGET aarch64-linux-gnu)  # for clang, which builds for every processor
endforeach()
if(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
endif()
