# SPDX-License-Identifier: Apache-2.0
# Third-party libraries, all from the system's package manager. Imported targets are SYSTEM, so our warnings stop at them.
find_package(libyaml REQUIRED)  # cmake/Findlibyaml.cmake
find_package(nlohmann_json REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(Ceres REQUIRED)
find_package(Eigen3 REQUIRED)
find_package(hwloc REQUIRED)  # cmake/Findhwloc.cmake
find_package(Pcre2 REQUIRED)
find_package(Threads REQUIRED)
# Optional: sweeps under mpirun.
if(SILICAST_MPI AND NOT SILICAST_FUZZ)
  find_package(MPI COMPONENTS CXX QUIET)
  find_package(Boost COMPONENTS mpi QUIET)
  if(MPI_CXX_FOUND AND TARGET Boost::mpi)
    set(SILICAST_MPI_FOUND ON)
  else()
    message(STATUS "Boost.MPI or MPI is not here: sweeps run on one machine only")
  endif()
endif()

if(NOT SILICAST_FUZZ)
  find_package(CLI11 REQUIRED)
endif()
if(SILICAST_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SILICAST_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
