#!/bin/bash
# SPDX-License-Identifier: MIT
# The rules of the house that a program can check.
#
#   tools/check-style.sh OBJECT_TREE       (a built tree, for the checks that look at objects)
#
# Prints "ok - CHECK" or "not ok - CHECK" with what breaks it, and reports that are for reading. Exit
# status 1 if a check fails.
set -u
shopt -s lastpipe # check() at the end of a pipeline sets `failed` here

cd "$(dirname "$0")/.." || exit 1
tree=${1:-build/release}
export LC_ALL=C
failed=0
found=$(mktemp)
trap 'rm -f "$found"' EXIT

sources() {
    find src -name "$1" | sort
}

# All that is ours, with or without git: what was built or fetched is elsewhere.
tree_files() {
    find . \( -path ./build -o -path ./guest -o -path ./.git -o -name __pycache__ \) -prune -o -type f -print |
        sed 's,^\./,,' | sort
}

# check NAME < lines: passes if there are none.
check() {
    cat >"$found"
    if [ -s "$found" ]; then
        echo "not ok - style: $1"
        sed 's/^/#   /' "$found" | head -n 40
        failed=1
    else
        echo "ok - style: $1"
    fi
}

check_headers() {
    for header in $(sources '*.h'); do
        ${CC:-gcc} -std=c11 -D_GNU_SOURCE -Isrc -Wall -Wextra -Werror -fsyntax-only -x c "$header" 2>&1 |
            head -n 3
    done
}

# Symbols in writable sections; .data.rel.ro is read-only once it is relocated.
check_mutable() {
    find "$tree/obj" -name '*.o' | sort | while read -r object; do
        nm -f sysv "$object" 2>/dev/null | awk -F'|' -v object="${object#"$tree"/obj/}" '
            { section = $7; name = $1; gsub(/[ \t]/, "", section); gsub(/[ \t]/, "", name) }
            section ~ /^\.(data|bss|tdata|tbss)/ && section !~ /^\.data\.rel\.ro/ || section == "*COM*" {
                print object ": " name " is writable (" section ")"
            }'
    done
}

# What only main.c and the log may use. gcc turns printf into puts and putchar.
check_calls() {
    find "$tree/obj" -name '*.o' ! -path "$tree/obj/main.o" ! -path '*/util/log.o' | sort |
        while read -r object; do
            nm -u "$object" | awk -v object="${object#"$tree"/obj/}" '
                $2 ~ /^(exit|_exit|printf|puts|putchar|perror|getenv|secure_getenv|err|errx)$/ {
                    print object ": calls " $2
                }'
        done
    grep -nE '\b(stderr|stdout)\b' $(sources '*.c' | grep -vE '^src/(main|util/log)\.c$') |
        grep -vE '^[^:]*:[0-9]+: *(\*|/\*)' | grep -vE '"[^"]*(stderr|stdout)[^"]*"|/\*[^*]*(stderr|stdout)'
}

check_sizes() {
    wc -l $(sources '*.[chS]') | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines; 800 at most" }'
}

check_words() {
    tree_files | grep -vE '^tools/check-style\.sh$' |
        xargs -d '\n' grep -nIE '\b(TODO|FIXME|XXX|HACK)\b' 2>/dev/null
}

check_spdx() {
    tree_files | grep -E '\.(c|h|def|S|sh|py)$' |
        while read -r file; do
            head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file: no SPDX line"
        done
}

check_constructors() {
    grep -nE '__attribute__ *\(\( *(constructor|destructor)' $(sources '*.[ch]')
}

# Every folder with code says what it is.
check_readmes() {
    for dir in $(find src -name '*.c' -exec dirname {} + | sort -u); do
        [ -f "$dir/README.md" ] || { [ "$(dirname "$dir")" != src ] && [ -f "$(dirname "$dir")/README.md" ]; } ||
            echo "$dir: no README.md"
    done
}

# Functions from their opening line in column 0 to the closing brace in column 0.
report_long_functions() {
    awk -v limit=60 '
        /^[A-Za-z_].*\) \{$/ || (open_head && /^ .*\) \{$/) { start = FNR; name = open_head ? head : $0; cases = 0 }
        /^[A-Za-z_].*[,(]$/ { open_head = 1; head = $0; next }
        { open_head = open_head && /^ .*,$/ }
        start && /^ *(case|default)/ { cases++ }
        /^}/ && start {
            n = FNR - start + 1
            if (n > limit && cases * 4 < n) {
                sub(/\(.*/, "", name); sub(/.*[ *]/, "", name)
                print "#   " n " lines: " FILENAME ": " name
            }
            start = 0
        }' $(sources '*.c') | sort -k2,2nr
}

# clang-format's own opinion; for reading, since versions differ.
report_format() {
    command -v clang-format >/dev/null || return
    differ=0
    for file in $(tree_files | grep -E '\.[ch]$'); do
        ! clang-format "$file" | cmp -s - "$file" && differ=$((differ + 1))
    done
    echo "# clang-format would change $differ files (make format)"
}

if [ ! -d "$tree/obj" ]; then
    echo "not ok - style: no objects in $tree; build it first"
    exit 1
fi
tools/layers.sh | check "modules include only what is to their left"
check_headers | check "headers compile alone"
check_mutable | check "no writable variable at file scope"
check_calls | check "only main.c and the log exit, print and read the environment"
check_sizes | check "files have at most 800 lines"
check_words | check "no unfinished-work marks"
check_spdx | check "files carry the licence line"
check_constructors | check "no constructor functions"
check_readmes | check "folders have a README"
tools/check-texts.py | check "texts and comments name what is there"
echo "# functions of more than 60 lines, dispatches aside:"
report_long_functions
report_format
exit $failed
