// SPDX-License-Identifier: Apache-2.0
#include "model/economics.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace silicast {

namespace {

constexpr double hours_per_year = 8760;
constexpr double seconds_per_hour = 3600;
constexpr double million = 1e6;
constexpr double watts_per_kilowatt = 1000;

void check_positive(const char* option, double value) {
  if (value <= 0) throw UsageError(std::string(option) + ": must be above zero, got " + exact(value));
}

void check_positive(const char* option, const std::optional<Money>& money) {
  if (money) check_positive(option, money->amount);
}

double per_million(double usd, double tokens) { return usd / tokens * million; }

BreakEven break_even(const CostInputs& inputs, const CostQuestion& question, const CostFigures& figures,
                     const Tariff& tariff, double hours) {
  const auto value = [](const std::optional<PhaseUse>& use, const std::optional<Money>& price) {
    return use && price ? use->tokens * price->usd() / million : 0;
  };
  BreakEven result;
  result.api_usd_per_hour =
      (value(inputs.prefill, question.api_price_in) + value(inputs.decode, question.api_price_out)) / hours;
  result.cheaper = figures.usd_per_hour < result.api_usd_per_hour;
  if (figures.rented) return result;
  double running = 0;
  for (const auto& use : {inputs.prefill, inputs.decode})
    if (use) running += tariff.electricity(use->seconds, use->wall) / hours;
  const double saved = result.api_usd_per_hour - running;  // an hour of use
  if (saved <= 0) return result;
  const double hours_to_repay = inputs.purchase->usd / saved;
  const double duty = hours_to_repay / (question.lifetime_years * hours_per_year);
  if (duty <= 1) result.duty = duty, result.hours_to_repay = hours_to_repay;
  return result;
}

}  // namespace

double Money::usd() const {
  ensure(currency.empty(), "amounts are converted when the query is compiled");
  return amount;
}

const ExchangeRate* CostQuestion::shown() const {
  const auto at = std::find_if(rates.begin(), rates.end(), [&](const auto& rate) { return rate.currency == currency; });
  return currency.empty() || at == rates.end() ? nullptr : &*at;
}

Tariff::Tariff(const CostInputs& inputs, const CostQuestion& question) {
  if (inputs.rent)
    per_second_ = inputs.rent->usd / seconds_per_hour;
  else
    per_second_ = inputs.purchase->usd / (question.lifetime_years * hours_per_year * question.duty * seconds_per_hour);
  if (!inputs.rent && inputs.electricity)
    per_joule_ = inputs.electricity->usd * question.pue / (watts_per_kilowatt * seconds_per_hour);
}

void check(const CostQuestion& q) {
  check_positive("--price", q.price);
  check_positive("--rent", q.rent);
  check_positive("--electricity", q.electricity);
  check_positive("--lifetime-years", q.lifetime_years);
  check_positive("--duty", q.duty);
  check_positive("--api-price-in", q.api_price_in);
  check_positive("--api-price-out", q.api_price_out);
  if (q.duty > 1) throw UsageError("--duty: a share of the time, at most 1, is expected, got " + exact(q.duty));
  if (q.pue < 1) throw UsageError("--pue: at least 1 is expected, got " + exact(q.pue));
  if (q.price && (q.rent || q.rent_listed))
    throw UsageError("--price and --rent exclude each other: a machine is bought or rented");
}

std::optional<CostFigures> cost_of(const CostInputs& inputs, const CostQuestion& question) {
  if (!inputs.rent && !inputs.purchase) return std::nullopt;
  if (!inputs.prefill && !inputs.decode) return std::nullopt;
  const Tariff tariff(inputs, question);
  CostFigures figures;
  figures.rented = inputs.rent.has_value();
  figures.price = inputs.rent ? *inputs.rent : *inputs.purchase;
  const bool metered = (inputs.prefill && inputs.prefill->wall) || (inputs.decode && inputs.decode->wall);
  if (!figures.rented && metered) figures.electricity = inputs.electricity;
  if (const ExchangeRate* rate = question.shown()) figures.shown = *rate;
  figures.rates = question.rates;
  figures.lifetime_years = question.lifetime_years;
  figures.duty = question.duty;
  double usd = 0;
  double hours = 0;
  for (const auto& use : {inputs.prefill, inputs.decode})
    if (use) usd += tariff.of(use->seconds, use->wall), hours += use->seconds.value() / seconds_per_hour;
  figures.usd_per_hour = usd / hours;
  if (inputs.prefill)
    figures.usd_per_million_input_tokens =
        per_million(tariff.of(inputs.prefill->seconds, inputs.prefill->wall), inputs.prefill->tokens);
  if (inputs.decode)
    figures.usd_per_million_output_tokens =
        per_million(tariff.of(inputs.decode->seconds, inputs.decode->wall), inputs.decode->tokens);
  if (question.api_price_in || question.api_price_out)
    figures.break_even = break_even(inputs, question, figures, tariff, hours);
  return figures;
}

}  // namespace silicast
