# SPDX-License-Identifier: Apache-2.0
# Switches, the language standard, warnings and sanitizers.
option(SILICAST_TESTS "Build the tests" ON)
option(SILICAST_BENCHMARKS "Build the benchmarks (needs Google Benchmark)" OFF)
option(SILICAST_FUZZ "Build the fuzz targets and nothing else of the tests (needs Clang with libFuzzer)" OFF)
option(SILICAST_WERROR "Treat warnings as errors" OFF)
option(SILICAST_ASSERTIONS "Check preconditions of the standard library (ensure() is always on)" ON)
option(SILICAST_COVERAGE "Instrument for coverage" OFF)
option(SILICAST_MPI "Sweeps over several processes under mpirun, where Boost.MPI is installed" ON)
set(SILICAST_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# The libraries stand where the system looks for them; CMake would add a search path, padded with the working directory.
set(CMAKE_SKIP_RPATH ON)

find_program(SILICAST_CCACHE ccache)
if(SILICAST_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER AND NOT DEFINED ENV{CCACHE_DISABLE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SILICAST_CCACHE})
endif()
# A third of the time that GCC takes goes into the headers of the standard library. ccache does not store what is compiled
# with a precompiled header; and without one, a missing #include is found.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(precompile ON)
else()
  set(precompile OFF)
endif()
option(SILICAST_PCH "Precompile the headers of the standard library" ${precompile})

# What costs a build most is what every source instantiates anew of the standard library and of nlohmann-json; eight
# sources in one do it once. So names of unnamed namespaces are unique in a folder. The other presets compile every
# source alone: there a missing #include is found, and a shadowed name.
option(SILICAST_UNITY "Compile the sources of a target eight at a time" OFF)
set(CMAKE_UNITY_BUILD ${SILICAST_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

# Linked by every target of ours, privately: warnings and what each translation unit is told.
add_library(silicast_warnings INTERFACE)
target_compile_options(silicast_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wno-missing-field-initializers
  # GCC 12 sees overlapping copies in "text" + std::string where there are none (GCC bug 105329).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  # Those that GCC leaves out inside of system headers, it gives when they were precompiled.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${SILICAST_PCH}>>:-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-array-bounds>
  $<$<BOOL:${SILICAST_UNITY}>:-Wno-shadow;$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>>
  $<$<BOOL:${SILICAST_WERROR}>:-Werror>)
target_compile_definitions(silicast_warnings INTERFACE
  SILICAST_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${SILICAST_ASSERTIONS}>:_GLIBCXX_ASSERTIONS>)

if(SILICAST_SANITIZE)
  add_compile_options(-fsanitize=${SILICAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SILICAST_SANITIZE})
endif()
if(SILICAST_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(SILICAST_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
