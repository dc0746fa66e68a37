// SPDX-License-Identifier: Apache-2.0
// Files that are damaged, and sessions that are asked for too much: an error that says what, and nothing worse.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "engine/gguf_writer.h"
#include "tests/engine/small_models.h"
#include "tests/unit/expect_error.h"
#include "workloads/gguf.h"

namespace silicast::engine {
namespace {

using namespace testing_engine;

// A small llama's file, built tensor by tensor so that one of them can be changed.
struct Broken {
  std::function<void(std::string& name, std::vector<std::int64_t>& shape, BlockType& type)> tensor;
  std::function<void(GgufWriter&)> more;
};

std::vector<std::byte> llama_file(const Broken& broken = {}) {
  GgufWriter writer;
  writer.add("general.architecture", "llama");
  for (const auto& [key, value] : {std::pair("block_count", 1), std::pair("embedding_length", 64),
                                   std::pair("context_length", 64), std::pair("attention.head_count", 2),
                                   std::pair("attention.head_count_kv", 1), std::pair("feed_forward_length", 96)})
    writer.add("llama." + std::string(key), static_cast<std::uint32_t>(value));
  if (broken.more) broken.more(writer);
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> tensors{
      {"token_embd.weight", {64, 40}},     {"output_norm.weight", {64}},           {"output.weight", {64, 40}},
      {"blk.0.attn_norm.weight", {64}},    {"blk.0.attn_q.weight", {64, 64}},      {"blk.0.attn_k.weight", {64, 32}},
      {"blk.0.attn_v.weight", {64, 32}},   {"blk.0.attn_output.weight", {64, 64}}, {"blk.0.ffn_norm.weight", {64}},
      {"blk.0.ffn_gate.weight", {64, 96}}, {"blk.0.ffn_up.weight", {64, 96}},      {"blk.0.ffn_down.weight", {96, 64}}};
  for (auto [name, shape] : tensors) {
    BlockType type = BlockType::f32;
    if (broken.tensor) broken.tensor(name, shape, type);
    if (!name.empty()) writer.add_tensor(name, shape, type);
  }
  return writer.bytes(
      [](std::size_t, std::uint64_t, std::span<std::byte> out) { std::fill(out.begin(), out.end(), std::byte{0}); });
}

std::shared_ptr<const Model> loaded(const std::vector<std::byte>& file) {
  return load_model(file, "x.gguf", testing_data::types());
}

// The one tensor of that name is changed.
Broken changed(const std::string& which,
               const std::function<void(std::string&, std::vector<std::int64_t>&, BlockType&)>& change) {
  return {[=](std::string& name, std::vector<std::int64_t>& shape, BlockType& type) {
            if (name == which) change(name, shape, type);
          },
          {}};
}

TEST(ModelFiles, AWholeOneLoads) {
  const auto file = llama_file();
  Session session(loaded(file), {.threads = 1, .context = 4});
  for (const float logit : session.decode(3)) EXPECT_EQ(logit, 0);  // all weights are zero
}

TEST(ModelFiles, MissingTensors) {
  for (const char* name :
       {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight",
        "blk.0.attn_output.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "token_embd.weight"}) {
    const auto file = llama_file(changed(name, [](auto& n, auto&, auto&) { n.clear(); }));
    EXPECT_THROW(loaded(file), Error) << name;
  }
}

TEST(ModelFiles, MisshapedTensors) {
  for (const char* name : {"output_norm.weight", "output.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight",
                           "blk.0.attn_output.weight", "blk.0.ffn_gate.weight", "blk.0.ffn_down.weight"}) {
    const auto file = llama_file(changed(name, [](auto&, auto& shape, auto&) { shape.back() += 32; }));
    EXPECT_THROW(loaded(file), InputError) << name;
  }
}

TEST(ModelFiles, TheErrorNamesTheTensor) {
  const auto file = llama_file(changed("blk.0.ffn_up.weight", [](auto& n, auto&, auto&) { n.clear(); }));
  try {
    loaded(file);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("blk.0.ffn_up.weight"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos) << error.what();
  }
}

TEST(ModelFiles, UnknownTypesAndOffsets) {
  const auto good = llama_file();
  // The tensor table's entry of output.weight: name, dimensions, two sizes, type, offset.
  const std::string name = "output.weight";
  const std::string_view text(reinterpret_cast<const char*>(good.data()), good.size());
  const std::size_t type_at = text.find(name) + name.size() + 4 + 2 * 8;
  for (const std::uint32_t type : {4U, 5U, 36U, 200U, 0xFFFFFFFFU}) {
    auto file = good;
    std::memcpy(file.data() + type_at, &type, sizeof type);
    EXPECT_THROW(loaded(file), Error) << type;
  }
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{1} << 20, ~std::uint64_t{31}}) {
    auto file = good;
    std::memcpy(file.data() + type_at + 4, &offset, sizeof offset);
    EXPECT_THROW(loaded(file), InputError) << offset;
  }
}

TEST(ModelFiles, EveryTruncationIsAnError) {
  const auto good = llama_file();
  for (std::size_t size = 0; size < good.size() - 32; size += size < 2000 ? 7 : 997) {
    const std::vector<std::byte> file(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(loaded(file), Error) << size;
  }
}

TEST(ModelFiles, NumbersOutsideOfWhatIsAccepted) {
  const auto with = [](const char* key, float value) {
    return Broken{{}, [=](GgufWriter& writer) { writer.add(std::string("llama.") + key, value); }};
  };
  EXPECT_THROW(loaded(llama_file(with("rope.freq_base", 0))), InputError);
  EXPECT_THROW(loaded(llama_file(with("rope.freq_base", NAN))), InputError);
  EXPECT_THROW(loaded(llama_file(with("rope.scaling.factor", 0))), InputError);
  EXPECT_THROW(loaded(llama_file(with("attention.layer_norm_rms_epsilon", -1))), InputError);
  EXPECT_THROW(loaded(llama_file({{}, [](GgufWriter& w) { w.add("llama.rope.scaling.type", "longrope"); }})),
               RefusedError);
  EXPECT_THROW(loaded(llama_file({{}, [](GgufWriter& w) { w.add("llama.rope.dimension_count", 31U); }})), InputError);
}

TEST(ModelFiles, ArchitecturesThatAreNotRun) {
  EXPECT_THROW(expect_runnable(testing_data::model("deepseek-v3")), RefusedError);
  EXPECT_THROW(expect_runnable(testing_data::model("gpt-oss-20b")), RefusedError);
  EXPECT_THROW(expect_runnable(testing_data::model("bloom-7b1")), RefusedError);
  for (const char* name : {"llama-3.1-8b", "tinyllama-1.1b", "mixtral-8x7b", "mistral-7b", "qwen2.5-7b", "qwen3-8b",
                           "qwen3-30b-a3b", "gemma-3-4b", "gemma-2-9b"})
    EXPECT_NO_THROW(expect_runnable(testing_data::model(name))) << name;
}

class Sessions : public ::testing::Test {
 protected:
  std::shared_ptr<const Model> model_ = small_engine_model(small_models()[0], "Q8_0");
};

TEST_F(Sessions, TokensOutsideOfTheVocabulary) {
  Session session(model_, {.threads = 1, .context = 8});
  EXPECT_THROW(session.decode(320), InputError);
  EXPECT_THROW(session.decode(-1), InputError);
  EXPECT_THROW(session.prefill(std::vector<Token>{1, 2, 1000}), InputError);
  EXPECT_THROW(session.prefill(std::vector<Token>{}), InputError);
  EXPECT_EQ(session.depth(), 0);  // nothing was begun
  session.decode(319);
  EXPECT_EQ(session.depth(), 1);
}

TEST_F(Sessions, TheContextIsFull) {
  Session session(model_, {.threads = 1, .context = 8, .sequences = 2});
  EXPECT_THROW(session.prefill(some_tokens(9)), InputError);
  session.prefill(some_tokens(8));
  EXPECT_THROW(session.decode(1), InputError);
  EXPECT_THROW(session.decode(std::vector<Token>{1, 1}), InputError);  // the second has room, the first has not
  EXPECT_EQ(session.depth(1), 0);
  session.decode(1, 1);
  EXPECT_EQ(session.depth(1), 1);
  EXPECT_THROW(session.decode(1, 2), InputError);
  EXPECT_THROW(session.set_depth(9), InputError);
}

TEST_F(Sessions, OptionsOutsideOfWhatIsAccepted) {
  EXPECT_THROW(Session(model_, {.context = 0}), InputError);
  EXPECT_THROW(Session(model_, {.context = 8, .sequences = 0}), InputError);
  EXPECT_THROW(Session(model_, {.context = 8, .ubatch = 0}), InputError);
}

TEST_F(Sessions, MoreMemoryThanThereIsIsSaidFirst) {
  try {
    Session session(model_, {.threads = 1, .context = 1 << 30, .sequences = 4096});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::no);
  }
}

TEST_F(Sessions, AnInstructionSetThatTheProcessorLacks) {
  for (const Isa isa : all_isas()) {
    if (is_supported(isa)) {
      Session session(model_, {.threads = 1, .context = 4, .isa = isa});
      EXPECT_EQ(session.isa(), isa);
      session.decode(1);
    } else {
      EXPECT_THROW(Session(model_, {.threads = 1, .context = 4, .isa = isa}), UsageError);
    }
  }
}

TEST_F(Sessions, ADepthIsAsIfItWereComputed) {
  Session session(model_, {.threads = 1, .context = 64});
  session.set_depth(40);
  EXPECT_EQ(session.depth(), 40);
  for (const float logit : session.decode(5)) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(session.depth(), 41);
  // Back to a depth that was computed: the same logits again.
  session.reset();
  session.prefill(some_tokens(10));
  const auto first = session.decode(7);
  const std::vector<float> logits(first.begin(), first.end());
  session.set_depth(10);
  const auto again = session.decode(7);
  EXPECT_TRUE(std::equal(again.begin(), again.end(), logits.begin()));
}

}  // namespace
}  // namespace silicast::engine
