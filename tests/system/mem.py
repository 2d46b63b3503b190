#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mem, mmu and dirty asked over -rpc: about a booted Linux, and about a guest of a dozen instructions."""
import base64
import pathlib
import socket
import struct
import tempfile
import time

from guest import Report, equal, linux
from rpc_client import Machine, RpcError, number
from rv import S0, T0, T1, T2, ZERO, add, addi, beq, bne, ld, lui, sd, slli, srli, sw

RAM = 0x80000000
PAGE = 4096
BANNER = b"Linux version "


def refused(kind, call, *args, **params):
    try:
        call(*args, **params)
    except RpcError as e:
        equal("class", e.cls, kind)
        return e
    raise AssertionError(f"{args} {params} was not refused")


# --- Linux ------------------------------------------------------------------------------------

def booted():
    """A Machine with Linux at its shell prompt."""
    m = Machine(*linux("-monitor", "none")[1:])
    out, end = b"", time.monotonic() + 120
    while b"vitrine:~# " not in out:
        assert time.monotonic() < end, out[-2000:]
        out += m.process.stdout.read1(4096)
    return m


def search_all(rpc, pattern, **params):
    hits, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        r = rpc.call("mem.search", pattern=pattern.hex(), **params, **more)
        hits += [int(h, 16) for h in r["hits"]]
        cursor = r["cursor"]
        if not cursor:
            return hits


def banner_by_search(rpc):
    hits = search_all(rpc, BANNER)
    texts = [bytes.fromhex(rpc.call("mem.read", addr=hex(h), len=64)["data"]) for h in hits]
    assert any(t.startswith(b"Linux version 6.") and b"@" in t for t in texts), texts
    # A limit of one at a time finds the same.
    equal("hits one by one", search_all(rpc, BANNER, limit=1), hits)
    return hits


def resolves_the_uart(rpc):
    r = rpc.call("mem.resolve", addr="0x10000005")
    equal("winner", [s["name"] for s in r["path"] if s["verdict"] == "taken"], ["serial"])
    equal("register", r["device"]["register"]["name"], "LSR")
    r = rpc.call("mem.resolve", addr=hex(RAM + 0x1234))
    equal("offset in RAM", r["ram"]["offset"], "0x1234")
    r = rpc.call("mem.resolve", addr="0x5")
    equal("hole", (r["mapped"], [s["verdict"] for s in r["path"]]), (False, ["empty"]))


def device_reads_need_insistence(rpc):
    refused("guest", rpc.call, "mem.read", addr="0x10000005", len=1)
    r = rpc.call("mem.read", addr="0x10000005", len=1, side_effects=True)
    assert int(r["data"], 16) & 0x60 == 0x60, r   # THRE and TEMT: nothing is being sent
    refused("guest", rpc.call, "mem.read", addr="0x5", len=1)


def kernel_mapping(rpc):
    """The run of the kernel's text: (virtual, physical, size)."""
    runs, more = [], {}
    while more is not None:
        r = rpc.call("mmu.mappings", limit=100, **more)
        runs += r["runs"]
        more = {"cursor": r["cursor"], "satp": r["satp"]} if r["cursor"] else None
    text = [r for r in runs if int(r["first"], 16) == 0xffffffff80000000]
    equal("runs of the kernel's text", len(text), 1)
    assert "X" in text[0]["bits"] and "U" not in text[0]["bits"] and "W" not in text[0]["bits"], text
    return [int(text[0][k], 16) for k in ("first", "phys", "size")]


def walks_the_kernel(rpc):
    virt, phys, size = kernel_mapping(rpc)
    for offset in 0, 0x1ffc, size - 8:
        w = rpc.call("mmu.walk", addr=hex(virt + offset), access="fetch", priv="S")
        equal("verdict", (w["ok"], w["phys"], w["region"]["kind"]), (True, hex(phys + offset), "ram"))
        equal("as many levels as said", w["levels"][0]["level"], (int(w["mode"][2:]) - 12) // 9 - 1)
    w = rpc.call("mmu.walk", addr=hex(virt), access="write", priv="S")
    equal("stores to text", (w["ok"], w["reason"], w["fault"]["cause"]), (False, "not-writable", 15))
    w = rpc.call("mmu.walk", addr=hex(virt), priv="U")
    equal("for users", (w["reason"], w["fault"]["cause"]), ("supervisor-page", 13))
    w = rpc.call("mmu.walk", addr="0x100000000000000", priv="S")
    equal("not canonical", w["reason"] in ("not-canonical", "not-valid"), True)
    w = rpc.call("mmu.walk", addr="0x10000000", priv="M")
    equal("bare", (w["mode"], w["phys"], w["region"]["kind"]), ("bare", "0x10000000", "device"))


def virtual_is_physical(rpc):
    virt, phys, size = kernel_mapping(rpc)
    length = min(size, 0x40000)
    a = rpc.call("mem.read", addr=hex(virt + 0xff0), len=length - 0xff0, space="virt")["data"]
    b = rpc.call("mem.read", addr=hex(phys + 0xff0), len=length - 0xff0)["data"]
    equal("bytes", a, b)
    assert len(set(a)) == 16, "the kernel's text is not all zeros"
    rpc.call("mem.read", addr=hex(phys), len=4096, format="frame")
    equal("frame", rpc.frames.pop().data.hex()[:64],
          rpc.call("mem.read", addr=hex(phys), len=32)["data"])
    refused("guest", rpc.call, "mem.read", addr="0x100000000000000", len=8, space="virt")


def text_is_for_pieces_and_frames_for_more(rpc):
    """A text takes long to make, and others wait meanwhile."""
    most, ram = 256 << 10, hex(RAM + (2 << 20))
    rpc.call("mem.read", addr=ram, len=1 << 20, format="frame")
    frame = rpc.frames.pop().data
    equal("a frame", len(frame), 1 << 20)
    for fmt, decoded in (("hex", bytes.fromhex), ("base64", base64.b64decode)):
        refused("limit", rpc.call, "mem.read", addr=ram, len=most + 1, format=fmt)
        equal(fmt, len(decoded(rpc.call("mem.read", addr=ram, len=most, format=fmt)["data"])), most)


def tlb_agrees_with_walks(rpc):
    """What the TLB holds of global pages (the kernel's) is what a walk says."""
    r = rpc.call("mmu.tlb", mode="S", level=2, limit=64, **{"from": "0xff00000000000000"})
    entries = [e for e in r["entries"] if e["global"] and e["live"]]
    assert len(entries) > 10, r
    for e in entries[:20]:
        w = rpc.call("mmu.walk", addr=e["page"], priv="S")
        equal(f"page {e['page']}", w.get("phys"), e["phys"])
    counts = r["counts"]
    equal("misses", int(counts["misses"], 16), int(counts["second_hits"], 16) + int(counts["walks"], 16))
    assert int(counts["walks"], 16) > 1000, counts


def tlb_map_shows_the_same_entries(rpc):
    """The machine is stopped: slot by slot the map is what mmu.tlb lists."""
    rpc.call("machine.stop")
    used, live, r, w, x = 1, 2, 8, 16, 32
    for level in 1, 2:
        answer = rpc.call("mmu.tlb_map", mode="S", level=level)
        slots = base64.b64decode(answer["map"])
        equal("slots", len(slots), answer["slots"])
        listed = rpc.call("mmu.tlb", mode="S", level=level, limit=4096)
        alive = {s for s, byte in enumerate(slots) if byte & live}
        equal(f"live of level {level}", (len(alive), answer["live"]), (listed["matching"],) * 2)
        assert len(alive) > 20, len(alive)
        for e in listed["entries"]:
            byte = slots[e["slot"]]
            rights = "".join(letter if byte & bit else "-" for letter, bit in (("r", r), ("w", w), ("x", x)))
            assert e["slot"] in alive and byte & used, e
            equal("rights", rights, e["rights"])
        one = listed["entries"][-1]
        equal("by slot", rpc.call("mmu.tlb", mode="S", level=level, slot=one["slot"])["entries"], [one])
    rpc.call("machine.cont")


def tree_and_blocks(rpc):
    tree = rpc.call("mem.tree")["tree"]
    by_name = {c["name"]: c for c in tree["children"]}
    equal("who added the UART", by_name["serial"]["owner"], "serial-mm")
    equal("RAM", (by_name["riscv_virt_board.ram"]["kind"], by_name["riscv_virt_board.ram"]["addr"]),
          ("ram", hex(RAM)))
    ranges = rpc.call("mem.flatview")["ranges"]
    edges = [(int(r["first"], 16), int(r["last"], 16)) for r in ranges]
    assert all(a[1] < b[0] for a, b in zip(edges, edges[1:])), edges
    block = rpc.call("mem.blocks")["blocks"][0]
    assert 0 < int(block["resident"], 16) <= int(block["size"], 16), block


def linux_cases(report):
    with booted() as m:
        m.rpc.call("machine.pauses", clear=True)
        for name, case in (("the kernel's banner is found by search", banner_by_search),
                           ("an address resolves to a device's register or to RAM", resolves_the_uart),
                           ("device registers are read only on insistence", device_reads_need_insistence),
                           ("tree, flat view and blocks", tree_and_blocks),
                           ("walks of kernel addresses tell each level and the verdict", walks_the_kernel),
                           ("virtual and physical reads of the kernel are equal", virtual_is_physical),
                           ("text is for pieces, frames are for more", text_is_for_pieces_and_frames_for_more),
                           ("the TLB holds what walks say", tlb_agrees_with_walks),
                           ("the TLB's map shows the entries that are listed",
                            tlb_map_shows_the_same_entries)):
            report.case(name, case, m.rpc)
        longest = m.rpc.call("machine.pauses")["longest"]
        print(f"# longest stop: {int(longest['ns'], 16) / 1e6:.3f} ms by {longest['method']}")


# --- a small guest ----------------------------------------------------------------------------

MAILBOX = RAM + 0x100000
# Waits for a stride in the mailbox, then stores once every stride; says that it is done with zero.
WRITER = [
    lui(S0, MAILBOX),
    slli(S0, S0, 32),    # an address is not negative
    srli(S0, S0, 32),
    ld(T0, 0, S0),       # wait:
    beq(T0, ZERO, -4),   # wait
    ld(T1, 8, S0),
    ld(T2, 16, S0),
    sd(T0, 0, T1),       # next:
    add(T1, T1, T0),
    addi(T2, T2, -1),
    bne(T2, ZERO, -12),  # next
    sd(ZERO, 0, S0),
    beq(ZERO, ZERO, -36),  # wait
]


def page_of(addr):
    return (addr - RAM) // PAGE


def let_write(rpc, start, stride, count):
    rpc.call("mem.write", addr=hex(MAILBOX + 8), data=struct.pack("<QQ", start, count).hex())
    rpc.call("mem.write", addr=hex(MAILBOX), data=struct.pack("<Q", stride).hex())
    end = time.monotonic() + 20
    while rpc.call("mem.read", addr=hex(MAILBOX), len=8)["data"] != "00" * 8:
        assert time.monotonic() < end, "the guest does not write"
        time.sleep(0.005)


def pages_of_runs(answer):
    return {p for first, n in answer["runs"] for p in range(first, first + n)}


def look(rpc, **params):
    time.sleep(0.03)    # a sample is not taken more often than every 20 ms
    return rpc.call("dirty.read", limit=10000, **params)


def leb128(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0


def bits_of_frame(frame, previous=None):
    """The set of pages in a FRAME_DIRTY (see src/inspect/dirty.c)."""
    _, first, pages, base, _, _ = struct.unpack_from("<6I", frame.data)
    body = frame.data[24:]
    bits, at = set(), 0
    if frame.flags & 2:
        bits = {first + i for i in range(pages) if body[i // 8] >> i % 8 & 1}
    else:
        for i, run in enumerate(leb128(body)):
            if i % 2:
                bits |= set(range(first + at, first + at + run))
            at += run
        equal("pages in the runs", at, pages)
    if frame.flags & 1:
        equal("base", base, previous.sequence)
        bits ^= bits_of_frame(previous)
    return bits


def map_shows_exactly_what_is_written(rpc):
    rpc.call("dirty.track")
    look(rpc)
    for start, stride, count in ((RAM + 0x200000, PAGE, 5), (RAM + 0x400008, 3 * PAGE, 40),
                                 (RAM + 0x200000, PAGE, 5), (RAM + 0x7ff8, 8, 2)):
        let_write(rpc, start, stride, count)
        expected = {page_of(start + i * stride) for i in range(count)} | {page_of(MAILBOX)}
        equal("pages", pages_of_runs(look(rpc)), expected)
    equal("pages when nothing is written", pages_of_runs(look(rpc)), set())
    refused("bad-state", rpc.call, "dirty.read", client="history")


def frames_carry_the_map(rpc):
    rpc.call("dirty.track")
    look(rpc)
    rpc.frames.clear()
    let_write(rpc, RAM + 0x300000, PAGE, 7)
    first = look(rpc)
    equal("sequence", rpc.frames[-1].sequence, first["frame"])
    whole = rpc.frames[-1]
    equal("frame", bits_of_frame(whole), pages_of_runs(first))
    let_write(rpc, RAM + 0x302000, PAGE, 9)
    second = look(rpc, since=first["frame"])
    equal("difference", (second["xor"], bits_of_frame(rpc.frames[-1], whole)),
          (True, pages_of_runs(second)))
    assert len(rpc.frames[-1].data) < 60, "as run lengths"


def repeated_looks_send_differences(rpc):
    """events.every with delta: each frame is against the one before, whatever is called between."""
    look(rpc, client="code")
    rpc.frames.clear()
    number = rpc.call("events.every", ms=30, method="dirty.read",
                      params={"client": "code", "delta": True, "limit": 10000})["subscription"]
    bits = None
    for turn in range(6):
        result = rpc.event("events.result")["data"]["result"]
        frame = rpc.frames[-1]
        equal("sequence", frame.sequence, result["frame"])
        if turn > 1:
            equal("difference", result["xor"], True)
            equal("base", struct.unpack_from("<I", frame.data, 12)[0], before.sequence)
            equal("bits", bits ^ bits_of_frame(frame._replace(flags=frame.flags & 2)),
                  pages_of_runs(result))
        bits, before = pages_of_runs(result), frame
    rpc.call("events.unsubscribe", subscription=number)


def a_slow_client_gets_fewer_frames(m):
    """While a result waits its call is not made again: no heap of frames is on its way, and none of
    the pages is lost."""
    rpc = m.connect()
    rpc.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    rpc.call("dirty.track")
    rpc.call("events.every", ms=10, method="dirty.read", params={"limit": 10000})
    other = m.connect()
    expected = {page_of(MAILBOX)}
    for i in range(100):        # results of 15 KB, and nobody takes them
        let_write(other, RAM + 0x200000 + i * 2 * PAGE, 2 * PAGE, 2000)
        expected |= {page_of(RAM + 0x200000) + (i + n) * 2 for n in range(2000)}
        time.sleep(0.01)
    seen, end = set(), time.monotonic() + 20
    while not seen >= expected and time.monotonic() < end:
        rpc.frames.clear()
        result = rpc.event("events.result")["data"]["result"]
        equal("frames of the result", [f.sequence for f in rpc.frames], [result["frame"]])
        seen |= pages_of_runs(result)
    equal("pages that are missing", expected - seen, set())
    rpc.close()
    other.close()


def viewers_do_not_disturb_each_other(m):
    with_rpc = m.connect()
    other = m.connect()
    for rpc in with_rpc, other:
        rpc.call("dirty.track")
        look(rpc)
    let_write(with_rpc, RAM + 0x500000, PAGE, 3)
    expected = {page_of(RAM + 0x500000) + i for i in range(3)} | {page_of(MAILBOX)}
    equal("the first viewer", pages_of_runs(look(with_rpc)), expected)
    equal("its second look", pages_of_runs(look(with_rpc)), set())
    equal("the other viewer, later", pages_of_runs(look(other)), expected)
    with_rpc.close()
    other.close()


def code_pages(rpc):
    code = pages_of_runs(rpc.call("dirty.read", client="code", frame=False))
    equal("pages with code", code, {0})
    # Patching the running program throws its code away; it goes on with the new bytes.
    rpc.call("mem.write", addr=hex(RAM + 7 * 4), data=struct.pack("<I", sw(T0, 0, T1)).hex())
    rpc.call("mem.write", addr=hex(RAM + 0x600000), data="ff" * 8)
    let_write(rpc, RAM + 0x600000, PAGE, 1)
    equal("what the patched program wrote", rpc.call("mem.read", addr=hex(RAM + 0x600000), len=8)["data"],
          "00100000ffffffff")


def rates(rpc):
    rpc.call("dirty.track")
    for _ in range(40):
        look(rpc)
    for _ in range(8):
        let_write(rpc, RAM + 0x700000, PAGE, 2)
        look(rpc)
    r = rpc.call("dirty.rate", samples=8, top=3)
    equal("hottest", [h["page"] for h in r["hot"]][:3],
          sorted([page_of(MAILBOX), page_of(RAM + 0x700000), page_of(RAM + 0x701000)])[:3])
    equal("pages by hits", (r["histogram"][8], sum(r["histogram"])), (3, 64 * 256))


def tracking_ends_with_its_client(m):
    rpc = m.connect()
    rpc.call("dirty.track")
    before = rpc.call("dirty.clients")["trackers"]
    other = m.connect()
    rpc.close()
    end = time.monotonic() + 10
    while other.call("dirty.clients")["trackers"] >= before:
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)
    other.close()


def hits_are_counted_when_asked(rpc):
    def counts():
        return rpc.call("mmu.tlb", limit=1)["counts"]

    pages = 200
    equal("before", (counts()["accesses"], counts()["hits"]), (None, None))
    rpc.call("tb.profile", on=True)
    before = counts()
    let_write(rpc, RAM + (8 << 20), 8, pages * PAGE // 8)
    after = counts()
    stores, hits = (number(after[k]) - number(before[k]) for k in ("accesses", "hits"))
    fills = number(after["fills"]) - number(before["fills"])
    equal("accesses less fills", stores - fills, hits)
    equal("each store is an access", stores >= pages * PAGE // 8, True)
    equal("all but the first of a page hit", fills <= hits // 100, True)
    rpc.call("tb.profile", on=False)
    equal("after", counts()["hits"], None)


def small_guest_cases(report):
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory) / "writer.bin"
        image.write_bytes(struct.pack(f"<{len(WRITER)}I", *WRITER))
        with Machine("-M", "virt", "-m", "64", "-nographic", "-monitor", "none", "-serial", "null",
                     "-bios", image) as m:
            report.case("the map shows exactly the pages a guest writes", map_shows_exactly_what_is_written,
                        m.rpc)
            report.case("frames carry the map whole and as a difference", frames_carry_the_map, m.rpc)
            report.case("repeated looks send differences", repeated_looks_send_differences, m.rpc)
            report.case("a slow client gets fewer frames and loses no page", a_slow_client_gets_fewer_frames, m)
            report.case("two viewers see the same, each in its time", viewers_do_not_disturb_each_other, m)
            report.case("rates and hot pages", rates, m.rpc)
            report.case("hits of the TLB are counted when asked for", hits_are_counted_when_asked, m.rpc)
            report.case("pages with translated code; a write from outside changes the program", code_pages,
                        m.rpc)
            report.case("tracking ends with its client", tracking_ends_with_its_client, m)


def main():
    report = Report("mem")
    linux_cases(report)
    small_guest_cases(report)
    report.end()


if __name__ == "__main__":
    main()
