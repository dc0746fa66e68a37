# SPDX-License-Identifier: Apache-2.0
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
  set_target_properties(silicast_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY SILICAST_LIBRARIES silicast_${name})
endfunction()
