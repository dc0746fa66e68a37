// SPDX-License-Identifier: Apache-2.0
// The operations of one layer, by the kinds of its mixer and feed-forward block. step.cpp puts layers together.
#pragma once

#include <array>
#include <vector>

#include "workloads/step.h"

namespace silicast {

// Vector operations per value of an RMSNorm: x*x, sum, scale, weight.
constexpr double flops_per_norm_value = 4;

// The tensors of one layer, or those outside of all layers, by role.
class TensorsByRole {
 public:
  void add(const Tensor& tensor, TypeId type) {
    if (tensor.bias)
      bias_[static_cast<std::size_t>(tensor.role)] = true;
    else
      found_[static_cast<std::size_t>(tensor.role)] = {&tensor, type};
  }
  [[nodiscard]] bool has(TensorRole role) const { return at(role).tensor != nullptr; }
  [[nodiscard]] bool has_bias(TensorRole role) const { return bias_[static_cast<std::size_t>(role)]; }
  [[nodiscard]] MatmulShape matmul(TensorRole role) const {
    const Tensor& tensor = *at(role).tensor;
    return {.type = at(role).type, .in = tensor.shape[0], .out = tensor.shape[1]};
  }

 private:
  struct Found {
    const Tensor* tensor = nullptr;
    TypeId type{};
  };
  [[nodiscard]] const Found& at(TensorRole role) const { return found_[static_cast<std::size_t>(role)]; }

  static constexpr std::size_t roles = static_cast<std::size_t>(TensorRole::other) + 1;
  std::array<Found, roles> found_{};
  std::array<bool, roles> bias_{};
};

// The layers of a group: how many there are and which group of the graph they are.
struct LayerPlace {
  int layers = 1;
  int group = -1;
  bool holds_last = false;  // the model's last layer is one of them
};

// Appends the operations of one layer.
void add_layer_ops(std::vector<Op>& ops, const Architecture& architecture, const Layer& layer,
                   const TensorsByRole& tensors, LayerPlace place);

}  // namespace silicast
