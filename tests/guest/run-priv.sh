#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs self-checking guest programs: run-priv.sh EMULATOR ELF...
# EMULATOR is the path without its last two digits: .../vitrine-system-riscv, qemu-system-riscv.
# The exit status of each program is 0, or the number of the test in it that failed.
emulator=$1
shift
status=0
for elf in "$@"; do
    name=$(basename "$elf" .elf)
    case $name in
    priv32_*) xlen=32 ;;
    *) xlen=64 ;;
    esac
    timeout 60 "$emulator$xlen" -M virt -bios none -display none -serial null -monitor none \
        -kernel "$elf" </dev/null
    code=$?
    if [ $code -eq 0 ]; then
        echo "ok      $name"
    else
        echo "FAILED  $name: test $code (124: it hung)"
        status=1
    fi
done
exit $status
