// SPDX-License-Identifier: Apache-2.0
// Dated prices: devices bought and rented, electricity by region, and what currencies are worth. Files:
// data/prices/{purchase,rent,electricity,currencies}.yaml.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.h"
#include "model/economics.h"

namespace silicast {

class Section;

// Three capital letters, as of ISO 4217.
bool is_currency_code(std::string_view text);

class PriceBook {
 public:
  struct Item {
    std::string name;             // device or region
    std::optional<Bytes> memory;  // of the device: only with so much
    DatedPrice price;
  };

  // Files that are not there hold no prices. Throws InputError with place, key and rule.
  static PriceBook read(const std::filesystem::path& folder);
  // One file: a list `prices` of {device or region, memory, amount: 1599 USD, date, source}, newest wanted first.
  static std::vector<Item> read_items(const Section& file);

  // The file of currencies: what one `base` buys of each, as central banks publish it. Sorted by currency; the dollar
  // is among them.
  static std::vector<ExchangeRate> read_rates(const Section& file);

  // Of the memory option where there is a price for it; else of the device as such.
  [[nodiscard]] std::optional<DatedPrice> purchase(std::string_view device, Bytes memory) const;
  [[nodiscard]] std::optional<DatedPrice> rent(std::string_view device) const;
  // Throws UsageError, with the devices that have one, where there is none.
  [[nodiscard]] DatedPrice listed_rent(std::string_view device) const;
  // Empty: the first of the file. Throws UsageError for a region without tariff.
  [[nodiscard]] std::optional<DatedPrice> electricity(std::string_view region) const;
  // What one of the currency is worth. Throws UsageError, with those that are known.
  [[nodiscard]] ExchangeRate rate(std::string_view currency) const;
  // All amounts in dollars, with the rates that this took. Throws UsageError for a currency whose worth is not known.
  [[nodiscard]] CostQuestion in_dollars(CostQuestion question) const;

 private:
  std::vector<Item> purchase_;
  std::vector<Item> rent_;
  std::vector<Item> electricity_;
  std::vector<ExchangeRate> rates_;
};

}  // namespace silicast
