// SPDX-License-Identifier: Apache-2.0
#include "report/recommend_report.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/table.h"

namespace silicast {

namespace {

Value known(double value) { return std::isnan(value) ? Value() : Value(value); }

// A figure of a need in its unit.
std::string shown(Need need, double value) {
  if (std::isnan(value)) return "not known";
  switch (need) {
    case Need::budget: return "$" + std::to_string(std::llround(value));
    case Need::memory: return human(Bytes(value));
    case Need::decode: return rounded(value, 3) + " tok/s";
    case Need::ttft: return human(Seconds(value));
    case Need::watts: return rounded(value, 3) + " W";
    case Need::quality: return rounded(value, 4);
    case Need::context: return std::to_string(std::llround(value)) + " tokens";
    case Need::users: break;
  }
  return std::to_string(std::llround(value));
}

// "min-decode: 12.3 tok/s instead of 20 tok/s"
std::string shown(const Miss& miss) {
  const std::string need(name_of(miss.need));
  if (miss.need == Need::memory) return miss.reason.substr(0, miss.reason.find("; fits with"));
  return need + ": " + (miss.is_bound ? miss.need == Need::decode ? "at most " : "at least " : "") +
         shown(miss.need, miss.value) + " instead of " + shown(miss.need, miss.limit);
}

std::string all_shown(const Proposal& p) {
  std::vector<std::string> texts;
  for (const Miss& miss : p.missed) texts.push_back(shown(miss));
  const bool only_without_asking = std::all_of(p.missed.begin(), p.missed.end(), [](const Miss& miss) {
    return miss.need == Need::budget || miss.need == Need::quality;
  });
  if (only_without_asking && p.stack.empty()) texts.emplace_back("not asked for the rest");
  return join(texts, "; ");
}

std::string price_text(const Proposal& p) {
  return p.price ? (p.price_from ? "from " : "") + shown(Need::budget, *p.price) : "-";
}

Cell figure_cell(const Proposal& p, Figure figure, const std::string& text) {
  const double value = p.point.figures[figure];
  return {known(value), std::isnan(value) ? "-" : text};
}

std::vector<Column> name_columns() {
  return {{"model", "model"}, {"device", "device"}, {"memory_bytes", "memory", true}, {"quant", "quant"}};
}

std::vector<Cell> name_cells(const Proposal& p) {
  return {{p.model}, {p.device}, {p.memory.value(), human(p.memory)}, {p.quant}};
}

Table proposals_table(const std::vector<Proposal>& proposals, std::size_t most) {
  Table table;
  table.columns = name_columns();
  for (const Column& column :
       {Column{"price_usd", "price", true}, Column{"decode_tokens_per_second_each", "tok/s each", true},
        Column{"ttft_seconds", "first token", true}, Column{"decode_watts", "power", true},
        Column{"perplexity_ratio", "quality", true}, Column{"memory_used_bytes", "used", true},
        Column{"evidence", "evidence"}, Column{"placement", "placement"}})
    table.columns.push_back(column);
  for (const Proposal& p : proposals) {
    if (most > 0 && table.rows.size() == most) break;
    const Figures& f = p.point.figures;
    std::vector<Cell> row = name_cells(p);
    row.push_back({p.price ? Value(*p.price) : Value(), price_text(p)});
    row.push_back({known(p.decode_each), std::isnan(p.decode_each) ? "-" : rounded(p.decode_each, 3)});
    row.push_back(figure_cell(p, Figure::ttft, shown(Need::ttft, f[Figure::ttft])));
    row.push_back(figure_cell(p, Figure::power, shown(Need::watts, f[Figure::power])));
    row.push_back(figure_cell(p, Figure::quality, shown(Need::quality, f[Figure::quality])));
    row.push_back(figure_cell(p, Figure::memory, shown(Need::memory, f[Figure::memory])));
    row.push_back({std::string(p.point.evidence)});
    row.push_back({p.placement});
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table losers_table(const std::vector<Proposal>& losers, std::size_t most) {
  Table table;
  table.columns = name_columns();
  table.columns.push_back({"price_usd", "price", true});
  table.columns.push_back({"misses", "misses"});
  for (const Proposal& p : losers) {
    if (most > 0 && table.rows.size() == most) break;
    std::vector<Cell> row = name_cells(p);
    row.push_back({p.price ? Value(*p.price) : Value(), price_text(p)});
    row.push_back({all_shown(p)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table relaxations_table(const std::vector<Relaxation>& relaxations) {
  Table table;
  table.columns = {{"need", "need"}, {"asked", "asked", true}, {"enough", "would do", true}};
  for (const Column& column : name_columns()) table.columns.push_back(column);
  table.columns.push_back({"price_usd", "price", true});
  for (const Relaxation& r : relaxations) {
    std::vector<Cell> row{
        {std::string(name_of(r.need))}, {r.asked, shown(r.need, r.asked)}, {r.enough, shown(r.need, r.enough)}};
    for (Cell& cell : name_cells(r.proposal)) row.push_back(std::move(cell));
    row.push_back({r.proposal.price ? Value(*r.proposal.price) : Value(), price_text(r.proposal)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

// "llama-3.3-70b for 4 users, 8192 tokens each; min-decode 10 tok/s, budget $4000"
std::string asked_text(const Needs& needs) {
  std::vector<std::string> models = needs.models;
  for (const std::string& wanted : needs.classes) models.push_back("any model of class " + wanted);
  std::string text = join(models, " or ") + " for " + std::to_string(needs.users) +
                     (needs.users == 1 ? " user, " : " users at once, ") + std::to_string(needs.context) +
                     " tokens each";
  std::vector<std::string> limits;
  const auto add = [&](Need need, std::optional<double> value) {
    if (value) limits.push_back(std::string(name_of(need)) + " " + shown(need, *value));
  };
  add(Need::decode, needs.min_decode);
  add(Need::ttft, needs.max_ttft ? std::optional(needs.max_ttft->value()) : std::nullopt);
  add(Need::watts, needs.max_watts ? std::optional(needs.max_watts->value()) : std::nullopt);
  add(Need::budget, needs.budget);
  add(Need::quality, needs.max_perplexity_ratio);
  return limits.empty() ? text : text + "; " + join(limits, ", ");
}

std::string summary(const Recommendation& result) {
  const std::size_t machines = result.proposals.size() + result.losers.size();
  return result.proposals.empty()
             ? "None of " + std::to_string(machines) + " machines does."
             : std::to_string(result.proposals.size()) + " of " + std::to_string(machines) + " machines do.";
}

const char* const no_single_change = "No single change of these needs is enough.";

// Columns whose cells all say the same nothing are left out.
Table without_empty(Table table) {
  for (std::size_t i = table.columns.size(); i-- > 0;) {
    const auto nothing = [&](const std::vector<Cell>& row) {
      const std::string text = row[i].shown.empty() ? plain(row[i].value) : row[i].shown;
      return text.empty() || text == "-";
    };
    if (table.rows.empty() || !std::all_of(table.rows.begin(), table.rows.end(), nothing)) continue;
    table.columns.erase(table.columns.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& row : table.rows) row.erase(row.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return table;
}

std::string left_out(std::size_t all, std::size_t most) {
  return most > 0 && all > most ? "  ... and " + std::to_string(all - most) + " more (--all)\n" : "";
}

}  // namespace

std::string recommendation_text(const Recommendation& result, const Needs& needs, std::size_t most) {
  std::string text = asked_text(needs) + "\n" + summary(result) + "\n\n";
  if (!result.proposals.empty())
    text += table_text(without_empty(proposals_table(result.proposals, most)), 2) +
            left_out(result.proposals.size(), most) + "\n";
  if (result.proposals.empty() && !result.relaxations.empty())
    text += "One of these changes would be enough:\n" + table_text(relaxations_table(result.relaxations), 2) + "\n";
  if (result.proposals.empty() && result.relaxations.empty()) text += std::string(no_single_change) + "\n\n";
  if (!result.losers.empty())
    text += "What the nearest others lack:\n" + table_text(without_empty(losers_table(result.losers, most)), 2) +
            left_out(result.losers.size(), most);
  return text;
}

std::string recommendation_markdown(const Recommendation& result, const Needs& needs, std::size_t most) {
  std::string text = asked_text(needs) + ". " + summary(result) + "\n\n";
  if (!result.proposals.empty()) text += table_markdown(without_empty(proposals_table(result.proposals, most))) + "\n";
  if (result.proposals.empty())
    text += result.relaxations.empty() ? std::string(no_single_change) + "\n\n"
                                       : "One of these changes would be enough:\n\n" +
                                             table_markdown(relaxations_table(result.relaxations)) + "\n";
  if (!result.losers.empty())
    text += "What the nearest others lack:\n\n" + table_markdown(without_empty(losers_table(result.losers, most)));
  return text;
}

std::string recommendation_csv(const Recommendation& result) {
  std::vector<Proposal> all = result.proposals;
  all.insert(all.end(), result.losers.begin(), result.losers.end());
  Table table = proposals_table(all, 0);
  table.columns.push_back({"qualifies", "qualifies"});
  table.columns.push_back({"misses", "misses"});
  for (std::size_t i = 0; i < all.size(); ++i) {
    table.rows[i].emplace_back().value = all[i].qualifies();
    table.rows[i].emplace_back().value = all_shown(all[i]);
  }
  return table_csv(table);
}

std::string recommendation_json(const Recommendation& result, const Needs& needs) {
  const auto number = [](const auto& value) { return value ? Value(static_cast<double>(*value)) : Value(); };
  const std::vector<Field> fields{
      {"schema", std::string("silicast.recommendation/1")},
      {"needs.models", needs.models},
      {"needs.model_classes", needs.classes},
      {"needs.context", needs.context},
      {"needs.prompt", needs.prompt},
      {"needs.gen", needs.gen},
      {"needs.users", needs.users},
      {"needs.min_decode_tokens_per_second", number(needs.min_decode)},
      {"needs.max_ttft_seconds", needs.max_ttft ? Value(needs.max_ttft->value()) : Value()},
      {"needs.max_watts", needs.max_watts ? Value(needs.max_watts->value()) : Value()},
      {"needs.budget_usd", number(needs.budget)},
      {"needs.max_perplexity_ratio", number(needs.max_perplexity_ratio)},
      {"qualifies", !result.proposals.empty()},
      {"asked", static_cast<std::int64_t>(result.asked)},
  };
  return document_json(fields, {{"proposals", proposals_table(result.proposals, 0)},
                                {"relaxations", relaxations_table(result.relaxations)},
                                {"losers", losers_table(result.losers, 0)}});
}

}  // namespace silicast
