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
  bool is_mlx = false;             // runs on Apple devices only
  bool offloads = false;           // in a format whose stacks leave layers on a host
};

struct CandidateModel {
  std::string name;
  std::vector<CandidateQuant> quants;
};

struct CandidateMachine {
  std::string name;  // as --device takes it: "rtx-4090x2"
  Bytes memory;      // of each device
  int devices = 1;
  std::string device;  // its id
  std::string label;   // the id with the number of devices
  std::optional<double> price;
  bool price_from = false;  // that of a smaller memory: this one costs more
  bool is_apple = false;
  bool offloads = false;  // a discrete device with a host
};

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
