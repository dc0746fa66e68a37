// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

// The statement throws an InputError whose message holds the text.
#define EXPECT_INPUT_ERROR(statement, text)                                             \
  try {                                                                                 \
    static_cast<void>(statement);                                                       \
    ADD_FAILURE() << "no InputError: " #statement;                                      \
  } catch (const silicast::InputError& error) {                                         \
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what(); \
  }
