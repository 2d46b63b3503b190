#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""-history: back in a booted Linux's time and ahead again, by the inspector, the monitor and gdb. Prints TAP.

What a moment must be is what it was when the run first came by: machine.hash, pc and registers.
"""
import contextlib
import hashlib
import pathlib
import random
import select
import socket
import tempfile
import threading
import time

from gdb import Gdb
from guest import GUEST, Failure, Report, contains, equal
from rpc_client import Machine, RpcError, number
from session import MILLION, Session, devices, in_directory

FAR = 10_000_000  # instructions
PATIENCE = 1.0  # seconds for an answer over that distance, less than ICOUNT_EPOCH


def machine(*options, smp=1, kind=Machine):
    return kind("-M", "virt", "-m", "256", "-smp", smp, "-display", "none", "-serial", "null", "-S",
                   "-icount", "shift=2,sleep=off", "-history", "on", "-device", "virtio-rng-device",
                   "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                   "-append", "console=ttyS0", *options)


def run_to(m, count):
    m.rpc.call("machine.cont", until=hex(count))
    while m.rpc.call("machine.status")["running"]:
        time.sleep(0.02)
    equal("the count", number(m.rpc.call("machine.status")["count"]), count)


def moment(m):
    return m.rpc.call("machine.hash")["hash"], str(m.rpc.call("cpu.regs", cpu=0)["general"])


def moments_are_what_they_were(smp):
    """Hashes on the way, then each again, in another order, and the present."""
    counts = [5_000_000, 40_000_001, 90_000_000, 90_000_001, 160_000_000]
    with machine(smp=smp) as m:
        was = {}
        for count in counts:
            run_to(m, count)
            was[count] = moment(m)
        for i in (3, 0, 2, 1, 4, 0, 4):
            answer = m.rpc.call("history.go", count=hex(counts[i]))
            equal("the count", number(answer["count"]), counts[i])
            equal(f"the moment {counts[i]}", moment(m), was[counts[i]])
        run_to(m, 170_000_000)  # and on
        ahead = moment(m)
        m.rpc.call("history.back", insns=hex(FAR))
        equal("the moment 160000000", moment(m), was[160_000_000])
        run_to(m, 170_000_000)
        equal("the moment 170000000", moment(m), ahead)


class Server:
    """Gives whoever connects bytes by HTTP, on the loopback interface: slowly, until told to hurry."""

    def __init__(self, size):
        self.hurry = False
        self.data = random.Random(7).randbytes(size)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        client, _ = self.socket.accept()
        with client, contextlib.suppress(OSError):  # a test that failed closes the connection
            client.recv(4096)
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.data))
            for at in range(0, len(self.data), 4096):
                client.sendall(self.data[at:at + 4096])
                time.sleep(0 if self.hurry else 0.02)


def all_paths(list_of_devices):
    for device in list_of_devices:
        yield device["path"]
        yield from all_paths(device["children"])


def buffers_used(s):
    """By the disk and by the network card."""
    paths = list(all_paths(s.call("dev.list")["devices"]))
    return [sum(number(q["indices"]["used"]) for path in paths if kind in path
                for q in s.call("dev.queues", dev=path)["queues"])
            for kind in ("virtio-blk-device", "virtio-net-device")]


def disk_and_network_are_what_they_were(d, smp):
    """A download and a writer to the disk: looked at while they run, gone back over, and gone on with. At
    the end the download is whole: the host's side of the connection noticed nothing."""
    server = Server(1 << 20)
    with Session(d, "-icount", "shift=2,sleep=on", "-history", "on", *devices(d), smp=smp,
                 append="console=ttyS0 quiet") as s:
        g = s.guest
        g.wait_shell()
        g.run("udhcpc -i eth0 -q")
        g.run("{ while :; do dd if=/dev/urandom of=/dev/vda bs=64k count=8 conv=fsync; done"
              " >/dev/null 2>&1 & }")
        g.send(f"wget -q -O - http://10.0.2.2:{server.port}/ | sha256sum; echo whole''=\n")
        s.call("machine.stop")
        used = [buffers_used(s)]
        now = s.count()
        counts = [now + i * 5 * MILLION + 17 * i for i in range(1, 25)]
        s.rpc.subscribe("machine.stopped")
        was, inputs = {}, {}
        for count in counts:
            was[count] = s.hash_at(count)
            inputs[count] = s.call("machine.status")["inputs"]   # what came right there belongs to the moment
        used.append(buffers_used(s))
        for name, before, after in zip(("disk", "network"), *used):
            equal(f"the {name} was used ({before}, {after})", after > before, True)
        for count in random.Random(smp).sample(counts, 8) + counts[-1:]:
            answer = s.call("history.go", count=hex(count), inputs=inputs[count])
            equal("the count", number(answer["count"]), count)
            equal("the present", number(answer["seen"]), counts[-1])
            equal(f"the moment {count}", s.call("machine.hash")["hash"], was[count])
        s.call("history.go", count=hex(counts[3]))
        again = {count: was[count] for count in counts[4::5]}
        equal("moments that were run through", s.hashes(again), again)
        server.hurry = True
        s.call("machine.cont")
        digest = g.expect(rb"([0-9a-f]{64}) ").group(1).decode()
        equal("what was downloaded", digest, hashlib.sha256(server.data).hexdigest())
        g.wait_shell()


def answers_are_quick():
    with machine() as m:
        run_to(m, 150_000_000)
        for insns in (1, FAR):
            start = time.monotonic()
            m.rpc.call("history.back", insns=hex(insns))
            took = time.monotonic() - start
            if took > PATIENCE:
                raise AssertionError(f"{insns} instructions back took {took:.2f} s")


def break_points_are_found_backwards():
    with machine() as m:
        run_to(m, 120_000_000)
        m.rpc.call("history.back", insns=hex(5_000_000))
        point = m.rpc.call("history.status")
        pc = m.rpc.call("cpu.regs", cpu=0)["general"]["pc"]
        m.rpc.call("history.go", count=hex(120_000_000))
        m.rpc.call("cpu.break_add", addr=pc)
        hits = []
        while not hits or hits[-1] > number(point["count"]):
            answer = m.rpc.call("history.back_to_point")
            equal("the reason", answer["stop"]["reason"], "break")
            equal("the pc", answer["stop"]["pc"], pc)
            equal("the vCPU's pc", m.rpc.call("cpu.regs", cpu=0)["general"]["pc"], pc)
            hits.append(number(answer["count"]))
            if len(hits) == 40:
                return  # in a loop: the order is what counts
            equal("hits go back", sorted(hits, reverse=True), hits)
        equal("the place it was seen at", hits[-1], number(point["count"]))


def a_handler_is_found_backwards():
    """An interrupt is taken between two counts: the state is that of its handler, not of what it interrupts."""
    with machine() as m:
        run_to(m, 120_000_000)
        handler = m.rpc.call("cpu.csr", cpu=0, name="stvec")["csrs"][0]["value"]
        m.rpc.call("cpu.break_add", addr=handler)
        for _ in range(5):
            answer = m.rpc.call("history.back_to_point")
            equal("the reason", answer["stop"]["reason"], "break")
            equal("the vCPU's pc", m.rpc.call("cpu.regs", cpu=0)["general"]["pc"], handler)
            here = moment(m)
            m.rpc.call("history.go", count=hex(number(answer["count"]) - 3))
            m.rpc.call("machine.cont")
            while m.rpc.call("machine.status")["running"]:
                time.sleep(0.02)
            equal("ahead it is the same", moment(m), here)


def refused(m, method, part, **params):
    try:
        m.rpc.call(method, **params)
    except RpcError as error:
        equal(f"{method}: the class", error.cls, "bad-state")
        contains(f"{method}: the error", error.what, part)
    else:
        raise AssertionError(f"{method} was carried out")


def the_past_is_not_changed():
    there, present, ram = 30_000_000, 60_000_000, "0x80200000"
    with machine() as m:
        run_to(m, present)
        was = moment(m)
        m.rpc.call("history.go", count=hex(there))
        past = moment(m)
        refused(m, "mem.write", "past", addr=ram, data="00")
        refused(m, "cpu.set", "past", cpu=0, name="a0", value="0x1")
        refused(m, "mem.read", "past", addr="0x10000000", len=1, side_effects=True)
        refused(m, "machine.reset", "past")
        equal("the past", moment(m), past)
        run_to(m, present)
        equal("the present", moment(m), was)
        m.rpc.call("history.go", count=hex(there))
        equal("the present now", number(m.rpc.call("history.cut")["seen"]), there)
        m.rpc.call("cpu.set", cpu=0, name="mscratch", value="0x123")
        run_to(m, there + 1000)
        other = moment(m)
        m.rpc.call("history.go", count=hex(there))
        equal("before what was written", moment(m), past)
        run_to(m, there + 1000)
        equal("and behind it", moment(m), other)


def frames_tell_of_the_jump():
    with machine() as m:
        def epoch():
            m.rpc.call("mem.read", addr="0x80000000", len=16, format="frame")
            return m.rpc.frames.popleft().epoch
        run_to(m, 20_000_000)
        epochs = [epoch()]
        for method, params in (("history.back", {}), ("history.go", {"count": hex(10_000_000)}),
                               ("history.back_to_point", {}), ("history.last_write", {"addr": "0x80000000"})):
            if method == "history.last_write":
                run_to(m, 20_000_000)
            m.rpc.call(method, **params)
            epochs.append(epoch())
        equal("epochs grow with every journey", epochs, sorted(set(epochs)))


def a_loaded_snapshot_begins_another_history(d):
    with Session(d, "-icount", "shift=2,sleep=off", "-history", "on", "-S", "-snapdir", d / "snaps") as s:
        s.hashes([40 * MILLION])
        s.call("snapshot.save", name="one")
        was = s.hashes([50 * MILLION, 90 * MILLION])
        s.call("snapshot.load", name="one")
        status = s.call("history.status")
        equal("the present", number(status["seen"]), 40 * MILLION)
        equal("it is the same run again", s.hashes(was), was)
        s.call("history.go", count=hex(50 * MILLION))
        equal("back", s.call("machine.hash")["hash"], was[50 * MILLION])
        equal("its history begins there", number(s.call("history.status")["first"]), 40 * MILLION)


def the_last_writer_is_found():
    with machine() as m:
        run_to(m, 120_000_000)
        here = moment(m)
        sp = m.rpc.call("cpu.regs", cpu=0)["general"]["sp"]
        answer = m.rpc.call("history.last_write", addr=sp, len=8)
        equal("it was written", answer["found"], True)
        equal("and we are back", moment(m), here)
        value = m.rpc.call("mem.read", space="virt", cpu=0, addr=sp, len=8)
        m.rpc.call("history.go", count=answer["count"])
        equal("there it has the value of now",
              m.rpc.call("mem.read", space="virt", cpu=0, addr=sp, len=8), value)
        m.rpc.call("history.back")
        regs = m.rpc.call("cpu.regs", cpu=0)["general"]
        equal("one instruction before is the store", regs["pc"], answer["stop"]["insn_pc"])


def a_store_just_made_is_the_last_one():
    """Right behind a store that one is the answer, and right before it the one before."""
    with machine() as m:
        run_to(m, 120_000_000)
        sp = m.rpc.call("cpu.regs", cpu=0)["general"]["sp"]
        last = m.rpc.call("history.last_write", addr=sp, len=8)
        m.rpc.call("history.go", count=last["count"])
        equal("right behind it", m.rpc.call("history.last_write", addr=sp, len=8)["count"], last["count"])
        older = m.rpc.call("history.last_write", addr=sp, len=8, before=last["count"])
        m.rpc.call("history.back")
        equal("right before it", m.rpc.call("history.last_write", addr=sp, len=8)["count"], older["count"])


def writers_are_followed_back():
    """Each with `before` the count of the one found: their old and new values make a chain."""
    with machine() as m:
        run_to(m, 120_000_000)
        here = moment(m)
        sp = m.rpc.call("cpu.regs", cpu=0)["general"]["sp"]
        answer = m.rpc.call("history.last_write", addr=sp, len=8)
        point = m.rpc.call("cpu.watch_add", addr=sp, len=1)["point"]
        equal("somebody else's watch there changes nothing", m.rpc.call("history.last_write", addr=sp, len=8), answer)
        m.rpc.call("cpu.point_remove", point=point)
        for _ in range(3):
            older = m.rpc.call("history.last_write", addr=sp, len=8, before=answer["count"])
            equal("it is older", number(older["count"]) < number(answer["count"]), True)
            equal("what it wrote was overwritten", older["stop"]["new_value"], answer["stop"]["old_value"])
            answer = older
        near = m.rpc.call("history.last_write", addr="0xffffffff80001000", within="0x10")
        equal("not found nearby", (near["found"], number(near["from"]) > 100_000_000), (False, True))
        equal("and we are back", moment(m), here)


def waits_of_the_past_take_no_time():
    """A guest that slept for seconds, in real time: one step back does not sleep again."""
    with Machine("-M", "virt", "-m", "256", "-display", "none", "-serial", "null", "-icount", "shift=0",
                 "-history", "on", "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                 "-append", "console=ttyS0 quiet") as m:
        end = time.monotonic() + 60
        while number(m.rpc.call("machine.status")["time_ns"]) < 6_000_000_000 and time.monotonic() < end:
            time.sleep(0.1)
        m.rpc.call("machine.stop")
        here = m.rpc.call("history.status")
        start = time.monotonic()
        m.rpc.call("history.back")
        took = time.monotonic() - start
        m.rpc.call("history.go", count=here["count"])
        if took > PATIENCE:
            raise AssertionError(f"one instruction back took {took:.2f} s")


def moments_are_listed():
    with machine() as m:
        run_to(m, 100_000_000)
        status = m.rpc.call("history.status", moments=True)
        counts = [number(x["count"]) for x in status["moments"]]
        equal("moments", counts, [k << 24 for k in range(6)])
        equal("entries", status["entries"], len(counts))
        equal("of the memory all is theirs", sum(number(x["bytes"]) for x in status["moments"]),
              number(status["bytes"]))
        equal("no list unless asked", "moments" in m.rpc.call("history.status"), False)
        m.rpc.call("history.go", count=hex(40_000_000))
        status = m.rpc.call("history.status")
        equal("count and furthest", (number(status["count"]), number(status["seen"])), (40_000_000, 100_000_000))


def the_trace_has_the_past_once():
    with machine() as m:
        m.rpc.call("trace.start", kinds=["trap"], capacity=262144)
        run_to(m, 100_000_000)
        before = m.rpc.call("trace.window", limit=500)
        for count in (50_000_000, 10_000_000, 100_000_000):
            m.rpc.call("history.go", count=hex(count))
        m.rpc.call("history.back", insns=hex(30_000_000))
        run_to(m, 100_000_000)
        equal("the trace", m.rpc.call("trace.window", limit=500), before)
        run_to(m, 120_000_000)
        newest = number(m.rpc.call("trace.window")["newest"]["count"])
        m.rpc.call("history.go", count=hex(50_000_000))
        m.rpc.call("history.go", count=hex(150_000_000))  # past what is known
        counts = [number(e["count"]) for e in events_of(m, hex(newest + 1))]
        equal("what was news on the way is in it", (min(counts) < 121_000_000, max(counts) > 149_000_000), (True, True))
        equal("and once", len(counts), number(m.rpc.call("trace.window", **{"from": hex(newest + 1)})["matches"]))
        equal("and goes on", number(m.rpc.call("trace.window")["matches"]) > number(before["matches"]), True)


def the_past_writes_nothing_again():
    with machine() as m:
        run_to(m, 400_000_000)
        before = m.rpc.call("serial.tail", max=1)["end"]
        equal("the kernel has said something", number(before) > 1000, True)
        m.rpc.call("history.go", count=hex(10_000_000))
        m.rpc.call("history.go", count=hex(390_000_000))
        m.rpc.call("cpu.break_add", addr="0x80000002")
        m.rpc.call("history.back_to_point")
        m.rpc.call("history.go", count=hex(400_000_000))
        equal("bytes that were written", m.rpc.call("serial.tail", max=1)["end"], before)


def events_of(m, first):
    """All events of the trace from a count on."""
    events, cursor = [], "0x0"
    while True:
        piece = m.rpc.call("trace.read", cursor=cursor, limit=2000)
        if not piece["events"]:
            return [e for e in events if number(e["count"]) >= number(first)]
        events += piece["events"]
        cursor = piece["cursor"]


def a_guest_that_waits_is_not_waited_for():
    """Ahead of the present is a guest that sleeps for long: that is said, and soon."""
    with Machine("-M", "virt", "-m", "64", "-bios", "none", "-display", "none", "-serial", "null", "-S",
                 "-icount", "shift=0", "-history", "on") as m:
        m.rpc.call("mem.write", addr="0x80000000", data="730050106ff0dfff")  # wfi; j .-4
        m.rpc.call("cpu.set", name="pc", value="0x80000000")
        m.rpc.call("machine.cont")
        end = time.monotonic() + 30
        while not m.rpc.call("cpu.list")["cpus"][0]["halted"] and time.monotonic() < end:
            time.sleep(0.05)
        m.rpc.call("machine.stop")
        here = m.rpc.call("history.status")["count"]
        try:
            m.rpc.call("history.go", count=hex(number(here) + 1000))
        except RpcError as error:
            contains("the error", error.what, "the guest waits")
        else:
            raise AssertionError("it went on")
        equal("it stands", m.rpc.call("machine.status")["running"], False)
        equal("others are answered", m.rpc.call("history.status")["count"], here)


def what_was_forgotten_is_said():
    with machine("-history", "on,mem=1") as m:
        run_to(m, 90_000_000)
        first = number(m.rpc.call("history.status")["first"])
        for method, params in (("history.go", {"count": "0xa"}), ("history.back", {"insns": hex(89_000_000)})):
            try:
                m.rpc.call(method, **params)
            except RpcError as error:
                contains("the error", error.what, f"begins at {first}")
            else:
                raise AssertionError(f"{method} went before {first}")
        equal("the machine stayed", number(m.rpc.call("machine.status")["count"]), 90_000_000)


def what_cannot_be_is_said():
    with Machine("-M", "virt", "-display", "none", "-serial", "null", "-bios", "none", "-S") as m:
        try:
            m.rpc.call("history.back")
        except RpcError as error:
            contains("the advice", error.advice, "-history on")
        else:
            raise AssertionError("there is no history")


def monitor_goes_back():
    with tempfile.TemporaryDirectory() as folder:
        where = pathlib.Path(folder) / "monitor"
        with machine("-monitor", f"unix:{where},server=on,wait=off") as m:
            run_to(m, 60_000_000)
            line = socket.socket(socket.AF_UNIX)
            line.settimeout(20)
            line.connect(str(where))
            line.sendall(b"reverse_step 1000\n")
            text = b""
            while b"count 0x" not in text:
                text += line.recv(4096)
            contains("the answer", text.decode(), hex(60_000_000 - 1000))
            line.close()


def gdb_goes_back():
    with tempfile.TemporaryDirectory() as folder:
        where = pathlib.Path(folder) / "gdb"
        with machine("-gdb", f"unix:{where}") as m:
            run_to(m, 60_000_000)
            g = Gdb(where)
            was = g.value("/x $pc")
            before = []
            for _ in range(5):
                g.ask("reverse-stepi")
                before.append(g.value("/x $pc"))
            for pc in reversed(before[:-1]):
                g.ask("stepi")
                equal("pc ahead", g.value("/x $pc"), pc)
            g.ask("stepi")
            equal("pc at last", g.value("/x $pc"), was)
            g.ask(f"break *{before[2]}")
            contains("reverse-continue", g.ask("reverse-continue"), "Breakpoint")
            equal("pc", g.value("/x $pc"), before[2])


def journey_to_meet(m, tries=20):
    """Looks for a write that there never was, as far back as can be: the id of that request, with which the machine is
    on its way now."""
    other = m.connect()
    for _ in range(tries):
        asked = m.rpc.request("history.last_write", addr="0x80000000", len=1)
        while not m.answered():
            if other.call("machine.status")["travelling"]:
                return asked, other
        m.rpc.answer()
    raise Failure("no journey took long enough to be met")


class Slow(Machine):
    def answered(self):
        return bool(select.select([self.rpc.socket], [], [], 0)[0])


def others_are_served_on_the_way():
    with machine(kind=Slow) as m:
        run_to(m, 900_000_000)
        was = moment(m)
        asked, other = journey_to_meet(m)
        status = other.call("machine.status")
        equal("it does not run", (status["running"], status["state"]), (False, "paused"))
        late = m.connect()
        late.request("cpu.regs")
        answer = late.answer()   # busy, or after the end
        if "error" in answer:
            contains("why", answer["error"]["data"]["what"], "journey")
        answer = m.rpc.answer()
        equal("the journey's answer", (answer["id"], answer["result"]["found"]), (asked, False))
        equal("it is over", other.call("machine.status")["travelling"], False)
        equal("the moment", moment(m), was)


def a_journey_does_not_keep_the_machine_from_ending():
    for end in (lambda m, other: other.request("machine.quit"), lambda m, other: m.process.terminate()):
        with machine(kind=Slow) as m:
            run_to(m, 900_000_000)
            _, other = journey_to_meet(m)
            end(m, other)
            equal("status", m.wait(30), 0)


def main():
    report = Report("history")
    for smp in (1, 4):
        report.case(f"moments are what they were, {smp} harts", moments_are_what_they_were, smp)
    for smp in (1, 4):
        report.case(f"so are those of disk and network traffic, {smp} harts", in_directory,
                    disk_and_network_are_what_they_were, smp)
    report.case("answers are quick", answers_are_quick)
    report.case("break points are found backwards", break_points_are_found_backwards)
    report.case("a handler's break point is found backwards", a_handler_is_found_backwards)
    report.case("the past is not changed", the_past_is_not_changed)
    report.case("frames tell of a jump", frames_tell_of_the_jump)
    report.case("a loaded snapshot begins another history", in_directory,
                a_loaded_snapshot_begins_another_history)
    report.case("the last writer is found", the_last_writer_is_found)
    report.case("a store just made is the last one", a_store_just_made_is_the_last_one)
    report.case("writers are followed back", writers_are_followed_back)
    report.case("waits of the past take no time", waits_of_the_past_take_no_time)
    report.case("moments are listed", moments_are_listed)
    report.case("the trace has the past once", the_trace_has_the_past_once)
    report.case("the past writes nothing again", the_past_writes_nothing_again)
    report.case("a guest that waits is not waited for", a_guest_that_waits_is_not_waited_for)
    report.case("what was forgotten is said", what_was_forgotten_is_said)
    report.case("what cannot be is said", what_cannot_be_is_said)
    report.case("others are served on the way", others_are_served_on_the_way)
    report.case("a journey does not keep the machine from ending", a_journey_does_not_keep_the_machine_from_ending)
    report.case("the monitor goes back", monitor_goes_back)
    report.case("gdb goes back", gdb_goes_back)
    report.end()


if __name__ == "__main__":
    main()
