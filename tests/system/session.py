# SPDX-License-Identifier: MIT
"""A Linux guest with a terminal and a connection for calls; and its disk and network.

    with Session(directory, "-icount", "shift=2", *devices(directory)) as s:
        s.guest.wait_shell()                       # as a user
        s.hash_at(90_000_000)                      # as a script
"""
import pathlib
import tempfile
import time

from guest import Guest, equal, linux
from rpc_client import Rpc, number

MILLION = 1_000_000
LOUD = "console=ttyS0"
MEMORY = 256  # hashing takes as long as there is memory in use


class Session:
    """A Linux guest with a terminal and a connection for calls."""

    def __init__(self, directory, *options, smp=1, patience=60, append=LOUD, emulator=None):
        self.where = str(directory / f"rpc-{time.monotonic_ns()}")
        command = linux("-rpc", f"unix:{self.where}", *options, smp=smp, memory=MEMORY,
                        append=append)
        if emulator:
            command[0] = str(emulator)
        self.guest = Guest(command, patience=patience)
        self.rpc = None

    def __enter__(self):
        end = time.monotonic() + 30
        while not self.rpc:
            try:
                self.rpc = Rpc(self.where, self.guest.patience)
            except OSError:  # no socket yet, or nobody listens on it yet
                if not self.guest._read(0.05) or time.monotonic() > end:
                    self.guest.fail("it does not answer")
        return self

    def __exit__(self, *_):
        if self.rpc:
            self.rpc.close()
        self.guest.__exit__()

    def call(self, method, **params):
        return self.rpc.call(method, **params)

    def count(self):
        return number(self.call("machine.status")["count"])

    def hash_at(self, count):
        """The hash right before instruction number `count`; the guest stands there then."""
        self.rpc.events.clear()
        self.call("machine.cont", until=hex(count))
        stopped = self.rpc.event("machine.stopped")["data"]
        equal("why it stopped", (stopped["state"], stopped["stop"]["reason"]), ("debug", "count"))
        equal("where it stopped", self.count(), count)
        return self.call("machine.hash")["hash"]

    def hashes(self, counts):
        try:
            self.rpc.subscribe("machine.stopped")
            return {count: self.hash_at(count) for count in counts}
        except (EOFError, OSError) as error:
            self.drain()
            return self.guest.fail(f"{error} on the way to {counts}")

    def drain(self):
        """All that a guest that stands has written."""
        length = -1
        while length != len(self.guest.output):
            length = len(self.guest.output)
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                if not self.guest._read(0.1):
                    break
        return self.guest.output


def in_directory(case, *args):
    with tempfile.TemporaryDirectory(prefix="vitrine-replay-") as d:
        case(pathlib.Path(d), *args)


def devices(d):
    image = d / "disk"
    if not image.exists():
        image.write_bytes(bytes(4 << 20))
    return ["-drive", f"file={image},if=none,format=raw,id=d,snapshot=on",
            "-device", "virtio-blk-device,drive=d", "-device", "virtio-rng-device",
            "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0"]
