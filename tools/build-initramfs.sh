#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the guest's first file system from an unpacked kernel package and a static busybox.
#
#   tools/build-initramfs.sh KERNEL_ROOT BUSYBOX OUT.cpio
#
# In it: busybox, the files of tools/guest-root, and the modules below with what they need. Debian's
# kernel has its virtio drivers as modules. The guest loads those of `at_boot` in the given order; the
# others come by modprobe, or with a mount.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
kernel_root=$1 busybox=$2 out=$3
at_boot="virtio_mmio virtio_blk virtio_net virtio_console virtio-rng"
on_demand="crc32c_generic ext4 nls_cp437 nls_ascii vfat"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM HUP

modules=$(find "$kernel_root" -type d -path '*/lib/modules/*' -prune | head -n 1)
init_root=$root/init-root
dest=$init_root/lib/modules/$(basename "$modules")
names=$root/names
find "$modules" -name '*.ko*' >"$names"

# The file of a module; '-' and '_' are the same in module names.
module_file() {
    pattern=$(echo "$1" | sed 's/[-_]/[-_]/g')
    grep -E "/$pattern\.ko(\.xz|\.zst)?\$" "$names" || true
}

unpacked() {
    case $1 in
    *.xz) xz -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *) cat "$1" ;;
    esac
}

# What a module file says of itself: modinfo's fields are strings "depends=a,b" in it.
module_field() {
    tr '\0' '\n' <"$1" | LC_ALL=C sed -n "s/^$2=//p"
}

module_needs() {
    module_field "$1" depends | tr ',' ' '
}

# Copies a module, after what it depends on. One that is built in has no file and is passed over.
add_module() {
    if [ -f "$dest/$1.ko" ]; then
        return
    fi
    file=$(module_file "$1")
    if [ -z "$file" ]; then
        return
    fi
    unpacked "$file" >"$dest/$1.ko"
    for need in $(module_needs "$dest/$1.ko"); do
        add_module "$need"
    done
}

# Prints all that a module needs, the last to be loaded first.
all_needs() {
    for need in $(module_needs "$dest/$1.ko"); do
        if [ -f "$dest/$need.ko" ]; then
            echo "$need.ko"
            all_needs "$need"
        fi
    done
}

mkdir -p "$init_root/bin" "$init_root/sbin" "$init_root/etc/udhcpc" "$dest" \
    "$init_root/proc" "$init_root/sys" "$init_root/dev" "$init_root/tmp" "$init_root/root" \
    "$init_root/mnt" "$init_root/usr/bin" "$init_root/usr/sbin" "$init_root/usr/share/udhcpc" \
    "$init_root/run" "$init_root/var"
install -m 755 "$busybox" "$init_root/bin/busybox"
ln -s busybox "$init_root/bin/sh"
install -m 755 "$tools/guest-root/init" "$init_root/init"
install -m 644 "$tools/guest-root/profile" "$init_root/etc/profile"
install -m 755 "$tools/guest-root/udhcpc.script" "$init_root/etc/udhcpc/default.script"
ln -s /etc/udhcpc/default.script "$init_root/usr/share/udhcpc/default.script"
echo "root:x:0:0:root:/root:/bin/sh" >"$init_root/etc/passwd"
for module in $at_boot $on_demand; do
    add_module "$module"
done
for file in "$dest"/*.ko; do
    module=$(basename "$file" .ko)
    echo "$module.ko: $(all_needs "$module" | tr '\n' ' ')"
done >"$dest/modules.dep"
for module in $at_boot; do
    [ ! -f "$dest/$module.ko" ] || echo "$module"
done >"$init_root/etc/modules"
for file in "$dest"/*.ko; do
    for alias in $(module_field "$file" alias); do
        echo "alias $alias $(basename "$file" .ko)"
    done
done >"$dest/modules.alias"

find "$init_root" -exec touch -h -d @0 {} +
(cd "$init_root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >"$out"
echo "initramfs: $(ls "$dest"/*.ko | wc -l) modules, $(($(wc -c <"$out") / 1024)) kB"
