// SPDX-License-Identifier: Apache-2.0
// What programs print about a machine, a model and its quantization, as names of the catalogue: "NVIDIA GeForce RTX
// 4080", "AMD Ryzen 7 7800X3D 8-Core Processor", "llama 8B Q4_K - Medium" with 8.03 B parameters, a file's name.
//
// Non-goal: guessing. A name that fits nothing is absent; one that fits several says so.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/database.h"

namespace silicast {

struct NameMatch {
  std::string name;                 // the catalogue's id
  std::vector<std::string> others;  // what the text could also mean
};

// "models/Qwen2.5-7B-Instruct-Q4_K_M-00001-of-00002.gguf" -> "Qwen2.5-7B-Instruct-Q4_K_M".
std::string model_file_stem(std::string_view path);

// The scheme that llama.cpp names "Q4_K - Medium", "MXFP4 MoE", "mostly Q4_0", "IQ4_XS - 4.25 bpw"; as printed where it
// is none of its names.
std::string quant_of_llama_type(std::string_view type);

class CatalogueNames {
 public:
  // Reads the catalogues' names once.
  explicit CatalogueNames(const Database& database);

  // The device that a driver or an operating system calls so; `cpu`: its processor is meant. Of several the one that
  // has exactly this text as an alias; `others` are those that the text could mean as well.
  [[nodiscard]] std::optional<NameMatch> device(std::string_view reported, bool cpu) const;

  // A model by the name of its file or repository, with tuning and quantization suffixes left out one by one; only one
  // with about so many parameters where those are known.
  [[nodiscard]] std::optional<std::string> model_by_name(std::string_view name, std::optional<double> parameters) const;
  // A model by general.architecture and the number of parameters, known to a share of `tolerance`. Several that do not
  // share one shape: absent.
  [[nodiscard]] std::optional<NameMatch> model_by_size(std::string_view architecture, double parameters,
                                                       double tolerance) const;
  // The longest tail of a file's or repository's name that is a quantization scheme, or names an Unsloth mix.
  [[nodiscard]] std::optional<std::string> quant_in_name(std::string_view name) const;
  [[nodiscard]] bool has_quant(std::string_view name) const;

 private:
  struct DeviceName {
    std::string id;
    std::vector<std::string> words;
  };
  struct Shape {
    std::string id;
    std::shared_ptr<const Architecture> architecture;
    double parameters = 0;
  };

  std::vector<DeviceName> devices_;
  std::map<std::string, std::string, std::less<>> aliases_;  // of devices
  std::map<std::string, std::string, std::less<>> models_;   // canonical name -> id
  std::map<std::string, std::string, std::less<>> quants_;
  std::vector<Shape> shapes_;
};

}  // namespace silicast
