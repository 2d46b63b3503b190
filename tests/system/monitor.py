#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The monitors: HMP on the terminal of the serial line and on a socket, QMP with its events.

Shapes of QMP's answers (the names of their members) are those recorded from QEMU 7.2's `-qmp` for the
same commands.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from guest import EMULATOR, Failure, Guest, Report, contains, equal, linux

PROMPT = rb"\(vitrine\) "
BARE = [EMULATOR, "-M", "virt", "-m", "64", "-bios", "none", "-display", "none", "-serial", "null"]


def bare(*options):
    """A machine whose harts find nothing to run."""
    return BARE + [str(o) for o in options]


class Peer:
    """A client of a unix socket."""

    def __init__(self, path, patience=30):
        self.end = time.monotonic() + patience
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > self.end:
                    raise Failure(f"nobody listens on {path}")
                time.sleep(0.02)
        self.socket.settimeout(patience)
        self.data = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def until(self, pattern):
        while not (match := re.search(pattern, self.data)):
            more = self.socket.recv(65536)
            if not more:
                raise Failure(f"the peer hung up before {pattern!r}: {self.data!r}")
            self.data += more
        text, self.data = self.data[:match.end()], self.data[match.end():]
        return text

    def line(self):
        return json.loads(self.until(rb"\r\n"))

    def rest(self):
        try:
            while more := self.socket.recv(65536):
                self.data += more
        except ConnectionError:
            pass
        return self.data

    def close(self):
        self.socket.close()


class Qmp(Peer):
    def __init__(self, path, negotiate=True):
        super().__init__(path)
        self.greeting = self.line()
        self.events = []
        if negotiate:
            equal("negotiation", self.call("qmp_capabilities"), {"return": {}})

    def answer(self):
        while "event" in (message := self.line()):
            self.events.append(message)
        return message

    def call(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.send(json.dumps(message))
        return self.answer()

    def wait_event(self, name):
        while not any(e["event"] == name for e in self.events):
            self.events.append(self.line())
        return next(e for e in self.events if e["event"] == name)


def hmp(g, line):
    """Sends a line to the monitor in focus; returns what it says."""
    g.send(line + "\n")
    g.expect(re.escape(line.encode()) + rb"\r+\n")
    start = g.seen
    match = g.expect(PROMPT)
    return g.output[start:match.start()].decode().replace("\r", "")


# --- the terminal ---------------------------------------------------------------------------------

def terminal_is_shared():
    with Guest(linux(), 40) as g:
        g.wait_idle_shell()
        g.send(b"\x01c")
        g.expect(rb"Vitrine [\d.]+ monitor - type 'help'")
        g.expect(PROMPT)
        equal("status", hmp(g, "info status"), "VM status: running\n")
        contains("registers", hmp(g, "info registers"), " x2/sp ")
        equal("words", hmp(g, "xp/2xw 0x80000000").count("0x"), 2)
        contains("mappings", hmp(g, "info mem"), "vaddr            paddr            size             attr\n")
        contains("kernel text", hmp(g, "info mem"), "r-x")
        contains("flat view", hmp(g, "info mtree -f"),
                 "0000000080000000-000000009fffffff (prio 0, ram): riscv_virt_board.ram\n")
        contains("owner", hmp(g, "info mtree -o"), "owner:{dev ")
        contains("roms", hmp(g, "info roms"), "initramfs.cpio")
        contains("tlb", hmp(g, "info tlb"), "entries:")
        contains("jit", hmp(g, "info jit"), "translated")
        contains("lines", hmp(g, "info pic"), "serial-mm")
        contains("harts", hmp(g, "info irq"), "mideleg")
        g.send(b"\x01c\n")  # back to the guest, which heard nothing of all that
        g.wait_shell()
        equal("guest", g.run("echo hello").strip(), "hello")
        g.send(b"\x01c")
        g.send("quit\n")
        equal("exit status", g.wait(), 0)


def guest_stands_still_and_steps():
    with Guest(linux(), 40) as g:
        g.wait_idle_shell()
        g.send(b"\x01c")
        g.expect(PROMPT)
        equal("stop", hmp(g, "stop"), "")
        equal("status", hmp(g, "info status"), "VM status: paused\n")
        before = hmp(g, "p/x $pc")
        equal("it stands", hmp(g, "p/x $pc"), before)
        where = hmp(g, "step")
        after = hmp(g, "p/x $pc").strip()
        contains("step says where", where, f"0x{int(after, 16):016x}:")
        equal("it moved", after != before.strip(), True)
        equal("cont", hmp(g, "cont"), "")
        g.send(b"\x01c\n")
        g.wait_shell()
        equal("guest", g.run("echo hello").strip(), "hello")


def a_block_is_explained():
    with Guest(linux(), 40) as g:
        g.wait_idle_shell()
        g.send(b"\x01c")
        g.expect(PROMPT)
        equal("stop", hmp(g, "stop"), "")
        pc = re.search(r"\n +0x[0-9a-f]+ +(0x[0-9a-f]+) ", hmp(g, "info tbs")).group(1)
        told = hmp(g, f"explain {pc}")
        for part in ("guest instructions", "IR after", "host code, the bytes that run:"):
            contains("explain", told, part)
        contains("no block", hmp(g, "explain 1"), "Error: ")


def keys_edit_the_line():
    with Guest(bare("-monitor", "stdio"), 20) as g:
        g.expect(PROMPT)
        g.send("inf\t")
        g.expect(rb"info ")
        g.send("stat\t\n")
        g.expect(rb"info status")
        g.expect(rb"VM status: running")
        g.expect(PROMPT)
        g.send("system_\t\t")  # two: both are listed
        g.expect(rb"system_reset +system_powerdown")
        g.send(b"\x15")  # Ctrl-U
        g.send("infq\x7fo name\n")
        g.expect(rb"info name|infq")
        g.expect(PROMPT)
        g.send(b"\x1b[A\x1b[A\n")  # up, up: the line before the last
        g.expect(rb"VM status: running")
        g.expect(PROMPT)
        g.send("x" * 6000 + "\n")
        g.expect(rb"the line is longer than 4096 characters")
        g.send("\nquit\n")
        equal("exit status", g.wait(), 0)


# --- sockets --------------------------------------------------------------------------------------

def with_socket(option, test):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Guest(bare(option, f"unix:{path},server=on,wait=off")) as g:
            test(g, path)


def plain_lines(g, path):
    p = Peer(path)
    p.until(PROMPT)
    p.send("info status\n")
    contains("answer", p.until(PROMPT), b"VM status: running\r\n")
    p.send("info sta")
    p.close()
    p = Peer(path)  # the next one begins anew
    contains("greeting", p.until(PROMPT), b"monitor - type 'help'")
    p.send("info version\ninfo name\n")
    p.socket.shutdown(socket.SHUT_WR)  # who sends no more gets the answers all the same
    contains("answers", p.rest(), b"info name\r\n")
    p.close()
    p = Peer(path)
    p.until(PROMPT)
    p.send("quit\n")
    equal("exit status", g.wait(), 0)


def shape(value):
    """Names and types of an answer, without its values."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [shape(v) for v in value[:1]]
    return type(value).__name__


def negotiates(g, path):
    q = Qmp(path, negotiate=False)
    equal("greeting", shape(q.greeting), {"QMP": {"capabilities": [], "version": {
        "package": "str", "qemu": {"major": "int", "micro": "int", "minor": "int"}}}})
    equal("before", q.call("query-status"), {"error": {
        "class": "CommandNotFound",
        "desc": "Expecting capabilities negotiation with 'qmp_capabilities'"}})
    equal("negotiation", q.call("qmp_capabilities"), {"return": {}})
    equal("again", q.call("qmp_capabilities")["error"]["desc"],
          "Capabilities negotiation is already complete, command ignored")
    q.close()
    equal("the next client negotiates too", Qmp(path, negotiate=False).call("stop")["error"]["class"],
          "CommandNotFound")


SHAPES = {
    "query-status": {"running": "bool", "singlestep": "bool", "status": "str"},
    "query-version": {"package": "str", "qemu": {"major": "int", "micro": "int", "minor": "int"}},
    "query-cpus-fast": [{"cpu-index": "int", "props": {"core-id": "int"}, "qom-path": "str",
                         "target": "str", "thread-id": "int"}],
    "query-chardev": [{"filename": "str", "frontend-open": "bool", "label": "str"}],
    "query-memory-size-summary": {"base-memory": "int"},
    "query-kvm": {"enabled": "bool", "present": "bool"},
    "query-uuid": {"UUID": "str"},
    "query-target": {"arch": "str"},
    "query-name": {},
    "query-block": [],
    "query-commands": [{"name": "str"}],
    "qom-list-types": [{"name": "str", "parent": "str"}],
    "query-machines": [{"cpu-max": "int", "deprecated": "bool", "hotpluggable-cpus": "bool",
                        "is-default": "bool", "name": "str", "numa-mem-supported": "bool"}],
}


def answers_have_qemus_shape(g, path):
    q = Qmp(path)
    for command, wanted in SHAPES.items():
        equal(command, shape(q.call(command)["return"]), wanted)
    names = {c["name"] for c in q.call("query-commands")["return"]}
    schema = q.call("query-qmp-schema")["return"]
    equal("schema", {s["name"] for s in schema if s["meta-type"] == "command"}, names)
    known = {s["name"] for s in schema}
    for entry in schema:
        used = [entry.get(k) for k in ("arg-type", "ret-type", "element-type")]
        used += [m["type"] for m in entry.get("members", []) if "type" in m]
        equal(f"types of {entry['name']}", [t for t in used if t and t not in known], [])
    equal("hmp", q.call("human-monitor-command", command_line="info status"),
          {"return": "VM status: running\r\n"})


def mistakes_are_qemus(g, path):
    q = Qmp(path)
    generic = "GenericError"
    for sent, error_class, desc in (
            ('{"execute":"nope"}', "CommandNotFound", "The command nope has not been found"),
            ('{"execute":"stop","arguments":{"x":1}}', generic, "Parameter 'x' is unexpected"),
            ('{"execute":"stop","foo":1}', generic, "QMP input member 'foo' is unexpected"),
            ('{"arguments":{}}', generic, "QMP input lacks member 'execute'"),
            ('{"execute":1}', generic, "QMP input member 'execute' must be a string"),
            ('[]', generic, "QMP input must be a JSON object"),
            ('}', generic, "JSON parse error, expecting value"),
            ('{"execute":"human-monitor-command"}', generic, "Parameter 'command-line' is missing"),
            ('{"execute":"human-monitor-command","arguments":{"command-line":1}}', generic,
             "Invalid parameter type for 'command-line', expected: string"),
            ('{"execute":"device_add","arguments":{"driver":"virtio-blk-device"}}', generic,
             "Bus 'virtio-mmio-bus.7' does not support hotplugging"),
            ('{"execute":"device_add","arguments":{"driver":"nix"}}', generic,
             "'nix' is not a valid device model name"),
            ('{"execute":"device_del","arguments":{"id":"x"}}', "DeviceNotFound", "Device 'x' not found"),
    ):
        q.send(sent)
        equal(sent, q.answer()["error"], {"class": error_class, "desc": desc})
    q.send('{"execute":"query-name"}{"execute":"query-name","id":{"a":[1]}}{"execute":"query-')
    equal("first", q.answer(), {"return": {}})
    equal("second", q.answer(), {"return": {}, "id": {"a": [1]}})
    q.send('name","id":"x"}')
    equal("in pieces", q.answer(), {"return": {}, "id": "x"})


def events_come(g, path):
    q, stamp = Qmp(path), time.time()
    q.call("stop")
    equal("told before the answer", [e["event"] for e in q.events], ["STOP"])
    at = q.events[0]["timestamp"]
    equal("time", abs(at["seconds"] - stamp) < 60 and 0 <= at["microseconds"] < 1000000, True)
    equal("state", q.call("query-status")["return"]["status"], "paused")
    q.call("cont")
    q.call("system_powerdown")
    q.call("system_reset")
    from_outside = {"guest": False, "reason": "host-qmp-system-reset"}
    equal("reset", q.wait_event("RESET")["data"], from_outside)
    equal("order", [e["event"] for e in q.events], ["STOP", "RESUME", "POWERDOWN", "RESET"])
    for line in "system_reset", "inspect machine.reset":
        q.events.clear()
        q.call("human-monitor-command", command_line=line)
        equal(line, q.wait_event("RESET")["data"], from_outside)
    equal("quit", q.call("quit"), {"return": {}})
    equal("why", q.wait_event("SHUTDOWN")["data"], {"guest": False, "reason": "host-qmp-quit"})
    equal("exit status", g.wait(), 0)


def guests_events_come():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "q")
        with Guest(linux("-qmp", f"unix:{path},server=on,wait=off")) as g:
            q = Qmp(path)
            g.wait_shell()
            g.send("reboot -f\n")
            equal("reset", q.wait_event("RESET")["data"], {"guest": True, "reason": "guest-reset"})
            g.wait_shell()
            g.send("poweroff -f\n")
            equal("end", q.wait_event("SHUTDOWN")["data"], {"guest": True, "reason": "guest-shutdown"})
            equal("exit status", g.wait(), 0)


def answers_gdb(path):
    """A packet's answer from the gdb server there."""
    p = Peer(path)
    p.send(b"$?#3f")
    reply = p.until(rb"\+\$[^#]*#..")
    p.close()
    return reply


def gdbserver_comes_and_goes(g, path):
    """Texts of the answers are QEMU 7.2's."""
    q = Qmp(path)

    def say(line):
        return q.call("human-monitor-command", command_line=line)["return"]

    first, second = f"{path}.gdb1", f"{path}.gdb2"
    equal("none yet", say("gdbserver none"), "Disabled gdbserver\r\n")
    equal("first", say(f"gdbserver unix:{first}"), f"Waiting for gdb connection on device 'unix:{first}'\r\n")
    contains("a stop is told", answers_gdb(first), b"$T")
    contains("nowhere", say("gdbserver nowhere"), "Could not open gdbserver on device 'nowhere'\r\n")
    contains("the first goes on", answers_gdb(first), b"$T")
    say(f"gdbserver unix:{second}")
    equal("the first is gone", os.path.exists(first), False)
    peer = Peer(second)
    peer.send(b"$?#3f")
    peer.until(rb"\+\$T[^#]*#..")
    # gdb's own `monitor gdbserver none` would wait for itself: it is refused
    command = b"gdbserver none".hex().encode()
    packet = b"qRcmd," + command
    peer.send(b"+$" + packet + b"#%02x" % (sum(packet) & 255))
    contains("gdb itself", peer.until(rb"\$OK#.."), b"gdb cannot replace".hex().encode())
    say("gdbserver none")
    peer.rest()  # it was told good-bye
    equal("both are gone", os.path.exists(second), False)
    q.call("cont")
    equal("the guest runs on", q.call("query-status")["return"]["status"], "running")


def mon_takes_a_chardev():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "q")
        with Guest(bare("-chardev", f"socket,id=c0,path={path},server=on,wait=off",
                        "-mon", "chardev=c0,mode=control,pretty=on")) as g:
            p = Peer(path)
            contains("pretty", p.until(rb"\n}\r\n"), b'{\n    "QMP": {')
            g.send("")


def go_qemu_manages(program):
    """What the library's calls print; it checks shapes itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "q")
        with Guest(bare("-name", "a guest", "-qmp", f"unix:{path},server=on,wait=off")) as g:
            Peer(path).close()   # it listens
            done = subprocess.run([program, path], capture_output=True, text=True, timeout=60, check=False)
            equal("what the client saw", done.stdout.splitlines(), [
                "status running", "name a guest", f"memory {64 << 20}", "schema true", 'said "VM status: running\\r\\n"',
                "version 7.2.0", "refused The command nonsense has not been found", "event STOP true",
                "event RESUME true", "event POWERDOWN true", "event RESET true", "event SHUTDOWN true"])
            equal("its status", done.returncode, 0)
            equal("exit status", g.wait(), 0)


def real_client(report):
    """A client that was not made for this program."""
    name = "QMP: go-qemu manages a machine"
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "client")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOCACHE": folder}
        if not shutil.which("go") or not os.path.isdir("/usr/share/gocode/src/github.com/digitalocean/go-qemu"):
            report.skip(name, "no golang-go, golang-github-digitalocean-go-qemu-dev")
            return
        subprocess.run(["go", "build", "-o", program, pathlib.Path(__file__).parent / "qmp_client.go"], env=env, check=True)
        report.case(name, go_qemu_manages, program)


def main():
    report = Report("monitor")
    report.case("Ctrl-A c shares the terminal with the guest; info shows a booted Linux", terminal_is_shared)
    report.case("stop, step and cont", guest_stands_still_and_steps)
    report.case("explain shows a block of a booted Linux", a_block_is_explained)
    report.case("TAB, arrows and deletion edit the line", keys_edit_the_line)
    report.case("a socket takes plain lines, one client after the other", with_socket, "-monitor", plain_lines)
    for name, test in (("negotiation", negotiates), ("answers have the shape of QEMU's", answers_have_qemus_shape),
                       ("mistakes and pieces", mistakes_are_qemus), ("events", events_come),
                       ("gdbserver comes and goes", gdbserver_comes_and_goes)):
        report.case(f"QMP: {name}", with_socket, "-qmp", test)
    real_client(report)
    report.case("QMP: the guest's own reset and power-off are told", guests_events_come)
    report.case("-mon puts a monitor on a chardev", mon_takes_a_chardev)
    report.end()


if __name__ == "__main__":
    main()
