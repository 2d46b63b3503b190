#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, after saying which.
#
#   tools/install-deps.sh run|test      (test: for test.sh and make bench; it has those of run too)
#
# As root, or through sudo. Nothing missing: nothing is done, and no network is needed.
set -eu

# Package, and why.
run_packages="
gcc                        compiler
libc6-dev                  C library
make                       build
libslirp-dev               user networking
libfdt-dev                 device tree
libjansson-dev             JSON of the inspector
libedit-dev                line editing of the monitor
libxxhash-dev              state hashes, snapshots
libzstd-dev                snapshots
libwebsockets-dev          the console's server
libmicrohttpd-dev          the server for scripts
libcapstone-dev            disassembly of host code
opensbi                    firmware of the guest
cpio                       the guest's initramfs
xz-utils                   the guest's kernel modules
zstd                       the guest's kernel modules
debian-archive-keyring     trust in the guest's packages
"
test_packages="
clang                      second compiler
clang-format               style
libclang-rt-14-dev         fuzzing, sanitizers
libcmocka-dev              unit tests
python3                    drivers of system tests
gdb-multiarch              a real gdb for the gdb stub
qemu-system-misc           reference
qemu-utils                 reference of disk images
gcc-riscv64-unknown-elf    guest programs
binutils-riscv64-linux-gnu reference of the disassembler
device-tree-compiler       reference of the device tree
chromium                   drives the console's page
fonts-wqy-microhei         the page in Chinese
fonts-dejavu-core          letters for chromium
"

# The page's libraries come through npm. Debian's node and npm serve; so does another that is there already
# (it may even forbid Debian's: a foreign package of the same name).
NODE_AT_LEAST=18
have_node() {
    command -v npm >/dev/null || return 1
    major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
    [ "${major:-0}" -ge "$NODE_AT_LEAST" ]
}
if ! have_node; then
    run_packages="${run_packages}nodejs                     tests of the console's page, npm
npm                        libraries of the console's page
"
fi

want=$run_packages
case ${1:-run} in
run) ;;
test) want="$want$test_packages" ;;
*)
    echo "usage: $0 run|test" >&2
    exit 1
    ;;
esac

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=$(echo "$want" | while read -r package reason; do
    if [ -n "$package" ] && ! is_installed "$package"; then
        echo "$package $reason"
    fi
done)
if [ -z "$missing" ]; then
    exit 0
fi
echo "These Debian packages are missing and will be installed:"
echo "$missing" | while read -r package reason; do
    printf '  %-28s %s\n' "$package" "$reason"
done
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "$0: run it as root, or install sudo" >&2
    exit 1
fi
$as_root apt-get update
# shellcheck disable=SC2046,SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    $(echo "$missing" | cut -d' ' -f1)
