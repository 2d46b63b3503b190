#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The doors -web and -api against those who mean no good, and against those who are slow.

What is refused is refused with a reason and logged, and the guest, which stands still, is the same afterwards.
How the page looks from a browser: tests/web.
"""
import base64
import contextlib
import gzip
import json
import pathlib
import re
import select
import socket
import struct
import tempfile
import threading
import time

from guest import EMULATOR, GUEST, Failure, Report, contains, equal
from rpc_client import RpcError, number
from web_client import (BINARY, CLOSE, OPERATOR, TEXT, VIEWER, Closed, Refused, Socket, WebMachine, connect, exchange,
                        frame, request)

BARE = ("-M", "virt", "-m", "16", "-display", "none", "-serial", "null", "-monitor", "none", "-bios", "none", "-S")
MAX_CLIENTS, MAX_SCRIPTS, TRIES, MIB = 32, 16, 60, 1 << 20
YES_SECONDS = 10


@contextlib.contextmanager
def standing(*options, **rest):
    """A machine that stands still and must be the same afterwards."""
    with WebMachine(*BARE, *options, **rest) as m:
        before = m.rpc.call("machine.hash")["hash"]
        yield m
        equal("the machine's hash", m.rpc.call("machine.hash")["hash"], before)


def refused(m, wanted, text="", **rest):
    """That no WebSocket is made of it, and why."""
    try:
        m.socket(**rest).close()
    except Refused as why:
        equal(f"status for {rest!r:.100}", why.status, wanted)
        contains(f"{rest!r:.100}", why.text, text)
        if not 0 < len(why.text) < 200:
            raise Failure(f"the text that comes with {why.status} is {why.text!r}") from None
    else:
        raise Failure(f"a WebSocket for {rest}")


def gone_soon(what, wanted, patience=60):
    """Waits until what() is at most `wanted`."""
    end = time.monotonic() + patience
    while (now := what()) > wanted:
        if time.monotonic() > end:
            raise Failure(f"still {now}, and not {wanted}")
        time.sleep(0.1)


# --- who may come -------------------------------------------------------------------------------

def foreign_hosts_and_origins_are_refused():
    with standing() as m:
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::1", "a" * 5000):
            for where in (m.web_at, m.api_at):
                status, _, body = request(where, "GET", "/health", {"Authorization": f"Bearer {OPERATOR}"}, host=host)
                if status not in (400, 403, 421, 431):
                    raise Failure(f"host {host!r:.40} got {status} {body}")
            refused(m, 421, headers={"Host": host})
        port = m.web_at[1]
        for origin in ("http://evil.example", "null", f"http://localhost:{port + 1}", "file://", "x" * 3000):
            equal(f"{origin:.30} at -web", m.get("/whoami", Origin=origin, Authorization=f"Bearer {OPERATOR}")[0], 403)
            status, _ = m.api("GET", "/api/v1", Origin=origin)
            equal(f"{origin:.30} at -api", status, 403)
            refused(m, 403, headers={"Origin": origin})
        with m.socket(headers={"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}).socket:
            pass  # the page's own
        for text in ("does not go by that host name", "a page of another origin"):
            contains("log", m.logged(), text)


def without_a_token_nobody_comes_in():
    with standing() as m:
        refused(m, 401, token=None)
        refused(m, 401, token="wrong-wrong-wrong-1")
        equal("whoami", m.get("/whoami")[0], 401)
        for path in ("/metrics", "/api/v1", "/api/v1/machine/status", "/api/v1/snapshots"):
            status, answer = m.api("GET", path, token=None)
            equal(path, (status, answer["error"]["class"]), (401, "forbidden"))
            equal(path, m.api("GET", path, token="wrong-wrong-wrong-1")[0], 401)
        equal("health tells nothing", m.api("GET", "/health", token=None), (200, {"status": "ok"}))
        # The page's cookie is sent to every port of this host: it opens the page's door alone.
        status, headers, _ = request(m.web_at, "POST", "/login", body=OPERATOR.encode())
        equal("login", status, 200)
        for part in ("HttpOnly", "SameSite=Strict"):
            contains("cookie", headers["set-cookie"], part)
        equal("without TLS", "Secure" in headers["set-cookie"], False)
        cookie = headers["set-cookie"].split(";")[0]
        equal("with the cookie", m.get("/whoami", Cookie=cookie)[2], b"operator")
        equal("the cookie at -api", m.api("GET", "/api/v1", token=None, Cookie=cookie)[0], 401)
        contains("log", m.logged(), "the token is wrong")
    with WebMachine(*BARE, tokens="") as m:   # one is made, 256 bits of it
        if not re.search(r"/#t=[0-9a-f]{64}$", m.console):
            raise Failure(m.console)


def guessing_ends_after_a_few_tries():
    with standing() as m:
        def login(token):
            return request(m.web_at, "POST", "/login", body=token)[0]
        equal("guesses", {login(b"guess-guess-guess-%d" % i) for i in range(TRIES)}, {401})
        equal("one more", login(b"guess-guess-guess"), 429)
        equal("at the other door", m.api("GET", "/api/v1", token="guess-guess-guess")[0], 429)
        refused(m, 429, "too many wrong tokens", token="guess-guess-guess")
        contains("log", m.logged(), "too many wrong tokens")
        # All come from one address, and who knows the token gets in.
        equal("the right one", login(OPERATOR.encode()), 200)
        equal("at the other door", m.api("GET", "/api/v1")[0], 200)
        equal("a WebSocket", m.socket().call("machine.status")["running"], False)


def a_websocket_that_is_refused_is_told_why():
    with standing() as m:
        for path in ("/", "/ws/", "/wsx", "/index.html", "/ws/ws", "/w", "/api/ws", "/whoami", "/login"):
            refused(m, 404, "no such page", path=path)
        refused(m, 405, "GET", method="POST")
        refused(m, 401, "a token is needed", token=None)
        refused(m, 401, "the token is wrong", token="wrong-wrong-wrong-1")
        refused(m, 403, "another origin", headers={"Origin": "http://evil.example"})
        refused(m, 421, "host name", headers={"Host": "evil.example"})
        # Before anything else who asks must be known: nobody learns more.
        refused(m, 401, "a token is needed", token=None, headers={"Sec-WebSocket-Protocol": None})
        for name, value in (("Sec-WebSocket-Version", "8"), ("Sec-WebSocket-Version", None), ("Sec-WebSocket-Protocol", None),
                            ("Sec-WebSocket-Protocol", "http"), ("Sec-WebSocket-Protocol", "x" * 3000),
                            ("Upgrade", None), ("Upgrade", "h2c")):
            refused(m, 426, "WebSocket", headers={name: value})
        with contextlib.suppress(Refused):   # libwebsockets hangs up on it, or says 403
            m.socket(headers={"Upgrade": "unknown/1.0"}).close()
            raise Failure("a WebSocket by another name")
        ws = m.socket(path="/ws?x=1")
        equal("a query is nobody's business", ws.call("machine.status")["running"], False)
        contains("log", m.logged(), "refused: this is a WebSocket")
    with standing(tokens=f",token={OPERATOR},base=/lab/vm1") as m:
        for path in ("/ws", "/lab/ws", "/lab/vm1", "/lab/vm1x/ws", "/lab/vm1/lab/vm1/ws"):
            refused(m, 404, "no such page", path=path)
        equal("under its path", m.socket(path="/lab/vm1/ws").call("machine.status")["running"], False)


def nobody_keeps_a_socket_by_asking_for_another_protocol():
    """What is neither HTTP nor our WebSocket does not stay, known or not."""
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    websocket = f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}"
    with standing() as m:
        before = m.sockets()
        for text in ("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                     "CONNECT x HTTP/1.0\r\n\r\n",
                     f"{websocket}\r\n", f"{websocket}Sec-WebSocket-Protocol: http\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                     "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"):
            held = []
            for _ in range(30):
                held.append(connect(m.web_at))
                with contextlib.suppress(ConnectionError):   # it may hang up at the first line
                    held[-1].sendall(text.encode())
            gone_soon(m.sockets, before)
            for s in held:
                with s, contextlib.suppress(ConnectionError):
                    data = s.recv(65536)
                    if b" 101 " in data:
                        raise Failure(f"{text[:60]!r} was let in: {data!r:.100}")


def a_viewer_looks_and_does_not_drive():
    with standing() as m:
        viewer = m.socket(VIEWER)
        methods = viewer.call("machine.methods")["methods"]
        operators = [row for row in methods if row["role"] == "operator"]
        if len(operators) < 20:
            raise Failure(f"only {len(operators)} methods for operators")
        for row in operators:
            try:
                viewer.call(row["name"])
            except RpcError as error:
                equal(row["name"], error.cls, "forbidden")
            else:
                raise Failure(f"a viewer called {row['name']}")
            path = "/api/v1/" + row["name"].replace(".", "/")
            equal(path, m.api("POST", path, b"{}", token=VIEWER)[0], 403)
            equal(path, m.api("GET", path, token=OPERATOR)[0], 405)
        equal("a viewer looks", viewer.call("machine.status")["running"], False)
        contains("log", m.logged(), "may look only")


# --- messages -----------------------------------------------------------------------------------

def error_of(client, text):
    client.send_text(text)
    return client.answer()["error"]


def who_logs_out_has_no_door_left_open():
    with standing() as m:
        def login():
            return request(m.web_at, "POST", "/login", body=OPERATOR.encode())[1]["set-cookie"].split(";")[0]
        mine, others = login(), login()
        first, second, other = (m.socket(token=None, headers={"Cookie": c}) for c in (mine, mine, others))
        by_token = m.socket()
        first.subscribe("machine.resumed")
        equal("logout", request(m.web_at, "POST", "/logout", {"Cookie": mine})[0], 200)
        for ws in (first, second):
            try:
                ws.call("machine.status")
                raise Failure("it is still open")
            except Closed as closed:
                equal("why", (closed.code, closed.reason), (1008, "you have logged out"))
        refused(m, 401, token=None, headers={"Cookie": mine})
        for ws in (other, by_token):
            equal("others stay", ws.call("machine.status")["running"], False)


def bad_messages_are_answered_and_change_nothing():
    with standing() as m:
        ws = m.socket()
        equal("oversized", error_of(ws, '{"x":"' + "a" * MIB + '"}')["data"]["class"], "limit")
        equal("deep", error_of(ws, "[" * 100000 + "]" * 100000)["data"]["class"], "limit")
        for text in ("", "{", "nonsense", '{"jsonrpc":"2.0"', "[]", "1", '"x"', "null", '{"a":1,"a":2}', "\x00"):
            if error_of(ws, text)["code"] not in (-32700, -32600):
                raise Failure(f"{text!r} was not malformed")
        # In fragments, with a ping between them, down to a byte each.
        text = b'{"jsonrpc":"2.0","id":7,"method":"machine.version"}'
        pieces = [text[i:i + 1] for i in range(len(text))]
        for i, piece in enumerate(pieces):
            ws.socket.sendall(frame(TEXT if i == 0 else 0, piece, i + 1 == len(pieces)) + frame(9, b"ping"))
        ws.next_id = 7
        equal("a message in fragments", ws.answer()["id"], 7)
        # A long one in fragments costs no more than a long one.
        for i in range(64):
            ws.socket.sendall(frame(TEXT if i == 0 else 0, b"x" * 65536, i == 63))
        equal("oversized in fragments", ws.answer()["error"]["data"]["class"], "limit")
        equal("it goes on", ws.call("machine.status")["running"], False)


def frames_against_the_standard_end_the_connection():
    with standing() as m:
        unmasked = bytes([0x81, 5]) + b"hello"
        for name, data in (("binary", frame(BINARY, b"x" * 100)), ("reserved opcode", frame(3, b"x")),
                           ("a continuation of nothing", frame(0, b"x")), ("not masked", unmasked),
                           ("no UTF-8", frame(TEXT, b"\xff\xfe\xfd")), ("a long ping", frame(9, b"x" * 1000)),
                           ("a huge length", bytes([0x81, 0xff]) + b"\xff" * 12),
                           ("noise", bytes(range(256)) * 64)):
            ws = m.socket()
            ws.socket.settimeout(20)
            try:
                ws.socket.sendall(data + frame(CLOSE, struct.pack(">H", 1000)))
                while True:
                    ws.received()
            except (Closed, EOFError, ConnectionError):
                ws.close()
            except socket.timeout:
                raise Failure(f"{name}: it neither answers nor hangs up") from None
        equal("it goes on", m.socket().call("machine.status")["running"], False)


def bad_http_is_answered():
    with standing() as m:
        for text in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01" * 40,
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
                     b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                     b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
                     b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 5000,
                     b"POST /api/v1/machine/stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                     + OPERATOR.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            for where in (m.web_at, m.api_at):
                with connect(where, 30) as s, contextlib.suppress(OSError):
                    s.sendall(text)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
        status, answer = m.api("POST", "/api/v1/cpu/regs", b"[" * 100000)
        equal("deep", (status, answer["error"]["class"]), (400, "parse-error"))
        equal("oversized", m.api("POST", "/api/v1/cpu/regs", b" " * (MIB + 1))[0], 413)
        equal("not JSON", m.api("POST", "/api/v1/cpu/regs", b"cpu=0")[0], 400)
        equal("-web goes on", m.get("/")[0], 200)
        equal("-api goes on", m.api("GET", "/api/v1/machine/status")[0], 200)


# --- too many, too slow -------------------------------------------------------------------------

def one_viewer_too_many_is_told_so():
    with standing() as m:
        held = [m.socket(VIEWER) for _ in range(MAX_CLIENTS)]
        refused(m, 503, "there are too many viewers")
        equal("so that a page can say so", m.get("/ws", Authorization=f"Bearer {OPERATOR}")[::2],
              (503, b"there are too many viewers"))
        contains("log", m.logged(), "too many viewers")
        for ws in held:
            equal("the others go on", ws.call("machine.status")["running"], False)
        held.pop().close()
        end = time.monotonic() + 30
        while True:
            try:
                m.socket().call("machine.version")
                break
            except Refused:
                if time.monotonic() > end:
                    raise Failure("no room though one has gone") from None


def half_open_connections_keep_nobody_out():
    """Nothing, half a line, and a header a second: for more sockets than the servers have."""
    with standing() as m:
        begun = [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"]
        for where, count in ((m.web_at, 150), (m.api_at, 3 * MAX_SCRIPTS)):
            before, held = m.sockets(), []
            for i in range(count):
                held.append(connect(where))
                held[-1].sendall(begun[i % len(begun)])
            stop = threading.Event()

            def trickle():
                while not stop.wait(1):
                    for s in held:
                        with contextlib.suppress(OSError):
                            s.send(b"X: y\r\n")
            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                if where == m.api_at:
                    equal("a script among them", m.api("GET", "/api/v1/machine/status")[0], 200)
                else:
                    equal("a viewer among them", m.socket().call("machine.status")["running"], False)
                    end = time.monotonic() + 60
                    while m.sockets() > before + 20:   # hung up on, though they send something
                        if time.monotonic() > end:
                            raise Failure(f"{m.sockets() - before} half-open connections are still there")
                        time.sleep(0.2)
            finally:
                stop.set()
                thread.join()
                for s in held:
                    s.close()


def a_slow_reader_slows_nobody():
    """Takes 10 kB/s of a megabyte a frame; what waits for it is bounded, and others do not wait."""
    with standing() as m:
        slow = m.socket(VIEWER, receive_buffer=4096)
        quick = m.socket(VIEWER)
        slow.call("events.every", ms=10, method="mem.read", changed=False,
                  params={"addr": "0x80000000", "len": MIB, "format": "frame"})
        before, longest = m.memory_kib(), 0
        end = time.monotonic() + 5
        while time.monotonic() < end:
            slow.socket.recv(1024)
            begin = time.monotonic()
            quick.call("cpu.regs")
            longest = max(longest, time.monotonic() - begin)
            time.sleep(0.1)
        grown = m.memory_kib() - before
        if grown > 16 * 1024:
            raise Failure(f"it grew by {grown} KiB")
        print(f"# beside a reader of 10 kB/s: longest answer {1000 * longest:.1f} ms, {grown} KiB more", flush=True)


def who_takes_nothing_holds_no_memory():
    with standing() as m:
        deaf = m.socket(receive_buffer=4096)
        deaf.socket.setblocking(False)
        ask = frame(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"machine.methods"}')
        end, sent, waiting = time.monotonic() + 3, 0, b""
        before = m.memory_kib()
        while time.monotonic() < end:
            waiting = waiting or ask
            if not select.select([], [deaf.socket], [], 0.05)[1]:
                continue
            with contextlib.suppress(BlockingIOError):
                n = deaf.socket.send(waiting)
                waiting, sent = waiting[n:], sent + n
        grown = m.memory_kib() - before
        if grown > 16 * 1024:
            raise Failure(f"it grew by {grown} KiB for {sent} bytes of questions")
        equal("others go on", m.socket().call("machine.status")["running"], False)


def written(rpc):
    return number(rpc.call("serial.list")["lines"][0]["written"])


def busy(rpc):
    """Seconds that the host's processors gave to the guest's harts."""
    return number(rpc.call("machine.counters")["counters"]["busy_ns"]) / 1e9


def written_per_second(rpc, seconds):
    """Bytes that the guest writes to its line for each second of its own: other load does not count."""
    bytes_before, before = written(rpc), busy(rpc)
    time.sleep(seconds)
    return (written(rpc) - bytes_before) / (busy(rpc) - before)


class Watcher:
    """A page that shows a serial line."""

    def __init__(self, machine):
        self.ws = machine.socket(VIEWER)
        self.end = self.overruns = 0
        self.stop = False
        self.ws.subscribe("serial.output")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop:
            event = self.ws.event()
            if event["event"] == "events.overrun":   # told that it was too slow, it begins again
                self.overruns += 1
                self.ws.subscribe("serial.output")
                self.end = number(self.ws.call("serial.tail")["end"])
            else:
                data = base64.b64decode(event["data"]["data"])
                self.end = max(self.end, number(event["data"]["from"]) + len(data))


def watch_yes(seconds, viewers=8):
    """A guest that never stops writing: (bytes a second alone, with viewers, KiB that the emulator grew by, overruns).
    All viewers must have seen its last byte."""
    with WebMachine("-M", "virt", "-m", "256", "-display", "none", "-serial", "null", "-monitor", "none",
                    "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                    "-append", "console=ttyS0 quiet") as m:
        watching, text = m.rpc.subscribe("serial.output"), ""
        while "vitrine:~# " not in text:
            text += base64.b64decode(m.rpc.event("serial.output")["data"]["data"]).decode(errors="replace")
        m.rpc.call("events.unsubscribe", subscription=watching)
        m.rpc.call("serial.write", text="yes\n")
        alone = written_per_second(m.rpc, seconds / 3)
        watchers = [Watcher(m) for _ in range(viewers)]
        time.sleep(1)
        before = m.memory_kib()
        watched = written_per_second(m.rpc, seconds)
        grown = m.memory_kib() - before
        m.rpc.call("machine.stop")
        end = number(m.rpc.call("serial.tail")["end"])
        patience = time.monotonic() + 30
        while any(w.end != end for w in watchers) and time.monotonic() < patience:
            time.sleep(0.05)
        seen = [w.end for w in watchers]
        for w in watchers:
            w.stop = True
        m.rpc.call("machine.cont")   # one event more for each, so that its thread sees it
        for w in watchers:
            w.thread.join()
        equal("what each viewer saw last", seen, [end] * viewers)
        return alone, watched, grown, sum(w.overruns for w in watchers)


def eight_viewers_of_yes():
    alone, watched, grown, overruns = watch_yes(YES_SECONDS)
    if grown > 8 * 1024:
        raise Failure(f"it grew by {grown} KiB")
    print(f"# yes, bytes a second: alone {alone:.0f}, with 8 viewers {watched:.0f}"
          f" ({100 * (watched / alone - 1):+.1f} %), {grown} KiB more, too slow {overruns} times", flush=True)


# --- files --------------------------------------------------------------------------------------

OUT = ("../vitrine", "..%2fvitrine", "%2e%2e/vitrine", "lib/../../vitrine", "lib/..%2f..%2fvitrine", "/etc/passwd",
       "//etc/passwd", "..\\vitrine", ".gitignore", "lib/.hidden.js", "app.js%00.html", "....//vitrine",
       "%252e%252e/vitrine", "lib/", ".", "..", "index.html/..", "a" * 300, "\u00e4.js", "npm/.stamp", "index.html.gz")


def no_name_leads_out_of_the_page():
    page = {p.read_bytes() for p in (pathlib.Path(EMULATOR).resolve().parent / "web").rglob("*") if p.is_file()}
    with standing() as m:
        for name in OUT:
            path = "/" + name.encode("utf-8").decode("latin-1")
            with connect(m.web_at) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))
                data = b""
                with contextlib.suppress(ConnectionError):
                    while more := s.recv(65536):
                        data += more
            status = int(data.split()[1]) if data else 0
            if status == 200 and data.partition(b"\r\n\r\n")[2] in page:
                continue   # "/." is "/"
            if status not in (0, 400, 403, 404, 414):
                raise Failure(f"{name!r:.60} got {status}: {data[-200:]}")


def files_come_gzipped_and_not_twice():
    with standing() as m:
        _, plain, body = m.get("/protocol.js")
        status, headers, packed = m.get("/protocol.js", Accept_Encoding="br;q=1, gzip")
        equal("status", (status, headers["content-encoding"], headers["vary"].lower()), (200, "gzip", "accept-encoding"))
        equal("the same", gzip.decompress(packed), body)
        if len(packed) > len(body) / 2:
            raise Failure(f"{len(packed)} of {len(body)} bytes")
        for refusing in ("identity", "gzip;q=0", "xgzip", "deflate"):
            _, headers, got = m.get("/protocol.js", Accept_Encoding=refusing)
            equal(refusing, (headers.get("content-encoding"), got == body), (None, True))
        tag = plain["etag"]
        for known, status in ((tag, 304), (f'"other", {tag}', 304), ('"other"', 200)):
            equal(known, m.get("/protocol.js", If_None_Match=known)[0], status)
        equal("a tag is of one coding", m.get("/protocol.js", If_None_Match=tag, Accept_Encoding="gzip")[0], 200)
        with connect(m.web_at) as s:   # a head has no body that the next answer would be taken for
            for path, status in (("/", 200), ("/protocol.js", 200), ("/whoami", 401), ("/nothing", 404)):
                head = exchange(s, "HEAD", path, {"Host": "localhost"})
                whole = exchange(s, "GET", path, {"Host": "localhost"})
                equal(path, (head[0], head[2], head[1]["content-length"]), (status, b"", str(len(whole[2]))))
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            equal(method, request(m.web_at, method, "/")[0] in (403, 405, 400), True)
        for wanted in ("bytes=0-9", "bytes=-5", "bytes=9999999-", "bytes=" + "0-," * 500 + "0-"):
            status, headers, got = m.get("/protocol.js", Range=wanted)   # who does not know ranges gives all
            equal(wanted[:20], (status, got == body), (200, True))
        for name in ("/", "/whoami"):
            headers = m.get(name)[1]
            contains("policy", headers["content-security-policy"], "frame-ancestors 'none'")
            contains("policy", headers["content-security-policy"], "script-src 'self';")
            equal("nosniff", headers["x-content-type-options"], "nosniff")


def uploads_stay_in_their_directory():
    with tempfile.TemporaryDirectory() as outer, standing("-snapdir", f"{outer}/in") as m:
        for name in OUT:
            if name != "a" * 300 and "%00" not in name:
                path = "/api/v1/images/" + name.encode("utf-8").decode("latin-1")
                with connect(m.api_at) as s, contextlib.suppress(ConnectionError):
                    status, _, body = exchange(s, "PUT", path, {
                        "Host": "localhost", "Authorization": f"Bearer {OPERATOR}", "Content-Length": 1}, b"x")
                    if status == 201 and name != "index.html.gz":
                        raise Failure(f"{name!r} was taken: {body}")
        outside = [p for p in pathlib.Path(outer).rglob("*") if p.is_file() and p.parent.name != "in"]
        equal("files outside", outside, [])
        pathlib.Path(outer, "secret").write_text("secret", encoding="ascii")
        pathlib.Path(outer, "in", "link.img").symlink_to(pathlib.Path(outer, "secret"))
        equal("a link", m.api("GET", "/api/v1/images/link")[0], 404)
        m.api("PUT", "/api/v1/images/link", b"changed")
        equal("behind the link", pathlib.Path(outer, "secret").read_text(encoding="ascii"), "secret")


def files_come_and_go():
    with tempfile.TemporaryDirectory() as directory, standing("-snapdir", directory) as m:
        disk = bytes(range(256)) * 8192
        equal("PUT", m.api("PUT", "/api/v1/images/disk", disk), (201, {"bytes": len(disk)}))
        equal("GET", m.api("GET", "/api/v1/images/disk", token=VIEWER), (200, disk))
        equal("list", m.api("GET", "/api/v1/images")[1]["files"], [{"name": "disk", "bytes": len(disk)}])
        for method, path in (("PUT", "images/disk"), ("DELETE", "images/disk"), ("PUT", "snapshots/s")):
            equal(f"a viewer's {method}", m.api(method, f"/api/v1/{path}", b"x", token=VIEWER)[0], 403)
        equal("no snapshot", m.api("PUT", "/api/v1/snapshots/bad", b"x" * 5000)[0], 422)
        headers = {"Host": "localhost", "Authorization": f"Bearer {OPERATOR}", "Content-Length": 1 << 40}
        with connect(m.api_at) as s:
            equal("too large", exchange(s, "PUT", "/api/v1/images/large", headers)[0], 413)
        # One that breaks off leaves what was there; only one comes in at a time.
        with connect(m.api_at) as s:
            head = f"PUT /api/v1/images/disk HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
            s.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + b"y" * 50000)
            end = time.monotonic() + 30
            while not list(pathlib.Path(directory).glob(".upload-*")):
                if time.monotonic() > end:
                    raise Failure("the upload does not begin")
                time.sleep(0.01)
            equal("two at a time", m.api("PUT", "/api/v1/images/other", b"x")[0], 429)
        end = time.monotonic() + 30
        while list(pathlib.Path(directory).glob(".upload-*")):
            if time.monotonic() > end:
                raise Failure("what broke off is still there")
            time.sleep(0.01)
        equal("as before", m.api("GET", "/api/v1/images/disk")[1], disk)
        equal("the next", m.api("PUT", "/api/v1/images/other", b"x")[0], 201)
        equal("DELETE", m.api("DELETE", "/api/v1/images/disk")[0], 200)
        equal("gone", m.api("GET", "/api/v1/images/disk")[0], 404)
        # A snapshot there and back.
        equal("save", m.api("POST", "/api/v1/snapshot/save", {"name": "one"})[0], 200)
        status, snapshot = m.api("GET", "/api/v1/snapshots/one")
        equal("download", (status, snapshot[:8]), (200, b"VITSNAP\n"))
        equal("upload", m.api("PUT", "/api/v1/snapshots/two", snapshot)[0], 201)
        equal("load", m.api("POST", "/api/v1/snapshot/load", {"name": "two"})[0], 200)


# --- places -------------------------------------------------------------------------------------

class Proxy:
    """A reverse proxy as people put before such a server: changes nothing but where the bytes come from."""

    def __init__(self, to):
        self.to = to
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.where = self.listener.getsockname()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = connect(self.to)
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def it_works_under_a_path_behind_a_proxy():
    tokens = f",token={OPERATOR},base=/lab/vm1,host=lab.example,frame-ancestors=https://course.example"
    with standing(tokens=tokens) as m:
        where = Proxy(m.web_at).where
        contains("URL", m.console, "/lab/vm1/#t=")
        status, headers, body = request(where, "GET", "/lab/vm1/", host="lab.example")
        equal("the page", (status, b"<html" in body), (200, True))
        contains("policy", headers["content-security-policy"], "frame-ancestors https://course.example")
        for path in ("/", "/index.html", "/lab/vm1", "/lab/vm1x/", "/lab/vm2/"):
            equal(path, request(where, "GET", path, host="lab.example")[0], 404)
        status, headers, _ = request(where, "POST", "/lab/vm1/login", body=OPERATOR.encode(), host="lab.example",
                                     headers={"Origin": "https://lab.example"})
        equal("login", status, 200)
        contains("cookie", headers["set-cookie"], "Path=/lab/vm1/;")
        contains("a cookie of TLS stays there", headers["set-cookie"], "; Secure")
        ws = Socket(where, None, path="/lab/vm1/ws", headers={
            "Host": "lab.example", "Origin": "https://lab.example", "Cookie": headers["set-cookie"].split(";")[0]})
        equal("through the proxy", ws.call("machine.status")["running"], False)


def unix_sockets_serve_as_well():
    with tempfile.TemporaryDirectory() as directory:
        with standing(web=f"unix:{directory}/web", api=f"unix:{directory}/api") as m:
            for name in ("web", "api"):
                equal("mode", pathlib.Path(directory, name).stat().st_mode & 0o777, 0o600)
            equal("page", m.get("/")[0], 200)
            equal("ws", m.socket().call("machine.status")["running"], False)
            equal("api", m.api("GET", "/api/v1/machine/status")[0], 200)
            refused(m, 401, token="wrong-wrong-wrong-1")


def socket_files_come_and_go():
    with tempfile.TemporaryDirectory() as directory:
        doors = {"web": f"unix:{directory}/web", "api": f"unix:{directory}/api"}
        files = [pathlib.Path(directory, name) for name in doors]
        with WebMachine(*BARE, **doors) as m:
            m.process.kill()
            m.process.wait()
        equal("left by one that was killed", [f.exists() for f in files], [True, True])
        for end in (lambda m: m.rpc.request("machine.quit"), lambda m: m.process.terminate()):
            with WebMachine(*BARE, **doors) as m:
                equal("taken over", m.get("/")[0], 200)
                equal("taken over", m.api("GET", "/health")[0], 200)
                end(m)
                m.wait()
            equal("left", [f.exists() for f in files], [False, False])
        with WebMachine(*BARE, **doors) as m:
            for option, where in (("-web", doors["web"]), ("-api", doors["api"]), ("-rpc", f"unix:{m.path}"),
                                  ("-gdb", doors["web"])):
                done = run_emulator(option, where)
                equal(f"{option} at one that lives", done.returncode, 1)
                contains(option, done.stderr.decode(), "in use")
            equal("it lives", m.get("/")[0], 200)
            equal("it lives", m.api("GET", "/health")[0], 200)
        note = pathlib.Path(directory, "thesis.txt")
        note.write_text("years of work", encoding="ascii")
        for option in ("-web", "-api", "-rpc", "-gdb"):
            done = run_emulator(option, f"unix:{note}")
            equal(f"{option} at a file", done.returncode, 1)
            contains(option, done.stderr.decode(), "no socket")
            equal("the file", note.read_text(encoding="ascii"), "years of work")


def run_emulator(*options):
    """One that ends by itself."""
    import subprocess
    return subprocess.run([EMULATOR, *BARE, *map(str, options)], capture_output=True, timeout=60, check=False)


def other_addresses_need_a_token():
    for options, text in ((("-web", "0.0.0.0:0"), "give token="), (("-api", "0.0.0.0:0"), "give token="),
                          (("-web", "[::]:0"), "give token="), (("-web", "0", "-api", "0.0.0.0:0"), "give token="),
                          (("-web", "0", "-api", f"0,token={OPERATOR}"), "give tokens to -web"),
                          (("-web", "0,token=short"), "at least"), (("-api", "x"), "is no port"),
                          (("-api", "0,base=/x"), "is unknown")):
        done = run_emulator(*options)
        equal(f"{options} ends", done.returncode, 1)
        contains(str(options), done.stderr.decode(), text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with WebMachine(*BARE, web=f"{port}+") as m:
            if not port < m.web_at[1] <= port + 32:
                raise Failure(f"{m.web_at} for {port}+")
            contains("what is said", m.console, f"(port {port} is taken)")


# --- for scripts --------------------------------------------------------------------------------

def rest_answers_what_the_inspector_does():
    with standing() as m:
        methods = m.rpc.call("machine.methods")["methods"]
        index = m.api("GET", "/api/v1")[1]["methods"]
        equal("the index is the table", [row["path"][len("/api/v1/"):].replace("/", ".") for row in index],
              [row["name"] for row in methods if not row["name"].startswith("events.")])
        changing = {"machine.status", "machine.counters", "machine.pauses", "log.get", "tb.stats", "machine.hash", "dirty.track"}
        asked = 0
        for row in methods:
            needs = [p for p in row["params"].split() if "?" not in p.split(":")[0]]
            if row["role"] != "viewer" or needs or row["name"].startswith("events.") or row["name"] in changing:
                continue
            try:
                wanted = (200, m.rpc.call(row["name"]))
            except RpcError as error:
                wanted = (None, error.what)
            status, answer = m.api("GET", "/api/v1/" + row["name"].replace(".", "/"))
            got = (200, answer["result"]) if status == 200 else (None, answer["error"]["what"])
            equal(row["name"], got, wanted)
            asked += 1
        if asked < 15:
            raise Failure(f"only {asked} methods were compared")
        equal("typed parameters", m.api("GET", "/api/v1/mem/read?addr=0x1000&len=4&side_effects=false")[1]["result"],
              m.rpc.call("mem.read", addr="0x1000", len=4))
        equal("a list", m.api("POST", "/api/v1/log/set", {"items": ["web"]})[0], 200)
        status, answer = m.api("GET", "/api/v1/mem/read?addr=0x1000&len=4&format=frame")
        equal("a frame", base64.b64decode(answer["frames"][0]["data"]).hex(),
              m.rpc.call("mem.read", addr="0x1000", len=4)["data"])
        for path, status in (("mem/read", 400), ("mem/read?addr=x", 400), ("mem/read?addr=0x0&len=-1", 400),
                             ("no/such", 404), ("cpu", 404), ("cpu/regs?cpu=7", 404), ("events/every", 404),
                             ("history/status", 501), ("machine/hash?x=1", 400)):
            got, answer = m.api("GET", f"/api/v1/{path}")
            equal(path, (got, sorted(answer["error"])), (status, ["class", "try", "what"]))


def metrics_are_as_prometheus_reads_them():
    with WebMachine(*BARE) as m:
        m.rpc.call("machine.cont")
        m.rpc.call("cpu.regs")
        text = m.api("GET", "/metrics", token=VIEWER)[1].decode()
        values, typed = {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                typed[name] = kind
            elif not line.startswith("# HELP "):
                match = re.fullmatch(r"([a-z_:][a-z0-9_:]*) (-?\d+(?:\.\d+)?)", line)
                if not match or match.group(1) in values or match.group(1) not in typed:
                    raise Failure(f"not a sample: {line!r}")
                values[match.group(1)] = float(match.group(2))
        for name in values:
            equal(name, typed[name], "counter" if name.endswith("_total") else "gauge")
        equal("running", values["vitrine_running"], 1)
        equal("ram", values["vitrine_ram_bytes"], 16 * MIB)
        for name in ("looks_total", "held_seconds_total", "exceptions_total", "translations_total", "api_clients"):
            if not values[f"vitrine_{name}"] > 0:
                raise Failure(f"{name} is {values[f'vitrine_{name}']}")
        m.rpc.call("machine.stop")
        pauses = m.rpc.call("machine.pauses")
        again = m.api("GET", "/metrics")[1].decode()
        contains("what pauses tell", again, f"vitrine_looks_total {number(pauses['count'])}\n")


def it_ends_while_clients_are_there():
    for end in ("machine.quit", None):
        with WebMachine(*BARE) as m:
            held = [m.socket() for _ in range(4)] + [connect(m.api_at) for _ in range(4)]
            for s in held[4:]:
                exchange(s, "GET", "/health", {"Host": "localhost"})
            if end:
                m.rpc.request(end)
            else:
                m.process.terminate()
            m.wait(30)
            for one in held:
                one.close()


def deaf(m, where):
    """One that asks for more than its socket takes, and reads nothing."""
    client = m.socket(VIEWER, receive_buffer=4096) if where == "web" else m.connect()
    client.send_text(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events.every", "params": {
        "ms": 10, "method": "mem.read", "changed": False,
        "params": {"addr": "0x80000000", "len": MIB, "format": "frame"}}}) + "\n")
    return client


def goodbye(client, cause, is_web):
    """What the last of a connection tells."""
    equal("the cause", client.event("machine.shutdown")["data"], {"cause": cause})
    try:
        while True:
            if (event := client.event())["event"] != "serial.output":
                raise Failure(f"{event} behind the last")
    except Closed as closed:
        equal("the close", (closed.code, closed.reason), (1001, f"the machine has ended: {cause}"))
    except EOFError:
        equal("a Close", is_web, False)


def all_learn_that_the_machine_ends():
    """Before the process does, which those who read nothing do not delay."""
    for cause, end in (("user", lambda m: m.rpc.request("machine.quit")), ("signal", lambda m: m.process.terminate()),
                       ("user", lambda m: m.api("POST", "/api/v1/machine/quit", {}))):
        with tempfile.TemporaryDirectory() as directory:
            with WebMachine(*BARE, "-rpc", "tcp:127.0.0.1:0", "-qmp", f"unix:{directory}/qmp,server=on,wait=off") as m:
                clients = [m.socket(VIEWER), m.socket(), m.connect()]
                qmp = connect(f"{directory}/qmp").makefile("rw")
                qmp.readline()
                qmp.write('{"execute":"qmp_capabilities"}\n')
                qmp.flush()
                qmp.readline()
                held = [deaf(m, "web"), deaf(m, "web"), deaf(m, "rpc")]
                for client in clients:
                    client.subscribe("machine.shutdown")
                time.sleep(0.3)   # what nobody reads fills the sockets
                begin = time.monotonic()
                with contextlib.suppress(ConnectionError, EOFError):
                    end(m)
                m.wait(10)
                took = time.monotonic() - begin
                for i, client in enumerate(clients):
                    goodbye(client, cause, i < 2)
                last = [json.loads(line) for line in qmp]
                equal("QMP", [e["data"]["reason"] for e in last if e.get("event") == "SHUTDOWN"],
                      ["host-signal" if cause == "signal" else "host-qmp-quit"])
                for client in held:
                    client.close()
                print(f"# ended by {cause}: {1000 * took:.0f} ms with three that do not read", flush=True)


def a_guest_that_switches_itself_off_says_so():
    with WebMachine("-M", "virt", "-m", "256", "-display", "none", "-serial", "null", "-monitor", "none",
                    "-kernel", GUEST / "Image", "-initrd", GUEST / "initramfs.cpio",
                    "-append", "console=ttyS0 quiet") as m:
        ws, text = m.socket(), ""
        ws.subscribe("serial.output")
        while "vitrine:~# " not in text:
            text += base64.b64decode(ws.event("serial.output")["data"]["data"]).decode(errors="replace")
        ws.subscribe("machine.shutdown")
        written_last = m.connect()
        written_last.subscribe("serial.output", "machine.shutdown")
        ws.call("serial.write", text="echo the $((6 * 7))nd; poweroff -f\n")
        goodbye(ws, "guest", True)
        m.wait(30)
        text, over = "", False
        with contextlib.suppress(EOFError):
            while True:
                event = written_last.event()
                if event["event"] == "serial.output":
                    text += base64.b64decode(event["data"]["data"]).decode(errors="replace")
                else:
                    over = True
        equal("it was told to -rpc", over, True)
        contains("what the guest wrote last", text, "the 42nd")


def main():
    report = Report("web")
    report.case("foreign hosts and origins are refused", foreign_hosts_and_origins_are_refused)
    report.case("without a token nobody comes in", without_a_token_nobody_comes_in)
    report.case("guessing ends after a few tries", guessing_ends_after_a_few_tries)
    report.case("a WebSocket that is refused is told why", a_websocket_that_is_refused_is_told_why)
    report.case("nobody keeps a socket by asking for another protocol", nobody_keeps_a_socket_by_asking_for_another_protocol)
    report.case("a viewer looks and does not drive", a_viewer_looks_and_does_not_drive)
    report.case("who logs out has no door left open", who_logs_out_has_no_door_left_open)
    report.case("bad messages are answered and change nothing", bad_messages_are_answered_and_change_nothing)
    report.case("frames against the standard end the connection", frames_against_the_standard_end_the_connection)
    report.case("bad HTTP is answered", bad_http_is_answered)
    report.case("one viewer too many is told so", one_viewer_too_many_is_told_so)
    report.case("half-open connections keep nobody out", half_open_connections_keep_nobody_out)
    report.case("a slow reader slows nobody", a_slow_reader_slows_nobody)
    report.case("who takes nothing holds no memory", who_takes_nothing_holds_no_memory)
    report.case("eight viewers of yes see all of it", eight_viewers_of_yes)
    report.case("no name leads out of the page", no_name_leads_out_of_the_page)
    report.case("files come gzipped and not twice", files_come_gzipped_and_not_twice)
    report.case("uploads stay in their directory", uploads_stay_in_their_directory)
    report.case("files come and go", files_come_and_go)
    report.case("it works under a path behind a proxy", it_works_under_a_path_behind_a_proxy)
    report.case("unix sockets serve as well", unix_sockets_serve_as_well)
    report.case("socket files come and go", socket_files_come_and_go)
    report.case("other addresses need a token", other_addresses_need_a_token)
    report.case("REST answers what the inspector does", rest_answers_what_the_inspector_does)
    report.case("metrics are as Prometheus reads them", metrics_are_as_prometheus_reads_them)
    report.case("all learn that the machine ends", all_learn_that_the_machine_ends)
    report.case("a guest that switches itself off says so", a_guest_that_switches_itself_off_says_so)
    report.case("it ends while clients are there", it_ends_while_clients_are_there)
    report.end()


if __name__ == "__main__":
    main()
