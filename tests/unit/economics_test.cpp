// SPDX-License-Identifier: Apache-2.0
// Costs against hand computations.
#include "model/economics.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/prediction.h"
#include "model/prices.h"
#include "tests/unit/expect_parts.h"

namespace silicast {
namespace {

DatedPrice usd(double amount) { return {amount, {}, "test"}; }

TEST(Economics, ACardOverThreeYears) {
  // 1999 USD / 26,280 h = 0.0761 USD/h; 8565 USD: 0.326; 3999 USD: 0.152.
  for (const auto& [price, hourly] : {std::pair(1999.0, 0.0761), std::pair(8565.0, 0.326), std::pair(3999.0, 0.152)}) {
    CostInputs inputs{.purchase = usd(price)};
    inputs.decode = PhaseUse{.seconds = Seconds(10), .tokens = 1000};
    const auto cost = cost_of(inputs, {});
    ASSERT_TRUE(cost);
    EXPECT_NEAR(cost->usd_per_hour, hourly, 0.0005);
    EXPECT_NEAR(*cost->usd_per_million_output_tokens, price / 26280 / 360000 * 1e6, 1e-9);
  }
}

TEST(Economics, ThePapersMetricIsTwoYearsAtFullUse) {
  // $/Mtok = (price / (2 y x 8760 h)) / (TPS x 3600) x 1e6 (arXiv 2508.08531); 4650 USD at 14.6 tok/s: 5.05.
  CostInputs inputs{.purchase = usd(4650)};
  inputs.decode = PhaseUse{.seconds = Seconds(128 / 14.6), .tokens = 128};
  EXPECT_NEAR(*cost_of(inputs, {.lifetime_years = 2})->usd_per_million_output_tokens,
              4650 / (2 * 8760.0) / (14.6 * 3600) * 1e6, 1e-9);
}

TEST(Economics, ElectricityOfEachPhase) {
  // Prefill 1 s at 500 W, decode 9 s at 300 W, 0.36 USD/kWh = 1e-7 USD/J, PUE 1.2; the price is negligible.
  CostInputs inputs{.purchase = usd(1e-9), .electricity = usd(0.36)};
  inputs.prefill = PhaseUse{Seconds(1), 1000, Watts(500)};
  inputs.decode = PhaseUse{Seconds(9), 100, Watts(300)};
  const auto cost = cost_of(inputs, {.pue = 1.2});
  EXPECT_NEAR(*cost->usd_per_million_input_tokens, 500 * 1e-7 * 1.2 / 1000 * 1e6, 1e-9);
  EXPECT_NEAR(*cost->usd_per_million_output_tokens, 2700 * 1e-7 * 1.2 / 100 * 1e6, 1e-9);
  EXPECT_NEAR(cost->usd_per_hour, 3200 * 1e-7 * 1.2 * 360, 1e-9);
}

TEST(Economics, HalfTheDutyDoublesThePriceAndNotTheElectricity) {
  CostInputs inputs{.purchase = usd(2628), .electricity = usd(0.5)};
  inputs.decode = PhaseUse{Seconds(1), 1, Watts(200)};
  EXPECT_NEAR(cost_of(inputs, {})->usd_per_hour, 0.1 + 0.1, 1e-9);
  EXPECT_NEAR(cost_of(inputs, {.duty = 0.5})->usd_per_hour, 0.2 + 0.1, 1e-9);
}

TEST(Economics, RentIncludesElectricity) {
  CostInputs inputs{.purchase = usd(5000), .rent = usd(2.69), .electricity = usd(0.5)};
  inputs.decode = PhaseUse{Seconds(1), 1, Watts(700)};
  const auto cost = cost_of(inputs, {});
  EXPECT_TRUE(cost->rented);
  EXPECT_FALSE(cost->electricity);
  EXPECT_NEAR(cost->usd_per_hour, 2.69, 1e-12);
}

TEST(Economics, BreakEvenIsWhereBothCostTheSame) {
  CostInputs inputs{.purchase = usd(2628), .electricity = usd(0.5)};
  inputs.decode = PhaseUse{Seconds(1), 100, Watts(200)};  // 360,000 tokens an hour
  CostQuestion question{.api_price_out = 1};              // 0.36 USD an hour; 0.1 of electricity
  const auto even = cost_of(inputs, question)->break_even;
  ASSERT_TRUE(even && even->duty);
  EXPECT_NEAR(even->api_usd_per_hour, 0.36, 1e-9);
  EXPECT_NEAR(*even->duty, 0.1 / 0.26, 1e-9);
  EXPECT_NEAR(*even->hours_to_repay, 2628 / 0.26, 1e-6);
  question.duty = *even->duty;
  EXPECT_NEAR(cost_of(inputs, question)->usd_per_hour, even->api_usd_per_hour, 1e-9);
  question.api_price_out = 0.25;  // below the electricity
  EXPECT_FALSE(cost_of(inputs, question)->break_even->duty);
  EXPECT_FALSE(cost_of(inputs, question)->break_even->cheaper);
}

TEST(Economics, NoPriceIsNoCost) {
  CostInputs inputs;
  inputs.decode = PhaseUse{Seconds(1), 1};
  EXPECT_FALSE(cost_of(inputs, {}));
}

TEST(Economics, RefusesWhatIsNotAPrice) {
  for (const CostQuestion& wrong :
       {CostQuestion{.price = 0}, CostQuestion{.price = -1}, CostQuestion{.rent = -2}, CostQuestion{.electricity = 0},
        CostQuestion{.lifetime_years = 0}, CostQuestion{.duty = 1.5}, CostQuestion{.pue = 0.9},
        CostQuestion{.api_price_in = -1}, CostQuestion{.price = 1, .rent = 1},
        CostQuestion{.price = 1, .rent_listed = true}})
    EXPECT_THROW(check(wrong), UsageError);
  EXPECT_NO_THROW(check({}));
}

TEST(Economics, TheBookKnowsMemoryOptionsRegionsAndLaunchPrices) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  const PriceBook& book = database.prices();
  EXPECT_EQ(book.purchase("m3-ultra-80", 512_GiB)->usd, 11699);
  EXPECT_FALSE(book.purchase("m3-ultra-80", 96_GiB));
  EXPECT_EQ(book.rent("h100-sxm")->usd, 2.69);
  EXPECT_EQ(book.electricity("")->usd, book.electricity("us-residential")->usd);
  EXPECT_THROW(static_cast<void>(book.electricity("atlantis")), UsageError);
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-5090"};
  EXPECT_EQ(predict(q, database).cost->price.usd, 1999);
  q.cost.price = 2500;
  EXPECT_EQ(predict(q, database).cost->price.usd, 2500);
}

TEST(Economics, AListedRentIsTakenThoughTheDeviceMayBeBought) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090x2"};
  EXPECT_FALSE(predict(q, database).cost->rented);
  q.cost.rent_listed = true;
  const CostFigures cost = *predict(q, database).cost;
  EXPECT_TRUE(cost.rented);
  EXPECT_NEAR(cost.usd_per_hour, 2 * 0.34, 1e-12);  // data/prices/rent.yaml
  EXPECT_EQ(cost.price.date, "2026-03");
  EXPECT_NE(cost.price.source.find("RunPod"), std::string::npos);
  q.device = "m2-ultra-76";
  expect_error<UsageError>([&] { predict(q, database); }, {"--rent listed", "m2-ultra-76", "rtx-4090", "h100-sxm"});
}

TEST(Economics, CurrenciesByTheRatesOfTheEuropeanCentralBank) {
  // One euro is 1.1699 USD, 0.8567 GBP, 185.66 JPY (2026-08-21): a pound 1.1699 / 0.8567 USD.
  const Database database(SILICAST_SOURCE_ROOT "/data");
  Query q{.model = "llama-3.1-8b", .quant = "Q4_K_M", .device = "rtx-4090"};
  q.cost.price = Money(1500, "EUR");
  q.cost.electricity = Money(0.3, "GBP");
  q.cost.api_price_out = Money(100, "JPY");
  q.cost.currency = "GBP";
  const Compiled compiled = compile(q, database);
  EXPECT_NEAR(compiled.query.cost.api_price_out->usd(), 100 * 1.1699 / 185.66, 1e-12);
  const CostFigures cost = *predict(compiled, database).cost;
  EXPECT_NEAR(cost.price.usd, 1500 * 1.1699, 1e-9);
  EXPECT_NEAR(cost.electricity->usd, 0.3 * 1.1699 / 0.8567, 1e-12);
  ASSERT_TRUE(cost.shown);
  EXPECT_EQ(cost.shown->currency, "GBP");
  EXPECT_EQ(cost.shown->date, "2026-08-21");
  EXPECT_NEAR(cost.in_shown(cost.price.usd), 1500 * 0.8567, 1e-9);
  EXPECT_EQ(cost.rates.size(), 3U) << "of EUR, GBP and JPY, each once";
}

TEST(Economics, OwnRatesGoFirst) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  CostQuestion question{.price = Money(1000, "EUR"), .rent = Money(2, "PKR")};
  question.own_rates = {{"EUR", 2}, {"PKR", 0.0035}};
  const CostQuestion converted = database.prices().in_dollars(question);
  EXPECT_EQ(converted.price->usd(), 2000);
  EXPECT_EQ(converted.rent->usd(), 0.007);
  EXPECT_EQ(converted.rates.front().source, "given");
}

TEST(Economics, CurrenciesWithoutARateAreNamed) {
  const Database database(SILICAST_SOURCE_ROOT "/data");
  CostQuestion question;
  question.currency = "XYZ";
  expect_error<UsageError>([&] { static_cast<void>(database.prices().in_dollars(question)); },
                           {"'XYZ'", "EUR", "USD", "--exchange XYZ=USD"});
}

}  // namespace
}  // namespace silicast
