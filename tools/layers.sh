#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that modules include only what the table allows: the drawing of the architecture.
#
#   util < mem < tcg < cpu < {kvm, hw} < hw/machine < state < inspect < {web, monitor, wasm} < cli < main
#          util < {chardev, block, net} < hw
#
# Prints one line for each include that breaks it; exit status 1 if there is any.
set -eu

cd "$(dirname "$0")/.."
find src -name '*.[ch]' -o -name '*.def' -o -name '*.S' | LC_ALL=C sort | xargs awk '
# MODULE: what it may include besides itself. A longer name is a part with a rule of its own.
BEGIN {
    may["util"] = ""
    may["mem"] = "util"
    may["chardev"] = may["block"] = may["net"] = "util"
    may["tcg"] = "util mem"
    may["tcg/x86_64"] = may["tcg/interp"] = "util mem tcg"
    may["cpu"] = "util mem tcg"
    may["cpu/riscv"] = may["cpu"] " cpu"
    may["kvm"] = may["cpu/riscv"]
    may["hw"] = may["cpu/riscv"] " cpu/riscv kvm chardev block net"
    may["hw/machine"] = may["hw"] " hw"
    may["state"] = may["hw/machine"] " hw/machine"
    may["inspect"] = may["state"] " state"
    may["web"] = may["monitor"] = may["wasm"] = may["inspect"] " inspect"
    may["cli"] = may["inspect"] " inspect web monitor"
    may["main"] = may["cli"] " cli"
}

# The module of a path below src/: its longest prefix in the table. Machine, what devices are plugged
# into, belongs to hw; the boards made of them do not.
function module_of(path,   parts, deep) {
    if (path == "hw/machine/machine.h" || path == "hw/machine/runstate.h") { return "hw" }
    if (path !~ "/") { sub(/\..*/, "", path); return path }
    split(path, parts, "/")
    deep = parts[1] "/" parts[2]
    return (deep in may) ? deep : parts[1]
}

function is_allowed(from, to) {
    return from == to || index(" " may[from] " ", " " to " ") > 0
}

FNR == 1 { path = FILENAME; sub(/^src\//, "", path); from = module_of(path) }
FNR == 1 && !(from in may) { print FILENAME ": module " from " is not in tools/layers.sh"; bad = 1 }

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\"")
    to = module_of(quoted[2])
    if (!is_allowed(from, to)) {
        print FILENAME ":" FNR ": " from " must not include " to " (" quoted[2] ")"
        bad = 1
    }
}
END { exit bad }'
