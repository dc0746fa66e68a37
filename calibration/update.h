// SPDX-License-Identifier: Apache-2.0
// A profile of one machine from a few runs of its own: what the record says of its kind, with its covariance, is the
// prior, the runs are the evidence. Ten runs of llama-bench tell what that machine does; what they do not tell (other
// types, depths, batches) stays what the record says.
#pragma once

#include <string>
#include <vector>

#include "calibration/cross_validation.h"
#include "calibration/fit_rows.h"
#include "model/profile.h"

namespace silicast {

// Of rows of one family, device and generation of the stack, which there is at least one of. The residual scales are
// the prior's.
Profile updated_profile(const Profile& prior, const std::vector<const FitRow*>& rows, const std::string& date);

// Each row predicted by a profile that was updated by the others: cells (model, quantization, shape) are dealt out in
// as many folds, fewer where there are fewer cells. One cell alone is predicted by the prior.
std::vector<HeldOut> held_out_of_updates(const Profile& prior, const std::vector<FitRow>& rows, std::size_t folds);

// Of all levels: 80 % of the held-out rows lie within; the prior's where a phase has too few rows to tell.
void set_residual(Profile& profile, const std::vector<HeldOut>& held_out);

}  // namespace silicast
