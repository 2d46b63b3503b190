#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the console costs the guest and the server: bench/web.py [seconds of `yes`]

Over a WebSocket, as the page asks: the bitmap of 1 GiB at 10 Hz, the hot list at 5 Hz, eight pages that show a serial line
that never stands still, a page that takes 10 kB/s. Turns with and without alternate; a rate is the guest's progress for
each second that the host gave to its hart, and the time that looking held it is added. The hot list is of samples
(tb.sample). Counting runs has a line of its own: it is a store for each block, whoever looks.
"""
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from dirty import MIB, cpu_seconds, program, sweeps  # noqa: E402
from rpc_client import number  # noqa: E402
from guest import GUEST  # noqa: E402
from web import busy, watch_yes, written  # noqa: E402
from web_client import VIEWER, WebMachine  # noqa: E402

ROUNDS, TURN = int(os.environ.get("ROUNDS", "6")), 2
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


def page(m, *calls, rate=None):
    """A page with these panels open."""
    ws = m.socket(VIEWER, receive_buffer=4096 if rate else None)
    ws.call("dirty.track")
    if HOT_LIST in calls:
        ws.call("tb.sample", on=True)
    for ms, method, params in calls:
        ws.call("events.every", ms=ms, method=method, params=params, changed=False)
    return Drain(ws, rate)


BITMAP = (100, "dirty.read", {"limit": 0})
HOT_LIST = (200, "tb.list", {"sort": "samples", "limit": 50})

# name, does it count runs in the turns without, and with; panels; bytes a second that the page takes; limited
LOOKS = (("bitmap of 1 GiB at 10 Hz", False, False, (BITMAP,), None, True),
         ("hot list at 5 Hz", False, False, (HOT_LIST,), None, True),
         ("both", False, False, (BITMAP, HOT_LIST), None, True),
         ("bitmap, taken at 10 kB/s", False, False, (BITMAP,), 10000, True),
         ("counting runs (tb.profile)", False, True, (), None, False))


class Sweeper:
    """Stores to 32 MiB for ever: the dearest guest for a bitmap, and for counts, with its loop of three instructions."""
    name = "a guest that stores for ever"

    def __init__(self, directory):
        image = pathlib.Path(directory) / "sweeper.bin"
        image.write_bytes(program(32 * MIB, 8))
        self.machine = WebMachine("-M", "virt", "-m", "1024", "-nographic", "-monitor", "none", "-serial", "null",
                                  "-bios", image)
        while self.progress() < 2:     # touches the memory for the first time
            time.sleep(0.1)

    def progress(self):
        return sweeps(self.machine.rpc)


class Linux:
    """A shell that starts programs, which read, write and compute."""
    name = "Linux at work"

    def __init__(self, _):
        self.machine = WebMachine("-M", "virt", "-m", "1024", "-display", "none", "-serial", "null", "-monitor", "none",
                                  "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                                  "-append", "console=ttyS0 quiet")
        rpc = self.machine.rpc
        while "vitrine:~# " not in rpc.call("serial.tail")["text"]:
            time.sleep(0.1)
        rpc.call("serial.write", text="stty -echo; while :; do head -c 300000 /bin/busybox >f; gzip -f f; echo; done\n")
        time.sleep(2)

    def progress(self):
        return written(self.machine.rpc)


def turn(guest, counting, panels, rate):
    """(progress for each second of the hart, share of the time that it was held, CPU of the server, bytes taken)"""
    m = guest.machine
    m.rpc.call("tb.profile", on=counting)
    drain = page(m, *panels, rate=rate) if panels else None
    time.sleep(0.3)   # translates again what it runs
    m.rpc.call("machine.pauses", clear=True)
    begin, spent, hart, before = time.monotonic(), cpu_seconds(m.process.pid), busy(m.rpc), guest.progress()
    time.sleep(TURN)
    done = guest.progress() - before
    elapsed, hart = time.monotonic() - begin, busy(m.rpc) - hart
    own = cpu_seconds(m.process.pid) - spent - hart
    held = number(m.rpc.call("machine.pauses")["total_ns"]) / 1e9 / elapsed
    if drain:
        drain.end()
    return done / hart * (1 - held), held, own / elapsed, drain.taken / elapsed if drain else 0


def measure(guest, name, before, counting, panels, rate, limited):
    """Prints what it costs; False: more than it may."""
    off, on = [], []
    for i in range(ROUNDS):   # off on, on off: what changes slowly touches both
        for which in ((off, on), (on, off))[i % 2]:
            which.append(turn(guest, counting if which is on else before, panels if which is on else (), rate))
    cost = 100 * statistics.median(1 - b[0] / a[0] for a, b in zip(off, on))
    noise = 100 * statistics.median(abs(a[0] / statistics.median(x[0] for x in off) - 1) for a in off)
    held, own, taken = (statistics.median(b[i] for b in on) for i in (1, 2, 3))
    print(f"  {name:28} costs it {cost:5.1f} % (noise {noise:.1f} %; held {100 * held:.2f} %);"
          f" the server {100 * max(own, 0):4.1f} % of a core, {taken / 1000:6.1f} kB/s", flush=True)
    return not limited or cost < LIMIT + noise


def looks():
    """True if all cost less than they may."""
    ok = True
    for kind in (Sweeper, Linux):
        with tempfile.TemporaryDirectory() as directory:
            guest = kind(directory)
            print(f"{guest.name}:", flush=True)
            with guest.machine:
                for look in LOOKS:
                    ok = measure(guest, *look) and ok
    return ok


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    ok = looks()
    alone, watched, grown, overruns = watch_yes(seconds)
    print(f"{'eight viewers of yes':28} bytes a second: alone {alone:.0f}, watched {watched:.0f}"
          f" ({100 * (watched / alone - 1):+.1f} %); in {seconds:.0f} s the server grew by {grown} KiB,"
          f" {overruns} subscriptions were too slow", flush=True)
    print(f"but for counting, each look costs less than {LIMIT} %: {'yes' if ok else 'NO'}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
