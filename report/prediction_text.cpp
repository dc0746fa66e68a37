// SPDX-License-Identifier: Apache-2.0
// The prediction for a reader: the answer first, then the figures, then why.
#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/prediction.h"
#include "report/table.h"
#include "report/wording.h"

namespace silicast {

namespace {

// Escape sequences of ECMA-48, or nothing.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return painted("1", text); }
  [[nodiscard]] std::string good(const std::string& text) const { return painted("1;32", text); }
  [[nodiscard]] std::string bad(const std::string& text) const { return painted("1;31", text); }
  [[nodiscard]] std::string dim(const std::string& text) const { return painted("2", text); }

 private:
  [[nodiscard]] std::string painted(const char* code, const std::string& text) const {
    return on_ ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
  }
  bool on_;
};

std::string token_rate(double value) { return figure_text(value) + " tok/s"; }
std::string time(double seconds) { return human(Seconds(seconds)); }
std::string whole_percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }
std::string gib(Bytes bytes) { return rounded(bytes / 1_GiB, shown_digits); }

std::string plural(std::int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string_view words_of(Resource resource) {
  switch (resource) {
    case Resource::dram: return "memory bandwidth";
    case Resource::matrix: return "matrix arithmetic";
    case Resource::dequant: return "unpacking of quantized weights";
    case Resource::alu: return "vector arithmetic";
    case Resource::cache: return "cache bandwidth";
    case Resource::link: return "links between devices, or to storage";
    case Resource::launch: return "kernel launches and synchronization";
  }
  return "";
}

std::string bar(double share, const TextStyle& style) {
  constexpr int cells = 20;
  const int full = static_cast<int>(std::lround(cells * std::clamp(share, 0.0, 1.0)));
  std::string text = "[";
  for (int i = 0; i < cells; ++i) text += i < full ? (style.blocks ? "█" : "#") : (style.blocks ? "░" : "-");
  return text + "]";
}

std::string parameters(const ResolvedQuery& q) {
  constexpr double billion = 1e9;
  std::string text = rounded(static_cast<double>(q.parameters) / billion, shown_digits) + " B parameters";
  if (q.active_parameters != q.parameters)
    text += " (" + rounded(static_cast<double>(q.active_parameters) / billion, shown_digits) + " B active)";
  return text;
}

std::string title(const ResolvedQuery& q, const Paint& paint) {
  const std::string release = q.stack_release.empty() ? "" : " of " + q.stack_release;
  return paint.bold(q.model_name + " in " + q.asked.quant + " on " + q.device_name) + "\n" +
         wrapped(parameters(q) + ", " + rounded(q.bits_per_weight, shown_digits) + " bits per weight" +
                     (q.asked.quant_origin == QuantOrigin::published ? " as the model was released; " : "; ") +
                     q.asked.stack + release + " on the " + (q.processor == "cpu" ? "CPU" : "GPU") +
                     ", flash attention " + (q.flash_attention ? "on" : "off") + ", KV cache " + q.asked.key_type +
                     (q.asked.key_type == q.asked.value_type ? "" : "/" + q.asked.value_type),
                 text_width, 0) +
         "\n";
}

std::string range(const Interval& i) { return figure_text(i.p10) + " to " + token_rate(i.p90); }

// The first lines: what one would say when asked across the table.
std::string answer(const Prediction& p, const TextStyle& style, const Paint& paint) {
  std::string text;
  if (p.feasible) {
    const std::string fits = "It fits.";
    const std::int64_t together = p.query.asked.concurrency;
    std::string speed = fits;
    if (p.ttft) speed += " First token after " + time(p.ttft->value) + (p.decode ? ", then " : ".");
    if (p.decode)
      speed += token_rate(p.decode->tokens_per_second.value) +
               (together > 1 ? " of " + std::to_string(together) + " sequences together" : "") + " (8 of 10 times " +
               range(p.decode->tokens_per_second) + ").";
    text += paint.good(fits) + wrapped(speed, text_width, 0).substr(fits.size()) + "\n";
  } else {
    text += paint.bad("It does not fit.") + "\n" + wrapped(p.limiting, text_width, 2) + "\n";
  }
  for (const MemoryPool& pool : p.pools)
    if (pool.capacity > Bytes(0)) {
      const std::string filled = bar(pool.used() / pool.usable, style);
      text += (pool.fits() ? filled : paint.bad(filled)) + " " + gib(pool.used()) + " of " + gib(pool.usable) +
              " GiB " + (pool.usable < pool.capacity ? "usable " : "") + "(" + pool.name + ")\n";
    }
  if (!p.query.placement.empty()) text += wrapped(p.query.placement, text_width, 0) + "\n";
  return text;
}

std::string prompt_text(const Query& q) {
  std::string text = plural(q.prompt, "token");
  if (q.depth > 0) text += " after " + std::to_string(q.depth);
  if (!q.depths.empty()) {
    const auto [least, most] = std::minmax_element(q.depths.begin(), q.depths.end());
    text += " after " + std::to_string(*least) + " to " + std::to_string(*most);
  }
  return text;
}

std::string sequences(const Query& q) {
  return q.concurrency == 1 ? "" : ", " + std::to_string(q.concurrency) + " sequences";
}

Table speeds(const Prediction& p) {
  const Query& q = p.query.asked;
  Table table{.columns = {{"", "speed"}, {"", "", true}, {"", "80 % interval", true}}, .rows = {}};
  const auto add_rate = [&](const std::string& name, const Interval& i) {
    table.rows.push_back({{name}, {token_rate(i.value)}, {range(i)}});
  };
  const auto add_time = [&](const std::string& name, const std::optional<Interval>& i) {
    if (i) table.rows.push_back({{name}, {time(i->value)}, {time(i->p10) + " to " + time(i->p90)}});
  };
  if (p.prefill) add_rate("prefill, " + prompt_text(q) + sequences(q), p.prefill->tokens_per_second);
  if (p.decode) add_rate("decode, " + plural(q.gen, "token") + sequences(q), p.decode->tokens_per_second);
  add_time("time to first token", p.ttft);
  add_time("time per output token", p.tpot);
  add_time("end to end", p.e2e_latency);
  if (p.output_token_throughput) add_rate("output with prefill", *p.output_token_throughput);
  return table;
}

Table memory(const Prediction& p) {
  Table table{.columns = {{"", "memory"}}, .rows = {}};
  std::vector<MemoryPool> pools = p.pools;
  std::erase_if(pools, [](const MemoryPool& pool) { return pool.capacity == Bytes(0) && pool.used() == Bytes(0); });
  for (const MemoryPool& pool : pools) table.columns.push_back({"", pool.name, true});
  const auto add = [&](const std::string& name, auto amount) {
    std::vector<Cell> row{{name}};
    for (const MemoryPool& pool : pools) row.push_back({{}, amount(pool)});
    table.rows.push_back(std::move(row));
  };
  const auto known = [](const MemoryPool& pool, Bytes bytes) {
    return pool.capacity > Bytes(0) ? human(bytes) : std::string("not given");
  };
  add("weights", [](const MemoryPool& pool) { return human(pool.weights); });
  add("KV cache", [](const MemoryPool& pool) { return human(pool.kv_cache); });
  add("compute buffers", [](const MemoryPool& pool) { return human(pool.compute); });
  add("overhead", [](const MemoryPool& pool) { return human(pool.overhead); });
  add("used", [](const MemoryPool& pool) { return human(pool.used()); });
  add("usable", [&](const MemoryPool& pool) { return known(pool, pool.usable); });
  add("capacity", [&](const MemoryPool& pool) { return known(pool, pool.capacity); });
  return table;
}

constexpr std::array shown_resources{Resource::dram, Resource::matrix, Resource::dequant,
                                     Resource::alu,  Resource::cache,  Resource::launch};

Table bounds(const Prediction& p) {
  Table table{.columns = {{"", "busy"},
                          {"", "DRAM", true},
                          {"", "matrix", true},
                          {"", "unpacking", true},
                          {"", "vector", true},
                          {"", "cache", true},
                          {"", "launches", true}},
              .rows = {}};
  std::vector<Resource> resources(shown_resources.begin(), shown_resources.end());
  const auto links = [](const std::optional<Phase>& phase) {
    return phase && phase->cost.busy[static_cast<std::size_t>(Resource::link)] > 0;
  };
  if (links(p.prefill) || links(p.decode)) {
    table.columns.push_back({"", "links", true});
    resources.push_back(Resource::link);
  }
  table.columns.push_back({"", "bound by"});
  const auto add = [&](const std::string& name, const std::optional<Phase>& phase) {
    if (!phase) return;
    std::vector<Cell> row{{name}};
    for (const Resource r : resources) row.push_back({{}, whole_percent(phase->cost.utilization(r))});
    row.push_back({std::string(words_of(phase->cost.bottleneck()))});
    table.rows.push_back(std::move(row));
  };
  add("prefill", p.prefill);
  add("decode", p.decode);
  return table;
}

constexpr std::size_t label_width = 10;

std::string labelled(const std::string& label, const std::string& text, const Paint& paint) {
  const std::string line = wrapped(std::string(label_width, 'x') + text, text_width, label_width);
  return paint.bold(label) + std::string(label_width - label.size(), ' ') + line.substr(label_width) + "\n";
}

// How many such sequences memory holds, in the words of the software that allocates their cache.
std::string batch(const SequencesThatFit& s, const Paint& paint) {
  if (!s.most) return {};
  std::string text = (*s.most == 0 ? "not one sequence" : "at most " + plural(*s.most, "sequence")) + " of " +
                     plural(s.context, "token") + (*s.most > 1 ? " fit, " : " fits, ") + human(s.each) +
                     " of cache each";
  if (s.allocation == "paged") text += ", in pages";
  if (s.allocation == "slots" && *s.most > 1)
    text += ": --parallel " + std::to_string(*s.most) + " --ctx-size " + std::to_string(*s.most * s.context);
  if (s.allocation == "unified") text += ", in one buffer";
  return labelled("batch", text, paint);
}

std::string startup(const StartupFigures& s, const Paint& paint) {
  if (!s.load && !s.build) return {};
  constexpr double giga = 1e9;
  std::string text;
  if (s.load)
    text += time(s.load->value()) + " to load at " + rounded(s.storage->value() / giga, shown_digits) + " GB/s" +
            (s.copy ? " (" + time(s.copy->value()) + " over PCIe)" : "");
  if (s.build)
    text += (text.empty() ? "" : ", ") + time(s.build->value()) +
            (s.build == s.warm_up ? " for an empty run" : " to build and warm up");
  return labelled("startup", text, paint);
}

std::string watts(Watts power) { return figure_text(power.value()) + " W"; }
std::string joules(JoulesPerToken energy) { return rounded(energy.value(), shown_digits) + " J"; }

std::string phase_power(const std::string& name, const PowerOfPhase& phase) {
  constexpr double all_of_it = 0.995;
  std::string text = name + " " + watts(phase.watts) +
                     (phase.host.value() > 0 ? " and " + watts(phase.host) + " of the host's CPU" : "") + " (" +
                     watts(phase.wall) + " at the wall)";
  if (phase.clock < all_of_it) text += " at " + whole_percent(phase.clock) + " of the clock";
  if (phase.sustained_share < all_of_it) text += ", " + whole_percent(phase.sustained_share) + " of the speed lasts";
  return text;
}

// What the watts of a phase go to, the parts that show.
std::string power_parts(const std::string& name, const PowerOfPhase& phase) {
  constexpr double shows = 0.01;
  const PowerParts& parts = phase.parts;
  std::vector<std::string> shown;
  for (const auto& [part, power] :
       {std::pair("base", parts.base), std::pair("memory", parts.dram), std::pair("matrix units", parts.matrix),
        std::pair("vector units", parts.vector), std::pair("unpacking", parts.unpack), std::pair("links", parts.link)})
    if (power > shows * phase.watts) shown.push_back(std::string(part) + " " + watts(power));
  return name + ": " + join(shown, ", ");
}

std::string power(const PowerFigures& p, const Paint& paint) {
  std::string text;
  if (p.prefill) text += phase_power("prefill", *p.prefill);
  if (p.decode) text += (text.empty() ? "" : ", ") + phase_power("decode", *p.decode);
  text += ", of the " + (p.boundary == "soc" ? std::string("chip") : p.boundary);
  if (p.passive) text += ", cooled without a fan";
  if (p.prefill) text += "; " + power_parts("prefill", *p.prefill);
  if (p.decode) text += "; " + power_parts("decode", *p.decode);
  return labelled("power", text, paint);
}

std::string energy(const EnergyFigures& e, const Paint& paint) {
  std::string text;
  if (e.per_input_token) text += joules(*e.per_input_token) + " per input token";
  if (e.per_output_token)
    text += (text.empty() ? "" : ", ") + joules(*e.per_output_token) + " per output token (" +
            rounded(e.tokens_per_joule()->value(), shown_digits) + " tokens per joule; " +
            joules(*e.per_output_token_wall) + " at the wall)";
  return labelled("energy", text, paint);
}

std::string code_of(const CostFigures& c) { return c.shown ? c.shown->currency : "USD"; }
std::string money(const CostFigures& c, double usd) {
  return rounded(c.in_shown(usd), shown_digits) + " " + code_of(c);
}

std::string dated(const std::string& price, const std::string& date) {
  return price + (date.empty() ? "" : " of " + date);
}

std::string price_basis(const CostFigures& c) {
  if (c.rented)
    return "rent of " + dated(money(c, c.price.usd), c.price.date) +
           (c.price.date.empty() ? "" : ", " + c.price.source);
  return dated(figure_text(c.in_shown(c.price.usd)) + " " + code_of(c), c.price.date) + " over " +
         rounded(c.lifetime_years, 2) + " years at " + whole_percent(c.duty) + " duty, " +
         (c.electricity ? "electricity at " + dated(money(c, c.electricity->usd), c.electricity->date) + " a kWh"
                        : "without electricity");
}

std::string comparison(const CostFigures& c, const BreakEven& b) {
  std::string text = "; an API takes " + money(c, b.api_usd_per_hour) + " for an hour's tokens";
  if (b.duty)
    text += ", break-even at " + whole_percent(*b.duty) + " duty, " + figure_text(*b.hours_to_repay) + " hours of use";
  else if (!b.cheaper)
    text += ", which is cheaper";
  return text;
}

std::string exchange(const ExchangeRate& rate) {
  constexpr int digits = 5;
  return "; 1 " + rate.currency + " is " + dated(rounded(rate.usd, digits) + " USD", rate.date);
}

std::string cost(const CostFigures& c, const Paint& paint) {
  std::string text = money(c, c.usd_per_hour) + " an hour (" + price_basis(c) + ")";
  if (c.usd_per_million_input_tokens) text += "; a million input tokens " + money(c, *c.usd_per_million_input_tokens);
  if (c.usd_per_million_output_tokens)
    text += "; a million output tokens " + money(c, *c.usd_per_million_output_tokens);
  if (c.break_even) text += comparison(c, *c.break_even);
  for (const ExchangeRate& rate : c.rates) text += exchange(rate);
  return labelled("cost", text, paint);
}

std::string quality(const Quality& q, const Paint& paint) {
  if (q.source == "unquantized") return labelled("quality", "that of the model: nothing is quantized", paint);
  std::string text = "perplexity " + rounded(q.perplexity_ratio, 4) + " times that of the unquantized model";
  if (q.kld) text += ", KLD " + rounded(*q.kld, shown_digits);
  return labelled("quality", text + "; measured on " + (q.same_model ? "this model" : q.model) + " (" + q.source + ")",
                  paint);
}

std::string unknown_quality(const std::string& quant, const Paint& paint) {
  return labelled("quality", "not known: no measurement of " + quant + " against the unquantized model", paint);
}

std::string evidence(const Evidence& e, const Paint& paint) {
  std::string text =
      labelled("evidence", e.level + (e.measurements > 0 ? ", " + plural(e.measurements, "measurement") : ""), paint);
  for (const std::string& note : e.notes)
    text += std::string(label_width, ' ') + wrapped("- " + note, text_width - label_width, label_width + 2) + "\n";
  return text;
}

// The table with its first line in bold.
std::string headed(const Table& table, const Paint& paint) {
  const std::string text = table_text(table);
  const auto end = text.find('\n');
  return paint.bold(text.substr(0, end)) + text.substr(end);
}

}  // namespace

std::string prediction_text(const Prediction& p, const TextStyle& style) {
  const Paint paint(style.colour);
  std::string text = title(p.query, paint) + "\n" + answer(p, style, paint) + "\n";
  if (p.prefill || p.decode) text += headed(speeds(p), paint) + "\n";
  text += headed(memory(p), paint) + "\n";
  if (p.prefill || p.decode) text += headed(bounds(p), paint) + "\n";
  text += batch(p.sequences, paint);
  if (p.startup) text += startup(*p.startup, paint);
  if (p.power) text += power(*p.power, paint);
  if (p.energy) text += energy(*p.energy, paint);
  if (p.cost) text += cost(*p.cost, paint);
  text += p.quality ? quality(*p.quality, paint) : unknown_quality(p.query.asked.quant, paint);
  return text + evidence(p.evidence, paint);
}

}  // namespace silicast
