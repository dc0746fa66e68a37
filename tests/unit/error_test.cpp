// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

namespace silicast {
namespace {

Mark mark_at(int line, int column) { return {std::make_shared<const std::string>("orin.yaml"), line, column}; }

TEST(Error, MarkShowsWhatIsKnown) {
  EXPECT_EQ(mark_at(2, 14).text(), "orin.yaml:2:14");
  EXPECT_EQ(mark_at(2, 0).text(), "orin.yaml:2");
  EXPECT_EQ(mark_at(0, 0).text(), "orin.yaml");
  EXPECT_EQ(Mark{}.text(), "");
}

TEST(Error, InputErrorNamesPlaceKeyAndRule) {
  EXPECT_STREQ(InputError(mark_at(2, 14), "memory.bandwidth", "too fast").what(),
               "orin.yaml:2:14: memory.bandwidth: too fast");
  EXPECT_STREQ(InputError(Mark{}, "", "too fast").what(), "too fast");
}

// The codes are a contract with scripts (interface, "Exit codes").
TEST(Error, EachKindHasItsExitCode) {
  EXPECT_EQ(static_cast<int>(InputError("").exit_code()), 3);
  EXPECT_EQ(static_cast<int>(UsageError("").exit_code()), 2);
  EXPECT_EQ(static_cast<int>(RefusedError("").exit_code()), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::no), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::internal), 70);
}

TEST(Error, DidYouMean) {
  const std::vector<std::string> known{"rtx-4090", "rtx-5090", "m2-ultra-76", "bandwidth"};
  EXPECT_EQ(did_you_mean("bandwith", known), " (did you mean 'bandwidth'?)");
  EXPECT_EQ(did_you_mean("RTX 4090", known), " (did you mean 'rtx-4090', 'rtx-5090'?)") << "the closest first";
  EXPECT_EQ(did_you_mean("m2-ultra", known), " (did you mean 'm2-ultra-76'?)") << "a part of the name is enough";
  EXPECT_EQ(did_you_mean("tpu", known), "");
  EXPECT_EQ(did_you_mean(std::string(100000, 'x'), known), "") << "a long name must not cost a quadratic search";
  EXPECT_EQ(did_you_mean("aaa1", {"aaa2", "aaa3", "aaa4", "aaa5"}), " (did you mean 'aaa2', 'aaa3', 'aaa4'?)");
}

TEST(ErrorDeathTest, EnsureAbortsWithSentenceAndPlace) {
  ensure(true, "never shown");
  EXPECT_DEATH(ensure(false, "the sum is one"), "internal error: the sum is one .*error_test.cpp");
}

}  // namespace
}  // namespace silicast
