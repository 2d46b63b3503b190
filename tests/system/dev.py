#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The domains dev, irq and trace, against a small guest whose every register write is known, and against
Linux: what the inspector shows must be what the guest did, or what Linux itself says."""
import collections
import contextlib
import json
import pathlib
import tempfile
import time

from guest import Failure, Guest, Report, equal, linux
from rpc_client import Machine, Rpc, RpcError, number

UART, PLIC = 0x10000000, 0xC000000
RAM, HANDLER = 0x80000000, 0x80000100
UART_INPUT = 10
PATIENCE = 30  # seconds

# --- a small guest: machine code by hand -----------------------------------------------------------

T0, T1, T2 = 5, 6, 7
MTVEC, MEPC = 0x305, 0x341


def lui(rd, value):
    return (value & 0xFFFFF000) | rd << 7 | 0x37


def auipc(rd, value):
    return (value & 0xFFFFF000) | rd << 7 | 0x17


def addi(rd, rs, imm):
    return (imm & 0xFFF) << 20 | rs << 15 | rd << 7 | 0x13


def store(width, rs2, rs1, imm):
    return imm >> 5 << 25 | rs2 << 20 | rs1 << 15 | width << 12 | (imm & 31) << 7 | 0x23


def csrw(csr, rs):
    return csr << 20 | rs << 15 | 1 << 12 | 0x73


def csrr(rd, csr):
    return csr << 20 | 2 << 12 | rd << 7 | 0x73


ECALL, MRET, WFI, BACK = 0x00000073, 0x30200073, 0x10500073, 0xFFDFF06F  # BACK: jal zero, -4

# LCR = 0x1b (8 bits, even parity), priority of input 10 = 3, IER = 2 (raises THRE), one ecall, then wfi.
PROGRAM = [
    auipc(T0, 0), addi(T0, T0, HANDLER - RAM), csrw(MTVEC, T0),
    lui(T1, UART), addi(T2, 0, 0x1B), store(0, T2, T1, 3),
    lui(T0, PLIC), addi(T2, 0, 3), store(2, T2, T0, 4 * UART_INPUT),
    addi(T2, 0, 2), store(0, T2, T1, 1),
    ECALL, WFI, BACK,
]
ECALL_PC = RAM + 4 * PROGRAM.index(ECALL)
HANDLER_CODE = [csrr(T0, MEPC), addi(T0, T0, 4), csrw(MEPC, T0), MRET]


def image():
    code = b"".join(w.to_bytes(4, "little") for w in PROGRAM)
    code = code.ljust(HANDLER - RAM, b"\0")
    return code + b"".join(w.to_bytes(4, "little") for w in HANDLER_CODE)


@contextlib.contextmanager
def small_guest(*options):
    with tempfile.TemporaryDirectory() as d:
        path = pathlib.Path(d) / "guest"
        path.write_bytes(image())
        with Machine("-M", "virt", "-m", 64, "-display", "none", "-bios", path, "-S", *options) as m:
            yield m.rpc


def run_until_wfi(rpc):
    """Runs the guest until its hart sleeps."""
    rpc.call("machine.cont")
    end = time.monotonic() + PATIENCE
    while not rpc.call("irq.lines")["harts"][0]["halted"]:
        if time.monotonic() > end:
            raise Failure("the guest does not come to its wfi")


def register(rpc, dev, name):
    for r in rpc.call("dev.regs", dev=dev)["registers"]:
        if r["name"] == name:
            return r
    raise Failure(f"{dev} has no register {name}")


def words(rpc, dev, name):
    return {f["name"]: f["words"] for f in register(rpc, dev, name)["fields"]}


def trace_all(rpc, limit=2000):
    events, cursor = [], "0x0"
    while True:
        answer = rpc.call("trace.read", cursor=cursor, limit=limit)
        equal("events lost", answer["lost"], "0x0")
        if not answer["events"]:
            return events
        events += answer["events"]
        cursor = answer["cursor"]


def registers_show_what_was_written():
    with small_guest() as rpc:
        equal("LCR before", register(rpc, "serial-mm", "LCR")["value"], "0x0")
        run_until_wfi(rpc)
        lcr = register(rpc, "serial-mm", "LCR")
        equal("LCR", lcr["value"], "0x1b")
        equal("address of LCR", number(lcr["address"]), UART + 3)
        got = words(rpc, "serial-mm", "LCR")
        equal("word length", got["WORD"], "8 bits")
        equal("parity", (got["PARITY"], got["EVEN"]), ("parity", "even"))
        # Looking does not clear the THRE interrupt, as a guest's read of IIR would.
        for _ in range(3):
            equal("IIR", words(rpc, "serial-mm", "IIR")["cause"], "transmitter empty")
        equal("priority", register(rpc, "riscv.sifive.plic", f"priority[{UART_INPUT}]")["value"], "0x3")


def an_interrupt_nobody_enabled_is_found():
    with small_guest() as rpc:
        run_until_wfi(rpc)
        path = rpc.call("irq.path", dev="serial-mm")
        equal("input", path["input"], UART_INPUT)
        equal("first steps pass", [s["passes"] for s in path["steps"][:2]], [True, True])
        equal("stopped", path["stopped"], "PLIC: no context has enabled it")
        line = [x for x in rpc.call("irq.lines")["lines"] if x["input"] == UART_INPUT][0]
        equal("line", (line["level"], line["pending"], line["raised"], line["claimed"], line["priority"]),
              (True, True, "0x1", "0x0", 3))


def trace_of_a_small_guest_is_exact(backend):
    with small_guest("-accel", f"tcg,backend={backend}") as rpc:
        rpc.call("trace.start", kinds=["trap", "mmio_write", "irq_line", "wfi"])
        run_until_wfi(rpc)
        rpc.call("trace.stop")
        events = [e for e in trace_all(rpc) if e["kind"] != "mmio_write" or
                  number(e["args"]["pc"]) >= RAM]
        equal("kinds", [e["kind"] for e in events],
              ["mmio_write", "mmio_write", "mmio_write", "irq_line", "exception", "return", "wfi"])
        equal("writes", [(number(e["args"]["address"]), number(e["args"]["value"])) for e in events[:3]],
              [(UART + 3, 0x1B), (PLIC + 4 * UART_INPUT, 3), (UART + 1, 2)])
        equal("trap", (events[4]["title"], number(events[4]["args"]["pc"])), ("ecall from M", ECALL_PC))
        equal("return", number(events[5]["args"]["pc"]), ECALL_PC + 4)
        times = [number(e["ns"]) for e in events]
        equal("times in order", times, sorted(times))


def filters_hold():
    with small_guest() as rpc:
        rpc.call("trace.start", kinds=["mmio"], first=hex(UART), last=hex(UART + 7))
        run_until_wfi(rpc)
        equal("addresses", [number(e["args"]["address"]) for e in trace_all(rpc)], [UART + 3, UART + 1])
    with small_guest() as rpc:
        rpc.call("trace.start", harts=[5])
        run_until_wfi(rpc)
        equal("events of a hart that is not there", trace_all(rpc), [])


def bad_requests_are_refused():
    wrong = [("dev.regs", {"dev": "nothing"}, "not-found"), ("dev.queues", {"dev": "serial-mm"}, "unsupported"),
             ("irq.path", {}, "bad-params"), ("irq.path", {"dev": "riscv.sifive.test"}, "not-found"),
             ("irq.path", {"input": 900}, "not-found"), ("dev.regs", {"dev": "virtio-mmio"}, "not-found"),
             ("trace.start", {"kinds": ["nonsense"]}, "bad-params"), ("trace.start", {"kinds": []}, "bad-params"),
             ("trace.start", {"capacity": 1}, "bad-params"), ("trace.export", {"cursor": "0x77"}, "bad-params"),
             ("trace.window", {"from": "0x5", "to": "0x5"}, "bad-params"),
             ("trace.window", {"kinds": ["nonsense"]}, "bad-params")]
    with small_guest() as rpc:
        for method, params, cls in wrong:
            try:
                rpc.call(method, **params)
            except RpcError as error:
                equal(f"class of {method} {params}", error.cls, cls)
            else:
                raise Failure(f"{method} {params} was accepted")


# --- Linux -----------------------------------------------------------------------------------------

@contextlib.contextmanager
def linux_guest(smp=1):
    with tempfile.TemporaryDirectory() as d:
        disk, path = pathlib.Path(d) / "disk", pathlib.Path(d) / "rpc"
        disk.write_bytes(bytes(16 << 20))
        with Guest(linux("-drive", f"file={disk},if=none,format=raw,id=hd", "-device",
                         "virtio-blk-device,drive=hd,id=disk0", "-rpc", f"unix:{path}", smp=smp)) as g:
            g.wait_shell()
            rpc = Rpc(path)
            yield g, rpc
            rpc.close()


def names_in(devices):
    for d in devices:
        yield d
        yield from names_in(d["children"])


def devices_are_those_linux_found(g, rpc):
    tree = rpc.call("dev.list")
    equal("board", tree["board"], "virt")
    by_path = {d["path"]: d for d in names_in(tree["devices"])}
    base, irq = by_path["serial-mm@10000000"]["base"], by_path["serial-mm@10000000"]["irq"]["input"]
    equal("uart", (number(base), irq), (UART, UART_INPUT))
    seat = [d for d in tree["devices"] if any(c["path"] == "disk0" for c in d["children"])][0]
    iomem = g.run("cat /proc/iomem")
    if f"{number(seat['base']):08x}" not in iomem:
        raise Failure(f"Linux has nothing at {seat['base']}: {iomem}")
    for path in by_path:  # every device answers every question about it
        rpc.call("dev.regs", dev=path, all=True)
        rpc.call("dev.state", dev=path)
        rpc.call("dev.properties", dev=path)


def uart_is_8n1(g, rpc):
    """Linux's own word: `stty` on the console says cs8 -parenb -cstopb."""
    stty = g.run("stty -a -F /dev/ttyS0 2>/dev/null || stty -a < /dev/console")
    for word in ("cs8", "-parenb", "-cstopb"):
        if word not in stty.split():
            raise Failure(f"Linux says {stty}")
    got = words(rpc, "serial-mm", "LCR")
    equal("LCR", (got["WORD"], got["PARITY"], got["STOP"]), ("8 bits", "no parity", "1 stop bit"))


def queue_indices_advance(g, rpc):
    def state():
        q = rpc.call("dev.queues", dev="disk0")["queues"][0]
        return q, number(q["indices"]["used"])
    g.run("echo 3 > /proc/sys/vm/drop_caches")
    _, before = state()
    reads = int(g.run("cat /sys/block/vda/stat").split()[0])
    g.run("dd if=/dev/vda of=/dev/null bs=64k count=32 2>/dev/null")
    now_reads = int(g.run("cat /sys/block/vda/stat").split()[0])
    q, after = state()
    equal("requests, as Linux counts them", (after - before) % 65536, now_reads - reads)
    equal("indices", (q["indices"]["avail"], q["indices"]["last_avail"]),
          (q["indices"]["used_in_ram"], q["indices"]["used"]))
    equal("ready", (q["ready"], q["waiting_count"], len(q["last_used"])), (True, 0, 8))
    features = rpc.call("dev.queues", dev="disk0")["features"]
    bits = g.run("cat /sys/bus/virtio/devices/virtio0/features").strip()
    accepted = sum(1 << i for i, bit in enumerate(bits) if bit == "1")
    equal("features Linux accepted", number(features["accepted"]), accepted)


def plic_claims_are_linux_interrupts(g, rpc):
    def linux_count():
        return sum(int(line.split()[1]) for line in g.run("cat /proc/interrupts").splitlines()
                   if "virtio0" in line)

    def claimed():
        dev = rpc.call("irq.path", dev="disk0")["input"]
        return [number(x["claimed"]) for x in rpc.call("irq.lines")["lines"] if x["input"] == dev][0]
    before, first = linux_count(), claimed()
    g.run("echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=4k count=64 2>/dev/null")
    after = linux_count()
    equal("claims", claimed() - first, after - before)
    if after == before:
        raise Failure("Linux took no interrupt of the disk")


def trace_shows_traps_and_exports(g, rpc):
    rpc.call("trace.start", capacity=262144)
    rpc.subscribe("trace.events")
    g.run("sleep 0.2; dd if=/dev/vda of=/dev/null bs=64k count=4 2>/dev/null")
    live = rpc.event("trace.events")["data"]["events"]
    stats = rpc.call("trace.stop")
    events = trace_all(rpc)
    equal("events", len(events), number(stats["next"]) - number(stats["first"]))
    if not live or any(e["kind"] not in stats["counts"] for e in live):
        raise Failure(f"trace.events had {live}")
    kinds = collections.Counter(e["kind"] for e in events)
    equal("counts", {k: number(n) for k, n in stats["counts"].items()}, dict(kinds))
    titles = collections.Counter(e["title"] for e in events)
    for title in ("ecall from U", "supervisor timer interrupt", "supervisor external interrupt", "sret"):
        if not titles[title]:
            raise Failure(f"no {title} among {titles}")
    for kind in ("tlb_fill", "mmio_read", "dma_write", "timer_fired", "wfi", "wake", "tb_born"):
        if not kinds[kind]:
            raise Failure(f"no {kind} among {kinds}")
    check_perfetto(export(rpc, "perfetto"), events)
    equal("lines of text", export(rpc, "text").count("\n"), len(events))


def export(rpc, form):
    piece = rpc.call("trace.export", format=form, limit=3000)
    text = piece["text"]
    while not piece["done"]:
        piece = rpc.call("trace.export", format=form, limit=3000, cursor=piece["cursor"])
        equal("lost", piece["lost"], "0x0")
        text += piece["text"]
    return text


def refuse(text):
    raise Failure(f"{text} is no JSON")


def check_perfetto(text, events):
    """Strict JSON with the fields that the format asks of each phase; slices of a track nest."""
    trace = json.loads(text, parse_constant=refuse)
    tracks = collections.defaultdict(list)
    names = set()
    for e in trace["traceEvents"]:
        equal("pid", e["pid"], 1)
        if e["ph"] == "M":
            names.add(e["args"]["name"])
            continue
        assert e["ph"] in "Xi" and e["name"] and e["cat"] and e["ts"] >= 0, e
        if e["ph"] == "X":
            assert e["dur"] >= 0, e
            tracks[e["tid"]].append((round(e["ts"] * 1000), round((e["ts"] + e["dur"]) * 1000)))
        else:
            equal("scope", e["s"], "t")
    assert {"machine virt", "hart 0", "devices"} <= names, names
    for slices in tracks.values():
        open_ends = []
        for start, end in sorted(slices, key=lambda s: (s[0], -s[1])):
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1], (start, end, open_ends)
            open_ends.append(end)
    traps = sum(e["kind"] in ("exception", "interrupt") for e in events)
    equal("a slice for each trap", sum(map(len, tracks.values())), traps)


def counted(events, window, axis):
    """What trace.window should count: {(kind, hart): {bin: events}}."""
    lanes = collections.defaultdict(collections.Counter)
    first, last, width = (number(window[k]) for k in ("from", "to", "width"))
    for e in events:
        where = number(e[axis])
        if first <= where < last:
            lanes[e["kind"], e["hart"]][(where - first) // width] += 1
    return lanes


def a_window_counts_what_the_trace_holds(g, rpc):
    rpc.call("trace.start", kinds=["trap", "wait", "timer"], capacity=262144)
    g.run("ls -R /sys >/dev/null; sleep 0.1")
    rpc.call("trace.stop")
    events = trace_all(rpc)
    times = [number(e["ns"]) for e in events]
    low, high = min(times), max(times) + 1
    third = (high - low) // 3
    for first, last, bins in ((low, high, 7), (low + third, high - third, 1000), (0, high, 1), (low, low + 50, 1000)):
        w = rpc.call("trace.window", axis="ns", bins=bins, limit=0, **{"from": hex(first), "to": hex(last)})
        got = {(x["kind"], x["hart"]): dict(zip(x["bins"][::2], x["bins"][1::2])) for x in w["lanes"]}
        equal(f"bins of {first}..{last}", got, counted(events, w, "ns"))
        equal("matches", number(w["matches"]), sum(x["total"] for x in w["lanes"]))
        equal("oldest", number(w["oldest"]["ns"]), low)
    few = rpc.call("trace.window", axis="ns", kinds=["interrupt"], harts=[1], limit=500, to=hex(high))
    wanted = [e for e in events if e["kind"] == "interrupt" and e["hart"] == 1]
    equal("events of one kind and hart", few.get("events"), wanted if len(wanted) <= 500 else None)
    for s in rpc.call("trace.window", axis="ns", bins=1000, limit=0, to=hex(high))["slices"]:
        begin = [e for e in events if e["seq"] == s["seq"]][0]
        equal("a slice begins with its event", (begin["kind"], begin["hart"], begin["ns"]),
              (s["kind"], s["hart"], s["from"]))
        if not s["open"] and s["kind"] != "wfi":
            ends = [e for e in events if e["ns"] == s["to"] and e["hart"] == s["hart"] and e["kind"] == "return"]
            equal("and ends with a return", len(ends) > 0, True)


def a_full_ring_says_what_it_lost(g, rpc):
    rpc.call("trace.start", kinds=["tlb", "trap"], capacity=64)
    g.run("ls -R /sys >/dev/null")
    stats = rpc.call("trace.stop")
    answer = rpc.call("trace.read", cursor="0x0", limit=2000)
    window = rpc.call("trace.window", axis="ns")
    equal("nothing is missing from the oldest one on", window["whole_from"]["ns"], answer["events"][0]["ns"])
    equal("the window says what was lost", window["lost"],
          hex(number(stats["overwritten"]) + number(stats["collisions"])))
    equal("read and lost", len(answer["events"]) + number(answer["lost"]),
          sum(map(number, stats["counts"].values())) + number(stats["collisions"]))
    equal("kept", len(answer["events"]), 64)


def looking_holds_nothing_up(g, rpc):
    rpc.call("machine.pauses", clear=True)
    for _ in range(50):
        rpc.call("irq.lines")
        rpc.call("dev.regs", dev="riscv.sifive.plic", all=True)
        rpc.call("dev.queues", dev="disk0", limit=64)
    equal("the guest still answers", g.run("echo $((6 * 7))").strip(), "42")
    print(f"# longest hold: {number(rpc.call('machine.pauses')['longest']['ns']) / 1000:.0f} us")


def main():
    report = Report("dev")
    report.case("registers show what the guest wrote", registers_show_what_was_written)
    report.case("an interrupt that nobody enabled is found", an_interrupt_nobody_enabled_is_found)
    for backend in ("x86_64", "interp"):
        report.case(f"the trace of a small guest is exact ({backend})", trace_of_a_small_guest_is_exact,
                    backend)
    report.case("filters by address and hart hold", filters_hold)
    report.case("bad requests are refused by class", bad_requests_are_refused)
    with linux_guest(smp=2) as (g, rpc):
        report.case("devices are those Linux found", devices_are_those_linux_found, g, rpc)
        report.case("the UART is set to 8n1", uart_is_8n1, g, rpc)
        report.case("queue indices and features are Linux's", queue_indices_advance, g, rpc)
        report.case("claims are the interrupts Linux counted", plic_claims_are_linux_interrupts, g, rpc)
        report.case("the trace shows traps and exports", trace_shows_traps_and_exports, g, rpc)
        report.case("a window counts what the trace holds", a_window_counts_what_the_trace_holds, g, rpc)
        report.case("a full ring says what it lost", a_full_ring_says_what_it_lost, g, rpc)
        report.case("looking does not hold the guest up", looking_holds_nothing_up, g, rpc)
    report.end()


if __name__ == "__main__":
    main()
