// SPDX-License-Identifier: Apache-2.0
#include "model/prices.h"

#include <algorithm>
#include <cmath>

#include "base/document.h"
#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

double read_amount(const Section& section) {
  const std::string amount = section.text("amount");
  const auto blank = amount.find(' ');
  const auto value = parse_number(amount.substr(0, blank));
  if (!value || *value <= 0 || blank == std::string::npos || amount.substr(blank + 1) != "USD")
    section.fail("amount", "an amount above zero such as '1599 USD' is expected, got '" + amount + "'");
  return *value;
}

std::vector<PriceBook::Item> items_of(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return {};
  const Node root = read_yaml_file(file);
  return PriceBook::read_items(Section(root));
}

const PriceBook::Item* find(const std::vector<PriceBook::Item>& items, std::string_view name) {
  const auto at =
      std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.name == name && !item.memory; });
  return at == items.end() ? nullptr : &*at;
}

}  // namespace

std::vector<PriceBook::Item> PriceBook::read_items(const Section& file) {
  std::vector<Item> items;
  static_cast<void>(file.choice("kind", {"purchase", "rent", "electricity"}));
  for (const Section& section : file.sections("prices")) {
    Item item;
    item.name = section.has("region") ? section.text("region") : section.text("device");
    item.memory = section.optional_quantity<Bytes>("memory");
    item.price = {read_amount(section), section.text("date"), section.text("source")};
    section.ignore("what");
    section.finish();
    items.push_back(std::move(item));
  }
  file.ignore("notes");
  file.finish();
  return items;
}

PriceBook PriceBook::read(const std::filesystem::path& folder) {
  PriceBook book;
  book.purchase_ = items_of(folder / "purchase.yaml");
  book.rent_ = items_of(folder / "rent.yaml");
  book.electricity_ = items_of(folder / "electricity.yaml");
  return book;
}

std::optional<DatedPrice> PriceBook::purchase(std::string_view device, Bytes memory) const {
  for (const Item& item : purchase_)
    if (item.name == device && item.memory && std::abs(*item.memory / memory - 1) < 0.01) return item.price;
  if (const Item* item = find(purchase_, device)) return item->price;
  return std::nullopt;
}

std::optional<DatedPrice> PriceBook::rent(std::string_view device) const {
  if (const Item* item = find(rent_, device)) return item->price;
  return std::nullopt;
}

std::optional<DatedPrice> PriceBook::electricity(std::string_view region) const {
  if (region.empty()) return electricity_.empty() ? std::nullopt : std::optional(electricity_.front().price);
  if (const Item* item = find(electricity_, canonical_name(region))) return item->price;
  std::vector<std::string> names;
  for (const Item& item : electricity_) names.push_back(item.name);
  throw UsageError("--region: no tariff of '" + std::string(region) + "'; there are " + join(names, ", ") +
                   ", or give one with --electricity");
}

}  // namespace silicast
