// SPDX-License-Identifier: Apache-2.0
// The data folder: catalogues of devices, models, quantization schemes and stacks, read when asked for and kept.
// Safe to use from several threads.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/catalogue.h"
#include "hardware/device.h"
#include "hardware/link.h"
#include "model/parameter_spread.h"
#include "model/prices.h"
#include "model/profile.h"
#include "model/stack.h"
#include "workloads/architecture.h"
#include "workloads/quantization.h"
#include "workloads/workload.h"

namespace silicast {

// "memory.bandwidth=900GB/s" as typed with --set.
struct FieldOverride {
  std::string path;
  std::string value;
};

// What the user has beside the data folder: devices/ and profiles/, as `silicast calibrate host` writes them. silicast/
// in $XDG_DATA_HOME, else in ~/.local/share (macOS: ~/Library/Application Support). Empty where neither variable is
// set.
std::filesystem::path user_folder();

class Database {
 public:
  // Throws InputError when the folder is not a data folder.
  explicit Database(std::filesystem::path folder);

  // Names, aliases or paths of YAML files; devices of the user's own folder by their id. Throw InputError with
  // suggestions.
  [[nodiscard]] std::shared_ptr<const Device> device(std::string_view name,
                                                     const std::vector<FieldOverride>& overrides = {}) const;
  [[nodiscard]] Entry device_entry(std::string_view name) const;
  // Those of the user's own folder, by id.
  [[nodiscard]] std::vector<Entry> own_devices() const;
  [[nodiscard]] std::shared_ptr<const Stack> stack(std::string_view name) const;
  // The same, whose sliding windows keep all tokens. Kept as well: names of kernels refer to it.
  [[nodiscard]] std::shared_ptr<const Stack> stack_with_full_windows(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<const Link> link(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<const QuantScheme> quant(std::string_view name) const;
  // A catalogue name or a model YAML.
  [[nodiscard]] std::shared_ptr<const Architecture> architecture(std::string_view name) const;

  // Of a family of stacks: what the user fitted to that device (profiles/FAMILY@DEVICE.yaml in their folder), else the
  // data folder's, else the user's for the family (profiles/FAMILY.yaml); null: nothing was fitted.
  [[nodiscard]] std::shared_ptr<const Profile> profile(std::string_view family, std::string_view device = {}) const;
  // What that profile says of a device; null: nothing was fitted.
  [[nodiscard]] std::shared_ptr<const Corrections> corrections(std::string_view family, const Scope& scope) const;
  // And how surely it says it; null likewise.
  [[nodiscard]] std::shared_ptr<const ParameterSpread> parameter_spread(std::string_view family,
                                                                        const Scope& scope) const;

  [[nodiscard]] const Catalogue& devices() const { return devices_; }
  [[nodiscard]] const Catalogue& models() const { return models_; }
  [[nodiscard]] const Catalogue& quants() const { return quants_; }
  [[nodiscard]] const Catalogue& stacks() const { return stacks_; }
  [[nodiscard]] const Catalogue& links() const { return links_; }
  [[nodiscard]] const std::shared_ptr<const TypeTable>& types() const { return types_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // data/profiles/evidence.yaml
  [[nodiscard]] ResidualScale residual_scale() const { return residual_scale_; }
  // data/prices/; empty where the folder has none
  [[nodiscard]] const PriceBook& prices() const { return prices_; }

 private:
  template <class T>
  using Cache = std::map<std::string, std::shared_ptr<const T>, std::less<>>;
  template <class T, class Make>
  std::shared_ptr<const T> cached(Cache<T>& cache, std::string_view name, Make make) const;

  std::filesystem::path folder_;
  Catalogue devices_;
  Catalogue models_;
  Catalogue quants_;
  Catalogue stacks_;
  Catalogue links_;
  std::shared_ptr<const TypeTable> types_;
  ResidualScale residual_scale_;
  PriceBook prices_;
  mutable std::mutex mutex_;
  mutable Cache<Device> device_cache_;
  mutable Cache<Stack> stack_cache_, full_window_stack_cache_;
  mutable Cache<Link> link_cache_;
  mutable Cache<QuantScheme> quant_cache_;
  mutable Cache<Architecture> architecture_cache_;
  struct Profiles {
    std::shared_ptr<const Profile> common;  // null: there is none
    Cache<Profile> of_device;
  };
  mutable std::map<std::string, Profiles, std::less<>> profile_cache_;  // by family
  // A stack is of one family.
  mutable std::map<Scope, std::shared_ptr<const Corrections>> corrections_cache_;
  mutable std::map<Scope, std::shared_ptr<const ParameterSpread>> spread_cache_;
};

}  // namespace silicast
