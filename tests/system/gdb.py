#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A real gdb looks at a bare program with symbols, and at Linux. Prints TAP.

gdb has a terminal of its own, as a user's has; what it says is compared with what the program's source
(tests/guest/riscv/gdb/debuggee.c) makes of its variables, and with the guest's /proc/kallsyms.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

from guest import EMULATOR, ROOT, Failure, Guest, Report, contains, equal, linux
from rpc_client import Rpc

SOURCE = ROOT / "tests/guest/riscv/gdb/debuggee.c"
C_DIR = ROOT / "tests/guest/riscv/c"
CFLAGS = ["-O0", "-g", "-march=rv64imafdc_zicsr_zifencei", "-mabi=lp64d", "-mcmodel=medany",
          "-ffreestanding", "-nostdlib", "-nostartfiles", "-static", "-T", str(C_DIR / "guest.ld"),
          "-Wl,--no-warn-rwx-segments"]
PATIENCE = 30


class Gdb(Guest):
    """A gdb at its prompt."""

    def __init__(self, where, program=None):
        command = ["/usr/bin/gdb-multiarch", "-nx", "-q"] + ([str(program)] if program else [])
        os.environ["TERM"] = "dumb"
        super().__init__(command, patience=PATIENCE)
        self.prompt()
        for setting in ("pagination off", "confirm off", "width 0", "height 0",
                        "style enabled off", "remotetimeout 20"):
            self.ask(f"set {setting}")
        if not program:
            self.ask("set architecture riscv:rv64")
        contains("connect", self.ask(f"target remote {where}"), "Remote debugging")

    def prompt(self):
        start = self.seen
        self.expect(rb"\(gdb\) ")
        return self.output[start:self.seen].decode(errors="replace").replace("\r", "")

    def ask(self, command):
        """What gdb answers, without the echo of the command."""
        self.send(command + "\n")
        text = self.prompt().rsplit("(gdb) ", 1)[0]
        return text.split("\n", 1)[1].strip() if "\n" in text else ""

    def value(self, expression):
        return self.ask(f"output {expression}")

    def interrupt(self, machine):
        """Ctrl-C; a gdb that has said "Continuing" but not yet sent it would drop it."""
        machine.wait_running()
        self.send(b"\x03")
        return self.prompt()

    def quit(self):
        self.send("quit\n")
        equal("gdb's exit status", self.wait(), 0)


class Machine:
    """An emulator that waits for gdb on a socket file."""

    def __init__(self, command):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.directory.name, "gdb")
        self.rpc_socket = os.path.join(self.directory.name, "rpc")
        self.guest = Guest(command + ["-gdb", f"unix:{self.socket}", "-rpc", f"unix:{self.rpc_socket}"])

    def __enter__(self):
        self.guest.__enter__()
        while not os.path.exists(self.socket):
            self.guest._read(0.02)
        return self

    def wait_running(self):
        rpc = Rpc(self.rpc_socket)
        end = time.monotonic() + PATIENCE
        while not rpc.call("machine.status")["running"]:
            if time.monotonic() > end:
                self.guest.fail("it does not run")
            time.sleep(0.01)
        rpc.close()

    def __exit__(self, *args):
        self.guest.__exit__(*args)
        self.directory.cleanup()


def build_debuggee(directory):
    program = pathlib.Path(directory) / "debuggee.elf"
    subprocess.run(["riscv64-unknown-elf-gcc", *CFLAGS, "-o", program, C_DIR / "crt0.S", SOURCE, "-lgcc"],
                   check=True)
    return program


def bare(program, harts=1, accel="tcg,thread=multi"):
    return Machine([EMULATOR, "-M", "virt", "-m", "64", "-bios", "none", "-nographic", "-smp", str(harts),
                    "-accel", accel, "-kernel", str(program), "-S"])


# --- the bare program ---------------------------------------------------------------------------

def break_step_finish(program, harts, accel):
    with bare(program, harts, accel) as m, Gdb(m.socket, program) as gdb:
        equal("pc at start", gdb.value("/x $pc"), "0x1000")
        gdb.ask("break add if $mhartid == 0")
        contains("first stop", gdb.ask("continue"), "add (a=0, b=100)")
        contains("who called", gdb.ask("backtrace"), "work (hart=0, turn=0)")
        contains("second stop", gdb.ask("continue"), "add (a=1, b=100)")
        contains("finish", gdb.ask("finish"), "Value returned is $1 = 101")
        equal("frame after finish", gdb.value("turn"), "1")
        equal("total before", gdb.value("total"), "3")
        gdb.ask("delete")
        gdb.ask("set scheduler-locking step")
        contains("next", gdb.ask("next"), "turns[hart]++")
        gdb.ask("next")
        gdb.ask("next")
        gdb.ask("next")
        equal("total after", gdb.value("total"), "6")
        pc = int(gdb.value("/x $pc"), 16)
        gdb.ask("stepi")
        moved = int(gdb.value("/x $pc"), 16) - pc
        if moved not in (2, 4):
            raise Failure(f"stepi moved the pc by {moved}")
        gdb.ask("tbreak add if $mhartid == 0")
        contains("next turn", gdb.ask("continue"), "add (a=2, b=100)")
        contains("step", gdb.ask("step"), "return sum")
        equal("local", gdb.value("sum"), "102")


def watch_points(program, harts, accel):
    with bare(program, harts, accel) as m, Gdb(m.socket, program) as gdb:
        contains("run to main", gdb.ask("tbreak work") + gdb.ask("continue"), "work (hart=")
        contains("set", gdb.ask("watch total"), "Hardware watchpoint")
        text = gdb.ask("continue")
        contains("first write", text, "Old value = 0\nNew value = 3")
        contains("second write", gdb.ask("continue"), "Old value = 3\nNew value = 6")
        gdb.ask("delete")
        gdb.ask("rwatch step")
        contains("read", gdb.ask("continue"), "Hardware read watchpoint 3: step\n\nValue = 3")
        gdb.ask("delete")
        gdb.ask("awatch place.x")
        contains("access", gdb.ask("continue"), "New value = 102")
        gdb.ask("delete")
        gdb.ask("watch place.y")  # beside what is written
        gdb.ask("tbreak add if a == 20 && $mhartid == 0")
        contains("neighbour", gdb.ask("continue"), "add (a=20, b=100)")


def values_and_threads(program, harts, accel):
    with bare(program, harts, accel) as m, Gdb(m.socket, program) as gdb:
        gdb.ask("hbreak add if $mhartid == 0")
        gdb.ask("continue")
        threads = re.findall(r"Thread (\d+) \(hart (\d+): M-mode", gdb.ask("info threads"))
        equal("threads", threads, [(str(h + 1), str(h)) for h in range(harts)])
        for hart in range(harts):
            gdb.ask(f"thread {hart + 1}")
            equal("mhartid", gdb.value("$mhartid"), str(hart))
        gdb.ask("thread 1")
        contains("string", gdb.ask("x/s greeting"), '"hello, gdb"')
        contains("code", gdb.ask("x/i $pc"), "=> ")
        equal("privilege", gdb.value("$priv"), "3")
        gdb.ask("set var $mscratch = 0x123456789abcdef0")
        equal("CSR written", gdb.value("/x $mscratch"), "0x123456789abcdef0")
        equal("FS is dirty", gdb.value("($mstatus >> 13) & 3"), "3")
        gdb.ask("set var $fa0.double = 2.5")
        equal("float register", gdb.value("$fa0.double"), "2.5")
        gdb.ask("set var $zero = 5")
        equal("x0", gdb.value("$zero"), "0")
        # What is set is what the program goes on with.
        gdb.ask("set var step = 1000")
        gdb.ask("delete")
        gdb.ask("tbreak work if hart == 0")
        gdb.ask("continue")
        equal("total with the new step", gdb.value("total"), "1000")
        gdb.ask("set var last_turn = 5")
        contains("end", gdb.ask("continue"), "exited normally")
        equal("status of the machine", m.guest.wait(), 0)
        equal("turns done", b"PASS" in m.guest.output, True)


def interrupt_and_detach(program, harts, accel):
    with bare(program, harts, accel) as m:
        with Gdb(m.socket, program) as gdb:
            for _ in range(3):
                gdb.send("continue\n")
                gdb.expect("Continuing")
                contains("Ctrl-C", gdb.interrupt(m), "SIGINT")
                before = gdb.value("turns[0]")
                equal("it stands", gdb.value("turns[0]"), before)
            contains("monitor", gdb.ask("monitor info status"), "paused")
            gdb.ask("break add")
            contains("detach", gdb.ask("detach"), "detached")
            gdb.quit()
        with Gdb(m.socket, program) as gdb:  # it ran on, and another one may come
            later = int(gdb.value("turns[0]"))
            if later <= int(before):
                raise Failure(f"the guest stood still at {before}")
            gdb.ask("break add")
            gdb.ask("continue")
            os.kill(gdb.pid, signal.SIGKILL)  # with its break point in force
            os.waitpid(gdb.pid, 0)
            gdb.status = -signal.SIGKILL
        with Gdb(m.socket, program) as gdb:
            gdb.ask("set var last_turn = 1")
            contains("end", gdb.ask("continue"), "exited normally")
        equal("status of the machine", m.guest.wait(), 0)


# --- Linux --------------------------------------------------------------------------------------

def kernel_address(guest, symbol):
    text = guest.run(f"grep ' {symbol}$' /proc/kallsyms")
    return int(text.split()[0], 16)


def linux_with(harts):
    with Machine(linux(smp=harts)) as m:
        guest = m.guest
        guest.wait_shell()
        uname = kernel_address(guest, "__do_sys_newuname")
        jiffies = kernel_address(guest, "jiffies_64") if harts == 1 else None
        with Gdb(m.socket) as gdb:
            equal("harts", len(re.findall(r"\(hart \d", gdb.ask("info threads"))), harts)
            if int(gdb.value("/x $satp"), 16) >> 60 not in (8, 9, 10):
                raise Failure("paging is off?")
            gdb.ask(f"hbreak *{uname:#x}")
            gdb.send("continue\n")
            gdb.expect("Continuing")
            guest.send("uname -m\n")
            contains("break in the kernel", gdb.prompt(), f"{uname:#x}")
            equal("in S mode", gdb.value("$priv"), "1")
            equal("pc", gdb.value("/x $pc"), f"{uname:#x}")
            for _ in range(20):
                gdb.ask("stepi")
            gdb.ask("delete")
            if jiffies:
                gdb.ask(f"watch *(unsigned long *){jiffies:#x}")
                old, new = map(int, re.search(r"Old value = (\d+)\s+New value = (\d+)",
                                              gdb.ask("continue")).groups())
                if not 0 < new - old < 1000:
                    raise Failure(f"jiffies went from {old} to {new}")
                gdb.ask("delete")
            gdb.send("continue\n")
            gdb.expect("Continuing")
            guest.expect("riscv64")
            guest.wait_shell()
            guest.run("ls /proc >/dev/null")
            contains("Ctrl-C", gdb.interrupt(m), "SIGINT")
            gdb.ask("detach")
            gdb.quit()
        contains("after gdb", guest.run("uname -s"), "Linux")
        equal("exit status", guest.power_off(), 0)


# --- where it listens ---------------------------------------------------------------------------

def listeners_of(port):
    addresses = []
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        host, number = line.split()[1].split(":")
        if int(number, 16) == port and line.split()[3] == "0A":
            addresses.append(host)
    return addresses


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def empty_host_is_this_one(program):
    port = free_port()
    command = [EMULATOR, "-M", "virt", "-bios", "none", "-nographic", "-kernel", str(program), "-S",
               "-gdb", f"tcp::{port}"]
    with Guest(command) as guest:
        while not listeners_of(port):
            guest._read(0.02)
        equal("listens at", listeners_of(port), ["0100007F"])
        with Gdb(f"localhost:{port}", program) as gdb:
            equal("pc", gdb.value("/x $pc"), "0x1000")
            refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            equal("status of a second server", refused.returncode, 1)
            contains("its words", refused.stderr, "cannot listen there")
            gdb.ask("kill")
        equal("status", guest.wait(), 0)


def wrong_options_are_told():
    for text in ("tcp:", "tcp::99999", "udp::1", "unix:", "tcp::12x"):
        result = subprocess.run([EMULATOR, "-gdb", text], capture_output=True, text=True, timeout=PATIENCE)
        equal(f"status with -gdb {text}", result.returncode, 1)
        contains("message", result.stderr, f"-gdb {text}:")


def main():
    report = Report("gdb")
    with tempfile.TemporaryDirectory() as directory:
        program = build_debuggee(directory)
        for harts, accel in ((1, "tcg"), (4, "tcg,thread=multi"), (4, "tcg,thread=single"),
                             (2, "tcg,backend=interp")):
            where = f"{harts} harts, {accel}"
            report.case(f"break, step, finish ({where})", break_step_finish, program, harts, accel)
            report.case(f"watch points ({where})", watch_points, program, harts, accel)
            report.case(f"values and threads ({where})", values_and_threads, program, harts, accel)
            report.case(f"Ctrl-C, detach, vanish ({where})", interrupt_and_detach, program, harts, accel)
        report.case("Linux, 1 hart", linux_with, 1)
        report.case("Linux, 4 harts", linux_with, 4)
        report.case("an empty host is this one", empty_host_is_this_one, program)
        report.case("wrong options are told", wrong_options_are_told)
    report.end()


if __name__ == "__main__":
    main()
