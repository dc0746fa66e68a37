# SPDX-License-Identifier: Apache-2.0
# silicast_precompile(TARGET [<lib/lib.h>...]): precompiles the headers of the standard library that most sources
# include, and those named. silicast_reuse_precompiled(TARGET FROM) takes those of a target with the same options.
# Sources include what they use all the same.
function(silicast_precompile target)
  if(SILICAST_PCH)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <cmath> <cstdint> <filesystem> <fstream> <functional> <map> <memory> <optional> <set> <span>
      <sstream> <string> <string_view> <utility> <variant> <vector> ${ARGN})
  endif()
endfunction()

function(silicast_reuse_precompiled target from)
  if(SILICAST_PCH)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()

# silicast_library(NAME SOURCES a.cpp b.cpp LINKS base model PRIVATE_LINKS lib::lib)
#
# The static library silicast_NAME, also known as silicast::NAME. LINKS are folders to the left, PRIVATE_LINKS third-party
# libraries that no header of ours shows. Sources are listed by hand. Includes read "folder/file.h" from the root.
function(silicast_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS;PRIVATE_LINKS")
  list(TRANSFORM arg_LINKS PREPEND silicast_)
  add_library(silicast_${name} STATIC ${arg_SOURCES})
  add_library(silicast::${name} ALIAS silicast_${name})
  target_link_libraries(silicast_${name}
    PUBLIC ${arg_LINKS} PRIVATE $<BUILD_INTERFACE:silicast_warnings> ${arg_PRIVATE_LINKS})
  target_include_directories(silicast_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/silicast>)
  target_compile_features(silicast_${name} PUBLIC cxx_std_20)
  if(name STREQUAL "base")
    silicast_precompile(silicast_base)
  elseif(name STREQUAL "report")
    silicast_precompile(silicast_report <nlohmann/json.hpp>)
  else()
    silicast_reuse_precompiled(silicast_${name} silicast_base)
  endif()
  set_target_properties(silicast_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY SILICAST_LIBRARIES silicast_${name})
endfunction()
