# SPDX-License-Identifier: MIT
"""Clients of `-web` and `-api`, from the socket up, so that they can also misbehave.

    with WebMachine("-M", "virt", ...) as m:            # an emulator with -rpc, -web and -api
        m.rpc.call("machine.status")
        page = m.get("/index.html")                     # (status, headers, body)
        viewer = m.socket(VIEWER); viewer.call("machine.status")
        m.api("GET", "/api/v1/machine/status")

A Socket is an Rpc (rpc_client.py) whose messages travel over a WebSocket (RFC 6455).
"""
import base64
import http.client
import json
import os
import pathlib
import re
import socket
import struct

from guest import Failure
from rpc_client import Machine, Rpc

OPERATOR, VIEWER = "operator-operator-1", "viewer-viewer-viewer"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN, MASKED, LENGTH_16, LENGTH_64 = 0x80, 0x80, 126, 127


class Closed(EOFError):
    """The server ended the WebSocket."""

    def __init__(self, code, reason):
        super().__init__(f"closed: {code} {reason}")
        self.code, self.reason = code, reason


class Refused(Exception):
    """The server did not make a WebSocket of it: status and text of its answer; None: it hung up."""

    def __init__(self, status, text):
        super().__init__(f"no WebSocket: {status} {text}")
        self.status, self.text = status, text


def connect(where, patience=30):
    """To ("127.0.0.1", port) or "/path/of/socket"."""
    s = socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX)
    s.settimeout(patience)
    s.connect(where)
    return s


def exchange(s, method, path, headers, body=b""):
    """Sends one request on a socket and reads its answer: (status, headers, body)."""
    lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
    s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    answer = http.client.HTTPResponse(s, method=method)
    answer.begin()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def request(where, method, path, headers=None, body=b"", host="localhost"):
    """The same on a connection of its own."""
    headers = {"Host": host, "Connection": "close", **(headers or {})}
    if body:
        headers["Content-Length"] = len(body)
    with connect(where) as s:
        return exchange(s, method, path, headers, body)


def frame(opcode, payload, final=True):
    """A frame of RFC 6455 from a client, masked."""
    mask = os.urandom(4)
    head = bytes([(FIN if final else 0) | opcode])
    if len(payload) < LENGTH_16:
        head += bytes([MASKED | len(payload)])
    elif len(payload) < 1 << 16:
        head += struct.pack(">BH", MASKED | LENGTH_16, len(payload))
    else:
        head += struct.pack(">BQ", MASKED | LENGTH_64, len(payload))
    # As numbers: a byte at a time takes long for a large message.
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


class Socket(Rpc):
    """A WebSocket."""

    def __init__(self, where, token, path="/ws", headers=None, patience=60, receive_buffer=None, method="GET"):
        s = socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.settimeout(patience)
        s.connect(where)
        super().__init__(s, patience)
        lines = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                 "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "vitrine", **(headers or {})}
        if token:
            lines["Authorization"] = f"Bearer {token}"
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        s.sendall(f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode())
        try:
            while b"\r\n\r\n" not in self.buffer:
                self._more()
        except (EOFError, ConnectionError):
            pass
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1.[01] (\d+)", head)
        if not status or status.group(1) != b"101":
            length = re.search(rb"(?i)content-length: (\d+)", head)
            try:
                why = self.take(int(length.group(1))) if length else b""
            except (EOFError, ConnectionError):
                why = self.buffer
            s.close()
            raise Refused(int(status.group(1)) if status else None, why.decode(errors="replace"))

    def send_text(self, text):
        self.socket.sendall(frame(TEXT, text if isinstance(text, bytes) else text.encode()))

    def take(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def received(self):
        """The next message: (opcode, payload); answers pings."""
        opcode, whole = None, b""
        while True:
            first, second = self.take(2)
            length = second & 0x7f
            if length == LENGTH_16:
                length, = struct.unpack(">H", self.take(2))
            elif length == LENGTH_64:
                length, = struct.unpack(">Q", self.take(8))
            payload, kind = self.take(length), first & 0xf
            if kind == PING:
                self.socket.sendall(frame(PONG, payload))
            elif kind == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode(errors="replace"))
            elif kind != PONG:
                opcode, whole = opcode or kind, whole + payload
                if first & FIN:
                    return opcode, whole

    def message(self):
        while True:
            opcode, data = self.received()
            if opcode == TEXT:
                return json.loads(data)
            self.buffer, rest = data, self.buffer
            self.frames.append(self._frame(len(data)))
            self.buffer = rest


class WebMachine(Machine):
    """An emulator with -rpc, -web and -api; what the servers refuse stands in its log."""

    def __init__(self, *options, web="0", api="0", tokens=f",token={OPERATOR},viewer-token={VIEWER}", **rest):
        self.web_directory = None
        super().__init__(*options, "-web", web + tokens, "-api", api, "-d", "web", **rest)
        self.console = self._printed("console: ")
        self.script = self._printed("api: ")
        self.web_at = self._place(self.console)
        self.api_at = self._place(self.script)

    def _printed(self, before):
        line = self.process.stdout.readline().decode()
        if not line.startswith(before):
            raise Failure(f"instead of {before!r} this was printed: {line!r}")
        return line[len(before):].strip()

    @staticmethod
    def _place(text):
        match = re.match(r"http://127.0.0.1:(\d+)", text)
        return ("127.0.0.1", int(match.group(1))) if match else text.split()[0].removeprefix("unix:")

    def get(self, path, **headers):
        return request(self.web_at, "GET", path, {k.replace("_", "-"): v for k, v in headers.items()})

    def socket(self, token=OPERATOR, **rest):
        return Socket(self.web_at, token, **rest)

    def api(self, method, path, body=b"", token=OPERATOR, **headers):
        """(status, what its JSON holds)"""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        status, _, data = request(self.api_at, method, path, headers, body)
        return status, json.loads(data) if data[:1] in (b"{", b"[") else data

    def logged(self):
        return "\n".join(self.rpc.call("log.get", max=1000)["lines"])

    def sockets(self):
        """How many descriptors of the emulator are sockets."""
        folder = pathlib.Path(f"/proc/{self.process.pid}/fd")
        return sum(1 for fd in folder.iterdir() if os.path.islink(fd) and "socket" in os.readlink(fd))
