// SPDX-License-Identifier: Apache-2.0
// Any text is a tree whose every value can be read or refused, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/document.h"

namespace {

// Every accessor on every key: each answers or throws.
void read_everything(const silicast::Section& section) {
  using namespace silicast;
  const auto entries = section.entries();
  for (const auto& entry : entries) {
    const std::string& key = entry.first;
    const auto attempt = [](auto&& act) {
      try {
        act();
      } catch (const Error&) {
        return;
      }
    };
    attempt([&] { static_cast<void>(section.text(key)); });
    attempt([&] { static_cast<void>(section.texts(key)); });
    attempt([&] { static_cast<void>(section.flag(key, false)); });
    attempt([&] { static_cast<void>(section.count(key)); });
    attempt([&] { static_cast<void>(section.share(key, 1)); });
    attempt([&] { static_cast<void>(section.quantity<Bytes>(key)); });
    attempt([&] { static_cast<void>(section.quantities<BytesPerSecond>(key)); });
    attempt([&] { static_cast<void>(section.choice(key, {"one", "two"})); });
    attempt([&] { section.finish(); });
    if (entry.second->kind == Node::Kind::map) read_everything(section.required_section(key));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace silicast;
  try {
    const Node root = parse_yaml(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
    static_cast<void>(merged(root, root));
    if (root.kind == Node::Kind::map) read_everything(Section(root));
  } catch (const Error&) {
    return 0;
  }
  return 0;
}
