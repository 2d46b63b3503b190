# SPDX-License-Identifier: MIT
"""Drives an emulator on a pseudo terminal, as a user does: wait for text, type, look at the end.

    with Guest(linux()) as g:          # pty <--> emulator <--> guest
        g.wait_shell()
        out = g.run("uname -m")        # output of a shell command; fails if its status is not 0
        status = g.power_off()

Nothing here decides by how long something takes: a timeout is only the end of patience.
"""
import os
import pathlib
import pty
import re
import select
import signal
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUEST = ROOT / "guest" / "riscv64"
EMULATOR = os.environ.get("VITRINE", str(ROOT / "build/release/vitrine-system-riscv64"))
SHELL = rb"vitrine:[^\n]*# "


class Failure(Exception):
    """What a test case found wrong."""


def linux(*options, append="console=ttyS0 quiet", accel=None, smp=1, memory=512):
    """The command line of a Linux guest."""
    command = [EMULATOR, "-M", "virt", "-m", str(memory), "-smp", str(smp), "-nographic",
               "-kernel", str(GUEST / "Image"), "-initrd", str(GUEST / "initramfs.cpio"),
               "-append", append]
    if accel:
        command += ["-accel", accel]
    return command + [str(o) for o in options]


class Guest:
    """One run of an emulator, with its terminal."""

    def __init__(self, command, patience=120):
        self.command = command
        self.patience = patience
        self.output = b""  # all of it
        self.seen = 0      # how much of it expect() has passed
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execv(command[0], command)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self, seconds):
        """Takes in what there is; False at the end of the terminal."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.output += data
        return bool(data)

    def fail(self, why):
        tail = self.output[-1500:].decode(errors="replace").replace("\r", "")
        raise Failure(f"{why}\ncommand: {' '.join(self.command)}\nlast output:\n{tail}")

    def expect(self, pattern, patience=None):
        """Waits for a regular expression in new output; returns the match."""
        if isinstance(pattern, str):
            pattern = pattern.encode()
        end = time.monotonic() + (patience or self.patience)
        alive = True
        while True:
            match = re.compile(pattern).search(self.output, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not alive:
                self.fail(f"it ended before {pattern!r} came")
            if time.monotonic() > end:
                self.fail(f"{pattern!r} did not come")
            alive = self._read(0.2)

    def send(self, data):
        os.write(self.fd, data if isinstance(data, bytes) else data.encode())

    def wait_shell(self, patience=None):
        self.expect(SHELL, patience)

    def wait_idle_shell(self, patience=None):
        """Nothing more comes by itself: behind a prompt that nobody typed at, the shell asks where the cursor is."""
        self.wait_shell(patience)
        self.expect(rb"\x1b\[6n", patience)

    def try_run(self, command, patience=None):
        """Runs a shell command; returns (status, output)."""
        # The line is echoed with breaks anywhere: what marks the output must not stand in it.
        self.send(f"echo be''gin; {command}; echo done=$?=\n")
        start = self.expect(rb"begin\r*\n", patience).end()
        match = self.expect(rb"done=(\d+)=", patience)
        text = self.output[start:match.start()].decode(errors="replace").replace("\r", "")
        self.wait_shell(patience)
        return int(match.group(1)), text

    def run(self, command, patience=None):
        status, text = self.try_run(command, patience)
        if status:
            self.fail(f"'{command}' in the guest ended with status {status}: {text}")
        return text

    def wait(self, patience=None):
        """Waits for the end; returns the exit status, or -N for signal N."""
        end = time.monotonic() + (patience or self.patience)
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self._read(0) and select.select([self.fd], [], [], 0)[0]:
                    pass
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                self.fail("it did not end")
            elif not self._read(0.05):
                time.sleep(0.02)
        return self.status

    def power_off(self):
        self.send("poweroff\n")
        return self.wait()


def equal(what, got, wanted):
    if got != wanted:
        raise Failure(f"{what}: got {got!r}, wanted {wanted!r}")


def contains(what, text, part):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in {text!r}")


class Report:
    """Runs test cases and prints a TAP line for each."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.only = sys.argv[1:]  # substrings of the names to run
        self.failed = 0

    def case(self, name, function, *args):
        name = f"{self.prefix}: {name}"
        if self.only and not any(part in name for part in self.only):
            return
        try:
            function(*args)
        except Failure as failure:
            self._bad(name, str(failure))
        except Exception:  # a broken test is a failed test
            self._bad(name, traceback.format_exc())
        else:
            print(f"ok - {name}", flush=True)

    def skip(self, name, reason):
        print(f"ok - {self.prefix}: {name} # SKIP {reason}", flush=True)

    def _bad(self, name, why):
        self.failed += 1
        print(f"not ok - {name}")
        print("\n".join("#   " + line for line in why.splitlines()), flush=True)

    def end(self):
        sys.exit(1 if self.failed else 0)
