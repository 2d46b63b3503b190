#!/bin/sh
# SPDX-License-Identifier: MIT
# Brings the guest: Debian's riscv64 Linux kernel and a busybox initramfs.
#
#   tools/fetch-guest.sh [DIR]      (default: guest)
#
#   mirror --apt-private.sh--> DIR/apt/debs/*.deb --dpkg -x--> DIR/riscv64/Image
#                                                 '-> build-initramfs.sh -> DIR/riscv64/initramfs.cpio
#
# What is there already and matches DIR/riscv64/SHA256SUMS is kept: a second run takes a second.
# An interrupted download goes on where it stopped, if the mirror states modification times.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
suite=trixie arch=riscv64
guest=${1:-$tools/../guest}
mkdir -p "$guest/$arch"
guest=$(cd "$guest" && pwd)
out=$guest/$arch
# The initramfs depends on what is in the tree.
recipe=$(cat "$tools/build-initramfs.sh" "$tools"/guest-root/* | sha256sum | cut -c1-16)

is_complete() {
    [ "$(cat "$out/recipe" 2>/dev/null)" = "$recipe" ] &&
        (cd "$out" && sha256sum --quiet --check SHA256SUMS) >/dev/null 2>&1
}

apt_private() {
    "$tools/apt-private.sh" "$guest/apt" "$suite" "$arch" "$@"
}

# The newest .deb of a package among those fetched, or nothing.
cached() {
    ls -t "$guest/apt/debs/"$1_*.deb 2>/dev/null | head -n 1
}

if is_complete; then
    echo "guest: $out is complete"
    exit 0
fi

kernel_deb=$(cached 'linux-image-6*')
busybox_deb=$(cached busybox-static)
if [ -z "$kernel_deb" ] || [ -z "$busybox_deb" ]; then
    echo "guest: looking for Debian $suite/$arch packages"
    apt_private update
    kernel=$(apt_private resolve "linux-image-$arch")
    kernel_deb=$(apt_private fetch "$kernel")
    busybox_deb=$(apt_private fetch busybox-static)
fi

echo "guest: unpacking"
work=$(mktemp -d "$guest/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
dpkg-deb -x "$kernel_deb" "$work/kernel"
dpkg-deb -x "$busybox_deb" "$work/busybox"
image=$(ls "$work"/kernel/boot/vmlinu*)
install -m 644 "$image" "$out/Image"
install -m 644 "$work"/kernel/boot/config-* "$out/config"
"$tools/build-initramfs.sh" "$work/kernel" "$work/busybox/usr/bin/busybox" "$out/initramfs.cpio"
(cd "$out" && sha256sum Image config initramfs.cpio >SHA256SUMS)
echo "$recipe" >"$out/recipe"
echo "guest: ready in $out ($(basename "$image"))"
