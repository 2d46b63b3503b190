#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The inspector over -rpc: against a booted Linux, and against clients that mean no good.

Bad requests are made with the schema as a guide (each parameter wrong in each way) and as garbage; the guest
stands still meanwhile, and its registers and memory are the same afterwards.
"""
import base64
import json
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

from guest import EMULATOR, GUEST, ROOT, Failure, Report, contains, equal
from rpc_client import Machine, Rpc, RpcError, number

BARE = ("-M", "virt", "-display", "none", "-serial", "null", "-bios", "none", "-S")
REQUESTS = 10000


def linux(*options, smp=1):
    return Machine("-M", "virt", "-m", "512", "-smp", smp, "-display", "none", "-serial", "null",
                   "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                   "-append", "console=ttyS0 quiet", *options)


class Shell:
    """The guest's shell, by serial.write and serial.output."""

    def __init__(self, machine):
        self.rpc = machine.rpc
        self.text = ""
        self.rpc.subscribe("serial.output")
        self.expect("vitrine:~# ")

    def expect(self, text):
        while text not in self.text:
            event = self.rpc.event("serial.output")
            equal("nothing skipped", event["data"]["skipped"], "0x0")
            self.text += base64.b64decode(event["data"]["data"]).decode(errors="replace")
        self.text = self.text.split(text, 1)[1]

    def run(self, command, expect):
        self.rpc.call("serial.write", text=command + "\n")
        self.expect(expect)


def refused(cls, rpc, method, /, **params):
    try:
        rpc.call(method, **params)
    except RpcError as error:
        equal(f"class of {method}'s failure", error.cls, cls)
        return error
    raise Failure(f"{method} {params} was not refused")


# --- what is asked of a Linux -------------------------------------------------------------------

def talks_to_the_shell():
    with linux() as m:
        shell = Shell(m)
        shell.run("echo he''llo", "\nhello")
        contains("tail", m.rpc.call("serial.tail")["text"], "hello")
        m.rpc.subscribe("machine.shutdown")
        m.rpc.call("serial.write", text="poweroff -f\n")
        equal("cause", m.rpc.event("machine.shutdown")["data"]["cause"], "guest")
        equal("exit status", m.wait(), 0)


def a_monitors_text_is_not_the_guests():
    """Both are on one socket."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/line"
        with Machine("-M", "virt", "-m", 16, "-bios", "none", "-display", "none", "-S", "-chardev",
                     f"socket,id=line,path={path},server=on,wait=off,mux=on", "-serial", "chardev:line",
                     "-mon", "chardev=line") as m, socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(30)
            peer.connect(path)
            peer.sendall(b"\x01c\ninfo name\ninfo version\n")
            text = b""
            while b"info version" not in text or not text.endswith(b"(vitrine) "):
                text += peer.recv(4096)
            equal("what the guest wrote", m.rpc.call("serial.tail")["end"], "0x0")
            refused("not-found", m.rpc, "serial.tail", line="lines")


def registers_are_those_of_linux():
    with linux(smp=2) as m:
        Shell(m)
        m.rpc.call("machine.stop")
        cpus = m.rpc.call("cpu.list")["cpus"]
        equal("harts", len(cpus), 2)
        for cpu in cpus:
            regs = m.rpc.call("cpu.regs", cpu=cpu["cpu"])
            equal("pc", regs["general"]["pc"], cpu["pc"])
            satp = m.rpc.call("cpu.csr", cpu=cpu["cpu"], name="satp")["csrs"][0]
            fields = {f["name"]: f for f in satp["fields"]}
            if fields["MODE"]["word"] not in ("Sv39", "Sv48", "Sv57"):
                raise Failure(f"Linux without paging: {satp}")
            rebuilt = sum(number(f["value"]) << f["low"] for f in satp["fields"])
            equal("fields make up satp", rebuilt, number(satp["value"]))
        m.rpc.call("cpu.set", name="t6", value="0x123456789abcdef0")
        equal("t6", m.rpc.call("cpu.regs", group="general")["general"]["t6"], "0x123456789abcdef0")
        refused("not-found", m.rpc, "cpu.regs", cpu=7)
        refused("forbidden", m.rpc, "cpu.set", name="zero", value="0x1")


def steps_and_points_stop_where_they_should():
    with linux(smp=2) as m:
        shell = Shell(m)
        refused("bad-state", m.rpc, "cpu.step")
        m.rpc.call("machine.stop")
        for unit, reason in ("insn", "step"), ("block", "block"), ("trap", "trap"):
            step = m.rpc.call("cpu.step", unit=unit, wait_ms=1000)
            equal(unit, step["stop"]["reason"], reason)
            equal("pc", m.rpc.call("cpu.regs")["general"]["pc"], step["stop"]["pc"])
        stvec = m.rpc.call("cpu.csr", name="stvec")["csrs"][0]["value"]
        point = m.rpc.call("cpu.break_add", addr=stvec)["point"]
        m.rpc.subscribe("machine.stopped")
        m.rpc.call("machine.cont")
        stop = m.rpc.event("machine.stopped")["data"]["stop"]
        equal("stopped at", (stop["reason"], stop["pc"], stop["point"]), ("break", stvec, point))
        m.rpc.call("cpu.point_remove", point=point)
        refused("not-found", m.rpc, "cpu.point_remove", point=point)
        m.rpc.call("machine.cont")
        shell.run("echo still''here", "\nstillhere")


def looking_is_short():
    """Not a measure of the machine: it says what the longest stop was, and that it was counted."""
    with linux() as m:
        Shell(m)
        m.rpc.call("machine.pauses", clear=True)
        for _ in range(200):
            m.rpc.call("cpu.regs")
        pauses = m.rpc.call("machine.pauses")
        equal("stops counted", number(pauses["count"]), 200)
        mean = number(pauses["total_ns"]) / 200
        print(f"# cpu.regs of a running Linux: longest stop {number(pauses['longest']['ns']) / 1000:.0f} us,"
              f" mean {mean / 1000:.0f} us", flush=True)


def frames_and_events_tell_count_and_epoch():
    """Under -icount; a reset and a loaded snapshot are new epochs."""
    with tempfile.TemporaryDirectory() as directory, \
         Machine("-M", "virt", "-m", "16", "-bios", "none", "-nographic", "-monitor", "none", "-serial", "null",
                 "-S", "-icount", "shift=0", "-snapdir", directory) as m:
        def frame():
            m.rpc.call("mem.read", addr="0x1000", format="frame")
            return m.rpc.frames.pop()

        equal("count before the first instruction", frame().icount, 0)
        m.rpc.call("trace.start")
        for _ in range(3):
            m.rpc.call("cpu.step")
        equal("count after three", frame().icount, 3)
        m.rpc.call("cpu.step")
        counts = [number(e["count"]) for e in m.rpc.call("trace.read")["events"]]
        equal("counts of events grow", counts, sorted(counts))
        if not counts or not 0 < counts[-1] <= 4:
            raise Failure(f"events at {counts}, where four instructions ran")
        epoch = frame().epoch
        m.rpc.call("snapshot.save", name="four")
        m.rpc.call("snapshot.load", name="four")
        equal("epoch after a snapshot was loaded", frame().epoch, epoch + 1)
        m.rpc.subscribe("machine.reset")
        m.rpc.call("machine.reset")
        m.rpc.event("machine.reset")
        equal("epoch after a reset", frame().epoch, epoch + 2)


def a_repeated_call_sends_what_changed():
    with linux() as m:
        sub = m.rpc.call("events.every", ms=10, method="cpu.list")["subscription"]
        first = m.rpc.event("events.result")["data"]["result"]
        while m.rpc.event("events.result")["data"]["result"] == first:
            pass
        m.rpc.call("events.unsubscribe", subscription=sub)
        m.rpc.call("machine.stop")
        m.rpc.call("events.every", ms=10, method="cpu.regs")
        m.rpc.event("events.result")
        time.sleep(0.2)
        m.rpc.call("machine.version")
        equal("no news of a guest that stands", len(m.rpc.events), 0)
        equal("why", refused("forbidden", m.rpc, "events.every", ms=10, method="machine.quit").code, -32003)


# --- clients that mean no good ------------------------------------------------------------------

def counters_are_those_of_the_trace():
    """What machine.counters counted between two moments is what was traced between them."""
    pairs = {"exceptions": "exception", "interrupts": "interrupt", "device_reads": "mmio_read",
             "device_writes": "mmio_write", "translations": "tb_born"}
    with linux("-icount", "shift=2", smp=2) as m:
        shell, rpc = Shell(m), m.rpc

        def counters():
            told = rpc.call("machine.counters")["counters"]
            return {name: int(value, 16) for name, value in told.items()}
        rpc.call("machine.stop")
        count = int(rpc.call("machine.status")["count"], 16)
        rpc.call("trace.start", kinds=list(pairs.values()))
        before = counters()
        equal("instructions", before["instructions"], count)
        rpc.call("machine.cont")
        shell.run("ls -lR /bin | wc", "vitrine:~# ")
        rpc.call("machine.stop")
        after = counters()
        traced = rpc.call("trace.stop")
        equal("events given up", traced["collisions"], "0x0")
        for name, kind in pairs.items():
            grown = after[name] - before[name]
            equal(name, hex(grown), traced["counts"][kind])
            if not grown:
                raise Failure(f"{name}: none, so this proves nothing")
        if not 0 < after["calls"] - before["calls"] < after["exceptions"] - before["exceptions"]:
            raise Failure(f"calls among exceptions: {before} {after}")
        if not 0 < after["busy_ns"] - before["busy_ns"] < 120e9:
            raise Failure(f"busy: {before} {after}")


def wrong_values(schema, chance):
    """A value that the schema of a parameter does not allow."""
    wrong = [None, [], {}, 1.5, [[]], {"a": 1}]
    kind = schema["type"]
    if kind == "integer":
        wrong += [schema["minimum"] - 1 if schema["minimum"] > -1 << 62 else 0.5, "7", True]
    if kind == "string":
        wrong += [7, True, "x" * (schema.get("maxLength", 100) + 1)]
    if kind == "boolean":
        wrong += [0, 1, "true"]
    if kind == "array":
        wrong = [None, 7, "x", {}, [None], [{}] * 3, [[]] * (schema["maxItems"] + 1)]
    if kind == "object":
        wrong = [None, 7, "x", [], True]
    return chance.choice(wrong)


def bad_request(methods, chance):
    """A request that is wrong in some way, as text."""
    request = {"jsonrpc": "2.0", "id": chance.randrange(1000), "method": "machine.status"}
    method = chance.choice(methods)
    properties = method["properties"]["params"]["properties"]
    way = chance.randrange(8)
    if way < 4 and properties:
        name = chance.choice(list(properties))
        request.update(method=method["title"], params={name: wrong_values(properties[name], chance)})
    elif way == 4:
        request.update(method=method["title"], params={"no_such_parameter": 1})
    elif way == 5:
        request.update(method=method["title"] + chance.choice("xyz._"))
    elif way == 6:
        request[chance.choice(["jsonrpc", "method", "id", "params"])] = chance.choice([[], 1.5, True, "1.0", {}])
        if isinstance(request["method"], str):
            request["params"] = "x"
    else:
        text = bytearray(json.dumps(request).encode())
        for _ in range(chance.randrange(1, 6)):
            text[chance.randrange(len(text))] = chance.choice([0, 34, 91, 123, 125, 92, 128, 255, 44])
        return bytes(text).replace(b"\n", b" ")
    return json.dumps(request).encode()


def moment(rpc):
    """What there is to compare of a guest that stands: its hash, registers, time, what it wrote."""
    values = [rpc.call("cpu.regs", cpu=c["cpu"]) for c in rpc.call("cpu.list")["cpus"]]
    facts = {"hash": rpc.call("machine.hash")["hash"], "time": rpc.call("machine.status")["time_ns"], "serial": rpc.call("serial.list")}
    for cpu, groups in enumerate(values):
        for group, regs in groups.items():
            if isinstance(regs, dict):
                facts.update({f"{cpu} {group} {name}": value for name, value in regs.items()})
    return facts


def read_methods():
    out = subprocess.run([EMULATOR, "-rpc", "schema"], check=True, capture_output=True).stdout
    return json.loads(out)["oneOf"]


def drain(rpc, count):
    """Takes answers until a marker came back."""
    rpc.send_text(b'\n{"jsonrpc":"2.0","id":"end%d","method":"machine.version"}\n' % count)
    answers = 0
    while True:
        answer = rpc.answer()
        if isinstance(answer, dict) and answer.get("id") == f"end{count}":
            return answers
        answers += 1


def bad_requests_change_nothing():
    seed = int(os.environ.get("VITRINE_SEED", random.randrange(1 << 30)))
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    methods = read_methods()
    with linux(smp=2) as m:
        Shell(m)
        m.rpc.call("machine.stop")
        other = m.connect()
        before = moment(m.rpc)
        for n in range(REQUESTS):
            other.send_text(bad_request(methods, chance) + b"\n")
            if n % 50 == 49:
                drain(other, n)
        after = moment(m.rpc)
        equal("what changed", {k: (before[k], after.get(k)) for k in before if before[k] != after.get(k)}, {})
        m.rpc.call("machine.cont")
        other.send_text(b"".join(bad_request(methods, chance) + b"\n" for _ in range(2000)))
        drain(other, REQUESTS)
        m.rpc.call("serial.write", text="poweroff -f\n")
        equal("exit status", m.wait(), 0)


def clients_that_vanish_stall_or_flood_do_no_harm():
    with linux() as m:
        shell = Shell(m)
        for _ in range(50):  # vanish in the middle of a request, and before the answer
            rpc = m.connect()
            rpc.send_text(b'{"jsonrpc":"2.0","id":1,"method":"machine.methods"}\n{"jsonrpc"')
            rpc.close()
            time.sleep(0.01)  # no more than RPC_MAX_CLIENTS at a time
        stalled = [m.connect() for _ in range(4)]
        for rpc in stalled:
            rpc.call("machine.version")
        for rpc in stalled:  # ask a lot, take nothing
            rpc.socket.settimeout(0.2)
            try:
                for _ in range(4000):
                    rpc.send_text(b'{"jsonrpc":"2.0","id":1,"method":"machine.methods"}\n')
            except (TimeoutError, socket.timeout):
                pass
        before = m.memory_kib()
        for rpc in stalled:
            try:
                for _ in range(4000):
                    rpc.send_text(b'{"jsonrpc":"2.0","id":1,"method":"machine.methods"}\n')
            except (TimeoutError, socket.timeout):
                pass
        grown = m.memory_kib() - before
        if grown > 64 * 1024:
            raise Failure(f"clients that take nothing cost {grown} KiB more")
        shell.run("echo al''ive", "\nalive")


def a_flood_waits_and_others_do_not():
    """What is said to have been spent is held against the budget (src/inspect/budget.h), whatever the host does."""
    count = 400
    with linux() as m:
        Shell(m)
        flood, other = m.connect(), m.connect()
        m.rpc.call("machine.pauses", clear=True)
        begin = number(m.rpc.call("machine.status")["uptime_ns"])
        flood.send_text(b'{"jsonrpc":"2.0","id":1,"method":"cpu.regs"}\n' * count)
        for _ in range(50):
            other.call("cpu.list")
        equal("the other's wait", other.call("machine.pauses")["budget"]["waited_ns"], "0x0")
        for _ in range(count):
            if "result" not in (answer := flood.answer()):
                raise Failure(f"a request of the flood was refused: {answer}")
        pauses = flood.call("machine.pauses")
        elapsed = number(flood.call("machine.status")["uptime_ns"]) - begin
        waited = number(pauses["budget"]["waited_ns"])
        longest, by_the_host = number(pauses["longest"]["ns"]), number(pauses["over_limit"])
        held, most = number(pauses["total_ns"]), 0.02 * elapsed + 40e6 + (2 + by_the_host) * longest
        print(f"# a flood of {count}: waited {waited / 1e6:.0f} ms, the guest was held {held / 1e6:.0f} ms of {elapsed / 1e6:.0f}")
        if waited == 0 or held > most:
            raise Failure(f"waited {waited} ns; the guest was held {held} ns, allowed are {most:.0f}")
        m.rpc.call("machine.stop")  # a guest that stands costs nothing to look at
        for _ in range(2 * count):
            other.call("cpu.list")
        equal("wait of one who looks at a guest that stands", other.call("machine.pauses")["budget"]["waited_ns"], "0x0")


def more_clients_than_allowed_are_told():
    with Machine(*BARE) as m:
        more = [m.connect() for _ in range(15)]
        for rpc in more:
            rpc.call("machine.version")
        last = m.connect()
        equal("code", last.message()["error"]["code"], -32004)
        more[0].close()
        time.sleep(0.2)
        m.connect().call("machine.version")


def a_line_that_is_too_long_is_skipped():
    with Machine(*BARE) as m:
        m.rpc.send_text(b'{"x":"' + b"y" * (3 << 20) + b'"}\n')
        error = m.rpc.answer()["error"]
        equal("class", error["data"]["class"], "limit")
        contains("what", error["data"]["what"], "1048576")
        m.rpc.call("machine.version")


# --- the carriers -------------------------------------------------------------------------------

def run_emulator(*options, text=b""):
    return subprocess.run([EMULATOR, *options], input=text, capture_output=True, timeout=60, check=False)


def stdio_answers_what_was_piped_in():
    text = b'{"jsonrpc":"2.0","id":1,"method":"machine.status"}\n{"jsonrpc":"2.0","id":2,' \
           b'"method":"machine.quit","params":{"status":7}}\n'
    done = run_emulator(*BARE, "-rpc", "stdio", text=text)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    equal("state", lines[0]["result"]["state"], "prelaunch")
    equal("ids", [line["id"] for line in lines], [1, 2])
    equal("exit status", done.returncode, 7)


def tcp_is_of_this_host_only():
    for where in "tcp:0.0.0.0:0", "tcp:192.168.1.1:4000", "tcp:example.org:4000", "tcp:4000", "pipe:x", "unix:":
        done = run_emulator(*BARE, "-rpc", where)
        equal(f"status of -rpc {where}", done.returncode, 1)
        contains("message", done.stderr.decode(), "-rpc")
    done = run_emulator("-M", "virt", "-bios", "none", "-nographic", "-rpc", "stdio")
    equal("status with a serial line on stdio", done.returncode, 1)
    contains("message", done.stderr.decode(), "serial")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Machine(*BARE, "-rpc", f"tcp:127.0.0.1:{port}") as m:
        equal("over TCP", Rpc(("127.0.0.1", port)).call("machine.status")["state"], "prelaunch")
        equal("mode of the socket", oct(m.path.stat().st_mode & 0o777), "0o600")


def what_is_made_from_the_table_is_current():
    for option, path in ("help", "book/protocol.md"), ("schema", "src/inspect/protocol.schema.json"):
        done = run_emulator("-rpc", option)
        if done.stdout != pathlib.Path(ROOT / path).read_bytes():
            raise Failure(f"{path} is old: make protocol")


def main():
    report = Report("rpc")
    report.case("the shell answers over serial.write and serial.output", talks_to_the_shell)
    report.case("a monitor's text is not the guest's", a_monitors_text_is_not_the_guests)
    report.case("registers and CSR fields are those of Linux", registers_are_those_of_linux)
    report.case("steps, break and watch points stop where they should", steps_and_points_stop_where_they_should)
    report.case("each stop for looking is counted", looking_is_short)
    report.case("counters are those of the trace", counters_are_those_of_the_trace)
    report.case("frames and events tell count and epoch", frames_and_events_tell_count_and_epoch)
    report.case("a repeated call sends what changed", a_repeated_call_sends_what_changed)
    report.case(f"{REQUESTS} bad requests change nothing", bad_requests_change_nothing)
    report.case("clients that vanish, stall or flood do no harm", clients_that_vanish_stall_or_flood_do_no_harm)
    report.case("a flood waits for its share, and others do not wait for it", a_flood_waits_and_others_do_not)
    report.case("one client too many is told so", more_clients_than_allowed_are_told)
    report.case("a line that is too long is skipped", a_line_that_is_too_long_is_skipped)
    report.case("stdio answers what was piped in", stdio_answers_what_was_piped_in)
    report.case("addresses that are not of this host are refused", tcp_is_of_this_host_only)
    report.case("reference and schema are current", what_is_made_from_the_table_is_current)
    report.end()


if __name__ == "__main__":
    main()
