#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# reproduce.sh SILICAST CLAIMS [table | TABLE.md]: every figure of a claims file beside silicast's.
#
# A line of the file: check | what | the paper's figure | how they must agree | field | queries | remark
#   agree    "within 15%", "above", "below" (the paper's figure), "is" (true, false)
#   field    a column of `silicast predict --format csv`, or "share PHASE NAMES": of the operations so named (a regular
#            expression) in the phase's time, by `silicast explain`
#   queries  options of `silicast predict`; "A // B" is the ratio of A to B
#   remark   what the paper leaves open; "open: ..." is a row that does not agree, with the reason: it must not
# All rows are predicted from datasheets and kernel descriptions alone (--profile none). Without "table" every row is
# checked, and the exit status is 1 where one is not as the file says, or not as TABLE.md has it (5 % apart at most).
# With "table" the rows are printed as Markdown, with a column that uses the fitted profiles, and below them what is asked
# and assumed where a host that the paper does not state has a part in it. SILICAST_UPDATE=1 writes TABLE.md anew before
# it is compared.
set -eu
silicast=$1
claims=$2
mode=${3:-check}
if [ -n "${SILICAST_UPDATE:-}" ] && [ "$mode" != check ] && [ "$mode" != table ]; then
  SILICAST_UPDATE='' sh "$0" "$silicast" "$claims" table > "$mode.new"
  mv "$mode.new" "$mode"
fi
common=$(sed -n 's/^common: *//p' "$claims")

# field, options
value() {
  wanted=$1
  shift
  case $wanted in
    share*)
      # shellcheck disable=SC2086
      $silicast explain $common "$@" --format csv | awk -F, -v wanted="$wanted" '
        BEGIN { split(wanted, part, " ") }
        NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "share") column = i }
        $1 == part[2] && $2 ~ part[3] { sum += $column }
        END { print sum }'
      return
      ;;
  esac
  # The exit code 1 says that it does not fit: an answer like any other.
  # shellcheck disable=SC2086
  $silicast predict $common "$@" --format csv | awk -v wanted="$wanted" '
    function cells(line, out,   n, i, c, quoted, cell) {
      n = 0; cell = ""; quoted = 0
      for (i = 1; i <= length(line); ++i) {
        c = substr(line, i, 1)
        if (c == "\"") quoted = !quoted
        else if (c == "," && !quoted) { out[++n] = cell; cell = "" }
        else cell = cell c
      }
      out[++n] = cell
      return n
    }
    NR == 1 { n = cells($0, keys) }
    NR == 2 { cells($0, values); for (i = 1; i <= n; ++i) if (keys[i] == wanted) print values[i] }'
}

# field, queries, further option
figure() {
  case $2 in
    *" // "*)
      a=$(eval value '"$1"' "${2%% // *}" "$3")
      b=$(eval value '"$1"' "${2##* // }" "$3")
      awk -v a="$a" -v b="$b" 'BEGIN { if (a == "" || b == "" || b == 0) print "none"; else print a / b }'
      ;;
    *) eval value '"$1"' "$2" "$3" ;;
  esac
}

agrees() { # figure, paper, how
  awk -v x="$1" -v paper="$2" -v how="$3" 'BEGIN {
    if (how == "is") exit !(x == paper)
    if (x == "" || x == "none") exit 1
    if (how == "above") exit !(x > paper + 0)
    if (how == "below") exit !(x < paper + 0)
    sub(/within */, "", how); sub(/%/, "", how)
    d = x / paper - 1
    exit !((d < 0 ? -d : d) <= how / 100)
  }'
}

# Whether the table has the row with this figure.
current() { # check, what, figure, table
  awk -F' [|] ' -v check="| $1" -v what="$2" -v x="$3" '
    $1 == check && $2 == what {
      d = ($4 == x) ? 0 : (x + 0 == 0 ? 1 : $4 / x - 1)
      found = (d < 0 ? -d : d) <= 0.05
    }
    END { exit !found }' "$4"
}

# The queries of a row with a host, what they assume of it and where silicast then puts the layers.
assumed() { # check, what, queries, remark
  printf '\n- %s, %s%s\n' "$1" "$2" "${4:+ ($4)}"
  printf '%s\n' "$3" | awk '{ n = split($0, part, " // "); for (i = 1; i <= n; ++i) print part[i] }' |
    while read -r one; do
      machine=$(eval value query.host_name "$one" '--profile none')
      placement=$(eval value query.placement "$one" '--profile none')
      # shellcheck disable=SC2016
      printf '  - `%s`' "$(trimmed "$common $one")"
      [ -z "$machine" ] || printf ': host %s' "$machine"
      [ -z "$placement" ] || printf '; %s' "$placement"
      printf '\n'
    done
}

short() { awk -v x="$1" 'BEGIN { if (x ~ /^[-+0-9.e]+$/) printf "%.3g", x; else printf "%s", x }'; }
trimmed() { printf '%s' "$1" | sed 's/^ *//; s/ *$//'; }

[ "$mode" != table ] || printf '| check | what | paper | silicast | with profiles | agree | |\n|---|---|---|---|---|---|---|\n'
wrong=0
rows=0
hosted=
while IFS='|' read -r check what paper how field query remark; do
  case $check in '' | '#'* | common:*) continue ;; esac
  check=$(trimmed "$check") what=$(trimmed "$what") paper=$(trimmed "$paper") how=$(trimmed "$how")
  field=$(trimmed "$field") query=$(trimmed "$query") remark=$(trimmed "$remark")
  rows=$((rows + 1))
  x=$(figure "$field" "$query" "--profile none")
  if agrees "$x" "$paper" "$how"; then met=yes; else met=no; fi
  wanted=yes
  case $remark in 'open:'*) wanted=no ;; esac
  if [ "$mode" = table ]; then
    fitted=$(figure "$field" "$query" "")
    printf '| %s | %s | %s | %s | %s | %s %s | %s |\n' "$check" "$what" "$paper" "$(short "$x")" "$(short "$fitted")" \
      "$how" "$([ $met = yes ] && echo yes || echo no)" "${remark#open: }"
    case $query in *--host*) hosted="$hosted$(assumed "$check" "$what" "$query" "${remark#open: }")" ;; esac
  else
    printf '%-5s %-62s paper %-7s silicast %-9s %s %s\n' "$check" "$what" "$paper" "$(short "$x")" "$how" "$met"
    if [ "$mode" != check ] && ! current "$check" "$what" "$(short "$x")" "$mode"; then
      wrong=$((wrong + 1))
      printf '      WRONG: %s has another figure, or no such row; examples/README.md says how it is written\n' "$mode"
    fi
    if [ $met != $wanted ]; then
      wrong=$((wrong + 1))
      printf '      WRONG: the file says %s\n' "$([ $wanted = yes ] && echo 'that it agrees' || echo "that it does not: $remark")"
    fi
  fi
done < "$claims"
if [ "$mode" = table ]; then
  [ -z "$hosted" ] || printf '\nRows with a host, their queries (all with --profile none) and where the layers lie then:\n%s\n' "$hosted"
  exit 0
fi
printf '%s rows, %s not as the file says\n' "$rows" "$wrong"
[ $wrong = 0 ]
