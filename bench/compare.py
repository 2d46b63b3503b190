#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Side by side with QEMU: the bare kernels, and Linux to its shell.

    round 1: QEMU, ours; round 2: QEMU, ours; ...     ratio of a round = QEMU's time / ours

Rounds are interleaved because machines are shared and noisy; the median of the rounds' ratios is
printed, above 1 is faster than QEMU. A kernel whose sum is not QEMU's is WRONG and counts as nothing.
Times are of the whole process: start, translation and power-off are in them.
"""
import argparse
import math
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from guest import GUEST, SHELL, Guest  # noqa: E402

KERNELS = "off intmix sha256 chase icall nbody stream fib mmu trap smc cold".split()
# What single-block translation is to reach.
AIMS = {"off": 5, "fib": 2.5, "icall": 2, "nbody": 6, "chase": 1.7, "mmu": 2, "trap": 2, "smc": 10,
        "cold": 4, "stream": 1.3, "intmix": 1.1, "sha256": 1.0, "boot": 1.5}
AIM_OF_MEAN = 2.2
LIMIT = 120  # seconds


def run_kernel(emulator, elf):
    """(seconds, sum), or None if it failed."""
    command = [emulator, "-M", "virt", "-m", "256", "-bios", "none", "-display", "none", "-monitor",
               "none", "-serial", "stdio", "-kernel", str(elf)]
    start = time.monotonic()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None
    seconds = time.monotonic() - start
    found = re.search(rb"sum=([0-9a-f]+)", done.stdout)
    return (seconds, found.group(1)) if found and done.returncode == 0 else None


def run_boot(emulator, _):
    """Seconds from the start of the emulator to the guest's prompt; the same 'sum' for all."""
    command = [emulator, "-M", "virt", "-m", "512", "-nographic", "-kernel", str(GUEST / "Image"),
               "-initrd", str(GUEST / "initramfs.cpio"), "-append", "console=ttyS0 quiet"]
    start = time.monotonic()
    with Guest(command, LIMIT) as guest:
        guest.expect(SHELL)
        return time.monotonic() - start, b"shell"


def compare(name, runner, elf, args):
    """Prints a line; returns the median ratio, or None."""
    ratios, ours_times, reference_times = [], [], []
    wrong = ""
    for _ in range(args.rounds):
        reference = runner(args.reference, elf)
        ours = runner(args.emulator, elf)
        if reference is None or ours is None:
            wrong = f"{'QEMU' if reference is None else 'ours'} failed"
            break
        if reference[1] != ours[1]:
            wrong = f"WRONG: sum {ours[1].decode()}, QEMU has {reference[1].decode()}"
            break
        ratios.append(reference[0] / ours[0])
        reference_times.append(reference[0])
        ours_times.append(ours[0])
    if wrong:
        print(f"{name:8} {wrong}", flush=True)
        return None
    ratio = statistics.median(ratios)
    print(f"{name:8} {statistics.median(reference_times):9.3f} {statistics.median(ours_times):9.3f} "
          f"{ratio:7.2f} {min(ratios):7.2f} {max(ratios):7.2f} {AIMS[name]:6}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kernels", default=",".join(KERNELS + ["boot"]))
    parser.add_argument("--elves", type=pathlib.Path, default=ROOT / "build/release/bench")
    parser.add_argument("--emulator", default=str(ROOT / "build/release/vitrine-system-riscv64"))
    parser.add_argument("--reference", default="/usr/bin/qemu-system-riscv64")
    args = parser.parse_args()
    names = args.kernels.split(",")
    unknown = [n for n in names if n not in AIMS]
    if unknown:
        parser.error(f"unknown kernel {unknown[0]}; known are {', '.join(AIMS)}")
    version = subprocess.run([args.reference, "--version"], capture_output=True, text=True, check=True)
    print(f"reference: {version.stdout.splitlines()[0]}; {args.rounds} interleaved rounds, medians")
    print(f"{'':8} {'QEMU s':>9} {'ours s':>9} {'ratio':>7} {'least':>7} {'most':>7} {'aim':>6}")
    ratios = {}
    for name in names:
        if name == "boot":
            if not (GUEST / "Image").exists():
                print("boot     not run: the guest is missing; tools/fetch-guest.sh brings it")
                continue
            ratios[name] = compare(name, run_boot, None, args)
        else:
            ratios[name] = compare(name, run_kernel, args.elves / f"{name}.elf", args)
    # As with the yardstick: neither the start alone nor the boot is in the mean.
    in_mean = [r for n, r in ratios.items() if n not in ("off", "boot") and r]
    if in_mean:
        mean = math.exp(statistics.fmean(map(math.log, in_mean)))
        print(f"geometric mean of {len(in_mean)} kernels: {mean:.2f} (aim {AIM_OF_MEAN})")
    sys.exit(0 if all(ratios.values()) else 1)


if __name__ == "__main__":
    main()
