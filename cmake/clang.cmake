# Toolchain file: Debian 12's clang where it is installed, or else the one there is.

find_program(CMAKE_CXX_COMPILER NAMES clang++-14 clang++ REQUIRED)
find_program(CMAKE_C_COMPILER NAMES clang-14 clang REQUIRED)  # of the tests in C
