#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Snapshots of a booted Linux with a disk and a network: the guest goes on where it was saved, in
the same process and in another one."""
import os
import pathlib
import tempfile
import time

from guest import Guest, Report, contains, equal, linux
from rpc_client import Rpc, RpcError

DISK = 16 << 20


class Running:
    """A Linux guest with a terminal and a connection for calls, snapshots in `directory`."""

    def __init__(self, directory, *options, smp=1):
        self.where = str(directory / f"rpc-{time.monotonic_ns()}")
        image = directory / "disk"
        if not image.exists():
            image.write_bytes(bytes(DISK))
        command = linux("-drive", f"file={image},if=none,format=raw,id=d,snapshot=on",
                        "-device", "virtio-blk-device,drive=d", "-nic", "user",
                        "-device", "virtio-rng-device",
                        "-snapdir", directory / "snaps", "-rpc", f"unix:{self.where}", *options,
                        smp=smp)
        self.guest = Guest(command, patience=60)

    def __enter__(self):
        end = time.monotonic() + 30
        while not os.path.exists(self.where) and time.monotonic() < end:
            self.guest._read(0.05)
        self.rpc = Rpc(self.where)
        return self

    def __exit__(self, *_):
        self.rpc.close()
        self.guest.__exit__()

    def call(self, method, **params):
        return self.rpc.call(method, **params)


def in_directory(case, *args):
    with tempfile.TemporaryDirectory() as d:
        case(pathlib.Path(d), *args)


def begin_work(g):
    """A file in memory, known blocks on the disk, and a writer that never stops."""
    g.run("echo remembered > /tmp/note")
    g.run("dd if=/dev/urandom of=/dev/vda bs=64k count=16 2>/dev/null; sync")
    digest = g.run("dd if=/dev/vda bs=64k count=16 2>/dev/null | sha256sum").split()[0]
    g.run("{ while :; do dd if=/dev/urandom of=/dev/vda bs=64k seek=64 count=64 conv=fsync; done"
          " >/dev/null 2>&1 & }")
    return digest


def check_work(g, digest):
    equal("the file in memory", g.run("cat /tmp/note").strip(), "remembered")
    g.run("echo 3 > /proc/sys/vm/drop_caches")
    equal("the blocks on the disk",
          g.run("dd if=/dev/vda bs=64k count=16 2>/dev/null | sha256sum").split()[0], digest)
    contains("the writer", g.run("ps"), "dd")


def spoil_work(g):
    g.run("echo forgotten > /tmp/note")
    g.run("dd if=/dev/zero of=/dev/vda bs=64k count=16 conv=fsync 2>/dev/null")


def another_process_goes_on(d, smp, *options):
    with Running(d, *options, smp=smp) as a:
        a.guest.wait_shell()
        digest = begin_work(a.guest)
        a.call("machine.stop")
        a.call("snapshot.save", name="busy")
        saved = a.call("machine.hash")["hash"]
        listed = a.call("snapshot.list")["snapshots"]
        equal("the list", [s["name"] for s in listed], ["busy"])
        a.call("machine.cont")
        check_work(a.guest, digest)
        spoil_work(a.guest)
    with Running(d, "-loadvm", "busy", "-S", *options, smp=smp) as b:
        equal("the hash after loading", b.call("machine.hash")["hash"], saved)
        b.call("machine.cont")
        b.guest.send("\n")
        b.guest.wait_shell()
        check_work(b.guest, digest)
        b.guest.run("udhcpc -i eth0 -q")
        equal("exit status", b.guest.power_off(), 0)


def same_process_goes_back(d):
    with Running(d) as a:
        g = a.guest
        g.wait_shell()
        digest = begin_work(g)
        saved = a.call("snapshot.save", name="before")["hash"]
        for _ in range(2):
            spoil_work(g)
            a.call("machine.stop")
            equal("the hash after going back", a.call("snapshot.load", name="before")["hash"], saved)
            a.call("machine.cont")
            g.seen = len(g.output)
            g.send("\n")
            g.wait_shell()
            check_work(g, digest)
        equal("exit status", g.power_off(), 0)


def file_that_does_not_fit_changes_nothing(d):
    with Running(d) as a:
        a.guest.wait_shell()
        a.call("snapshot.save", name="good")
        path = d / "snaps" / "good.vsnap"
        data = path.read_bytes()
        a.call("machine.stop")
        before = a.call("machine.hash")["hash"]
        wrong = {"short": data[:-1], "half": data[:len(data) // 2], "none": b"", "text": b"x" * 9999,
                 "bit": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]}
        for name, content in wrong.items():
            (d / "snaps" / f"{name}.vsnap").write_bytes(content)
            try:
                a.call("snapshot.load", name=name)
            except RpcError as error:
                contains("the error", error.what, f"{name}.vsnap")
            else:
                a.guest.fail(f"a snapshot that is '{name}' was loaded")
            equal(f"the hash after '{name}'", a.call("machine.hash")["hash"], before)
        a.call("machine.cont")
        a.guest.run("true")


def other_machine_says_what_differs(d):
    with Running(d) as a:
        a.guest.wait_shell()
        a.call("snapshot.save", name="one")
    g = Guest(linux("-snapdir", d / "snaps", "-loadvm", "one", smp=2))
    equal("exit status", g.wait(), 1)
    contains("the error", g.output.decode(), "harts=1")
    g.__exit__()


def a_history_begins_anew_with_a_snapshot(d):
    """What was typed after it was saved is not typed again, and the way back ends at the snapshot."""
    with Running(d, "-icount", "shift=0,sleep=off", "-history", "on") as a:
        g = a.guest
        g.wait_shell()
        digest = begin_work(g)
        a.call("machine.stop")
        a.call("snapshot.save", name="before")
        listed = a.call("snapshot.list")["snapshots"][0]
        equal("the snapshot's count", listed["count"], a.call("machine.status")["count"])
        a.call("machine.cont")
        spoil_work(g)
        g.run("touch /tmp/later")
        a.call("machine.stop")
        a.call("snapshot.load", name="before")
        equal("the history begins there", a.call("history.status")["first"], listed["count"])
        a.call("machine.cont")
        g.seen = len(g.output)
        g.send("\n")
        g.wait_shell()
        equal("what was typed later was not", g.try_run("test -e /tmp/later")[0], 1)
        check_work(g, digest)
        a.call("machine.stop")
        now = a.call("machine.hash")["hash"]
        here = a.call("history.status")["count"]
        a.call("history.back", insns=hex(1_000_000))
        a.call("history.go", count=here)
        equal("there and back again", a.call("machine.hash")["hash"], now)


def across_back_ends(d):
    with Running(d) as a:
        a.guest.wait_shell()
        digest = begin_work(a.guest)
        saved = a.call("snapshot.save", name="x")["hash"]
    with Running(d, "-accel", "tcg,backend=interp", "-loadvm", "x", "-S") as b:
        equal("the hash after loading", b.call("machine.hash")["hash"], saved)
        b.call("machine.cont")
        b.guest.send("\n")
        b.guest.wait_shell()
        check_work(b.guest, digest)


def main():
    report = Report("snapshot")
    report.case("another process goes on where the first was saved", in_directory,
                another_process_goes_on, 1)
    report.case("another process goes on with 4 harts", in_directory, another_process_goes_on, 4)
    report.case("saved on one back end, loaded on the other", in_directory, across_back_ends)
    report.case("the same process goes back, twice", in_directory, same_process_goes_back)
    report.case("a history begins anew with a snapshot", in_directory, a_history_begins_anew_with_a_snapshot)
    report.case("a file that does not fit changes nothing", in_directory,
                file_that_does_not_fit_changes_nothing)
    report.case("another machine says what differs", in_directory, other_machine_says_what_differs)
    report.end()


if __name__ == "__main__":
    main()
