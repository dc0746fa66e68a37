#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# calibrate host --import: a card that is 0.8 times as fast as the record says becomes a profile that says so, for types
# that were not run as well; what is wrong is refused in one line.
# Usage: host_import.sh SILICAST
set -euo pipefail
silicast=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work

fail() { echo "host_import.sh: $*" >&2; exit 1; }
# rate PHASE QUANT: tokens per second, as predicted.
rate() {
  "$silicast" predict --model llama-3.1-8b --quant "$2" --device rtx-4090 --prompt 512 --gen 128 --format csv |
    awk -F, -v column="$1.tokens_per_second.value" '
      NR == 1 { for (i = 1; i <= NF; ++i) if ($i == column) at = i }
      NR == 2 { print $at }'
}
# expect CODE TEXT COMMAND...: the exit code, and what stderr says.
expect() {
  local code=$1 text=$2 got=0
  shift 2
  "$@" >"$work/out" 2>"$work/err" || got=$?
  [ "$got" = "$code" ] || fail "$*: exit code $got instead of $code: $(cat "$work/err")"
  grep -q -- "$text" "$work/err" || fail "$*: '$text' is not in: $(cat "$work/err")"
}

before=$(rate decode Q6_K)
[ -n "$before" ] || fail "no rate in what predict says"
{
  echo "id,device,backend,source_date,model,quant,prompt_len,gen_len,metric,value"
  for quant in Q4_K_M Q8_0 Q4_0 F16 Q5_K_M; do
    awk -v q="$quant" -v pp="$(rate prefill "$quant")" -v tg="$(rate decode "$quant")" 'BEGIN {
      printf "%s-pp,rtx-4090,llama.cpp-cuda,2026-09,llama-3.1-8b,%s,512,,pp_tps,%.6g\n", q, q, 0.8 * pp
      printf "%s-tg,rtx-4090,llama.cpp-cuda,2026-09,llama-3.1-8b,%s,,128,tg_tps,%.6g\n", q, q, 0.8 * tg }'
  done
} > "$work/runs.csv"

"$silicast" calibrate host --import "$work/runs.csv" > "$work/text" 2>/dev/null || fail "the import failed"
grep -q "decode: median error" "$work/text" || fail "no summary in: $(cat "$work/text")"
[ -s "$work/silicast/profiles/llama.cpp-cuda@rtx-4090.yaml" ] || fail "no profile of the card"
"$silicast" check "$work/silicast/profiles/llama.cpp-cuda@rtx-4090.yaml" >/dev/null || fail "the profile is not one"
# Each row was predicted by the others: 20 % off by the record, a few percent with them.
awk '/^decode: median error/ { if ($4 + 0 > 8 || $11 + 0 < 15) exit 1 }' "$work/text" || fail "$(grep '^decode' "$work/text")"
# A type that was not run, and another card, which is as it was.
after=$(rate decode Q6_K)
awk -v a="$after" -v b="$before" 'BEGIN { r = a / b; exit !(r > 0.74 && r < 0.88) }' ||
  fail "Q6_K at $after tokens/s instead of 0.8 times $before"

# A type that was run is predicted as it was measured.
measured=$(awk -F, '$1 == "Q5_K_M-pp" { print $NF }' "$work/runs.csv")
rate prefill Q5_K_M | awk -v m="$measured" '{ r = $1 / m; exit !(r > 0.98 && r < 1.02) }' ||
  fail "Q5_K_M prefill at $(rate prefill Q5_K_M) tokens/s, measured were $measured"

expect 3 "unknown device 'no-such-card'" "$silicast" calibrate host --import "$work/runs.csv" --device no-such-card
expect 2 "exclude each other" "$silicast" calibrate host --quick --import "$work/runs.csv"
expect 3 "missing.json" "$silicast" calibrate host --import "$work/missing.json"
echo 'id,device,backend,model,quant,metric,value' > "$work/empty.csv"
expect 3 "empty.csv" "$silicast" calibrate host --import "$work/empty.csv"

# Runs of earlier imports stay in the fit, and a row of an unknown device costs no other.
head -n 5 "$work/runs.csv" > "$work/first.csv"
(head -n 1 "$work/runs.csv"; tail -n +6 "$work/runs.csv"
 echo "odd,rtx-9999,llama.cpp-cuda,2026-09,llama-3.1-8b,Q8_0,512,,pp_tps,5000") > "$work/second.csv"
again="$silicast calibrate host --store $work/again.sqlite --out $work/again"
$again --import "$work/first.csv" >/dev/null 2>&1 || fail "the first of two imports failed"
$again --import "$work/second.csv" > "$work/text" 2>/dev/null || fail "the second of two imports failed"
grep -q "10 runs;\|5 runs;" "$work/text" || fail "the earlier runs are forgotten: $(cat "$work/text")"
grep -q "^4 of the runs are of earlier imports" "$work/text" || fail "earlier runs are not told: $(cat "$work/text")"
grep -q "line 8: 'rtx-9999'" "$work/text" || fail "the row of an unknown device is not told: $(cat "$work/text")"
sed -n '1p;$p' "$work/second.csv" > "$work/unknown.csv"
expect 3 "unknown.csv:2: .*rtx-9999" $again --import "$work/unknown.csv"

# Runs of another machine: its processor is said, or the device whose profile they become.
sed 's/,rtx-4090,llama.cpp-cuda,/,AMD Ryzen 9 9999X3D 99-Core Processor,llama.cpp-cpu,/' "$work/first.csv" > "$work/elsewhere.csv"
expect 3 "elsewhere.csv:2: run on another machine than this one.*Ryzen 9 9999X3D" $again --import "$work/elsewhere.csv"
$again --import "$work/runs.csv" > "$work/text" 2>/dev/null
grep -q "predict --device rtx-4090 uses it" "$work/text" || fail "the profile's device is not told: $(cat "$work/text")"

# A folder that cannot be made is said before a run is stored.
expect 3 "$work/runs.csv/q" "$silicast" calibrate host --store "$work/none.sqlite" --import "$work/runs.csv" --out "$work/runs.csv/q"
[ ! -e "$work/none.sqlite" ] || fail "runs were stored though the profile could not be"
