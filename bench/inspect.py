#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What looking costs: bench/inspect.py [--part stops|speed] [--calls N] [--rounds N] [--seconds S]

stops   each method a viewer may call, on a running Linux: the longest stop and the mean, by the clock and
        by the inspector's own computing. What exceeds 2 ms by the clock only was the host's scheduling.
speed   a guest that computes for ever, in turns: nobody looks; a subscriber of periodic streams; clients that ask
        as fast as they can, for what stops the guest, for what only computes, for what is long, several at once; a
        client that takes no answers. Per turn the guest's rounds a second, by the clock and by the vCPU's own time
        (on few cores a busy client takes the vCPU's core, which is no fault of the emulator's), how long another
        client waited for the answers to its questions, and at the end the most memory that the emulator had.
"""
import argparse
import json
import os
import pathlib
import select
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from guest import linux  # noqa: E402
from rpc_client import Machine, RpcError, number  # noqa: E402
from rv import S0, S1, T1, T2, ZERO, addi, auipc, beq, bne, ld, mul, sd  # noqa: E402

LIMIT_NS = 2_000_000
RAM = 0x80000000
COUNTER = RAM + 0x1000

# Counts rounds of an inner loop of 2000 multiplications in memory at COUNTER.
COMPUTE = [
    auipc(S0, 0x1000),
    addi(T1, ZERO, 2000),  # again:
    addi(T2, ZERO, 1),
    mul(T2, T2, T2),       # next:
    addi(T2, T2, 1),
    addi(T1, T1, -1),
    bne(T1, ZERO, -12),    # next
    ld(S1, 0, S0),
    addi(S1, S1, 1),
    sd(S1, 0, S0),
    beq(ZERO, ZERO, -36),  # again
]

PERIODIC = (("cpu.regs", 100, {}), ("machine.status", 100, {}), ("irq.lines", 100, {}), ("tb.list", 500, {"limit": 50}),
            ("mem.read", 100, {"addr": hex(RAM), "len": 4096}))


# --- stops ------------------------------------------------------------------------------------

def boot():
    """A Machine with Linux at its prompt, where a shell works for ever."""
    m = Machine(*linux("-monitor", "none", "-nic", "user")[1:])
    out, end = b"", time.monotonic() + 120
    while b"vitrine:~# " not in out:
        assert time.monotonic() < end, out[-2000:]
        out += m.process.stdout.read1(4096)
    m.rpc.call("serial.write", text="while :; do find / -xdev 2>/dev/null | md5sum; done >/dev/null &\n")
    return m


def samples(rpc, paths):
    """Parameters for the methods that need some, or cost the most with some."""
    pc = rpc.call("cpu.list")["cpus"][0]["pc"]
    block = rpc.call("tb.list", limit=1)["blocks"][0]
    known = {
        "irq.path": {"dev": next(p for p in paths if "serial" in p)}, "mem.read": {"addr": hex(RAM), "len": 1 << 18, "format": "base64"},
        "mem.resolve": {"addr": "0x10000005"}, "mem.search": {"pattern": "4c696e75782076657273696f6e20"},
        "mmu.walk": {"addr": pc}, "mmu.mappings": {"limit": 4096}, "mmu.tlb": {"limit": 4096},
        "tb.list": {"limit": 1000}, "tb.verify": {"limit": 2000}, "trace.read": {"limit": 2000}, "trace.export": {"limit": 10000}, "dirty.read": {"limit": 10000},
        "serial.tail": {"max": 65536}, "log.get": {"max": 1000},
        "events.subscribe": {"events": ["machine.reset"]}, "events.every": {"ms": 3600000, "method": "machine.status"},
    }
    return known, block


def fill(row, known, block, device):
    """Parameters for a method: those known, else by the names of those it cannot do without."""
    if row["name"] in known:
        return known[row["name"]]
    params = {}
    for word in row["params"].split():
        name = word.split(":")[0]
        if row["name"].startswith("tb.") and name == "id?":
            params["id"] = block["id"]
        if name.endswith("?"):
            continue
        if name == "dev":
            params[name] = device
        elif name in block:
            params[name] = block[name]
        elif name == "addr":
            params[name] = block.get("pc", hex(RAM))
        elif name == "limit":
            params[name] = 1000
    return params


def devices(rpc):
    def paths(device):
        yield device["path"]
        for child in device.get("children", []):
            yield from paths(child)
    return [p for d in rpc.call("dev.list")["devices"] for p in paths(d)]


def measure_method(rpc, name, params, calls):
    """(stops, longest ns, longest own ns, mean ns) or the refusal's text."""
    rpc.call("machine.pauses", clear=True)
    refusal = None
    for _ in range(calls):
        try:
            result = rpc.call(name, **params)
        except RpcError as e:
            refusal = e.what or str(e)
            break
        if name in ("events.subscribe", "events.every"):
            rpc.call("events.unsubscribe", subscription=result["subscription"])
        rpc.frames.clear()
        rpc.events.clear()
        time.sleep(0.003)
    pauses = rpc.call("machine.pauses")
    count = number(pauses["count"])
    mean = number(pauses["total_ns"]) / count if count else 0
    return (count, number(pauses["longest"]["ns"]), number(pauses["longest_cpu"]["cpu_ns"]), mean,
            number(pauses["over_limit"]), number(pauses["over_limit_cpu"]), refusal)


def stops(calls):
    with boot() as m:
        rpc = m.rpc
        time.sleep(1)
        rpc.call("dirty.track")
        rpc.call("trace.start")
        paths = devices(rpc)
        known, block = samples(rpc, paths)
        device = next(p for p in paths if "net" in p)
        rows = [r for r in rpc.call("machine.methods")["methods"]
                if r["role"] == "viewer"
                and r["name"] not in ("events.credit", "events.unsubscribe", "machine.hash")]
        print(f"{'method':20} {'stops':>6} {'longest us':>11} {'own us':>9} {'mean us':>9}  over 2 ms")
        own, host = [], []
        for row in rows:
            params = fill(row, known, block, device)
            count, longest, cpu, mean, over, over_cpu, refusal = measure_method(rpc, row["name"], params, calls)
            note = f"{over} ({over_cpu} of its own)" if over else ""
            if refusal:
                note += f" refused: {refusal}"
            print(f"{row['name']:20} {count:6} {longest / 1e3:11.0f} {cpu / 1e3:9.0f} {mean / 1e3:9.0f}  {note}", flush=True)
            if over_cpu:
                own.append(row["name"])
            elif over:
                host.append(row["name"])
        print(f"\nover 2 ms of their own computing: {', '.join(own) or 'none'}")
        print(f"over 2 ms by waiting and the host's scheduling only: {', '.join(host) or 'none'}")


# --- speed ------------------------------------------------------------------------------------

def rounds_done(rpc):
    return struct.unpack("<Q", bytes.fromhex(rpc.call("mem.read", addr=hex(COUNTER), len=8)["data"]))[0]


def vcpu_seconds(pid):
    """CPU time of the thread that has had the most: the vCPU's."""
    best = 0.0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        best = max(best, int((task / "schedstat").read_text().split()[0]) / 1e9)
    return best


class Nobody:
    def __init__(self, m):
        self.m = m

    def close(self):
        return ""


class Subscriber(Nobody):
    """Takes the results of calls that are repeated for it."""

    def __init__(self, m):
        super().__init__(m)
        self.rpc, self.taken, self.over = m.connect(), 0, False
        for method, ms, params in PERIODIC:
            self.rpc.call("events.every", ms=ms, method=method, params=params, changed=False)
        self.thread = threading.Thread(target=self.take)
        self.thread.start()

    def take(self):
        while not self.over:
            self.rpc.event()
            self.taken += 1

    def close(self):
        self.over = True
        self.thread.join()
        self.rpc.close()
        return f"{self.taken} results"


class Flood(Nobody):
    """Sends requests without end from a process of its own, reading what comes."""

    method = "cpu.regs"

    def __init__(self, m):
        super().__init__(m)
        self.pid = os.fork()
        if self.pid == 0:
            self.flood()

    def flood(self):
        try:
            link = socket.socket(socket.AF_UNIX)
            link.connect(str(self.m.path))
            link.setblocking(False)
            requests = b"".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": self.method}).encode() + b"\n"
                                for i in range(100))
            rest = b""
            while True:
                rest = rest or requests
                may_read, may_write, _ = select.select([link], [link], [])
                if may_write:
                    rest = rest[link.send(rest):]
                if may_read and not link.recv(1 << 20):
                    os._exit(0)
        finally:
            os._exit(0)

    def close(self):
        ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        if not ended:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        return "sent away" if ended else "connected to the end"


class FloodMethods(Flood):
    method = "machine.methods"


class FloodVerify(Flood):
    method = "tb.verify"


class Floods(Nobody):
    """Eight at once."""

    def __init__(self, m):
        super().__init__(m)
        self.floods = [Flood(m) for _ in range(8)]

    def close(self):
        return ", ".join(sorted({flood.close() for flood in self.floods}))


class Stalled(Nobody):
    """Asks for much, takes nothing."""

    def __init__(self, m):
        super().__init__(m)
        self.rpc = m.connect()
        self.rpc.call("events.every", ms=10, method="cpu.regs", changed=False)
        for _ in range(30):
            self.rpc.request("mem.read", addr=hex(RAM), len=1 << 18)

    def close(self):
        self.rpc.close()
        return ""


def wait_and_ask(rpc, seconds):
    """Asks now and then; returns the waits for the answers, in seconds."""
    waits, end = [], time.monotonic() + seconds
    while (begin := time.monotonic()) < end:
        rpc.call("machine.status")
        waits.append(time.monotonic() - begin)
        time.sleep(0.02)
    return waits


def turn(m, watcher, seconds):
    """(rounds/s by the clock, rounds/s of the vCPU's time, waits, what the watcher says)."""
    with_whom = watcher(m)
    time.sleep(0.2)
    before, cpu, begin = rounds_done(m.rpc), vcpu_seconds(m.process.pid), time.monotonic()
    waits = wait_and_ask(m.rpc, seconds)
    done, wall = rounds_done(m.rpc) - before, time.monotonic() - begin
    cpu = vcpu_seconds(m.process.pid) - cpu
    note = with_whom.close()
    return done / wall, done / cpu, waits, note


def speed(seconds, rounds):
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory) / "compute.bin"
        image.write_bytes(struct.pack(f"<{len(COMPUTE)}I", *COMPUTE).ljust(0x1008, b"\0"))
        with Machine("-M", "virt", "-m", "64", "-nographic", "-monitor", "none", "-serial", "null", "-bios", image) as m:
            while rounds_done(m.rpc) < 1000:
                time.sleep(0.05)
            before = m.memory_kib()
            results = {w: [] for w in (Nobody, Subscriber, Flood, FloodMethods, FloodVerify, Floods, Stalled)}
            for _ in range(rounds):
                for watcher, list_of in results.items():
                    list_of.append(turn(m, watcher, seconds))
            print(f"{'':12} {'rounds/s':>10} {'of nobody':>10} {'of vCPU time':>13} {'answer ms':>10} {'worst':>7}")
            for watcher, turns in results.items():
                wall = statistics.median(t[0] / n[0] for t, n in zip(turns, results[Nobody]))
                cpu = statistics.median(t[1] / n[1] for t, n in zip(turns, results[Nobody]))
                waits = [wait * 1e3 for t in turns for wait in t[2]]
                print(f"{watcher.__name__:12} {statistics.median(t[0] for t in turns):10.0f} {wall:10.3f} {cpu:13.3f}"
                      f" {statistics.median(waits):10.2f} {max(waits):7.1f}  {turns[-1][3]}", flush=True)
            print(f"host memory: {before} KiB before, {m.memory_kib()} KiB after, {m.memory_kib(most=True)} KiB at most")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("stops", "speed"))
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    if args.part != "speed":
        stops(args.calls)
    if args.part != "stops":
        speed(args.seconds, args.rounds)


if __name__ == "__main__":
    main()
