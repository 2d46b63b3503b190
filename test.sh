#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that must hold, from a clean clone: under 15 minutes on two cores.
#
#   ./test.sh [SECTION...]      (default: all; sections: style unit sanitizers guests fuzz system web)
#
# Installs the packages that are missing (and says which), builds, fetches the guest, and runs the tests.
# Each case is a TAP line; the last line is "N passed, N failed", with ", N skipped" if any were.
set -u

cd "$(dirname "$0")" || exit 1
sections=${*:-style unit sanitizers guests fuzz system web}
release=build/release asan=build/asan
log=build/test.log
jobs=$(nproc)
mkdir -p build
: >"$log"

banner() {
    echo
    echo "=== $1 ($(($(date +%s) - started)) s)"
}

# Runs a command whose output is TAP; a failure that no line tells becomes a line of its own.
tap() {
    local name=$1 output status
    shift
    output=$(mktemp)
    "$@" 2>&1 | tee "$output"
    status=${PIPESTATUS[0]}
    if [ "$status" -ne 0 ] && ! grep -q '^not ok' "$output"; then
        echo "not ok - $name: ended with status $status" | tee -a "$output"
    fi
    cat "$output" >>"$log"
    rm -f "$output"
}

# One case: a command that succeeds. Its output is shown if it does not.
case_of() {
    local name=$1 output
    shift
    output=$(mktemp)
    if "$@" >"$output" 2>&1; then
        echo "ok - $name" | tee -a "$log"
    else
        tail -n 60 "$output" | sed 's/^/#   /'
        echo "not ok - $name" | tee -a "$log"
    fi
    rm -f "$output"
}

build() {
    case_of "build: $*" make --no-print-directory -k -j"$jobs" "$@"
}

# Output and status of a program that ran before.
show_result() {
    cat "$1"
    return "$(cat "$1.status")"
}

# Every cmocka program of a tree, as many at a time as there are cores; each case is a line.
unit_tests() {
    local tree=$1 label=$2 results program
    results=$(mktemp -d)
    for program in tests/unit/*/test_*.c; do
        program=${program#tests/unit/}
        echo "${program%.c}"
    done >"$results/programs"
    CMOCKA_MESSAGE_OUTPUT=TAP xargs -P "$jobs" -I{} sh -c '
        out=$2/$(echo "$3" | tr / _)
        timeout 300 "$1/tests/$3" >"$out" 2>&1
        echo $? >"$out.status"' sh "$tree" "$results" {} <"$results/programs"
    while read -r program; do
        echo "# $label $program"
        tap "$label $program" show_result "$results/${program/\//_}"
    done <"$results/programs"
    rm -rf "$results"
}

run_style() {
    build MODE=release
    tap style tools/check-style.sh "$release"
    case_of "style: what is not modelled can be listed" make --no-print-directory unmodelled
}

run_unit() {
    build MODE=release tests-build
    unit_tests "$release" unit
}

# The same under the address and undefined-behaviour sanitizers, and the guest programs too.
run_sanitizers() {
    build MODE=asan all tests-build guests
    unit_tests "$asan" asan
    tap "asan guest programs" env VITRINE="$PWD/$asan/vitrine-system-riscv64" \
        tests/system/programs.py "$asan/guest" --prefix "asan guest" --isa-count 24
}

run_guests() {
    build MODE=release all guests
    tap "guest programs" env VITRINE="$PWD/$release/vitrine-system-riscv64" \
        tests/system/programs.py "$release/guest" --isa-count 200
}

run_fuzz() {
    build MODE=release fuzz-build
    local target
    # NAME:INPUTS of each target
    for target in $(sed -n 's/^FUZZ_TARGETS := //p' fuzz/fuzz.mk); do
        case_of "fuzz: ${target%:*}, ${target#*:} inputs from seed ${FUZZ_SEED:-1}" \
            make --no-print-directory MODE=release fuzz-short "FUZZ_TARGETS=$target"
    done
}

run_system() {
    build MODE=release
    if ! tools/fetch-guest.sh guest; then
        echo "not ok - system: the guest cannot be fetched" | tee -a "$log"
        return
    fi
    local test
    for test in $(make --no-print-directory --silent MODE=release list-system-tests); do
        tap "system $(basename "$test" .py)" env VITRINE="$PWD/$release/vitrine-system-riscv64" "$test"
    done
}

# The console's page: its types, its parts, and in a browser at a machine that boots.
run_web() {
    build MODE=release
    tap "check-page" make --no-print-directory --silent MODE=release check-page
    if ! tools/fetch-guest.sh guest; then
        echo "not ok - web: the guest cannot be fetched" | tee -a "$log"
        return
    fi
    tap web env VITRINE="$PWD/$release/vitrine-system-riscv64" tests/web/run.mjs
}

started=$(date +%s)
tools/install-deps.sh test || exit 1
for section in $sections; do
    banner "$section"
    "run_$section"
done

# A skipped case is "ok ... # SKIP", or of cmocka "not ok ... # SKIP".
skipped=$(grep -cE '^(not )?ok.*# SKIP' "$log")
failed=$(grep -E '^not ok' "$log" | grep -vc '# SKIP')
passed=$(grep -E '^ok' "$log" | grep -vc '# SKIP')
banner "done"
grep -E '# SKIP' "$log"
grep '^not ok' "$log" | grep -v '# SKIP'
summary="$passed passed, $failed failed"
if [ "$skipped" -gt 0 ]; then
    summary="$summary, $skipped skipped"
fi
echo "$summary"
[ "$failed" -eq 0 ]
