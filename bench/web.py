#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the console costs the guest and the server: bench/web.py [seconds of `yes`]

Over a WebSocket, as the page asks: the bitmap of 1 GiB at 10 Hz, the hot list at 5 Hz, eight pages that show a serial line
that never stands still, a page that takes 10 kB/s. Turns with and without alternate; a rate is sweeps of the guest's
memory (bench/dirty.py) for each second that the host gave to its hart, and the time that looking held it is added.
"""
import pathlib
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from dirty import MIB, cpu_seconds, program, sweeps  # noqa: E402
from rpc_client import number  # noqa: E402
from web import busy, watch_yes  # noqa: E402
from web_client import OPERATOR, VIEWER, WebMachine  # noqa: E402

ROUNDS, TURN = 5, 3
LIMIT = 3   # per cent: what the console may cost


class Drain:
    """Takes all that comes, or so many bytes a second."""

    def __init__(self, ws, bytes_per_second=None):
        self.ws, self.rate, self.taken = ws, bytes_per_second, 0
        ws.socket.settimeout(0.2)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            try:
                self.taken += len(self.ws.socket.recv(self.rate // 10 if self.rate else 1 << 18))
            except TimeoutError:
                continue
            if self.rate:
                self.stop.wait(0.1)

    def end(self):
        self.stop.set()
        self.thread.join()
        self.ws.close()


def bitmap(m):
    ws = m.socket(VIEWER)
    ws.call("dirty.track")
    ws.call("events.every", ms=100, method="dirty.read", changed=False, params={"limit": 0, "delta": True})
    return Drain(ws)


def counting(m):
    ws = m.socket(OPERATOR)
    ws.call("tb.profile", on=True)
    return Drain(ws)


def hot_list(m):
    ws = m.socket(OPERATOR)
    ws.call("tb.profile", on=True)
    ws.call("events.every", ms=200, method="tb.list", params={"limit": 50})
    return Drain(ws)


def both(m):
    drain = hot_list(m)
    drain.ws.socket.settimeout(60)
    drain.end()   # counting goes on; the list is asked for again, beside the bitmap
    ws = m.socket(VIEWER)
    ws.call("dirty.track")
    ws.call("events.every", ms=100, method="dirty.read", changed=False, params={"limit": 0, "delta": True})
    ws.call("events.every", ms=200, method="tb.list", params={"limit": 50})
    return Drain(ws)


def slow(m):
    ws = m.socket(VIEWER, receive_buffer=4096)
    ws.call("dirty.track")
    ws.call("events.every", ms=100, method="dirty.read", changed=False, params={"limit": 0, "delta": True})
    return Drain(ws, 10000)


def turn(m, viewer):
    """(sweeps a second, share of the time that the guest was held, CPU seconds of the server a second, bytes taken)"""
    drain = viewer(m) if viewer else None
    m.rpc.call("machine.pauses", clear=True)
    begin, spent, hart, swept = time.monotonic(), cpu_seconds(m.process.pid), busy(m.rpc), sweeps(m.rpc)
    time.sleep(TURN)
    elapsed, hart = time.monotonic() - begin, busy(m.rpc) - hart
    rate = (sweeps(m.rpc) - swept) / hart
    own = cpu_seconds(m.process.pid) - spent - hart
    held = number(m.rpc.call("machine.pauses")["total_ns"]) / 1e9 / elapsed
    if drain:
        drain.end()
        m.rpc.call("tb.profile", on=False)
    return rate * (1 - held), held, own / elapsed, drain.taken / elapsed if drain else 0


def looks():
    """True if all cost less than they may."""
    ok = True
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory) / "sweeper.bin"
        image.write_bytes(program(32 * MIB, 8))
        with WebMachine("-M", "virt", "-m", "1024", "-nographic", "-monitor", "none", "-serial", "null",
                        "-bios", image) as m:
            while sweeps(m.rpc) < 2:     # touches the memory for the first time
                time.sleep(0.1)
            for name, viewer in (("bitmap of 1 GiB at 10 Hz", bitmap), ("counting runs (tb.profile)", counting),
                                 ("counting, hot list at 5 Hz", hot_list), ("both", both),
                                 ("bitmap, taken at 10 kB/s", slow)):
                pairs = [(turn(m, None), turn(m, viewer)) for _ in range(ROUNDS)]
                cost = 100 * statistics.median(1 - b[0] / a[0] for a, b in pairs)
                held, own, taken = (statistics.median(b[i] for _, b in pairs) for i in (1, 2, 3))
                ok = ok and cost < LIMIT
                print(f"{name:28} costs the guest {cost:5.1f} % (of it held {100 * held:.2f} %),"
                      f" the server {100 * own:4.1f} % of a core, {taken / 1000:7.1f} kB/s", flush=True)
    return ok


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    ok = looks()
    alone, watched, grown, overruns = watch_yes(seconds)
    print(f"{'eight viewers of yes':28} bytes a second: alone {alone:.0f}, watched {watched:.0f}"
          f" ({100 * (watched / alone - 1):+.1f} %); in {seconds:.0f} s the server grew by {grown} KiB,"
          f" {overruns} subscriptions were too slow", flush=True)
    print(f"each look costs less than {LIMIT} %: {'yes' if ok else 'NO'}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
