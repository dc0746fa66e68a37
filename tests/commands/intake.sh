#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measurements as processes read and write them: bad lines beside good ones, links and pipes as targets, too little to fit.
# Usage: intake.sh SILICAST
set -euo pipefail
silicast=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work

fail() { echo "intake.sh: $*" >&2; exit 1; }
# expect CODE TEXT COMMAND...: the exit code, and what stdout or stderr says.
expect() {
  local code=$1 text=$2 got=0
  shift 2
  "$@" >"$work/out" 2>&1 || got=$?
  [ "$got" = "$code" ] || fail "$*: exit code $got instead of $code: $(cat "$work/out")"
  grep -q -- "$text" "$work/out" || fail "$*: '$text' is not in: $(cat "$work/out")"
}

cat > "$work/runs.csv" <<'CSV'
id,device,backend,model,quant,prompt_len,gen_len,metric,value
a,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,,pp_tps,11000
b,too,few
c,abacus,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,,128,tg_tps,150
CSV
cp "$work/runs.csv" "$work/more.csv"

expect 0 "runs.csv:3: 3 fields" "$silicast" validate "$work/runs.csv"
expect 0 "line 3: 3 fields" "$silicast" calibrate import "$work/runs.csv"
expect 0 "runs.csv:3: 3 fields" "$silicast" validate "$work/runs.csv" --served
expect 0 "| [^ ]*runs.csv | 3 | 3 fields" "$silicast" validate "$work/runs.csv" --cross --by cell
expect 1 "unknown device  abacus     1" "$silicast" calibrate fit "$work/runs.csv" --out "$work/none"
expect 1 "runs.csv:3: 3 fields" "$silicast" calibrate fit "$work/runs.csv" --out "$work/none"
printf 'id,device,backend,model,quant,metric,value\nb,too,few\n' > "$work/none.csv"
for command in "validate" "validate --served" "validate --cross" "calibrate import" "calibrate fit --out $work/none"; do
  expect 3 "none.csv.*2: 3 fields\|line 2: 3 fields" "$silicast" $command "$work/none.csv"
done

# The same conditions again: with the same figure, and with another.
cat > "$work/again.csv" <<'CSV'
id,device,backend,model,quant,prompt_len,gen_len,metric,value
a,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,,pp_tps,11000
b,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,,pp_tps,11000
c,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,,pp_tps,13300
d,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q8_0,512,,pp_tps,11000
e,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q8_0,512,,pp_tps,13100
CSV
for command in "validate" "calibrate fit --out $work/none"; do
  code=0
  [ "$command" = validate ] || code=1
  expect $code "again.csv:3 as [^ ]*again.csv:2: rtx-4090" "$silicast" $command "$work/again.csv"
  expect $code "3 rows of one source say the same conditions and differ by more than 20 %, in 1 group" \
    "$silicast" $command "$work/again.csv"
  expect $code "again.csv:2 (11000), [^ ]*again.csv:3 (11000), [^ ]*again.csv:4 (13300): rtx-4090" \
    "$silicast" $command "$work/again.csv"
done
expect 0 '"of_line": 2' "$silicast" validate "$work/again.csv" --format json
expect 0 "unknown device 'abacus': 2 runs" "$silicast" calibrate import "$work/runs.csv" "$work/more.csv" --store "$work/two"
expect 2 "2000 %" "$silicast" validate "$work/missing.csv" --require 'pp_tps median <= 20'
printf '{"a": 1,\n' > "$work/cut.json"
expect 3 "cut.json:1: the JSON is cut off" "$silicast" calibrate import "$work/cut.json"

expect 0 "line 3 as line 2" "$silicast" calibrate import "$work/again.csv" --store "$work/again"
expect 0 "3 were in the store\|5 were in the store" "$silicast" calibrate import "$work/again.csv" --store "$work/again"
expect 0 "line 4: rtx-4090, .* pp512: 13300 here, 11000 in line 2" \
  "$silicast" calibrate import "$work/again.csv" --store "$work/other"

# What is no table is said in one line, by all commands alike.
table() { printf 'id,device,backend,model,quant,prompt_len,metric,value\na,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,11000\n'; }
table | tr , ';' > "$work/semicolons.csv"
table | tr , '\t' > "$work/tabs.csv"
table | tail -n 1 > "$work/headless.csv"
table | sed 's/metric/metrik/' > "$work/misspelt.csv"
{ printf '\xff\xfe'; table | sed 's/./&\x00/g'; } > "$work/utf16.csv"
head -c 20000 "$silicast" > "$work/binary.csv"
table | head -n 1 > "$work/rowless.csv"
: > "$work/empty.csv"
refused() {
  for command in "validate" "validate --cross" "validate --served" "calibrate import" "calibrate fit --out $work/none"; do
    expect 3 "$1.csv.*$2" "$silicast" $command "$work/$1.csv"
  done
}
refused semicolons "1: the columns are separated by semicolons"
refused tabs "1: the columns are separated by tabs"
refused headless "1: the first line names no column"
refused misspelt "1: metric: this column is missing (did you mean 'metrik'?)\|1: metric: this column is missing"
refused utf16 "1: is UTF-16"
refused binary "1: is no text"
refused rowless "holds no r"
refused empty "is empty\|1: a line with the names"
# Marks and line breaks of other systems are none of a table's faults.
{ printf '\xef\xbb\xbf'; table | sed 's/$/\r/'; } > "$work/windows.csv"
expect 0 "1 of 1 rows predicted" "$silicast" validate "$work/windows.csv"
expect 0 "1 run taken" "$silicast" calibrate import "$work/windows.csv"
# A line of 20 MB, and values that are none.
{ table; printf 'b,'; head -c 20000000 /dev/zero | tr '\0' x; printf '\n'
  for value in nan inf -5 0 1e400 1e-320 11k ''; do
    echo "v$value,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,pp_tps,$value"
  done; } > "$work/values.csv"
expect 0 "9 lines are left out" "$silicast" validate "$work/values.csv"
expect 0 "1 run taken, 9 not" "$silicast" calibrate import "$work/values.csv"
# Options that would change nothing are refused.
expect 2 "not with --cross" "$silicast" validate "$work/windows.csv" --cross --require 'pp_tps median <= 5 %'
expect 2 "exclude each other" "$silicast" validate "$work/windows.csv" --cross --served
expect 2 "\-\-by: for --cross" "$silicast" validate "$work/windows.csv" --by device
expect 2 "not with --served" "$silicast" validate "$work/windows.csv" --served --predictions "$work/p.csv"

# Killed at any moment an import has added all of its runs or none, and the store goes on.
awk 'BEGIN { print "id,device,backend,model,quant,gen_len,metric,value"
  for (i = 1; i <= 20000; ++i) printf "%d,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,%d,ppl,%d\n", i, i, i }' > "$work/many.csv"
begin=$EPOCHREALTIME
"$silicast" calibrate import "$work/many.csv" --store "$work/whole" >/dev/null
whole=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
for share in 0.1 0.4 0.6 0.7 0.75 0.8 0.85 0.9 0.95 1; do
  moment=$(awk -v share="$share" -v whole="$whole" 'BEGIN { print share * whole }')
  "$silicast" calibrate import "$work/many.csv" --store "$work/killed" >/dev/null 2>&1 & pid=$!
  sleep "$moment"
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  [ -s "$work/killed" ] || continue
  rows=$( ("$silicast" calibrate export - --store "$work/killed" 2>/dev/null || true) | tail -n +2 | wc -l)
  [ "$rows" = 0 ] || [ "$rows" = 20000 ] || fail "killed after $moment s, $rows of 20000 runs are in the store"
  [ "$rows" = 0 ] || rm -f "$work"/killed*
done
"$silicast" calibrate import "$work/many.csv" --store "$work/killed" >/dev/null
[ "$("$silicast" calibrate export - --store "$work/killed" | wc -l)" = 20001 ] || fail "a store is lost by kills"
: > "$work/nothing"
expect 3 "nothing: is empty" "$silicast" calibrate list --store "$work/nothing"

# Another unit than the column's: not taken, and said by validate.
cat > "$work/unit.csv" <<'CSV'
id,device,backend,model,quant,prompt_len,gen_len,metric,value
a,rtx-4090,llama.cpp-cuda,llama-3.1-8b,Q4_K_M,512,,ttft_s,45
CSV
expect 3 "line 2: looks like milliseconds" "$silicast" calibrate import "$work/unit.csv"
expect 0 "unit.csv:2: ttft_s: the unit seems wrong: looks like milliseconds" "$silicast" validate "$work/unit.csv"

# Every run has its date, build, machine and command.
cat > "$work/run.json" <<'JSON'
{"build_commit": "8cf427ff", "build_number": 5163, "cpu_info": "AMD Ryzen 7 7800X3D 8-Core Processor", "gpu_info": "NVIDIA GeForce RTX 4080", "backends": "CUDA", "model_filename": "Qwen2.5-7B-Instruct-Q4_K_M.gguf", "model_type": "qwen2 7B Q4_K - Medium", "model_size": 4677120000, "model_n_params": 7615616512, "n_gpu_layers": 99, "type_k": "f16", "type_v": "f16", "n_prompt": 512, "n_gen": 0, "test_time": "2025-04-24T10:00:00Z", "avg_ts": 7285.7, "stddev_ts": 100.1}
JSON
expect 0 "1 run added" "$silicast" calibrate import "$work/run.json" --store "$work/listed"
for part in "2025-04-24" "b5163 (8cf427ff)" "NVIDIA GeForce RTX 4080; AMD Ryzen 7 7800X3D" "llama-bench -m Qwen2.5-7B"; do
  expect 0 "$part" "$silicast" calibrate list --store "$work/listed"
  expect 0 "$part" "$silicast" calibrate list --store "$work/listed" --format json
done
expect 0 '"command": "llama-bench' "$silicast" calibrate list --store "$work/listed" --format json
expect 0 "the file names 'NVIDIA GeForce RTX 4080', --device rtx-4090 was taken" \
  "$silicast" calibrate import "$work/run.json" --store "$work/listed" --device rtx-4090
printf '{"schema": "silicast.kernels/1", "kernels": []}\n' > "$work/kernels.json"
expect 3 "calibrate host. measures and fits them itself" "$silicast" calibrate import "$work/kernels.json"

# A link stays one, a pipe is written to, a file stays whole.
echo old > "$work/file.csv"
ln -s file.csv "$work/link.csv"
ln -s new.csv "$work/dangling.csv"
mkfifo "$work/pipe"
"$silicast" calibrate export "$work/link.csv" >/dev/null
"$silicast" calibrate export "$work/dangling.csv" >/dev/null
cat "$work/pipe" > "$work/read.csv" & reader=$!
"$silicast" calibrate export "$work/pipe" >/dev/null
wait "$reader"
[ -L "$work/link.csv" ] && [ -L "$work/dangling.csv" ] && [ -p "$work/pipe" ] || fail "a target was replaced"
for file in file.csv new.csv read.csv; do grep -q "^id," "$work/$file" || fail "$file holds no runs"; done
expect 0 "^id," "$silicast" calibrate export /dev/stdout
expect 3 "/dev/full: cannot be written: No space left" "$silicast" calibrate export /dev/full

head -n 2 "$work/runs.csv" > "$work/few.csv"
expect 1 "llama.cpp-cuda: 1 rows (rtx-4090 1)" "$silicast" calibrate fit "$work/few.csv" --out "$work/profiles"
expect 2 "'99-1'" "$silicast" calibrate fit "$work/few.csv" --out "$work/profiles" --date 99-1
