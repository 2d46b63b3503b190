#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Deterministic runs of Linux (-icount), and recorded ones run again (-record, -replay).

    record:  keys, network, entropy --> emulator --> F       console A, hashes at counts
    replay:                        F --> emulator            the same console, the same hashes

Console bytes are compared whole: the kernel's time stamps are part of them.
"""
import os
import pathlib
import subprocess
import tempfile
import time

import guest
from guest import Failure, Guest, Report, contains, equal, linux
from rpc_client import Rpc, number

MILLION = 1_000_000
LOUD = "console=ttyS0"
MEMORY = 256  # hashing takes as long as there is memory in use
ASAN = guest.ROOT / "build/asan/vitrine-system-riscv64"


class Session:
    """A Linux guest with a terminal and a connection for calls."""

    def __init__(self, directory, *options, smp=1, patience=60, append=LOUD, emulator=None):
        self.where = str(directory / f"rpc-{time.monotonic_ns()}")
        command = linux("-rpc", f"unix:{self.where}", *options, smp=smp, memory=MEMORY,
                        append=append)
        if emulator:
            command[0] = str(emulator)
        self.guest = Guest(command, patience=patience)
        self.rpc = None

    def __enter__(self):
        end = time.monotonic() + 30
        while not os.path.exists(self.where):
            if not self.guest._read(0.05) or time.monotonic() > end:
                self.guest.fail("it does not answer")
        self.rpc = Rpc(self.where, self.guest.patience)
        return self

    def __exit__(self, *_):
        if self.rpc:
            self.rpc.close()
        self.guest.__exit__()

    def call(self, method, **params):
        return self.rpc.call(method, **params)

    def count(self):
        return number(self.call("machine.status")["count"])

    def hash_at(self, count):
        """The hash right before instruction number `count`; the guest stands there then."""
        self.rpc.events.clear()
        self.call("machine.cont", until=hex(count))
        stopped = self.rpc.event("machine.stopped")["data"]
        equal("why it stopped", (stopped["state"], stopped["stop"]["reason"]), ("debug", "count"))
        equal("where it stopped", self.count(), count)
        return self.call("machine.hash")["hash"]

    def hashes(self, counts):
        try:
            self.rpc.subscribe("machine.stopped")
            return {count: self.hash_at(count) for count in counts}
        except (EOFError, OSError) as error:
            self.drain()
            return self.guest.fail(f"{error} on the way to {counts}")

    def drain(self):
        """All that a guest that stands has written."""
        length = -1
        while length != len(self.guest.output):
            length = len(self.guest.output)
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                if not self.guest._read(0.1):
                    break
        return self.guest.output


def in_directory(case, *args):
    with tempfile.TemporaryDirectory(prefix="vitrine-replay-") as d:
        case(pathlib.Path(d), *args)


def same_bytes(what, got, wanted):
    if got == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
              min(len(got), len(wanted)))
    raise Failure(f"{what}: {len(got)} and {len(wanted)} bytes, different at byte {at}:\n"
                  f"got    {got[max(0, at - 80):at + 160]!r}\n"
                  f"wanted {wanted[max(0, at - 80):at + 160]!r}")


# --- the same run twice -------------------------------------------------------------------------

FREE = ("-icount", "shift=2,sleep=off", "-S")


def boot(d, counts, *options, to_shell=True, **more):
    """(console up to the prompt, hashes)"""
    with Session(d, *FREE, *options, **more) as s:
        hashes = s.hashes(counts)
        if to_shell:
            s.call("machine.cont")
            s.guest.wait_shell()
        return s.guest.output[:s.guest.seen], hashes


def two_runs_are_one(d, smp):
    counts = [MILLION, 20 * MILLION, 100 * MILLION + 1, 150 * MILLION + 7777]
    console, hashes = boot(d, counts, smp=smp)
    again, hashes_again = boot(d, counts, smp=smp)
    contains("the console", console, b"[    0.")
    equal("hashes", hashes_again, hashes)
    same_bytes("the console", again, console)
    equal("different hashes", len(set(hashes.values())), len(counts))


def another_build_is_one(d, emulator):
    counts = [MILLION, 7 * MILLION + 1, 15 * MILLION + 10001, 24 * MILLION]
    _, hashes = boot(d, counts, to_shell=False, smp=4)
    _, others = boot(d, counts, to_shell=False, smp=4, emulator=emulator)
    equal("hashes", others, hashes)


# --- recordings ---------------------------------------------------------------------------------

COUNTED = ("-icount", "shift=2,sleep=on")


def devices(d):
    image = d / "disk"
    if not image.exists():
        image.write_bytes(bytes(4 << 20))
    return ["-drive", f"file={image},if=none,format=raw,id=d,snapshot=on",
            "-device", "virtio-blk-device,drive=d", "-device", "virtio-rng-device",
            "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0"]


def work(g):
    """Network, entropy, disk, date: all that comes from outside."""
    g.run("udhcpc -i eth0 -q")
    g.run("ping -c 1 10.0.2.2")
    g.run("dd if=/dev/hwrng bs=16 count=4 2>/dev/null | md5sum")
    g.run("dd if=/dev/urandom of=/dev/vda bs=64k count=8; sync; md5sum /dev/vda")
    g.run("date; cat /proc/uptime")


def end_session(g):
    g.send("poweroff -f\n")
    return g.wait()


def counts_ahead(s, how_many):
    """Multiples of a million ahead of a guest that was stopped here."""
    s.call("machine.stop")
    first = s.count() // MILLION + 1
    return [(first + i) * MILLION for i in range(how_many)]


BUSY = "dd if=/dev/urandom bs=64k count=64 2>/dev/null | sha256sum; ping -c 1 10.0.2.2"


def record_middle(s, hashes):
    """Stops again and again while the guest is busy with a command."""
    g = s.guest
    g.send(f"{BUSY}; echo mid''dle\n")
    hashes.update(s.hashes(counts_ahead(s, 24)))
    s.call("machine.cont")
    g.expect("middle")
    g.wait_shell()


def replay(d, file, *options, smp=1, hashes=(), console=None, status=0):
    with Session(d, *COUNTED, *devices(d), "-replay", file, "-S", *options, smp=smp) as s:
        if hashes:
            equal("hashes", s.hashes(hashes), hashes)
        s.call("machine.cont")
        equal("exit status", s.guest.wait(), status)
        if console is not None:
            same_bytes("the console", s.guest.output, console)
        return s.guest.output


def session_again(d, smp):
    hashes = {}
    with Session(d, *COUNTED, *devices(d), "-record", d / "F", smp=smp) as s:
        s.guest.wait_shell()
        work(s.guest)
        record_middle(s, hashes)
        equal("exit status", end_session(s.guest), 0)
        console = s.guest.output
    equal("different hashes", len(set(hashes.values())), 24)
    replay(d, d / "F", smp=smp, hashes=hashes, console=console)


def from_a_snapshot(d, smp):
    snaps = ("-snapdir", d / "snaps")
    with Session(d, *COUNTED, *devices(d), "-record", d / "F", *snaps, smp=smp) as s:
        s.guest.wait_shell()
        s.guest.run("udhcpc -i eth0 -q")
        s.guest.send(f"{BUSY}; echo mid''dle\n")
        hashes = s.hashes(counts_ahead(s, 1))
        before = len(s.drain())
        s.call("snapshot.save", name="middle")
        count = s.count()
        s.call("machine.cont")
        s.guest.expect("middle")
        s.guest.wait_shell()
        work(s.guest)
        equal("exit status", end_session(s.guest), 0)
        console = s.guest.output
    replay(d, d / "F", *snaps, "-loadvm", "middle", smp=smp, console=console[before:])
    # It has not disturbed the run either: from the start it is the same.
    replay(d, d / "F", *snaps, smp=smp, hashes=hashes, console=console)
    equal("the count of the snapshot", count, max(hashes))


# --- what cannot be replayed --------------------------------------------------------------------

class Recorded:
    """A short recording, made once: (file, console)."""

    def __init__(self, d):
        self.d = d
        self.file = d / "short"
        self.made = None

    def console(self):
        if not self.made:
            with Session(self.d, *COUNTED, *devices(self.d), "-record", self.file,
                         append="console=ttyS0 quiet") as s:
                s.guest.wait_shell()
                s.guest.run("echo one; sleep 1; echo two; sleep 1")
                s.guest.run("dd if=/dev/hwrng bs=16 count=4 2>/dev/null | md5sum")
                equal("exit status", end_session(s.guest), 0)
                self.made = s.guest.output
        return self.made


def fails(part, *options, **more):
    command = linux(*options, **({"memory": MEMORY, "append": "console=ttyS0 quiet"} | more))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    lines = done.stderr.splitlines()
    if len(lines) != 1 or part not in lines[0]:
        raise Failure(f"wanted one line with {part!r}, got {done.stderr!r}")
    equal("exit status", done.returncode, 1)


def record_errors(d):
    devices(d)
    fails("-record needs -icount", "-record", d / "no")
    fails("-replay needs -icount", "-replay", d / "no")
    written = ("-drive", f"file={d / 'disk'},if=virtio,format=raw")
    fails("snapshot=on", *COUNTED, *written, "-record", d / "no")
    fails("snapshot=on", *COUNTED, *written, "-replay", d / "no")
    fails("choose one", *COUNTED, "-record", d / "no", "-replay", d / "no")
    fails("No such file", *COUNTED, "-record", d / "nowhere" / "no")
    if (d / "no").exists():
        raise Failure("a recording was begun")


def other_machine(d, recorded):
    recorded.console()
    again = (*COUNTED, *devices(d), "-replay")
    fails("harts=1", *again, recorded.file, smp=2)
    fails("kernel", *again, recorded.file, append="console=ttyS0 quiet other")
    fails("memory", *again, recorded.file, memory=128)
    fails("icount=2", "-icount", "shift=3", *devices(d), "-replay", recorded.file)
    fails("recorded with", *COUNTED, "-replay", recorded.file)
    fails("not a recording", *again, guest.GUEST / "config")
    fails("No such file", *again, d / "nowhere")


def damaged(d, recorded):
    recorded.console()
    data = recorded.file.read_bytes()
    bad = d / "bad"
    for at in (len(data) // 2, len(data) * 9 // 10):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
        fails("damaged", *COUNTED, *devices(d), "-replay", bad)
    bad.write_bytes(data[:20])
    fails("damaged in its first part", *COUNTED, *devices(d), "-replay", bad)


def cut_off(d, recorded):
    """It goes as far as the recording, and ends."""
    console = recorded.console()
    data = recorded.file.read_bytes()
    (d / "cut").write_bytes(data[:-1])
    _, note, got = play_quiet(d, d / "cut").split(b"\n", 2)
    contains("the first line", note, b"was cut off: its replay ends at count")
    if not console.startswith(got) or len(got) < 100:
        same_bytes("the console up to the cut", got, console[:len(got)])
        raise Failure(f"only {len(got)} bytes of the console came")
    equal("all of it came", got == console, False)


def play_quiet(d, file, keys=b""):
    with Session(d, *COUNTED, *devices(d), "-replay", file, append="console=ttyS0 quiet") as s:
        s.guest.expect("one" if keys else ".")
        s.guest.send(keys)
        equal("exit status", s.guest.wait(), 0)
        return s.guest.output


def keys_stay_outside(d, recorded):
    console = recorded.console()
    same_bytes("the console", play_quiet(d, recorded.file), console)
    same_bytes("the console, with keys", play_quiet(d, recorded.file, b"echo in''truder\n" * 5),
               console)


def main():
    report = Report("replay")
    for smp in (1, 4):
        report.case(f"two runs to the shell are the same ({smp} harts)", in_directory,
                    two_runs_are_one, smp)
    name = "a build with sanitizers counts the same"
    if ASAN.exists():
        report.case(name, in_directory, another_build_is_one, ASAN)
    else:
        report.skip(name, "build/asan has no emulator")
    for smp in (1, 4):
        report.case(f"a session with everything from outside, again ({smp} harts)", in_directory,
                    session_again, smp)
        report.case(f"again from a snapshot in the middle ({smp} harts)", in_directory,
                    from_a_snapshot, smp)
    report.case("what cannot be recorded", in_directory, record_errors)
    with tempfile.TemporaryDirectory(prefix="vitrine-replay-") as d:
        recorded = Recorded(pathlib.Path(d))
        report.case("another machine", other_machine, recorded.d, recorded)
        report.case("a damaged recording", damaged, recorded.d, recorded)
        report.case("a recording that was cut off", cut_off, recorded.d, recorded)
        report.case("keys typed at a replay stay outside", keys_stay_outside, recorded.d, recorded)
    report.end()


main()
