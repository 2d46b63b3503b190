#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the guest programs on both back ends: programs.py DIRECTORY_OF_ELF_FILES

A program checks itself and ends by the test finisher: exit status 0, or the number of the check that
failed. Then every instruction row is compared with QEMU (tests/guest/riscv/isa). Prints TAP.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from guest import EMULATOR, ROOT

# What a program wants besides the defaults.
HARTS = {"atomics": 4, "crosscode": 4, "ipi": 4}
WITH_DEVICES = "rings", "scribble"
DISK_SIZE = 1 << 20
PATIENCE = {"x86_64": 120, "interp": 400}


# Peak resident memory of the emulator, RAM that the guest touched included; sanitizers keep freed memory.
MEMORY_MIB = 700 if "asan" in EMULATOR else 100


def emulator(xlen):
    return EMULATOR.replace("riscv64", f"riscv{xlen}")


def devices(directory):
    """Options that put a device of each kind on the board."""
    image = pathlib.Path(directory) / "disk"
    image.write_bytes(bytes(DISK_SIZE))
    return ["-drive", f"file={image},if=none,format=raw,id=d", "-device", "virtio-blk-device,drive=d",
            "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-device,netdev=n",
            "-device", "virtio-rng-device", "-chardev", "null,id=c",
            "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c"]


def run_measured(command, patience):
    """Exit status (None: it did not end), output, peak resident memory in MiB."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT)
        late = threading.Event()
        timer = threading.Timer(patience, lambda: (late.set(), process.kill()))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        output.seek(0)
        text = output.read()
    return None if late.is_set() else process.returncode, text, usage.ru_maxrss // 1024


def run_program(path, backend):
    """None, or why it failed."""
    with tempfile.TemporaryDirectory() as directory:
        why = run_program_in(path, backend, directory)
        if not why and path.stem in WITH_DEVICES:
            why = run_program_in(path, backend, directory,
                                 ["-global", "virtio-mmio.force-legacy=false"])
        return why


def run_program_in(path, backend, directory, extra=()):
    name = path.stem
    xlen = 32 if name.startswith("priv32") else 64
    command = [emulator(xlen), "-M", "virt", "-bios", "none", "-display", "none", "-serial", "stdio",
               "-monitor", "none", "-smp", str(HARTS.get(name, 1)), "-accel",
               f"tcg,backend={backend}", "-kernel", str(path)]
    if name in WITH_DEVICES:
        command += devices(directory)
    command += extra
    status, output, memory = run_measured(command, PATIENCE[backend])
    said = f"{' '.join(command)}\n{output[-600:].decode(errors='replace')}"
    if status is None:
        return f"it did not end\n{said}"
    if status:
        return f"check {status} failed (negative: a signal)\n{said}"
    if memory > MEMORY_MIB:
        return f"{memory} MiB of memory were in use, more than {MEMORY_MIB}\n{said}"
    return None


def check_rows(xlen, backend, count, seed):
    """All instruction rows against QEMU; the report of check_isa.py if some differ."""
    done = subprocess.run([sys.executable, str(ROOT / "tests/guest/riscv/isa/check_isa.py"), "--binary",
                           emulator(xlen), "--xlen", str(xlen), "--backend", backend, "--count",
                           str(count), "--seed", str(seed)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print("\n".join("# " + line for line in done.stdout.splitlines() if line.startswith("isa:")))
    return done.stdout if done.returncode else None


def report(name, why):
    print(f"{'not ok' if why else 'ok'} - {name}")
    if why:
        print("\n".join("#   " + line for line in why.splitlines()))
    sys.stdout.flush()
    return 1 if why else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--isa-count", type=int, default=12, help="instances of an instruction row")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VITRINE_SEED", "1")))
    parser.add_argument("--prefix", default="guest", help="of the names of cases")
    args = parser.parse_args()
    failed = 0
    elves = sorted(args.directory.glob("*.elf"))
    if not elves:
        failed += report(f"{args.prefix}: no programs in {args.directory}", "make guests builds them")
    for path in elves:
        for backend in "x86_64", "interp":
            failed += report(f"{args.prefix}: {path.stem} on {backend}", run_program(path, backend))
    for xlen in 64, 32:
        for backend in "x86_64", "interp":
            failed += report(f"{args.prefix}: every rv{xlen} instruction row on {backend} as on QEMU",
                             check_rows(xlen, backend, args.isa_count, args.seed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
