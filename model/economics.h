// SPDX-License-Identifier: Apache-2.0
// What an hour and a million tokens cost: a machine bought and worn off, or rented, and its electricity.
//
//   $/h of use = price / (years * 8760 h * duty) + wall kW * PUE * $/kWh,   or the rent, which includes electricity
//
// A million tokens of a phase cost the hours that the phase takes for them, at the power of that phase.
// Straight-line wear-off over three years is the usual horizon (facts: EcoLogits, mlco2/ecologits@5be90dad).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/quantity.h"

namespace silicast {

struct DatedPrice {
  double usd = 0;
  std::string date;  // empty: the user's own
  std::string source;
};

// What one of a currency is worth.
struct ExchangeRate {
  std::string currency;  // ISO 4217
  double usd = 1;
  std::string date;  // empty: the user's own
  std::string source;

  bool operator==(const ExchangeRate&) const = default;
};

// As the user says it; in dollars once the query is compiled (PriceBook::in_dollars).
struct Money {
  Money(double value = 0, std::string code = {})  // NOLINT(google-explicit-constructor): a plain number is dollars
      : amount(value), currency(std::move(code)) {}
  // Of what is in dollars.
  [[nodiscard]] double usd() const;

  double amount;
  std::string currency;  // ISO 4217; empty: USD
};

// What the user may say; the rest is looked up (model/prices.h).
struct CostQuestion {
  std::optional<Money> price;        // of the whole machine
  std::optional<Money> rent;         // an hour of the whole machine
  bool rent_listed = false;          // the price book's rent of the device, although it may be bought
  std::optional<Money> electricity;  // a kWh
  std::string region;                // whose tariff is taken; empty: the price book's usual one
  double lifetime_years = 3;
  double duty = 1;                    // share of that time in which the machine serves
  double pue = 1;                     // of the building: wall power times this is paid
  std::optional<Money> api_price_in;  // a million tokens, to compare with
  std::optional<Money> api_price_out;
  std::string currency;                                   // that costs are shown in as well; empty: USD alone
  std::vector<std::pair<std::string, double>> own_rates;  // dollars that one of a currency is worth
  std::vector<ExchangeRate> rates;                        // that were used: of the amounts above, then of `currency`

  // Of `currency`, once the query is compiled; null: none is asked for.
  [[nodiscard]] const ExchangeRate* shown() const;
};

// Throws UsageError for what is zero, negative or not a share.
void check(const CostQuestion& question);

// One phase of a request of all sequences together.
struct PhaseUse {
  Seconds seconds;
  double tokens = 0;
  std::optional<Watts> wall;
};

struct CostInputs {
  std::optional<DatedPrice> purchase;  // of the whole machine
  std::optional<DatedPrice> rent;      // an hour of it; when set, nothing else is paid
  std::optional<DatedPrice> electricity;
  std::optional<PhaseUse> prefill;
  std::optional<PhaseUse> decode;
};

// What a second of the machine costs, and a joule at the plug.
class Tariff {
 public:
  // With a rent, or a purchase.
  Tariff(const CostInputs& inputs, const CostQuestion& question);

  // Of a phase, in USD.
  [[nodiscard]] double electricity(Seconds seconds, std::optional<Watts> wall) const {
    return wall ? (*wall * seconds).value() * per_joule_ : 0;
  }
  [[nodiscard]] double of(Seconds seconds, std::optional<Watts> wall) const {
    return seconds.value() * per_second_ + electricity(seconds, wall);
  }

 private:
  double per_second_ = 0;
  double per_joule_ = 0;
};

// Against an API that sells the same tokens.
struct BreakEven {
  double api_usd_per_hour = 0;           // for the tokens that the machine makes in an hour of use
  bool cheaper = false;                  // than the API, at the duty asked
  std::optional<double> duty;            // above which a bought machine is cheaper; absent: never
  std::optional<double> hours_to_repay;  // of use, until savings have paid the price; absent: never
};

struct CostFigures {
  bool rented = false;
  DatedPrice price;                       // of the machine, or of its hour
  std::optional<DatedPrice> electricity;  // absent: included, or not known
  double lifetime_years = 0;
  double duty = 1;
  double usd_per_hour = 0;  // of use, over a request's mix of phases
  std::optional<double> usd_per_million_input_tokens;
  std::optional<double> usd_per_million_output_tokens;
  std::optional<BreakEven> break_even;
  std::optional<ExchangeRate> shown;  // the currency that is asked for
  std::vector<ExchangeRate> rates;    // of all that amounts were converted from or to

  // An amount of dollars in the currency that is asked for.
  [[nodiscard]] double in_shown(double usd) const { return shown ? usd / shown->usd : usd; }
};

// nullopt when neither a price nor a rent is known.
std::optional<CostFigures> cost_of(const CostInputs& inputs, const CostQuestion& question);

}  // namespace silicast
