// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "report/prediction.h"

namespace silicast {

namespace {

// Appends fields below a common key.
class Fields {
 public:
  explicit Fields(std::vector<Field>& fields, std::string prefix = {}) : fields_(fields), prefix_(std::move(prefix)) {}

  void add(std::string_view key, Value value) { fields_.push_back({prefix_ + std::string(key), std::move(value)}); }
  void bytes(std::string_view key, Bytes value) { add(key, static_cast<std::int64_t>(std::llround(value.value()))); }
  void nothing(std::initializer_list<std::string_view> keys) {
    for (const auto key : keys) add(key, {});
  }
  [[nodiscard]] Fields below(const std::string& key) const { return Fields(fields_, prefix_ + key + "."); }

  template <class T>
  void optional(std::string_view key, const std::optional<T>& value) {
    add(key, value ? Value(*value) : Value());
  }
  // A quantity in base units, or without a value.
  template <class Q>
  void optional_value(std::string_view key, const std::optional<Q>& quantity) {
    add(key, quantity ? Value(quantity->value()) : Value());
  }
  // Whatever size: as bytes, or without a value.
  void optional_bytes(std::string_view key, const std::optional<Bytes>& value) {
    if (value)
      bytes(key, *value);
    else
      add(key, {});
  }

 private:
  std::vector<Field>& fields_;
  std::string prefix_;
};

Value text_or_nothing(const std::string& text) { return text.empty() ? Value() : Value(text); }

std::string_view name_of(Split split) {
  switch (split) {
    case Split::layer: return "layer";
    case Split::row: return "row";
    case Split::tensor: return "tensor";
  }
  return "";
}

std::string_view name_of(FlashAttention setting) {
  switch (setting) {
    case FlashAttention::automatic: return "auto";
    case FlashAttention::on: return "on";
    case FlashAttention::off: return "off";
  }
  return "";
}

void add_query(Fields f, const ResolvedQuery& q) {
  f.add("version", std::string(SILICAST_VERSION));
  f.add("model", q.asked.model);
  f.add("model_id", text_or_nothing(q.model_id));
  f.add("model_name", q.model_name);
  f.add("parameters", q.parameters);
  f.add("active_parameters", q.active_parameters);
  f.add("quant", q.asked.quant);
  f.add("quant_origin", std::string(name_of(q.asked.quant_origin)));
  f.add("bits_per_weight", q.bits_per_weight);
  f.add("device", q.asked.device);
  f.add("device_id", q.device_id);
  f.add("device_name", q.device_name);
  f.add("devices", std::int64_t{q.devices});
  f.add("interconnect", text_or_nothing(q.interconnect));
  f.add("host", text_or_nothing(q.asked.host));
  f.add("host_name", text_or_nothing(q.host_name));
  f.add("gpu_layers", q.gpu_layers);
  f.add("cpu_moe_layers", q.cpu_moe_layers);
  f.add("gpu_layers_for_ttft", q.asked.offload.for_ttft);
  f.add("op_offload", q.asked.offload.streams_prompts);
  f.add("offload_stream", q.asked.offload.streams_everything);
  f.add("mmap", q.asked.mapped);
  f.add("pcie", q.asked.pcie
                    ? Value(std::to_string(q.asked.pcie->generation) + "x" + std::to_string(q.asked.pcie->lanes))
                    : Value());
  f.add("split", std::string(name_of(q.asked.split)));
  if (q.asked.device_shares.empty()) f.add("device_shares", std::vector<std::string>());
  for (std::size_t i = 0; i < q.asked.device_shares.size(); ++i)
    f.add("device_shares." + std::to_string(i), q.asked.device_shares[i]);
  f.add("placement", text_or_nothing(q.placement));
  f.bytes("memory_bytes", q.memory);
  f.add("processor", q.processor);
  f.add("stack", q.asked.stack);
  f.add("stack_release", q.stack_release);
  f.add("prompt", q.asked.prompt);
  f.add("gen", q.asked.gen);
  f.add("depth", q.asked.depth);
  f.add("depths", q.asked.depths);
  f.add("concurrency", q.asked.concurrency);
  f.add("key_type", q.asked.key_type);
  f.add("value_type", q.asked.value_type);
  f.add("kv_unified", q.asked.unified_cache);
  f.add("swa_full", q.asked.full_window_cache);
  f.add("flash_attn", q.flash_attention);
  f.add("flash_attn_asked", std::string(name_of(q.asked.flash_attention)));
  f.add("ubatch", q.ubatch);
  f.optional("threads", q.asked.threads);
  f.add("os", text_or_nothing(q.asked.os));
  f.optional_bytes("wired_limit_bytes", q.asked.wired_limit);
  std::vector<std::string> overrides;
  for (const auto& [path, value] : q.asked.overrides) overrides.push_back(path + "=" + value);
  f.add("set", std::move(overrides));
  if (q.files.empty()) f.add("files", std::vector<std::string>());
  for (std::size_t i = 0; i < q.files.size(); ++i) {
    Fields file = f.below("files." + std::to_string(i));
    file.add("path", q.files[i].first);
    file.add("hash", q.files[i].second);
  }
  f.add("profile", text_or_nothing(q.profile));
  f.add("profile_date", text_or_nothing(q.profile_date));
}

void add_memory(Fields f, const Prediction& p) {
  f.bytes("total_bytes", p.total_bytes());
  f.bytes("file_bytes", p.file_bytes);
  f.optional("most_sequences", p.sequences.most);
  f.bytes("kv_cache_bytes_per_sequence", p.sequences.each);
  f.add("kv_allocation", text_or_nothing(p.sequences.allocation));
  f.add("context_per_sequence", p.sequences.context);
  for (std::size_t i = 0; i < p.pools.size(); ++i) {
    const MemoryPool& pool = p.pools[i];
    const bool known = pool.capacity > Bytes(0);  // of a host that the query does not describe
    Fields below = f.below("pools." + std::to_string(i));
    below.add("name", pool.name);
    below.optional_bytes("capacity_bytes", known ? std::optional(pool.capacity) : std::nullopt);
    below.optional_bytes("usable_bytes", known ? std::optional(pool.usable) : std::nullopt);
    below.bytes("weights_bytes", pool.weights);
    below.bytes("kv_cache_bytes", pool.kv_cache);
    below.bytes("compute_bytes", pool.compute);
    below.bytes("overhead_bytes", pool.overhead);
    below.bytes("used_bytes", pool.used());
  }
}

void add_interval(Fields f, const std::optional<Interval>& interval) {
  if (!interval) return f.nothing({"value", "p10", "p90"});
  f.add("value", interval->value);
  f.add("p10", interval->p10);
  f.add("p90", interval->p90);
}

void add_phase(Fields f, std::string_view seconds_key, const std::optional<Phase>& phase) {
  f.add(seconds_key, phase ? Value(phase->seconds.value()) : Value());
  add_interval(f.below("tokens_per_second"), phase ? std::optional(phase->tokens_per_second) : std::nullopt);
  f.add("bound", phase ? Value(std::string(name_of(phase->cost.bottleneck()))) : Value());
  Fields shares = f.below("utilization");
  for (const Resource r : {Resource::alu, Resource::matrix, Resource::dram, Resource::link, Resource::dequant,
                           Resource::cache, Resource::launch})
    shares.add(name_of(r), phase ? Value(phase->cost.utilization(r)) : Value());
}

void add_startup(Fields f, const StartupFigures& s) {
  f.optional_value("load_seconds", s.load);
  f.optional_value("build_seconds", s.build);
  f.optional_value("warm_up_seconds", s.warm_up);
  f.optional_value("read_seconds", s.read);
  f.optional_value("copy_seconds", s.copy);
  f.optional_value("storage_bytes_per_second", s.storage);
}

template <class Figure>
std::optional<Figure> of(const std::optional<PowerOfPhase>& phase, Figure PowerOfPhase::*member) {
  return phase ? std::optional(*phase.*member) : std::nullopt;
}

void add_power_parts(Fields f, const std::optional<PowerOfPhase>& phase) {
  if (!phase)
    return f.nothing({"base_watts", "dram_watts", "link_watts", "matrix_watts", "vector_watts", "unpack_watts"});
  const PowerParts& parts = phase->parts;
  f.add("base_watts", parts.base.value());
  f.add("dram_watts", parts.dram.value());
  f.add("link_watts", parts.link.value());
  f.add("matrix_watts", parts.matrix.value());
  f.add("vector_watts", parts.vector.value());
  f.add("unpack_watts", parts.unpack.value());
}

void add_power(Fields f, const PowerFigures& p) {
  f.optional_value("prefill_watts", of(p.prefill, &PowerOfPhase::watts));
  f.optional_value("decode_watts", of(p.decode, &PowerOfPhase::watts));
  f.add("boundary", text_or_nothing(p.boundary));
  f.optional_value("prefill_wall_watts", of(p.prefill, &PowerOfPhase::wall));
  f.optional_value("decode_wall_watts", of(p.decode, &PowerOfPhase::wall));
  f.optional_value("prefill_host_watts", of(p.prefill, &PowerOfPhase::host));
  f.optional_value("decode_host_watts", of(p.decode, &PowerOfPhase::host));
  f.optional_value("limit_watts", p.limit);
  f.optional("prefill_clock_share", of(p.prefill, &PowerOfPhase::clock));
  f.optional("decode_clock_share", of(p.decode, &PowerOfPhase::clock));
  f.optional_value("sustained_watts", p.sustained);
  f.optional("prefill_sustained_share", of(p.prefill, &PowerOfPhase::sustained_share));
  f.optional("decode_sustained_share", of(p.decode, &PowerOfPhase::sustained_share));
  add_power_parts(f.below("prefill_parts"), p.prefill);
  add_power_parts(f.below("decode_parts"), p.decode);
}

void add_energy(Fields f, const EnergyFigures& e) {
  f.optional_value("joules_per_input_token", e.per_input_token);
  f.optional_value("joules_per_output_token", e.per_output_token);
  f.optional_value("tokens_per_joule", e.tokens_per_joule());
  f.optional_value("joules_per_input_token_wall", e.per_input_token_wall);
  f.optional_value("joules_per_output_token_wall", e.per_output_token_wall);
}

void add_break_even(Fields f, const std::optional<BreakEven>& b) {
  if (!b) return f.nothing({"api_usd_per_hour", "cheaper_than_api", "duty", "hours_to_repay"});
  f.add("api_usd_per_hour", b->api_usd_per_hour);
  f.add("cheaper_than_api", b->cheaper);
  f.optional("duty", b->duty);
  f.optional("hours_to_repay", b->hours_to_repay);
}

void add_price(Fields f, const std::optional<DatedPrice>& price) {
  if (!price) return f.nothing({"usd", "date", "source"});
  f.add("usd", price->usd);
  f.add("date", text_or_nothing(price->date));
  f.add("source", price->source);
}

// The same amounts in the currency that is asked for; nothing where that is the dollar.
void add_shown(Fields f, const std::optional<CostFigures>& c) {
  if (!c || !c->shown)
    return f.nothing({"currency", "usd", "date", "source", "per_hour", "per_million_input_tokens",
                      "per_million_output_tokens", "price", "electricity_per_kwh", "api_per_hour"});
  const auto shown = [&](std::optional<double> usd) { return usd ? Value(c->in_shown(*usd)) : Value(); };
  f.add("currency", c->shown->currency);
  f.add("usd", c->shown->usd);
  f.add("date", text_or_nothing(c->shown->date));
  f.add("source", c->shown->source);
  f.add("per_hour", shown(c->usd_per_hour));
  f.add("per_million_input_tokens", shown(c->usd_per_million_input_tokens));
  f.add("per_million_output_tokens", shown(c->usd_per_million_output_tokens));
  f.add("price", shown(c->price.usd));
  f.add("electricity_per_kwh", shown(c->electricity ? std::optional(c->electricity->usd) : std::nullopt));
  f.add("api_per_hour", shown(c->break_even ? std::optional(c->break_even->api_usd_per_hour) : std::nullopt));
}

void add_exchange(const Fields& f, const std::vector<ExchangeRate>& rates) {
  for (std::size_t i = 0; i < rates.size(); ++i) {
    Fields rate = f.below("exchange." + std::to_string(i));
    rate.add("currency", rates[i].currency);
    rate.add("usd", rates[i].usd);
    rate.add("date", text_or_nothing(rates[i].date));
    rate.add("source", rates[i].source);
  }
}

void add_cost(Fields f, const std::optional<CostFigures>& c) {
  f.add("usd_per_hour", c ? Value(c->usd_per_hour) : Value());
  f.optional("usd_per_million_input_tokens", c ? c->usd_per_million_input_tokens : std::nullopt);
  f.optional("usd_per_million_output_tokens", c ? c->usd_per_million_output_tokens : std::nullopt);
  f.add("currency", c ? Value(std::string("USD")) : Value());
  f.add("rented", c ? Value(c->rented) : Value());
  f.add("lifetime_years", c && !c->rented ? Value(c->lifetime_years) : Value());
  f.add("duty", c && !c->rented ? Value(c->duty) : Value());
  add_price(f.below("price"), c ? std::optional(c->price) : std::nullopt);
  add_price(f.below("electricity"), c ? c->electricity : std::nullopt);
  add_break_even(f.below("break_even"), c ? c->break_even : std::nullopt);
  add_shown(f.below("shown"), c);
  if (c && !c->rates.empty())
    add_exchange(f, c->rates);
  else
    f.add("exchange", c ? Value(std::vector<std::string>()) : Value());
}

void add_quality(Fields f, const std::optional<Quality>& quality) {
  if (!quality) return f.nothing({"perplexity_ratio", "kld", "model", "source", "same_model", "imatrix"});
  f.add("perplexity_ratio", quality->perplexity_ratio);
  f.optional("kld", quality->kld);
  f.add("model", quality->model);
  f.add("source", quality->source);
  f.add("same_model", quality->same_model);
  f.optional("imatrix", quality->imatrix);
}

}  // namespace

std::vector<Field> prediction_fields(const Prediction& p) {
  std::vector<Field> fields;
  Fields root(fields);
  root.add("schema", std::string("silicast.prediction/1"));
  add_query(root.below("query"), p.query);
  root.add("feasible", p.feasible);
  root.add("limiting", text_or_nothing(p.limiting));
  add_memory(root.below("memory"), p);
  add_phase(root.below("prefill"), "seconds", p.prefill);
  add_phase(root.below("decode"), "seconds_per_token", p.decode);
  add_interval(root.below("ttft"), p.ttft);
  add_interval(root.below("tpot"), p.tpot);
  add_interval(root.below("e2e_latency"), p.e2e_latency);
  add_interval(root.below("output_token_throughput"), p.output_token_throughput);
  add_startup(root.below("startup"), p.startup.value_or(StartupFigures{}));
  add_power(root.below("power"), p.power.value_or(PowerFigures{}));
  add_energy(root.below("energy"), p.energy.value_or(EnergyFigures{}));
  add_cost(root.below("cost"), p.cost);
  add_quality(root.below("quality"), p.quality);
  Fields evidence = root.below("evidence");
  evidence.add("level", p.evidence.level);
  evidence.add("measurements", p.evidence.measurements);
  evidence.add("notes", p.evidence.notes);
  return fields;
}

std::string prediction_json(const Prediction& prediction) { return fields_json(prediction_fields(prediction)); }
std::string prediction_csv(const Prediction& prediction) { return fields_csv(prediction_fields(prediction)); }
std::string prediction_markdown(const Prediction& prediction) { return fields_markdown(prediction_fields(prediction)); }

}  // namespace silicast
