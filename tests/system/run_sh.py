#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's first command: ./run.sh boots Linux and prints a URL; whoever opens that sees the machine. Prints TAP.

run.sh uses the tree's own build/release; where another build is under test this is skipped.
"""
import os
import pathlib
import socket

from guest import EMULATOR, GUEST, ROOT, Guest, Report, contains, equal
from web_client import Socket, request

BUILT = ROOT / "build" / "release"
URL = rb"console: http://127\.0\.0\.1:(\d+)/#t=([0-9a-f]{64})( \(port 8088 is taken\))?\r"
BUILD_PATIENCE = 900


def open_url(port, token):
    """What a browser does with the URL: the page, the token for a cookie, the WebSocket with it."""
    where, host = ("127.0.0.1", port), f"127.0.0.1:{port}"
    status, headers, page = request(where, "GET", "/", host=host)
    equal("the page", (status, headers["content-type"]), (200, "text/html; charset=utf-8"))
    contains("the page", page.decode(), 'src="app.js"')
    equal("its script", request(where, "GET", "/app.js", host=host)[0], 200)
    equal("without the token", request(where, "GET", "/whoami", host=host)[0], 401)
    origin = {"Origin": f"http://{host}"}
    status, headers, role = request(where, "POST", "/login", origin, token, host)
    equal("login", (status, role), (200, b"operator"))
    cookie = headers["set-cookie"].split(";")[0]
    return Socket(where, None, headers={**origin, "Host": host, "Cookie": cookie})


def the_printed_url_shows_the_machine():
    with Guest([str(ROOT / "run.sh")]) as g:
        found = g.expect(URL, BUILD_PATIENCE)
        ws = open_url(int(found.group(1)), found.group(2))
        equal("it runs", ws.call("machine.status")["running"], True)
        g.wait_shell()
        ws.subscribe("serial.output")
        ws.call("serial.write", text="echo $((6 * 7))-from-the-page\n")
        g.expect("42-from-the-page")   # on the terminal run.sh was called from
        ws.subscribe("machine.shutdown")
        equal("status", g.power_off(), 0)
        equal("why it ended", ws.event("machine.shutdown")["data"], {"cause": "guest"})


def a_port_that_is_taken_is_said_and_the_next_one_serves():
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8088))
            taken.listen()
        except OSError:
            pass   # somebody else has it: as good
        with Guest([str(ROOT / "run.sh")]) as g:
            found = g.expect(URL, BUILD_PATIENCE)
            equal("another port", found.group(1) != b"8088", True)
            contains("and why", str(found.group(3)), "is taken")
            ws = open_url(int(found.group(1)), found.group(2))
            ws.call("machine.quit")
            equal("status", g.wait(), 0)


def without_booting_all_is_made_ready():
    with Guest([str(ROOT / "run.sh"), "--no-boot"]) as g:
        equal("status", g.wait(BUILD_PATIENCE), 0)
    for made in (BUILT / "vitrine-system-riscv64", BUILT / "web" / "index.html", GUEST / "Image"):
        equal(str(made), made.exists(), True)


def main():
    report = Report("run.sh")
    cases = (("without booting all is made ready", without_booting_all_is_made_ready),
             ("the printed URL shows the machine", the_printed_url_shows_the_machine),
             ("a port that is taken is said, and the next one serves", a_port_that_is_taken_is_said_and_the_next_one_serves))
    own = os.path.realpath(BUILT) == os.path.realpath(pathlib.Path(EMULATOR).parent)
    for name, function in cases:
        if own:
            report.case(name, function)
        else:
            report.skip(name, "another build than build/release is under test")
    report.end()


if __name__ == "__main__":
    main()
