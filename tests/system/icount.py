#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""-icount on a booting Linux: at a given count the machine is the same, to the bit of machine.hash, on
both back ends, in each run, however it is disturbed; and the run comes to the shell."""
import time

from guest import GUEST, Guest, Report, contains, equal, linux
from rpc_client import Machine, RpcError, number

COUNTS = (1, 1000003, 30000000, 90000000)


def machine(*options, smp=1, backend="x86_64"):
    return Machine("-M", "virt", "-m", "256", "-smp", smp, "-display", "none", "-serial", "null", "-S",
                   "-accel", f"tcg,backend={backend}", "-icount", "shift=2,sleep=off",
                   "-device", "virtio-rng-device", "-kernel", GUEST / "Image",
                   "-initrd", GUEST / "initramfs.cpio", "-append", "console=ttyS0", *options)


def run_to(m, count, disturb=False):
    m.rpc.call("machine.cont", until=hex(count))
    while (status := m.rpc.call("machine.status"))["running"]:
        if disturb:
            m.rpc.call("machine.stop")
            m.rpc.call("machine.cont", until=hex(count))
        else:
            time.sleep(0.02)
    equal("the count", number(status["count"]), count)
    return m.rpc.call("machine.hash")["hash"], status["time_ns"]


def states(smp, backend, disturb=False, counts=COUNTS):
    with machine(smp=smp, backend=backend) as m:
        return [run_to(m, n, disturb) for n in counts]


def runs_are_equal(smp):
    wanted = states(smp, "x86_64")
    equal("moments differ from each other", len(set(wanted)), len(COUNTS))
    equal("a second run", states(smp, "x86_64"), wanted)
    equal("the interpreter's run", states(smp, "interp"), wanted)
    equal("a run that is stopped at odd moments", states(smp, "x86_64", True), wanted)
    equal("a run in one go", states(smp, "x86_64", counts=COUNTS[-1:]), wanted[-1:])


def comes_to_the_shell(smp, sleep):
    with Guest(linux("-icount", f"shift=2,sleep={sleep}", smp=smp)) as g:
        g.wait_shell()
        equal("harts", g.run("nproc").strip(), str(smp))
        contains("the date", g.run("date"), "2026")
        equal("exit status", g.power_off(), 0)


def a_count_needs_icount():
    with Machine("-M", "virt", "-display", "none", "-serial", "null", "-bios", "none", "-S") as m:
        try:
            m.rpc.call("machine.cont", until="0x1000")
        except RpcError as error:
            contains("the advice", error.advice, "-icount")
        else:
            raise AssertionError("it was taken")


def main():
    report = Report("icount")
    for smp in (1, 4):
        report.case(f"runs are equal at {len(COUNTS)} counts, {smp} harts", runs_are_equal, smp)
        for sleep in ("off", "on"):
            report.case(f"Linux comes to the shell, {smp} harts, sleep={sleep}",
                        comes_to_the_shell, smp, sleep)
    report.case("a count needs -icount", a_count_needs_icount)
    report.end()


if __name__ == "__main__":
    main()
