#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the heat map costs a guest of 1 GiB: bench/dirty.py [hertz [seconds]]

The guest stores to its memory for ever and counts its sweeps; turns with a viewer that reads the map
at that rate and turns without alternate. Prints sweeps a second of the emulator's CPU time, and what the viewer costs.
"""
import os
import pathlib
import statistics
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from rpc_client import Machine  # noqa: E402
from rv import S0, S1, T0, T1, T2, ZERO, add, addi, auipc, beq, bltu, ld, sd  # noqa: E402

RAM = 0x80000000
COUNTER = RAM + 0x1000
MIB = 1 << 20


# 0x1000: sweeps; 0x1008: first address; 0x1010: end; 0x1018: stride
SWEEPER = [
    auipc(S0, 0x1000),
    ld(T0, 8, S0),         # again:
    ld(T1, 16, S0),
    ld(T2, 24, S0),
    sd(T1, 0, T0),         # next:
    add(T0, T0, T2),
    bltu(T0, T1, -8),      # next
    ld(S1, 0, S0),
    addi(S1, S1, 1),
    sd(S1, 0, S0),
    beq(ZERO, ZERO, -36),  # again
]

WORKLOADS = (("32 MiB, every 8 bytes", 32 * MIB, 8), ("512 MiB, every KiB", 512 * MIB, 1024),
             ("16 MiB, every page", 16 * MIB, 4096), ("960 MiB, every page", 960 * MIB, 4096))


def program(size, stride):
    code = struct.pack(f"<{len(SWEEPER)}I", *SWEEPER)
    first = RAM + 32 * MIB
    return code.ljust(0x1000, b"\0") + struct.pack("<QQQQ", 0, first, first + size, stride)


def sweeps(rpc):
    return struct.unpack("<Q", bytes.fromhex(rpc.call("mem.read", addr=hex(COUNTER), len=8)["data"]))[0]


def cpu_seconds(pid):
    """Host CPU time of the emulator, all threads: other load on the host does not count."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def turn(m, hertz, seconds):
    """Sweeps a second of CPU time; with a viewer if hertz is not 0."""
    rpc, pid = m.rpc, m.process.pid
    if hertz:
        rpc.call("dirty.track")
    begin, cpu, before, looks = time.monotonic(), cpu_seconds(pid), sweeps(rpc), 0
    while time.monotonic() < begin + seconds:
        if hertz:
            rpc.call("dirty.read", limit=0)
            rpc.frames.clear()
            looks += 1
            time.sleep(max(0, begin + looks / hertz - time.monotonic()))
        else:
            time.sleep(0.1)
    rate = (sweeps(rpc) - before) / (cpu_seconds(pid) - cpu)
    if hertz:
        rpc.call("dirty.track", on=False)
    return rate


def measure(name, size, stride, hertz, seconds, rounds=5):
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory) / "sweeper.bin"
        image.write_bytes(program(size, stride))
        with Machine("-M", "virt", "-m", "1024", "-nographic", "-monitor", "none", "-serial", "null",
                     "-bios", image) as m:
            while sweeps(m.rpc) < 2:     # touches the memory for the first time
                time.sleep(0.1)
            pairs = [(turn(m, 0, seconds), turn(m, hertz, seconds)) for _ in range(rounds)]
    without = statistics.median(a for a, _ in pairs)
    cost = statistics.median(1 - b / a for a, b in pairs)
    print(f"{name:26} {without:10.2f} sweeps/s   viewer at {hertz} Hz costs {100 * cost:5.1f} %", flush=True)


def main():
    hertz = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3
    for workload in WORKLOADS:
        measure(*workload, hertz, seconds)


if __name__ == "__main__":
    main()
