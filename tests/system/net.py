#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""User networking: DHCP, ping the gateway, fetch from a server on the host, and the other way."""
import hashlib
import http.server
import os
import socket
import threading
import time
import urllib.request

from guest import Failure, Guest, Report, contains, equal, linux

NET = ["-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0"]
BODY = os.urandom(3_000_000)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


def get_address(g):
    g.run("udhcpc -i eth0 -q -n")
    contains("address", g.run("ip addr show eth0"), "10.0.2.15/24")


def dhcp_and_ping():
    with Guest(linux(*NET)) as g:
        g.wait_shell()
        get_address(g)
        contains("route", g.run("ip route"), "default via 10.0.2.2")
        contains("ping", g.run("ping -c 3 10.0.2.2"), "3 packets received")
        equal("exit status", g.power_off(), 0)


def fetches_from_the_host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Guest(linux(*NET)) as g:
        g.wait_shell()
        get_address(g)
        port = server.server_address[1]
        for _ in range(3):
            g.run(f"wget -q -O /tmp/f http://10.0.2.2:{port}/f")
            equal("hash", g.run("sha256sum /tmp/f").split()[0], hashlib.sha256(BODY).hexdigest())
        equal("exit status", g.power_off(), 0)
    server.shutdown()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def host_reaches_guest():
    port = free_port()
    with Guest(linux("-nic", f"user,model=virtio-net-device,hostfwd=tcp:127.0.0.1:{port}-:80")) as g:
        g.wait_shell()
        get_address(g)
        g.run("mkdir /srv && dd if=/dev/urandom of=/srv/f bs=1k count=500 2>/dev/null; httpd -h /srv")
        wanted = g.run("sha256sum /srv/f").split()[0]
        for attempt in range(20):
            try:
                body = urllib.request.urlopen(f"http://127.0.0.1:{port}/f", timeout=20).read()
                break
            except OSError as error:
                if attempt == 19:
                    raise Failure(f"no answer from the guest: {error}") from error
                time.sleep(0.5)
        equal("hash", hashlib.sha256(body).hexdigest(), wanted)
        equal("exit status", g.power_off(), 0)


def main():
    report = Report("net")
    report.case("DHCP gives an address, the gateway answers ping", dhcp_and_ping)
    report.case("a fetch from the host has the right hash", fetches_from_the_host)
    report.case("hostfwd leads to a server in the guest", host_reaches_guest)
    report.end()


if __name__ == "__main__":
    main()
