#!/bin/sh
# SPDX-License-Identifier: MIT
# From a clean clone to a Linux shell under Vitrine, and its console in a browser.
#
#   ./run.sh [--no-boot] [more options for the emulator]
#
# Installs the packages that are missing (and says which), builds, fetches the guest, boots it, and prints the
# URL of the console: on port 8088, or on the next free one; `-web ADDR:PORT` says otherwise. What is done
# already is not done again. Leave the machine with `poweroff`, or with Ctrl-A x.
set -eu

cd "$(dirname "$0")"
boot=yes
if [ "${1:-}" = --no-boot ]; then
    boot=no
    shift
fi

tools/install-deps.sh run
make --no-print-directory --silent -j"$(nproc)" MODE=release build/release/vitrine
# Without its libraries (no network?) there is no console, but still a machine.
make --no-print-directory --silent MODE=release page ||
    echo "run.sh: the console's page is not whole, see above; \`make page\` tries again" >&2
tools/fetch-guest.sh guest
if [ "$boot" = no ]; then
    exit 0
fi
if [ -f build/release/web/index.html ]; then
    set -- -web 8088+ "$@"
fi
exec build/release/vitrine-system-riscv64 -M virt -m 512 -nographic \
    -kernel guest/riscv64/Image -initrd guest/riscv64/initramfs.cpio \
    -append "console=ttyS0 quiet" "$@"
