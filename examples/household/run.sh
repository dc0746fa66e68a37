#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SILICAST: recommendation and sweep of this folder, against what stands in it. Texts have to be the same and
# figures within a tenth, so that a new calibration that moves them by a little does not ask for an update, which
# SILICAST_UPDATE=1 makes.
set -euo pipefail
silicast=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$silicast" recommend --needs "$here/needs.yaml" --format md > "$out/recommendation.md"
"$silicast" sweep "$here/grid.yaml" --out "$out/sweep.csv" 2>/dev/null
[ -z "${SILICAST_UPDATE:-}" ] || cp "$out/recommendation.md" "$out/sweep.csv" "$here"

# compare WANTED SEEN SEPARATOR
compare() {
  awk -F"$3" -v file="$1" '
    function number(text) { return text ~ /^ *(from )?\$?-?[0-9.]+([eE][-+]?[0-9]+)?( [A-Za-z\/]+)? *$/ }
    function value(text) { gsub(/[^0-9.eE+-]/, "", text); return text + 0 }
    FNR == NR { line[FNR] = $0; lines = FNR; next }
    {
      n = split(line[FNR], wanted, FS)
      if (n != NF) { print file ":" FNR ": " NF " cells instead of " n; bad = 1; next }
      for (i = 1; i <= NF; ++i) {
        if ($i == wanted[i]) continue
        a = value(wanted[i]); b = value($i)
        if (number($i) && number(wanted[i]) && (a - b) * (a - b) <= 0.01 * a * a) continue
        print file ":" FNR ": \"" $i "\" instead of \"" wanted[i] "\""; bad = 1
      }
    }
    END { if (FNR != lines) { print file ": " FNR " lines instead of " lines; bad = 1 } exit bad }' "$1" "$2"
}
compare "$here/recommendation.md" "$out/recommendation.md" "|"
compare "$here/sweep.csv" "$out/sweep.csv" ","
