#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""-icount on a booting Linux: at a given count the machine is the same, to the bit of machine.hash, on
both back ends, in each run, however it is disturbed; and the run comes to the shell."""
import socket
import time

from gdb import Gdb
from guest import GUEST, Guest, Report, contains, equal, linux
from rpc_client import Machine, RpcError, number
from session import in_directory

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


def stepped_run_is_the_run():
    """Steps of all harts, here and there: at a count behind them the machine is what it is without."""
    stops, steps = (5000000, 60000000, 100000000), 60
    end = 130000000
    with machine(smp=4) as m:
        wanted = run_to(m, end)
    with machine(smp=4) as m:
        for stop in stops:
            run_to(m, stop)
            for i in range(steps):
                unit = "block" if i % 10 == 9 else "insn"
                answer = m.rpc.call("cpu.step", cpu=i // 7 % 4, unit=unit, wait_ms=1000)
                if answer["state"] == "running":
                    m.rpc.call("machine.stop")  # a hart that waits
        equal("the machine after steps", run_to(m, end), wanted)


def the_limit_is_of_one_cont(d):
    """A stop at a count does not come again, whoever lets the guest go on."""
    where, gdb_where = d / "monitor", d / "gdb"
    with machine("-monitor", f"unix:{where},server=on,wait=off", "-gdb", f"unix:{gdb_where}") as m:
        run_to(m, COUNTS[1])
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(where))
            line.sendall(b"cont\n")
            while number(m.rpc.call("machine.status")["count"]) < 2 * COUNTS[1]:
                time.sleep(0.02)
        m.rpc.call("machine.stop")
        here = number(m.rpc.call("machine.status")["count"])
        run_to(m, here + COUNTS[1])
        g = Gdb(gdb_where)
        for _ in range(3):
            g.ask("stepi")
        stepped = number(m.rpc.call("machine.status")["count"]) - here - COUNTS[1]
        # gdb steps over a sequence of lr and sc as a whole.
        equal(f"three steps were made ({stepped} instructions)", 3 <= stepped < 100, True)
        g.ask("detach")
        g.quit()
        # One that was not reached ends with the stop before it.
        m.rpc.call("machine.stop")
        here = number(m.rpc.call("machine.status")["count"])
        m.rpc.call("machine.cont", until=hex(here + 100 * COUNTS[1]))
        m.rpc.call("machine.stop")
        m.rpc.call("machine.cont")
        while number(m.rpc.call("machine.status")["count"]) <= here + 100 * COUNTS[1]:
            time.sleep(0.02)


def comes_to_the_shell(smp, sleep):
    with Guest(linux("-icount", f"shift=2,sleep={sleep}", smp=smp)) as g:
        g.wait_shell()
        equal("harts", g.run("nproc").strip(), str(smp))
        contains("the date", g.run("date"), "2026")
        equal("exit status", g.power_off(), 0)


def a_seed_and_a_date_make_a_run(d):
    """A recording begins with the host's entropy; with a seed, with the seed's."""
    soon, late = 30_000_000, 600_000_000  # late: Linux has read its clock

    def end(*options, count=soon, more=0):
        with machine("-history", "on", *options) as m:
            state = run_to(m, count)[0]
            if more:
                run_to(m, count + more)
                m.process.terminate()  # and the recording is whole
                m.process.wait(30)
            return state

    seed, date = ("-seed", "5"), ("-rtc", "base=2006-06-17T16:01:21,clock=vm")
    wanted = end(*seed, *date, count=late)
    equal("the same run again, recorded", end(*seed, *date, "-record", d / "F", count=late, more=1_000_000),
          wanted)
    with machine("-replay", d / "F") as m:  # seed and date are the recording's
        equal("its replay", run_to(m, late)[0], wanted)
    equal("another date", end(*seed, "-rtc", "base=2006-06-18", count=late) == wanted, False)
    equal("the same seed", end(*seed), end(*seed, *date))
    equal("another seed", end("-seed", "6") == end(*seed), False)
    equal("without a seed", end("-record", d / "G") == end("-record", d / "H"), False)


def the_guest_sees_the_date():
    for options in (("-icount", "shift=2,sleep=off"), ()):
        with Guest(linux(*options, "-rtc", "base=2006-06-17T16:01:21,clock=vm"), patience=60) as g:
            g.wait_shell()
            contains("the date", g.run("date -u +%F-%H"), "2006-06-17-16")


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
    report.case("a run that is stepped is the same, 4 harts", stepped_run_is_the_run)
    report.case("a limit is of one machine.cont", in_directory, the_limit_is_of_one_cont)
    report.case("a seed and a date make a run", in_directory, a_seed_and_a_date_make_a_run)
    report.case("the guest sees the date", the_guest_sees_the_date)
    report.case("a count needs -icount", a_count_needs_icount)
    report.end()


if __name__ == "__main__":
    main()
