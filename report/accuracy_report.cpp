// SPDX-License-Identifier: Apache-2.0
#include "report/accuracy_report.h"

#include "base/text.h"
#include "report/rows_report.h"
#include "report/value.h"
#include "report/wording.h"

namespace silicast {

namespace {

std::string_view title_of(FoldBy by) {
  switch (by) {
    case FoldBy::cell: return "Cells held out (device and stack measured)";
    case FoldBy::device: return "Whole devices held out";
    case FoldBy::model: return "Whole models held out";
    case FoldBy::source: break;
  }
  return "Whole sources held out";
}

std::string line(const std::vector<std::string>& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string head(const std::vector<std::string>& titles, std::size_t texts) {
  std::string text = line(titles) + "|";
  for (std::size_t i = 0; i < titles.size(); ++i) text += i < texts ? "---|" : "---:|";
  return text + "\n";
}

std::string coverage(const ErrorStatistics& s) { return s.coverage80 ? exact_percent_text(*s.coverage80) : "-"; }

std::string metrics_table(const Accuracy& run) {
  std::string text =
      head({"metric", "predicted by", "rows", "median error", "p90", "median bias", "in the 80 % interval"}, 2);
  const auto add = [&](const std::string& metric, const std::string& by, const ErrorStatistics& s) {
    text += line({metric, by, std::to_string(s.n), exact_percent_text(s.median_ape), exact_percent_text(s.p90_ape),
                  exact_percent_text(s.median_bias), coverage(s)});
  };
  for (const auto& [metric, errors] : run.metrics) {
    add(metric, "**silicast**", errors.model);
    add(metric, "its profiles alone", errors.unaided);
    for (const auto& [name, of_baseline] : errors.baselines) add(metric, name, of_baseline);
  }
  return text;
}

std::string units_table(const Accuracy& run) {
  if (run.units.empty()) return "";
  const std::string unit(name_of(run.by));
  std::string text =
      "Each " + unit + " counting the same, however many rows it has:\n\n" +
      head({"metric", unit + "s", "middle of their medians", "p90 of their medians", "in the 80 % interval, mean"}, 1);
  for (const auto& [metric, s] : run.units)
    text += line({metric, std::to_string(s.n), exact_percent_text(s.median_ape), exact_percent_text(s.p90_ape),
                  exact_percent_text(s.coverage80)});
  return text + "\n";
}

std::string group_table(const std::string& name, const Grouping& groups) {
  // A median of fewer rows says little.
  constexpr std::size_t least = 10;
  std::string text = head({name, "metric", "rows", "median error", "p90", "median bias", "in the 80 % interval",
                           "profiles alone", "best baseline"},
                          2);
  for (const auto& [key, group] : groups) {
    const ErrorStatistics& s = group.model;
    if (s.n >= least)
      text += line({key.first, key.second, std::to_string(s.n), exact_percent_text(s.median_ape),
                    exact_percent_text(s.p90_ape), exact_percent_text(s.median_bias), coverage(s),
                    exact_percent_text(group.unaided.median_ape), exact_percent_text(group.best_median)});
  }
  return text;
}

std::string worst_table(const Accuracy& run) {
  std::string text = head({"row", "device", "stack", "model", "quantization", "shape", "measured", "predicted"}, 6);
  for (const HeldOut* held : run.worst)
    text += line({held->row->id, held->row->scope.device, held->row->scope.stack, held->row->model, held->row->quant,
                  held->row->shape, rounded(held->row->measured, 4), rounded(held->predicted, 4)});
  return text;
}

std::string left_out_table(const std::map<std::string, std::size_t>& left_out) {
  std::string text = head({"not in the fit because", "rows"}, 1);
  for (const auto& [reason, n] : left_out) text += line({reason, std::to_string(n)});
  return text;
}

std::string unread_section(const std::vector<BadRowOfFile>& unread) {
  if (unread.empty()) return "";
  return "\n## Lines that could not be read: " + std::to_string(unread.size()) + "\n\n" +
         table_markdown(unread_table(unread));
}

std::string outlier_table(const std::vector<Outlier>& outliers) {
  std::string text = head({"source", "device", "stack", "model", "suspected", "decode rows", "measured / predicted",
                           "prefill rows", "measured / predicted"},
                          5);
  const auto ratio = [](std::size_t rows, double x) { return rows > 0 ? rounded(x, 2) : std::string("-"); };
  for (const Outlier& o : outliers)
    text += line({o.source, o.device, o.stack, o.model, o.suspicion, std::to_string(o.decode_rows),
                  ratio(o.decode_rows, o.decode_ratio), std::to_string(o.prefill_rows),
                  ratio(o.prefill_rows, o.prefill_ratio)});
  return text;
}

std::string others_table(const std::vector<std::pair<std::string, Validation>>& others) {
  std::string text =
      head({"rows", "metric", "predicted by", "rows", "median error", "p90", "median bias", "in the 80 % interval"}, 3);
  for (const auto& [name, v] : others)
    for (const auto& [metric, s] : v.metrics) {
      if (metric == "oom" || metric == "size_gib") continue;
      text += line({name, metric, "**silicast**", std::to_string(s.n), exact_percent_text(s.median_ape),
                    exact_percent_text(s.p90_ape), exact_percent_text(s.median_bias), coverage(s)});
      for (const auto& [baseline, metrics] : v.baselines)
        if (const auto at = metrics.find(metric); at != metrics.end())
          text += line({name, metric, baseline, std::to_string(at->second.n), exact_percent_text(at->second.median_ape),
                        exact_percent_text(at->second.p90_ape), exact_percent_text(at->second.median_bias), "-"});
    }
  return text;
}

constexpr std::string_view introduction = R"(# How accurate silicast is

Generated; do not edit:

    COMMAND

Every figure is of rows that the fit behind it has not seen. The rows are divided into folds by device, by model, by source or at
random by cell (device, stack, model, quantization and shape); each fold is predicted by profiles fitted to the others, and so are
the widths of the intervals. Errors are |predicted - measured| / measured. The baselines are fitted to the same training rows:
bandwidth over size (prefill: peak matrix FLOPS over 2 x active parameters) and that times a median efficiency, of all rows, of the
quantization, or of the device (where it is held out: of all rows).

Where rows of the same machine (the same device of the same source) are among the training rows, what the profiles leave over of them
corrects their neighbours, as `silicast calibrate host --import` does for one's own runs; "its profiles alone" are without that: what
`silicast predict` says of a device that others have measured.

The rows are rates of one sequence or of several, on one device that holds all layers or on several that divide each of them, as
others published them.

)";

constexpr std::string_view other_rows = R"(## Rows that nothing is fitted to

Devices that divide the layers, layers or experts on the host, rows under a power limit, unverified submissions, latencies, power and
memory: predicted with the profiles of `data/profiles/` as `silicast validate` does, each beside its baselines. No fit has seen
them, though most of their devices. Efficiencies of the baselines are those of the other devices in the same group of rows; of power
the first baseline is the board's limit.

)";

constexpr std::string_view outlier_heading = R"(## What does not fit

Runs of one model on one device by one source that are off by half or more when their cells are held out, the furthest first, with
what the pattern speaks for. They stay in the fit; its loss hardly counts them.

)";

constexpr std::string_view unknowns = R"(## What is not known

- Whether the rows stand for the hardware: clocks, drivers, hosts and power limits are rarely stated, and the worst rows below are
  often another build, another power limit or another machine than their source says, as far as can be told.
- Prefill under ROCm on RDNA 3.5 and RDNA 4: which BLAS library ran is known only where a source's notes say so; the libraries differ up
  to seven times on BF16. Under hipBLASLt rows that are a multiple of 4 KiB (4096 and 8192 values in F16) cost 1.5 to 2 times as much
  as others up to 256 tokens, taken for conflicts on the memory channels; under rocBLAS they do not, and Mistral Small (rows of 32768)
  is slower there by a third.
- Mixtures of experts under ROCm in 2025: products with few tokens an expert run 3 to 14 times below what the memory gives, Q6_K and
  small matrices most, Llama 4 Scout's not at all. How tokens spread over experts is not stated: choices and tiles are counted over a
  spread of an expert's popularity of a half, and from 64 tokens on each expert is multiplied by itself.
- Mixtures of experts under Vulkan in 2025: Hunyuan-A13B (64 experts, well filled tiles) is faster by a third than the others tell.
- Shares and tiles of ROCm and Vulkan of 2025, and the priors of types there, were chosen beside what models held out on the one
  machine that shows them (Ryzen AI Max+ 395) came to: its figures by model, and as a device held out, are kind, and it has half of
  the rows of prefill.
- Correcting runs by their neighbours needs neighbours of the same settings: rows of one machine under settings that are not told apart
  contradict each other. They count less then (of each machine as much less as lets its runs be told best by the others), but do not
  make decoding of ik_llama.cpp under CUDA better than the profile alone.
- Attention under Vulkan at 32k tokens and more: prefill is 1.5 to 4 times slower than predicted where the keys and values of a layer
  exceed the last-level cache (each 16 queries read them anew), and 10 times on Intel's Battlemage, whose driver has no fast path.
- Which Vulkan driver ran (RADV, AMDVLK) is known only where notes say so: RADV of summer 2025 reaches 0.7 of AMDVLK's prefill on
  RDNA 3.5, AMDVLK of 2026 a quarter of RADV's.
- The scoreboards date their rows by the copy, not the run: where the commit's month is not known, the middle between the start of
  the discussion and the copy stands for it.
- AMD's own driver for Vulkan under Windows reaches 0.6 of RADV's prefill on an RX 9070 XT (one machine): it is not told apart.
- Tables of pull requests show builds of a day that no release has, often with micro-batches of a few tokens: they are in the fit, each
  column with the kernels that its build had, and make up most of the far prefill errors under CUDA. MMQ of 2024 changed with every
  month (int8 MMA, stream-k, types one by one): one share per generation leaves 20 to 50 % on some types (Q6_K on RTX 4090).
- Tesla P40 in 2024: attention without its FP32 kernels runs at the 1/64 rate of its FP16, so that prompts of 4096 tokens are predicted
  four times too fast.
- CPUs at depth: what a key costs attention, and the rate at which one token meets a quantized cache, rest on one Ryzen 9 7950X whose
  rows were seen before the constants were entered; an F16 cache is an estimate.
- Linear attention: the share of the vector peak that a gated delta rule reaches is what the other operations of the same rows leave
  over, one share for all chips of a stack.
- Macs of one kind differ by 30 to 90 % between sources (mac-llm-bench's M2 Max on models of 24B and more, AtomGradient's M2 Ultra): they
  look throttled, and do not say so. A factor for each device and source was tried, so that odd machines do not speak about
  kernels: it made held-out devices and models worse (it takes up what all machines share) and is not used.
- Types in MMQ with scales on smaller groups: fewer instructions for them were tried, without a difference on held-out rows.
- Unsloth's dynamic files have types that their names do not tell: silicast takes mixes of about their size.
- The gated delta rule in builds of March to May 2026 ran among 19 to 45 launches a layer, the middle stands for all; decoding of
  GLM-4.7-Flash under CUDA of that time lost half of its speed within 8k tokens (one RTX 4090), which is not modelled.
- RDNA 4 reads prompts of builds from August 2026 on a third faster than those of the spring (RX 9060 XT and 9070 XT): not told apart.
- Several cards under CUDA of 2023 share every matrix; copies between cards without peer access are slower than their links, and prompts
  are predicted two to ten times too fast on rented machines whose slots are not stated.
- What a kernel reaches of the peak by architecture (MMQ and attention under CUDA, Vulkan, ROCm and the newest Metal, experts under
  CUDA) was set beside rows of this record, scoreboards and single machines: what is held out there is kind. The blind sets of
  docs/measurements.md, each predicted before anything was changed for it, are the test of it.
- Threads, NUMA placement and memory channels in use of a CPU are seldom stated; whole CPUs held out are off by the spread of those.
- Servers: whole waves of cuBLAS's tiles, the kernel of MI300X, the share of block-scaled FP8 where Triton runs it and the priors of
  vLLM and TensorRT-LLM were chosen beside what models, devices and sources held out came to. Prompts under vLLM are nearly all of
  one GB10, whose software unpacks NVFP4, which the model does not know: it is predicted twice as fast there.
- Power under TensorRT-LLM: an H100 stays at 450 W and an A100 at 300 from 16 sequences on, whatever is added (11 rows).
- Devices that divide the layers, and layers on the host: nothing is fitted to them, and some are worse than the best baseline (the
  table above).
- A generation of a stack is one factor on matrix work and one on launches; what changed in single kernels between releases is not told
  apart.

)";

}  // namespace

std::string accuracy_markdown(const AccuracyReport& report) {
  std::string text(introduction);
  text.replace(text.find("COMMAND"), std::string_view("COMMAND").size(), report.command);
  for (const Accuracy& run : report.runs) {
    text += "## " + std::string(title_of(run.by)) + "\n\n" + metrics_table(run) + "\n" + units_table(run);
    for (const auto& [name, groups] : run.groups)
      if ((name != "device" && name != "quantization") || run.by == FoldBy::device)
        text += "By " + name + ":\n\n" + group_table(name, groups) + "\n";
  }
  text += std::string(other_rows) + others_table(report.others) + "\n" + std::string(unknowns);
  text += std::string(outlier_heading) + outlier_table(report.outliers) + "\n";
  for (const Accuracy& run : report.runs)
    text += "## The worst rows: " + std::string(name_of(run.by)) + " held out\n\n" + worst_table(run) + "\n";
  return text + "## Rows that no fit takes\n\n" + left_out_table(report.left_out) + unread_section(report.unread);
}

std::string held_out_csv(const std::vector<CrossValidation>& runs) {
  std::string text =
      "held_out,fold,id,source,device,architecture,stack,model,quant,shape,metric,measured,predicted,p10,p90,"
      "evidence,bound,constant_efficiency,per_quant_efficiency,per_device_efficiency,profiles_alone\n";
  const auto number = [](std::optional<double> x) { return x ? rounded(*x, 6) : std::string(); };
  for (const CrossValidation& run : runs)
    for (const HeldOut& held : run.rows) {
      const FitRow& row = *held.row;
      std::vector<std::string> cells{std::string(name_of(run.by)),
                                     std::to_string(held.fold),
                                     row.id,
                                     row.source,
                                     row.scope.device,
                                     row.scope.architecture,
                                     row.scope.stack,
                                     row.model,
                                     row.quant,
                                     row.shape,
                                     std::string(name_of(row.metric)),
                                     number(row.measured),
                                     number(held.predicted),
                                     number(held.p10),
                                     number(held.p90),
                                     std::string(name_of(held.level)),
                                     std::string(name_of(held.bound)),
                                     number(held.constant_efficiency),
                                     number(held.per_quant_efficiency),
                                     number(held.per_device_efficiency),
                                     number(held.unaided)};
      for (std::string& cell : cells) cell = csv_cell(cell);
      text += join(cells, ",") + "\n";
    }
  return text;
}

}  // namespace silicast
