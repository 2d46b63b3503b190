#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Deterministic runs of Linux (-icount), and recorded ones run again (-record, -replay).

    record:  keys, network, entropy --> emulator --> F       console A, hashes at counts
    replay:                        F --> emulator            the same console, the same hashes

Console bytes are compared whole: the kernel's time stamps are part of them.
"""
import pathlib
import subprocess
import tempfile

import guest
from guest import Failure, Report, contains, equal, linux
from rpc_client import RpcError, number
from session import MEMORY, MILLION, Session, devices, in_directory

ASAN = guest.ROOT / "build/asan/vitrine-system-riscv64"


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


# --- what the user does to the machine past the guest --------------------------------------------

UART = 0x10000000


def change_note(s):
    """The text that the guest has in a file becomes another one, wherever it is in memory."""
    found, cursor = 0, {}
    while cursor is not None:
        answer = s.call("mem.search", pattern=b"this note is OLD".hex(), limit=100, **cursor)
        for hit in answer["hits"]:
            s.call("mem.write", addr=hex(number(hit) + 13), data=b"NEW".hex())
            found += 1
        cursor = {"cursor": answer["cursor"]} if answer["cursor"] else None
    equal("the note was found", found > 0, True)


def touch(s):
    s.call("machine.stop")
    change_note(s)
    s.call("cpu.set", cpu=0, name="ft11", value="0x123456789a")
    s.call("cpu.set", cpu=0, name="mhpmcounter3", value="0x7")
    s.call("mem.read", addr=hex(UART + 2), len=1, side_effects=True)
    count = s.count()
    s.call("machine.cont")
    return count


def touched_session_again(d, smp):
    """Bytes and registers written, a device read, the machine reset: by the user, while it is recorded."""
    with Session(d, *COUNTED, *devices(d), "-record", d / "F", smp=smp) as s:
        g = s.guest
        g.wait_shell()
        g.run("echo this note is O''LD > /tmp/note")
        touch(s)
        contains("the note", g.run("cat /tmp/note"), "this note is NEW")
        hashes = s.hashes(counts_ahead(s, 3))
        s.call("machine.reset")
        s.call("machine.cont")
        g.wait_shell()
        hashes.update(s.hashes(counts_ahead(s, 3)))
        s.call("machine.cont")
        g.run("date; ping -c 1 127.0.0.1")
        s.call("machine.reset")  # of a guest that runs
        g.wait_shell()
        g.send("sleep 1; reboot -f\n")
        s.call("machine.reset")  # while its harts wait
        g.wait_shell()
        equal("exit status", end_session(g), 0)
        console = g.output
    replay(d, d / "F", smp=smp, hashes=hashes, console=console)


def switched_off_and_reset(d):
    """With -no-shutdown a guest that is off can be reset; the replay does so of itself."""
    with Session(d, *COUNTED, *devices(d), "-record", d / "F", "-no-shutdown") as s:
        s.guest.wait_shell()
        s.rpc.subscribe("machine.shutdown", "machine.reset")
        s.guest.send("poweroff -f\n")
        s.rpc.event("machine.shutdown")
        s.guest.send("echo typed to a guest that is off\n")
        s.call("machine.reset")
        s.rpc.event("machine.reset")  # it was asked for; now it is done
        s.call("machine.cont")
        s.guest.wait_shell()
        s.guest.run("date")
        s.call("machine.quit", status=7)
        equal("exit status", s.guest.wait(), 7)
        console = s.guest.output
    replay(d, d / "F", console=console, status=7)


def refused(s, method, part, **params):
    try:
        s.call(method, **params)
    except RpcError as error:
        equal(f"{method}: the class", error.cls, "bad-state")
        contains(f"{method}: the error", error.what, part)
    else:
        raise Failure(f"{method} was carried out")


def replay_cannot_be_touched(d, recorded):
    console = recorded.console()
    with Session(d, *COUNTED, *devices(d), "-replay", recorded.file, "-S",
                 append="console=ttyS0 quiet") as s:
        for stop in (0, 100 * MILLION):
            if stop:
                s.hashes([stop])
            before = s.call("machine.hash")["hash"]
            refused(s, "mem.write", "recording", addr="0x80000000", data="00")
            refused(s, "mem.read", "recording", addr=hex(UART), len=1, side_effects=True)
            refused(s, "cpu.set", "recording", cpu=0, name="a0", value="0x1")
            refused(s, "machine.reset", "recording")
            equal("the hash", s.call("machine.hash")["hash"], before)
        s.call("machine.cont")
        equal("exit status", s.guest.wait(), 0)
        same_bytes("the console", s.guest.output, console)


def recorded_run_cannot_jump(d):
    snaps = ("-snapdir", d / "snaps")
    with Session(d, *COUNTED, *devices(d), "-record", d / "F", "-S", *snaps) as s:
        s.call("snapshot.save", name="one")
        try:
            s.call("snapshot.load", name="one")
        except RpcError as error:
            contains("the error", error.what, "is being recorded")
        else:
            raise Failure("it was loaded")


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
        report.case(f"what the user does to the machine comes again ({smp} harts)", in_directory,
                    touched_session_again, smp)
    report.case("a guest that was off and reset", in_directory, switched_off_and_reset)
    report.case("a recorded run cannot jump", in_directory, recorded_run_cannot_jump)
    report.case("what cannot be recorded", in_directory, record_errors)
    with tempfile.TemporaryDirectory(prefix="vitrine-replay-") as d:
        recorded = Recorded(pathlib.Path(d))
        report.case("another machine", other_machine, recorded.d, recorded)
        report.case("a damaged recording", damaged, recorded.d, recorded)
        report.case("a recording that was cut off", cut_off, recorded.d, recorded)
        report.case("a replay cannot be touched", replay_cannot_be_touched, recorded.d, recorded)
        report.case("keys typed at a replay stay outside", keys_stay_outside, recorded.d, recorded)
    report.end()


if __name__ == "__main__":
    main()
