#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs self-checking guest programs on an emulator: run-priv.sh EMULATOR ELF...
# The exit status of each is 0, or the number of the test in it that failed.
emulator=$1
shift
status=0
for elf in "$@"; do
    timeout 60 "$emulator" -M virt -bios none -display none -serial null -monitor none \
        -kernel "$elf" </dev/null
    code=$?
    if [ $code -eq 0 ]; then
        echo "ok      $(basename "$elf" .elf)"
    else
        echo "FAILED  $(basename "$elf" .elf): test $code (124: it hung)"
        status=1
    fi
done
exit $status
