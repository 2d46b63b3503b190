#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Debian's kernel comes up to a shell on one and on four harts, on both back ends, and powers off."""
from guest import Guest, Report, contains, equal, linux


def boots_to_a_shell(accel, smp, patience):
    with Guest(linux(accel=accel, smp=smp), patience) as g:
        g.wait_shell()
        equal("machine", g.run("uname -m").strip(), "riscv64")
        equal("harts", g.run("nproc").strip(), str(smp))
        # The timer and the other harts are alive: a second passes, work on each hart ends.
        g.run("sleep 1")
        jobs = " ".join(f"taskset -c {n} sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); done' &"
                        for n in range(smp))
        g.run(f"{jobs} wait")
        equal("exit status", g.power_off(), 0)
        contains("the kernel's last word", g.output, b"reboot: Power down")


def reboots():
    with Guest(linux()) as g:
        g.wait_shell()
        g.send("reboot\n")
        g.expect(rb"OpenSBI")
        g.wait_shell()
        equal("exit status", g.power_off(), 0)


def no_reboot_ends():
    with Guest(linux("-no-reboot")) as g:
        g.wait_shell()
        g.send("reboot\n")
        equal("exit status", g.wait(), 0)


def main():
    report = Report("boot")
    for backend, patience in ("x86_64", 120), ("interp", 400):
        for smp in 1, 4:
            report.case(f"linux on {backend}, {smp} hart(s), powers off with status 0",
                        boots_to_a_shell, f"tcg,backend={backend}", smp, patience)
    report.case("linux on four harts in one host thread", boots_to_a_shell, "tcg,thread=single", 4, 180)
    report.case("reboot starts firmware and kernel again", reboots)
    report.case("-no-reboot ends the run", no_reboot_ends)
    report.end()


if __name__ == "__main__":
    main()
