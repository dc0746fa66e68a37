// SPDX-License-Identifier: Apache-2.0
// What a recommendation chooses from: models with their quantizations, machines with their prices.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/database.h"
#include "model/prediction.h"

namespace silicast {

struct Needs;

struct CandidateQuant {
  std::string name;
  std::optional<Quality> quality;  // absent: not measured
  Bytes least_bytes;               // of the weights that no device can do without: all but the input embedding
  Bytes step_bytes;                // of them, what one token is computed with: of experts the used ones
  Flops prompt_operations;         // of a prompt: what its tokens are multiplied with in the layers
  Bytes cache_bytes;               // of all users' contexts at 16 bits, windows and states alone where there are any
  bool is_mlx = false;             // runs on Apple devices only
  bool offloads = false;           // in a format whose stacks leave layers on a host
};

// Of the perplexity; infinity where it was not measured.
double ratio_of(const CandidateQuant& quant);

struct CandidateModel {
  std::string name;
  std::vector<CandidateQuant> quants;  // by quality
};

struct CandidateMachine {
  std::string device;  // its name or file
  std::string label;   // its id with the number of devices: "rtx-4090x2"
  Bytes memory;        // of each device
  int devices = 1;
  BytesPerSecond bandwidth;                      // the peak of each device
  std::optional<BytesPerSecond> host_bandwidth;  // where it offloads
  Bytes host_memory;                             // where it offloads: its largest
  Bytes caches;                                  // of each device, and of the host where it offloads
  FlopsPerSecond peak;                           // of all devices, of the fastest data type
  Watts least_watts;                             // of all devices at work, whatever they do; zero: not known
  std::optional<double> price;
  bool price_from = false;  // that of a smaller memory: this one costs more
  bool is_apple = false;
  bool offloads = false;  // a discrete device with a host
};

// Tokens per second of a sequence that no machine with such a memory exceeds: layers follow each other over devices,
// and all weights of a step, but what the caches may still hold of them, come from memory at its peak rate; of a dense
// model that a device does not hold, the rest from the host's. A tenth is added for specifications that understate it.
double fastest_decode(const CandidateMachine& machine, const CandidateQuant& quant);
// Nor does the first token come before the prompt is multiplied at the peak rate, or one step is done.
Seconds soonest_first_token(const CandidateMachine& machine, const CandidateQuant& quant);

class Candidates {
 public:
  // Throws InputError for names that are not known.
  Candidates(const Needs& needs, const Database& database);

  [[nodiscard]] const std::vector<CandidateModel>& models() const { return models_; }
  // Of each device the machines with it, the smallest first.
  [[nodiscard]] const std::vector<std::vector<CandidateMachine>>& devices() const { return devices_; }
  [[nodiscard]] const Database& database() const { return database_; }
  [[nodiscard]] Query query(const CandidateModel& model, const CandidateMachine& machine, const CandidateQuant& quant,
                            bool offloaded) const;

 private:
  // `must`: a quantization that is asked for and does not go with the model is an error; else it is left out.
  void add_model(const std::string& name, const Needs& needs, bool must);
  void add_device(const std::string& name, const std::vector<int>& counts, std::optional<Bytes> own_memory);

  const Database& database_;
  std::string host_;
  std::vector<CandidateModel> models_;
  std::vector<std::vector<CandidateMachine>> devices_;
};

}  // namespace silicast
