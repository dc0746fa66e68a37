#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sweep as a process: killed and continued, on a full disk, over threads and under mpirun. The file is always the same.
# Usage: sweep.sh SILICAST [mpi]
set -euo pipefail
silicast=$1
mpi=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "sweep.sh: $*" >&2; exit 1; }
same() { cmp -s "$work/whole.csv" "$1" || fail "$2: $1 differs from the file of one uninterrupted run"; }

cat > "$work/grid.yaml" <<'YAML'
model: [llama-3.1-8b, qwen3-8b]
device: [rtx-4090, m2-ultra-76]
quant: [Q4_K_M, IQ3_XXS]
gen: [64, 128]
depth: {from: 0, to: 9999}
YAML
sweep() { "$silicast" sweep "$work/grid.yaml" "$@" 2>"$work/log"; }

sweep --out "$work/whole.csv" -j 1
[ "$(wc -l < "$work/whole.csv")" = 160001 ] || fail "$(wc -l < "$work/whole.csv") lines instead of 160001"

sweep --out "$work/two.csv" -j 2
same "$work/two.csv" "two threads"

# Killed again and again, at other moments each time, until it has finished.
for moment in 0.01 0.02 0.05 0.1 0.15 0.2 0.3 0.4 0.5 0.6; do
  "$silicast" sweep "$work/grid.yaml" --out "$work/killed.csv" -j 1 2>/dev/null & pid=$!
  sleep "$moment"
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  if [ -f "$work/killed.csv" ]; then same "$work/killed.csv" "a file under its name is whole"; fi
done
sweep --out "$work/killed.csv"
same "$work/killed.csv" "killed with SIGKILL"
[ ! -e "$work/killed.csv.part" ] && [ ! -e "$work/killed.csv.journal" ] || fail "remains of a finished sweep"

# A file system that takes 4 MiB and no more.
code=0
(trap '' XFSZ; ulimit -f 4096; sweep --out "$work/full.csv") || code=$?
[ "$code" = 3 ] || fail "a full disk ends with exit code $code"
grep -q "cannot write .*full.csv.part.*stays valid" "$work/log" || fail "a full disk is not said: $(cat "$work/log")"
[ ! -e "$work/full.csv" ] || fail "an unfinished file under the final name"
sweep --out "$work/full.csv"
same "$work/full.csv" "after the disk was full"

[ "$mpi" = mpi ] || exit 0
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
# In a container without the right to read other processes' memory Open MPI copies through a file of its own.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
# Open MPI keeps some of its own memory until the end.
export ASAN_OPTIONS=detect_leaks=0
ranks() { mpirun -np "$1" "$silicast" sweep "$work/grid.yaml" --out "$2"; }
ranks 2 "$work/ranks2.csv" 2>"$work/log" || fail "mpirun -np 2: $(cat "$work/log")"
same "$work/ranks2.csv" "two ranks"
ranks 3 "$work/ranks3.csv" 2>"$work/log" || fail "mpirun -np 3: $(cat "$work/log")"
same "$work/ranks3.csv" "three ranks"

# One rank dies: mpirun ends the others; what was written is continued.
ranks 2 "$work/died.csv" 2>/dev/null & pid=$!
for _ in $(seq 200); do
  [ ! -e "$work/died.csv.part" ] || break
  sleep 0.05
done
rank=$(pgrep -f "^$silicast sweep .*died.csv" | tail -n 1) || fail "no rank is left to be killed"
kill -9 "$rank"
wait "$pid" 2>/dev/null || true
ranks 2 "$work/died.csv" 2>"$work/log" || fail "mpirun after a rank has died: $(cat "$work/log")"
same "$work/died.csv" "a rank that died"
