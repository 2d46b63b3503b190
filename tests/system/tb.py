#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The domain "tb": blocks of a small guest whose code is known, and of a booted Linux. Prints TAP."""
import pathlib
import tempfile
import time

from guest import GUEST, Failure, Report, contains, equal
from rpc_client import Machine, RpcError, number

RAM = 0x80000000
HOT, STORE, PATCHED = RAM + 0x0c, RAM + 0x24, RAM + 0x40
BACKENDS = "x86_64", "interp"


def branch_ne(rs1, rs2, offset):
    o = offset & 0x1fff
    return (0x1063 | rs1 << 15 | rs2 << 20 | (o >> 11 & 1) << 7 | (o >> 1 & 15) << 8 |
            (o >> 5 & 63) << 25 | (o >> 12) << 31)


def jump(rd, offset):
    o = offset & 0x1fffff
    return 0x6f | rd << 7 | (o >> 12 & 255) << 12 | (o >> 11 & 1) << 20 | (o >> 1 & 0x3ff) << 21 | (o >> 20) << 31


NOP = 0x13
# A loop of three instructions; each 2^14 rounds it patches an instruction at PATCHED and calls it.
PROGRAM = [
    0x00000417,             # 00 auipc s0, 0
    0x00004637,             # 04 lui   a2, 4
    0x00000513,             # 08 li    a0, 0
    0x00150513,             # 0c addi  a0, a0, 1         HOT
    0x00a585b3,             # 10 add   a1, a1, a0
    branch_ne(10, 12, -8),  # 14 bne   a0, a2, 0c
    0x04042283,             # 18 lw    t0, 64(s0)
    0x00100337,             # 1c lui   t1, 0x100
    0x0062c2b3,             # 20 xor   t0, t0, t1
    0x04542023,             # 24 sw    t0, 64(s0)        STORE
    0x0000100f,             # 28 fence.i
    jump(1, 0x14),          # 2c jal   ra, 40
    jump(0, -0x28),         # 30 j     08
    NOP, NOP, NOP,
    0x00148493,             # 40 addi  s1, s1, 1 (or 0)  PATCHED
    0x00008067,             # 44 ret
]


def small_guest(directory, backend):
    path = pathlib.Path(directory) / "program"
    path.write_bytes(b"".join(w.to_bytes(4, "little") for w in PROGRAM))
    return Machine("-M", "virt", "-m", 16, "-bios", "none", "-display", "none", "-serial", "null",
                   "-monitor", "none", "-kernel", path, "-accel", f"tcg,backend={backend}")


def eventually(what, look):
    """The first true result of look(); a guest may need a moment to get there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        result = look()
        if result:
            return result
        time.sleep(0.02)
    raise Failure(f"{what}: it did not happen")


def hottest(rpc):
    """The list by runs, once the loop ran often."""
    def look():
        blocks = rpc.call("tb.list", sort="runs", limit=10)["blocks"]
        # A new block of the loop begins at 0 again when it was made anew.
        return blocks if blocks and number(blocks[0]["runs"] or "0x0") > 100000 else None
    rpc.call("tb.profile", on=True)
    return eventually("a block runs often", look)


def hot_loop_is_first_by_runs(backend):
    with tempfile.TemporaryDirectory() as d, small_guest(d, backend) as m:
        blocks = hottest(m.rpc)
        equal("the hottest block", number(blocks[0]["pc"]), HOT)
        runs = [number(b["runs"]) for b in blocks]
        equal("order", runs, sorted(runs, reverse=True))
        equal("instructions", blocks[0]["insns"], 3)
        page = m.rpc.call("tb.list", sort="size", limit=2)
        rest = m.rpc.call("tb.list", sort="size", limit=1000, cursor=page["cursor"])
        ids = {b["id"] for b in page["blocks"]}
        if ids & {b["id"] for b in rest["blocks"]} or len(ids) != 2:
            raise Failure("the cursor gives a block twice")
        only = m.rpc.call("tb.list", **{"from": hex(STORE), "to": hex(STORE)})["blocks"]
        if not only or any(not number(b["pc"]) <= STORE < number(b["pc"]) + b["size"] for b in only):
            raise Failure(f"the address range lets through {only}")


def add_maps_to_host_bytes(backend):
    with tempfile.TemporaryDirectory() as d, small_guest(d, backend) as m:
        e = m.rpc.call("tb.explain", id=hottest(m.rpc)[0]["id"])
        equal("identical", e["identical"], True)
        equal("guest text", e["guest"][1]["text"].split("\t"), ["add", "a1,a1,a0"])
        equal("fields", {f["name"]: f["value"] for f in e["guest"][1]["fields"]
                         if not f["fixed"]}, {"rs2": "a0", "rs1": "a1", "rd": "a1"})
        equal("passes", [s["name"] for s in e["stages"]],
              ["front end", "optimize", "share checks", "liveness"])
        add = [o for o in e["stages"][-1]["ops"] if o["op"] == "add" and o["insn"] == 1]
        equal("add's op", [o["text"] for o in add], ["add_i64 a1, a1, a0"])
        host = [h for h in e["host"] if h["op"] == add[0]["id"]]
        if not host or not all(h["bytes"] for h in host):
            raise Failure("no host bytes come from the add")
        size = sum(len(h["bytes"]) // 2 for h in e["host"])
        if backend == "x86_64":
            equal("host bytes in all", size, e["block"]["host_size"])
            contains("host text", host[0]["text"], "add")
            pinned = {r["temp"]: r["reg"] for r in e["registers"] if r["op"] is None}
            contains("the register of a1", host[0]["text"], pinned["a1"])
        else:
            contains("interpreted op", host[0]["text"], "add_i64 env[0x58], env[0x58], env[0x50]")
        live = {l["temp"] for l in e["live"]}
        if not {"a0", "a1", "a2"} <= live:
            raise Failure(f"live: {live}")


def biography_names_the_store(backend):
    with tempfile.TemporaryDirectory() as d, small_guest(d, backend) as m:
        def look():
            deaths = m.rpc.call("tb.history", cause="store")["deaths"]
            mine = [x for x in deaths if number(x["pc"]) == PATCHED]
            return mine if len(mine) > 2 else None  # the newest first
        death = eventually("blocks are killed", look)[0]
        equal("who", number(death["by"]["pc"]), STORE)
        equal("vCPU", death["by"]["cpu"], 0)
        equal("length", death["by"]["length"], 4)
        lives = m.rpc.call("tb.history", id=death["id"])["lives"]
        equal("the block itself", lives[0]["id"], death["id"])
        equal("why it was born", lives[0]["birth"], "again")
        equal("its parent", lives[1]["id"], death["parent"])
        equal("which died of", lives[1]["death"]["death"], "store")
        if number(m.rpc.call("tb.stats")["deaths"]["store"]) < 3:
            raise Failure("deaths are not counted")


def graph_has_the_known_edges(backend):
    with tempfile.TemporaryDirectory() as d, small_guest(d, backend) as m:
        hot = hottest(m.rpc)[0]

        def look():
            g = m.rpc.call("tb.graph", id=hot["id"], depth=4)
            pcs = {n["id"]: number(n["pc"]) for n in g["nodes"]}
            edges = {(pcs[x["from"]], number(x["pc"]) if x["pc"] else None, x["kind"]) for x in g["edges"]}
            chained = {(pcs[x["from"]], pcs.get(x["to"])) for x in g["edges"] if x["to"]}
            wanted = {(HOT, HOT, "direct"), (HOT, HOT + 12, "direct")}
            return wanted <= edges and {(HOT, HOT), (HOT, HOT + 12)} <= chained
        eventually("the loop is chained to itself and to what follows", look)
        equal("limit", len(m.rpc.call("tb.graph", id=hot["id"], depth=4, limit=1)["nodes"]), 1)


def mistakes_are_told(backend):
    with tempfile.TemporaryDirectory() as d, small_guest(d, backend) as m:
        for method, params, cls in (
                ("tb.explain", {"id": "0xffffffff"}, "not-found"),
                ("tb.explain", {"pc": "0x10"}, "not-found"),
                ("tb.explain", {}, "bad-params"),
                ("tb.get", {"id": "0x0"}, "not-found"),
                ("tb.graph", {"id": "0x123456789"}, "not-found"),
                ("tb.list", {"cursor": "abc"}, "bad-params"),
                ("tb.list", {"sort": "beauty"}, "bad-params")):
            try:
                m.rpc.call(method, **params)
            except RpcError as error:
                equal(f"{method} {params}", error.cls, cls)
            else:
                raise Failure(f"{method} {params} was answered")
        equal("the guest lives", m.rpc.call("machine.status")["running"], True)


# --- Linux -----------------------------------------------------------------------------------------

class Linux(Machine):
    """A booted Linux whose console is a pipe."""

    def __init__(self, backend, *options):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = f"{self.directory.name}/console"
        super().__init__("-M", "virt", "-m", 512, "-display", "none", "-monitor", "none",
                         "-serial", f"file:{self.socket}", "-kernel", GUEST / "Image",
                         "-initrd", GUEST / "initramfs.cpio", "-append", "console=ttyS0 quiet",
                         "-accel", f"tcg,backend={backend}", *options)
        eventually("the shell", lambda: "vitrine:" in pathlib.Path(self.socket).read_text("latin-1"))

    def __exit__(self, *args):
        super().__exit__(*args)
        self.directory.cleanup()


def every_block_of_linux_is_identical(backend, *options):
    with Linux(backend, *options) as m:
        looked, after = 0, None
        while True:
            v = m.rpc.call("tb.verify", limit=2000, **({"after": after} if after else {}))
            equal("blocks that differ", v["different"], [])
            equal("the rest", v["looked_at"], v["identical"] + v["died_meanwhile"])
            looked += v["identical"]
            after = v["next"]
            if not after:
                break
        print(f"# {looked} blocks of Linux on {backend} explained, all identical")
        if looked < 5000:
            raise Failure(f"only {looked} blocks")


def evicted_blocks_are_no_trouble():
    """Four vCPUs boot in a code buffer that is far too small, while blocks are explained all the time."""
    with tempfile.TemporaryDirectory() as d:
        console = pathlib.Path(d) / "console"
        with Machine("-M", "virt", "-m", 512, "-smp", 4, "-display", "none", "-monitor", "none",
                     "-serial", f"file:{console}", "-kernel", GUEST / "Image",
                     "-initrd", GUEST / "initramfs.cpio", "-append", "console=ttyS0 quiet",
                     "-accel", "tcg,tb-size=1") as m:
            looked = 0
            while not console.exists() or "vitrine:" not in console.read_text("latin-1"):
                v = m.rpc.call("tb.verify", limit=500)
                equal("blocks that differ", v["different"], [])
                looked += v["identical"]
                m.rpc.call("tb.list", sort="invalidations", limit=1000, dead=True)
            evicted = number(m.rpc.call("tb.stats")["evictions"])
            print(f"# {looked} explained, {evicted} regions evicted meanwhile")
            if not looked or not evicted:
                raise Failure(f"{looked} explained, {evicted} evicted")


def linux_in_numbers(backend):
    with Linux(backend) as m:
        s = m.rpc.call("tb.stats")
        regions = m.rpc.call("tb.regions")["regions"]
        equal("regions", len(regions), 16)
        m.rpc.call("machine.stop")
        for r in m.rpc.call("tb.regions", cells=64)["regions"]:
            inside = sum(alive + dead for alive, dead in r["cells"])
            equal("cells", len(r["cells"]), 64)
            if any(alive + dead > number(r["size"]) / 64 + 1 for alive, dead in r["cells"]):
                raise Failure("a cell holds more code than fits")
            # What is used is code and the gaps that align it; nothing lies behind it.
            if not 0.8 * number(r["used"]) <= inside <= number(r["used"]):
                raise Failure(f"cells hold {inside} bytes of {r['used']} used")
        equal("used", sum(number(r["used"]) for r in regions) <= number(s["buffer_size"]), True)
        if not (0.3 < s["chained_share"] <= 1 and 1 < s["expansion"] < 200 and 0 < s["fill"] <= 1):
            raise Failure(f"strange numbers: {s}")
        equal("kernel blocks", {b["priv"] for b in m.rpc.call("tb.list", priv="s")["blocks"]}, {"s"})
        # However many fit in a page.
        ids, cursor, pages = [], {}, 0
        while cursor is not None:
            page = m.rpc.call("tb.list", sort="size", limit=1000, **cursor)
            ids += [b["id"] for b in page["blocks"]]
            cursor, pages = {"cursor": page["cursor"]} if page["cursor"] else None, pages + 1
        whole = number(m.rpc.call("tb.list", sort="size", limit=1)["matches"])
        equal("blocks on all pages, each once", (len(ids), len(set(ids))), (whole, whole))
        print(f"# {whole} blocks of Linux on {pages} pages", flush=True)
        for _ in range(20):
            m.rpc.call("tb.list", sort="invalidations", limit=1000)
        pauses = m.rpc.call("machine.pauses")["recent"]
        equal("stops for looking at blocks", [p for p in pauses if str(p["method"]).startswith("tb.")], [])


def main():
    report = Report("tb")
    for backend in BACKENDS:
        for test in (hot_loop_is_first_by_runs, add_maps_to_host_bytes, biography_names_the_store,
                     graph_has_the_known_edges, mistakes_are_told):
            report.case(f"{backend}: {test.__name__.replace('_', ' ')}", test, backend)
    for backend in BACKENDS:
        name = f"{backend}: every block of Linux is identical"
        if not (GUEST / "Image").exists():
            report.skip(name, "no guest: run tools/fetch-guest.sh")
            continue
        report.case(name, every_block_of_linux_is_identical, backend)
        report.case(f"{backend}: every block of Linux on four vCPUs is identical",
                    every_block_of_linux_is_identical, backend, "-smp", "4")
        report.case(f"{backend}: every block of Linux with -icount is identical",
                    every_block_of_linux_is_identical, backend, "-icount", "shift=5")
    if (GUEST / "Image").exists():
        report.case("evicted blocks are no trouble", evicted_blocks_are_no_trouble)
        report.case("Linux in numbers", linux_in_numbers, "x86_64")
    report.end()


if __name__ == "__main__":
    main()
