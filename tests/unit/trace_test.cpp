// SPDX-License-Identifier: Apache-2.0
#include "planning/trace.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"

namespace silicast::serving {
namespace {

Trace read(const std::string& text) {
  std::istringstream stream(text);
  return read_trace(stream, "trace");
}

std::string complaint(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Trace, Azure) {
  const Trace trace = read(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 18:15:46.6805900,374,44\r\n"
      "2023-11-16 18:15:50.9951690,396,109\r\n"
      "2023-11-17 00:00:00,20000,5\r\n");
  EXPECT_EQ(trace.format, "azure");
  ASSERT_EQ(trace.requests.size(), 3U);
  EXPECT_EQ(trace.requests[0].arrival, 0);
  EXPECT_EQ(trace.requests[0].prompt, 374);
  EXPECT_NEAR(trace.requests[1].arrival, 4.314579, 1e-6);
  EXPECT_EQ(trace.requests[1].output, 109);
  EXPECT_NEAR(trace.requests[2].arrival, 5 * 3600 + 44 * 60 + 13.31941, 1e-5);
}

TEST(Trace, AzureOf2024HasAZone) {
  const Trace trace = read(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n"
      "2024-05-10 00:00:00.009930+00:00,2162,5\n"
      "2024-05-12 00:00:00.009930+00:00,2162,5\n");
  EXPECT_EQ(trace.requests[1].arrival, 2 * 86400);
}

TEST(Trace, BurstGptLeavesOutFailures) {
  const Trace trace = read(
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "5,ChatGPT,472,18,490,Conversation log\n"
      "45,ChatGPT,1087,0,1087,Conversation log\n"
      "118,GPT-4,417,276,693,API log\n");
  EXPECT_EQ(trace.format, "burstgpt");
  EXPECT_EQ(trace.left_out, 1);
  ASSERT_EQ(trace.requests.size(), 2U);
  EXPECT_EQ(trace.requests[1].arrival, 113);
}

TEST(Trace, BurstGptWithSessions) {
  const Trace trace = read(
      "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "1,a,2.5,ChatGPT,10,18,28,Conversation log\n"
      "2,b,2.5,ChatGPT,10,18,28,Conversation log\n"
      "3,a,2.5,ChatGPT,10,18,28,Conversation log\n");
  EXPECT_EQ(trace.requests[0].client, trace.requests[2].client);
  EXPECT_NE(trace.requests[0].client, trace.requests[1].client);
}

TEST(Trace, MooncakeSharesBlocksOf512Tokens) {
  const Trace trace = read(R"({"timestamp": 0, "input_length": 1300, "output_length": 52, "hash_ids": [46, 47, 48]})"
                           "\n"
                           R"({"timestamp": 10535, "input_length": 600, "output_length": 26, "hash_ids": [46, 90]})"
                           "\n");
  EXPECT_EQ(trace.format, "mooncake");
  ASSERT_EQ(trace.requests.size(), 2U);
  EXPECT_NEAR(trace.requests[1].arrival, 10.535, 1e-12);
  const auto& first = trace.requests[0].prefix;
  const auto& second = trace.requests[1].prefix;
  ASSERT_EQ(first.size(), 3U);
  EXPECT_EQ(first[0].tokens, 512);
  EXPECT_EQ(first[2].tokens, 1300 - 1024);
  EXPECT_EQ(first[0].key, second[0].key);
  EXPECT_NE(first[1].key, second[1].key);
}

TEST(Trace, EveryBadRowIsNamedUpToTwenty) {
  std::string text = "arrival,prompt,output\n0,10,10\n";
  for (int i = 0; i < 25; ++i) text += "x,10,10\n";
  const std::string message = complaint(text);
  EXPECT_NE(message.find("trace:3: arrival: seconds from 0 on are expected, got 'x'"), std::string::npos) << message;
  EXPECT_NE(message.find("trace:22: "), std::string::npos);
  EXPECT_EQ(message.find("trace:23: "), std::string::npos);
  EXPECT_NE(message.find("and 5 more bad rows"), std::string::npos);
}

TEST(Trace, BadRowsSayWhatIsExpected) {
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  EXPECT_NE(complaint(azure + "2023-13-01 00:00:00,1,1\n").find("TIMESTAMP: a date"), std::string::npos);
  EXPECT_NE(complaint(azure + "2023-12-01 -1:00:00,1,1\n").find("TIMESTAMP: a date"), std::string::npos);
  EXPECT_NE(complaint(azure + "2023-12-01 00:00:00,-1,1\n").find("ContextTokens: a number of tokens"),
            std::string::npos);
  EXPECT_NE(complaint(azure + "2023-12-01 00:00:00,1\n").find("3 fields are expected, got 2"), std::string::npos);
  EXPECT_NE(complaint("{\"timestamp\": 1, \"input_length\": 5}\n").find("trace:1: output_length: required"),
            std::string::npos);
  EXPECT_NE(complaint("{\"timestamp\": 1, \n").find("trace:1: a JSON object"), std::string::npos);
  EXPECT_NE(complaint("a,b,c\n1,2,3\n").find("not a trace that is known"), std::string::npos);
  EXPECT_NE(complaint(azure).find("no requests"), std::string::npos);
}

}  // namespace
}  // namespace silicast::serving
