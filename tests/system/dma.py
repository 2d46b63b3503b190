#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a disk wrote into a booted Linux's memory: who wrote it last, and watch points that stop there. Prints TAP.

    disk's first block, with a mark in it --virtio-blk--> a page of Linux's page cache <-- mem.search

That page is nobody's but the cache's, so its last writer is the device; and the kernel's own view of all RAM
(its direct map: at DIRECT_MAP with Sv57) shows it at a virtual address, too.
"""
from gdb import Gdb
from guest import Report, contains, equal
from rpc_client import number
from session import Session, devices, in_directory

DIRECT_MAP, RAM = 0xff60000000000000, 0x80000000  # Linux: Documentation/arch/riscv/vm-layout.rst
NEAR = 10_000  # instructions: Linux cleared the page before that
PATTERN = bytes(range(0x80, 0xC0))


def places(s, pattern):
    """Where in RAM it is, from all pieces of the search."""
    hits, more = [], {}
    while True:
        answer = s.call("mem.search", pattern=pattern.hex(), **{"from": hex(RAM)}, **more)
        hits += [number(hit) for hit in answer["hits"]]
        if not answer["cursor"]:
            return hits
        more = {"cursor": answer["cursor"]}


def read_first_block(d, s):
    """The guest reads it and keeps it; returns its physical address, the machine stopped."""
    s.guest.wait_shell()
    s.guest.run("exec 3</dev/vda; dd bs=4k count=1 <&3 2>/dev/null | md5sum")
    s.call("machine.stop")
    pages = [at for at in places(s, PATTERN) if at % 4096 == 0]
    writers = [s.call("history.last_write", addr=hex(at), space="phys") for at in pages]
    found = [(at, w) for at, w in zip(pages, writers) if w["found"] and "dma" in w["stop"]]
    equal("pages the disk wrote", len(found), 1)
    return found[0]


def session(d, *options, smp=1):
    if not (d / "disk").exists():
        (d / "disk").write_bytes(PATTERN + bytes((4 << 20) - len(PATTERN)))
    return Session(d, "-icount", "shift=2,sleep=off", "-history", "on", *devices(d), *options, smp=smp,
                   append="console=ttyS0 quiet")


def stop_of(s):
    stopped = s.rpc.event("machine.stopped")["data"]
    return number(s.call("machine.status")["count"]), stopped["stop"]


def watched(s, **point):
    """Where a watch point stops the run next."""
    s.rpc.events.clear()
    s.call("cpu.watch_add", **point)
    s.call("machine.cont")
    count, stop = stop_of(s)
    s.call("cpu.point_remove")
    return count, stop


def disk_is_the_last_writer(d, smp):
    with session(d, smp=smp) as s:
        page, write = read_first_block(d, s)
        count, dma = number(write["count"]), write["stop"]["dma"]
        equal("who", (dma["device"], dma["queue"], dma["part"]), ("virtio-blk-device.0", 0, "buffer"))
        equal("where", (number(dma["addr"]) <= page, number(write["stop"]["phys"])), (True, page))
        equal("what it wrote", number(write["stop"]["new_value"]), int.from_bytes(PATTERN[:8], "little"))
        equal("what was there is not known", "old_value" in write["stop"], False)
        virtual = hex(DIRECT_MAP + page - RAM)
        equal("by its virtual address", s.call("history.last_write", addr=virtual)["count"], write["count"])

        s.rpc.subscribe("machine.stopped")
        s.call("history.go", count=hex(count - NEAR))
        equal("before it is not there", s.call("mem.read", addr=hex(page), len=8) ==
              {"data": PATTERN[:8].hex()}, False)
        for point in ({"addr": hex(page), "space": "phys"}, {"addr": virtual}):
            s.call("history.go", count=hex(count - NEAR))
            at, stop = watched(s, access="write", **point)
            equal("the watch point stops there", (at, stop["reason"], stop["dma"]), (count, "watch", dma))
            contains("the bytes", str(s.call("mem.read", addr=hex(page), len=8)), PATTERN[:8].hex())
        s.call("history.go", count=hex(count + NEAR))
        s.call("cpu.watch_add", addr=virtual)
        back = s.call("history.back_to_point")
        equal("backwards, too", (number(back["count"]), back["stop"]["dma"]), (count, dma))


def rings_and_requests_are_watched(d):
    """The disk reads the request that a hart wrote, and writes the used ring."""
    with session(d) as s:
        page, write = read_first_block(d, s)
        s.rpc.subscribe("machine.stopped")
        path = write["stop"]["dma"]["device"].removesuffix(".0")
        paths = [p["path"] for p in walk(s.call("dev.list")["devices"]) if path in p["path"]]
        queue = s.call("dev.queues", dev=paths[0])["queues"][0]
        used = number(queue["used"])
        s.call("history.go", count=hex(number(write["count"]) - NEAR))
        _, stop = watched(s, addr=hex(used + 2), len=2, space="phys", access="write")
        equal("the used index", (stop["dma"]["part"], stop["dma"]["device"]), ("used index", "virtio-blk-device.0"))
        equal("it is counted up", stop["new"], hex(number(queue["indices"]["used"]) & 0xffff))


def walk(list_of_devices):
    for device in list_of_devices:
        yield device
        yield from walk(device["children"])


def gdb_stops_for_the_disk(d):
    where = d / "gdb"
    with session(d, "-gdb", f"unix:{where}") as s:
        page, write = read_first_block(d, s)
        s.call("history.go", count=hex(number(write["count"]) - NEAR))
        g = Gdb(where)
        g.ask(f"watch *(unsigned long *){DIRECT_MAP + page - RAM:#x}")
        wanted = int.from_bytes(PATTERN[:8], "little")
        contains("gdb", g.ask("continue"), f"New value = {wanted}")
        # gdb steps on from where a RISC-V watch point stopped, here into the disk's interrupt and back.
        equal("where", 0 <= s.count() - number(write["count"]) < NEAR, True)
        contains("there and back", g.ask("reverse-continue"), f"Old value = {wanted}")


def main():
    report = Report("dma")
    for smp in (1, 4):
        report.case(f"a disk is the last writer, {smp} harts", in_directory, disk_is_the_last_writer, smp)
    report.case("rings are watched", in_directory, rings_and_requests_are_watched)
    report.case("gdb stops for the disk", in_directory, gdb_stops_for_the_disk)
    report.end()


if __name__ == "__main__":
    main()
