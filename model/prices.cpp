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

bool is_currency_code(std::string_view text) {
  constexpr std::size_t letters = 3;
  return text.size() == letters && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::vector<ExchangeRate> PriceBook::read_rates(const Section& file) {
  static_cast<void>(file.choice("kind", {"currencies"}));
  const std::string base = file.text("base");
  const std::string date = file.text("date");
  const std::string source = file.text("source");
  constexpr double least = 1e-9;
  constexpr double most = 1e9;
  std::vector<ExchangeRate> rates{{base, 1, date, source}};
  const Section list = file.required_section("rates");
  for (const auto& [code, node] : list.entries()) {
    if (!is_currency_code(code)) list.fail(code, "three capital letters (ISO 4217) are expected, got '" + code + "'");
    rates.push_back({code, list.number(code, least, most), date, source});
  }
  const auto dollar = std::find_if(rates.begin(), rates.end(), [](const auto& rate) { return rate.currency == "USD"; });
  if (dollar == rates.end()) file.fail("rates", "the rate of the dollar, USD, is missing");
  const double dollars = dollar->usd;  // that one of the base buys
  for (ExchangeRate& rate : rates) rate.usd = dollars / rate.usd;
  std::sort(rates.begin(), rates.end(), [](const auto& a, const auto& b) { return a.currency < b.currency; });
  file.ignore("notes");
  file.finish();
  return rates;
}

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
  book.rates_ = {{"USD", 1, {}, {}}};
  if (const auto file = folder / "currencies.yaml"; std::filesystem::exists(file)) {
    const Node root = read_yaml_file(file);
    book.rates_ = read_rates(Section(root));
  }
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

DatedPrice PriceBook::listed_rent(std::string_view device) const {
  if (const auto price = rent(device)) return *price;
  std::vector<std::string> names;
  for (const Item& item : rent_) names.push_back(item.name);
  throw UsageError("--rent listed: no rent of " + std::string(device) + " is listed; there are those of " +
                   join(names, ", ") + ", or give one with --rent");
}

ExchangeRate PriceBook::rate(std::string_view currency) const {
  const auto at =
      std::find_if(rates_.begin(), rates_.end(), [&](const auto& known) { return known.currency == currency; });
  if (at != rates_.end()) return *at;
  std::vector<std::string> names;
  for (const ExchangeRate& known : rates_) names.push_back(known.currency);
  throw UsageError("there is no exchange rate of '" + std::string(currency) + "'; there are " + join(names, ", "));
}

CostQuestion PriceBook::in_dollars(CostQuestion question) const {
  question.rates.clear();
  // The user's own figure before the book's.
  const auto rate_of = [&](const std::string& currency) -> ExchangeRate {
    for (const auto& [own, usd] : question.own_rates)
      if (own == currency) return {currency, usd, {}, "given"};
    try {
      return rate(currency);
    } catch (const UsageError& error) {
      throw UsageError(std::string(error.what()) + ", or give one with --exchange " + currency + "=USD");
    }
  };
  const auto used = [&](const std::string& currency) {
    const ExchangeRate rate = rate_of(currency);
    if (std::find(question.rates.begin(), question.rates.end(), rate) == question.rates.end())
      question.rates.push_back(rate);
    return rate.usd;
  };
  for (std::optional<Money>* money :
       {&question.price, &question.rent, &question.electricity, &question.api_price_in, &question.api_price_out})
    if (*money && !(*money)->currency.empty()) *money = Money((*money)->amount * used((*money)->currency));
  if (question.currency == "USD") question.currency.clear();
  if (!question.currency.empty()) used(question.currency);
  return question;
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
