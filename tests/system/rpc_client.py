# SPDX-License-Identifier: MIT
"""A client of `-rpc`: calls, events and frames.

    with Machine("-M", "virt", ...) as m:              # an emulator with -rpc on a socket of its own
        m.rpc.call("machine.status")["state"]
        m.rpc.subscribe("serial.output")
        event = m.rpc.event("serial.output")
"""
import collections
import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import time

from guest import EMULATOR

Frame = collections.namedtuple("Frame", "kind stream sequence epoch icount flags data")
HEADER = struct.Struct("<HBBIIIQII")
MAGIC = 0x4656


class RpcError(Exception):
    """An error answer."""

    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error["code"]
        data = error.get("data", {})
        self.cls, self.what, self.advice = data.get("class"), data.get("what"), data.get("try")


class Rpc:
    """One connection: Rpc("/path/of/socket") or Rpc(("127.0.0.1", port)) or Rpc(a connected socket)."""

    def __init__(self, where, patience=60):
        if isinstance(where, socket.socket):
            self.socket = where
        elif isinstance(where, tuple):
            self.socket = socket.create_connection(where)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(where))
        self.socket.settimeout(patience)
        self.buffer = b""
        self.next_id = 0
        self.events = collections.deque()
        self.frames = collections.deque()

    def close(self):
        self.socket.close()

    def send_text(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the emulator closed the connection")
        self.buffer += data

    def _line(self):
        while b"\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def _frame(self, length):
        while len(self.buffer) < length:
            self._more()
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        magic, _, kind, stream, sequence, epoch, icount, size, flags = HEADER.unpack(data[:HEADER.size])
        assert magic == MAGIC and size == length - HEADER.size, (magic, size, length)
        return Frame(kind, stream, sequence, epoch, icount, flags, data[HEADER.size:])

    def message(self):
        """The next JSON message; frames before it are put in `frames`."""
        while True:
            line = self._line()
            if line.startswith(b"#"):
                self.frames.append(self._frame(int(line[1:])))
            elif line:
                return json.loads(line)

    def answer(self):
        """The next message that is no event; events before it are put in `events`."""
        while True:
            message = self.message()
            if isinstance(message, dict) and message.get("method") == "event":
                self.events.append(message["params"])
            else:
                return message

    def request(self, method, /, **params):
        """Sends a request and returns its id; answer() has the rest."""
        self.next_id += 1
        self.send_text(json.dumps({"jsonrpc": "2.0", "id": self.next_id, "method": method,
                                   "params": params}) + "\n")
        return self.next_id

    def call(self, method, /, **params):
        number = self.request(method, **params)
        answer = self.answer()
        assert answer["id"] == number, answer
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def subscribe(self, *events, **options):
        return self.call("events.subscribe", events=list(events), **options)["subscription"]

    def event(self, name=None):
        """The next event (of that name; others before it are dropped)."""
        while True:
            if self.events:
                event = self.events.popleft()
            else:
                message = self.message()
                assert message.get("method") == "event", message
                event = message["params"]
            if name is None or event["event"] == name:
                return event


class Machine:
    """An emulator with -rpc on a socket in a directory of its own."""

    def __init__(self, *options, emulator=EMULATOR, patience=60):
        self.dir = tempfile.TemporaryDirectory(prefix="vitrine-rpc-")
        self.path = pathlib.Path(self.dir.name) / "rpc"
        self.process = subprocess.Popen([emulator, *map(str, options), "-rpc", f"unix:{self.path}"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.rpc = self.connect(patience)

    def connect(self, patience=60):
        end = time.monotonic() + patience
        while True:
            try:
                return Rpc(self.path, patience)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(self.process.stdout.read().decode(errors="replace")) from None
                time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.rpc.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.dir.cleanup()

    def memory_kib(self, most=False):
        """The host's memory that the emulator has now, or the most it has had."""
        for line in open(f"/proc/{self.process.pid}/status", encoding="ascii"):
            if line.startswith("VmHWM:" if most else "VmRSS:"):
                return int(line.split()[1])
        return 0

    def wait(self, patience=30):
        return self.process.wait(patience)


def number(text):
    """A hex string's value."""
    return int(text, 16)
