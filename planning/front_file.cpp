// SPDX-License-Identifier: Apache-2.0
#include "planning/front_file.h"

#include <fstream>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"
#include "planning/sweep_file.h"

namespace silicast {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view title = "silicast-front 1 ";

fs::path part_of(const fs::path& out) { return out.string() + ".part"; }

bool is_regular(const fs::path& out) { return !fs::exists(out) || fs::is_regular_file(out); }

// "POINT BYTES OBJECTIVE...", then the row, of so many bytes.
ParetoFront::Member read_member(std::string_view& text, const fs::path& part) {
  const auto refuse = [&]() -> std::uint64_t {
    throw InputError(part.string() + " is damaged; --restart begins anew");
  };
  const auto end = text.find('\n');
  const auto fields = split(text.substr(0, end), ' ');
  if (end == std::string_view::npos || fields.size() < 3) refuse();
  const auto whole = [&](std::size_t i) {
    const auto value = parse_integer(fields[i]);
    return value ? static_cast<std::uint64_t>(*value) : refuse();
  };
  ParetoFront::Member member{.point = whole(0), .figures = {}, .row = {}};
  const std::uint64_t bytes = whole(1);
  for (std::size_t i = 2; i < fields.size(); ++i) {
    const auto value = parse_number(fields[i]);
    if (!value) refuse();
    member.figures.push_back(*value);
  }
  text.remove_prefix(end + 1);
  if (text.size() < bytes) refuse();
  member.row = text.substr(0, bytes);
  text.remove_prefix(bytes);
  return member;
}

}  // namespace

FrontState load_front(const fs::path& out, const std::string& fingerprint, bool restart, ParetoFront& front) {
  const fs::path part = part_of(out);
  if (restart || !is_regular(out) || !fs::exists(part)) return {};
  constexpr Bytes most(1e12);
  const std::string file = read_text_file(part, most);
  std::string_view text = file;
  const auto end = text.find('\n');
  const auto fields = split(text.substr(0, end), ' ');
  if (!text.starts_with(std::string(title) + fingerprint + " ") || fields.size() != 6)
    throw UsageError(part.string() +
                     " is of another sweep (grid, filter, data or version differ); --restart begins anew");
  const auto whole = [&](std::size_t i) { return static_cast<std::uint64_t>(parse_integer(fields[i]).value_or(0)); };
  const FrontState state{whole(3), whole(4)};
  text.remove_prefix(end + 1);
  for (std::uint64_t i = whole(5); i > 0; --i) front.add(read_member(text, part));
  return state;
}

void save_front(const fs::path& out, const std::string& fingerprint, const FrontState& state,
                const ParetoFront& front) {
  if (!is_regular(out)) return;
  std::string text = std::string(title) + fingerprint + " " + std::to_string(state.next) + " " +
                     std::to_string(state.incomparable) + " " + std::to_string(front.size()) + "\n";
  for (const ParetoFront::Member& member : front.sorted()) {
    text += std::to_string(member.point) + " " + std::to_string(member.row.size());
    for (const double figure : member.figures) text += " " + exact(figure);
    text += "\n" + member.row;
  }
  replace_file(part_of(out), text);
}

void finish_front(const fs::path& out, std::string_view header, const ParetoFront& front) {
  std::string text(header);
  for (const ParetoFront::Member& member : front.sorted()) text += member.row;
  if (!is_regular(out)) {
    std::ofstream file(out, std::ios::binary);
    file << text << std::flush;
    if (!file) throw InputError("cannot write " + out.string());
    return;
  }
  replace_file(out, text);
  std::error_code ignored;
  fs::remove(part_of(out), ignored);
}

}  // namespace silicast
