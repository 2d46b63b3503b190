#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line from outside: lists, one-line errors, exit statuses, signals, terminal, daemon."""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

from guest import EMULATOR, Failure, Guest, Report, contains, equal, linux

BARE = ["-M", "virt", "-m", "64", "-bios", "none", "-display", "none", "-monitor", "none"]
RESET_VECTOR_RAM = 0x80000000


def run(*arguments, program=EMULATOR, patience=60):
    done = subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=patience, text=True)
    return done.returncode, done.stdout, done.stderr


def elf(words):
    """An ELF64 file with one segment of RISC-V instructions at the start of RAM."""
    code = b"".join(struct.pack("<I", w) for w in words)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 243, 1, RESET_VECTOR_RAM,
                         64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 120, RESET_VECTOR_RAM, RESET_VECTOR_RAM, len(code),
                          len(code), 4)
    return header + segment + code


def lui(rd, value):
    return value & 0xfffff000 | rd << 7 | 0x37


def addi(rd, rs, value):
    return (value & 0xfff) << 20 | rs << 15 | rd << 7 | 0x13


def sw(value_reg, base_reg):
    return value_reg << 20 | base_reg << 15 | 2 << 12 | 0x23


SPIN = 0x0000006f  # j .


def finisher(value):
    """Writes `value` to the test finisher."""
    return elf([lui(5, 0x100000), lui(6, (value + 0x800) & 0xffffffff), addi(6, 6, value), sw(6, 5),
                SPIN])


def with_file(data, function):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "kernel.elf"
        path.write_bytes(data)
        return function(path)


# --- lists ------------------------------------------------------------------------------------------

def help_begins_with_version():
    for option in "-h", "-help", "--help", "--version":
        status, out, err = run(option)
        equal(f"{option} status", (status, err), (0, ""))
        if not re.match(r"\S.* version \d+\.\d+\.\d+$", out.splitlines()[0]):
            raise Failure(f"{option}: first line is {out.splitlines()[0]!r}")


def lists_name_what_is_there():
    for option, part in (("-machine", "RISC-V VirtIO board"), ("-cpu", "rv64"), ("-accel", "tcg"),
                         ("-device", '"virtio-blk-device"'), ("-d", "in_asm"), ("-netdev", "user"),
                         ("-chardev", "stdio")):
        for word in "help", "?":
            status, out, _ = run(option, word)
            equal(f"{option} {word} status", status, 0)
            contains(f"{option} {word}", out, part)
    status, out, _ = run("-device", "virtio-blk-device,help")
    equal("-device NAME,help status", status, 0)
    contains("-device NAME,help", out, "drive=")


# --- errors -----------------------------------------------------------------------------------------

ERRORS = [
    # arguments, what the message must name
    (["-kernal", "x"], ["-kernal", "-kernel"]),
    (["-m"], ["-m", "missing"]),
    (["-m", "lots"], ["-m", "lots"]),
    (["-m", "0"], ["-m"]),
    (["-smp", "0"], ["-smp"]),
    (["-smp", "9"], ["-smp", "8"]),
    (["-smp", "4,cores=3"], ["-smp"]),
    (["-M", "pc"], ["pc", "-M help"]),
    (["-M", "virt,warp=1"], ["warp"]),
    (["-cpu", "z80"], ["z80"]),
    (["-cpu", "rv64,zzz=on"], ["zzz"]),
    (["-accel", "kvm"], ["kvm", "tcg"]),
    (["-accel", "tcg,backend=arm"], ["backend", "x86_64"]),
    (["-accel", "tcg,tb-size=0"], ["tb-size"]),
    (["-kernel", "/nonexistent"], ["/nonexistent", "No such file"]),
    (["-kernel", "/"], ["directory"]),
    (["-bios", "/nonexistent"], ["/nonexistent"]),
    (["-initrd", "/dev/null"], ["-initrd", "-kernel"]),
    (["-append", "x"], ["-append", "-kernel"]),
    (["-dtb", "/nonexistent"], ["/nonexistent"]),
    (["-drive", "file=/nonexistent,format=raw"], ["/nonexistent"]),
    (["-drive", "file=/dev/null,format=qcow2"], ["qcow2"]),
    (["-drive", "file=/dev/null,if=scsi"], ["scsi"]),
    (["-device", "warp-core"], ["warp-core"]),
    (["-device", "virtio-blk-device,drive=none"], ["none"]),
    (["-device", "virtio-blk-device"], ["drive"]),
    (["-device", "virtio-net-device,netdev=n9"], ["n9"]),
    (["-netdev", "tap,id=n"], ["tap"]),
    (["-serial", "file:/nonexistent/f"], ["/nonexistent/f"]),
    (["-serial", "warp"], ["warp"]),
    (["-global", "virtio-mmio.warp=1"], ["warp"]),
    (["-d", "everything"], ["everything"]),
    (["-dfilter", "zz"], ["zz"]),
    (["-D", "/nonexistent/log", "-d", "int"], ["/nonexistent/log"]),
    (["-pidfile", "/nonexistent/pid"], ["/nonexistent/pid"]),
    (["-L", "/nonexistent"], ["/nonexistent"]),
    (["kernel.elf"], ["kernel.elf", "-kernel"]),
    (["-icount", "2", "-history", "on,mem=-1"], ["-history", "mem=-1"]),
    (["-icount", "2", "-history", "on,mem=+1"], ["-history", "mem=+1"]),
    (["-icount", "2", "-history", "on,mem=17592186044417"], ["mem=17592186044417", "MiB"]),
    (["-icount", "2", "-history", "on,mem=18446744073709551617"], ["mem=18446744073709551617"]),
    (["-icount", "2", "-history", "on,mem=1M"], ["mem=1M"]),
    (["-icount", "2", "-history", "on,every=1000"], ["every=1000", "16777216"]),
    (["-icount", "2", "-history", "on,every=-16777216"], ["every=-16777216"]),
    (["-icount", "2", "-history", "on,every=0"], ["every=0", "16777216"]),
    (["-icount", "2", "-history", "off"], ["off", "use on"]),
    (["-icount", "2", "-rtc", "clock=host"], ["clock=vm"]),
    (["-rtc", "base=yesterday"], ["yesterday", "2006-06-17T16:01:21"]),
    (["-seed", "-1"], ["-seed -1"]),
    (["-monitor", "tcp:0.0.0.0:1234,server=on"], ["-monitor", "tcp:127.0.0.1"]),
    (["-daemonize", "-nographic"], ["-daemonize"]),
]


def error_is_one_line(arguments, named):
    # -S: what is accepted by mistake does not run away; it is caught by the timeout.
    status, out, err = run("-display", "none", "-S", *arguments, patience=20)
    equal("status", status, 1)
    equal("standard output", out, "")
    lines = err.splitlines()
    if len(lines) != 1 or not lines[0].startswith(os.path.basename(EMULATOR) + ": "):
        raise Failure(f"not one line with the program's name: {err!r}")
    for word in named:
        contains("message", lines[0], word)


def nothing_is_left_of_a_failed_start():
    with tempfile.TemporaryDirectory() as d:
        status, _, _ = run("-display", "none", "-serial", f"file:{d}/out", "-pidfile", f"{d}/pid",
                           "-daemonize", "-kernel", "/nonexistent")
        equal("status", status, 1)
        equal("files", os.listdir(d), [])


def busy_port_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error_is_one_line(["-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"], [str(port)])
        error_is_one_line(["-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80"], [str(port)])


# --- runs -------------------------------------------------------------------------------------------

def finisher_code_is_the_status():
    for value, wanted in (0x5555, 0), (0x3333 | 7 << 16, 7), (0x3333 | 1 << 16, 1):
        status = with_file(finisher(value), lambda f: run(*BARE, "-kernel", f)[0])
        equal(f"status of {value:#x}", status, wanted)


def binary_names_choose_xlen():
    directory = os.path.dirname(EMULATOR)
    for name, part in ("vitrine", "rv64"), ("vitrine-system-riscv32", "rv32"):
        _, out, _ = run("-cpu", "help", program=os.path.join(directory, name))
        contains(name, out, part)


def device_tree_is_valid():
    if not shutil.which("dtc"):
        raise Failure("dtc is not installed")
    with tempfile.TemporaryDirectory() as d:
        status, _, err = run("-M", f"virt,dumpdtb={d}/t.dtb", "-smp", 4, "-m", "256M")
        equal("status", (status, len(err.splitlines())), (0, 1))
        done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", f"{d}/t.dtb"], capture_output=True,
                              text=True, check=True)
        contains("memory", done.stdout, "reg = <0x00 0x80000000 0x00 0x10000000>")
        equal("harts", len(re.findall(r"cpu@\d", done.stdout)), 4)


def signal_ends_a_run():
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        def end(path):
            p = subprocess.Popen([EMULATOR, *BARE, "-serial", "null", "-kernel", path],
                                 stderr=subprocess.PIPE, text=True)
            wait_until_it_runs(p.pid)
            p.send_signal(number)
            _, err = p.communicate(timeout=60)
            return p.returncode, len(err.splitlines())
        equal(f"status and lines after {number.name}", with_file(elf([SPIN]), end), (0, 1))


def wait_until_it_runs(pid):
    """A vCPU thread exists, and so does the signal thread: at least three in all."""
    for _ in range(400):
        if len(os.listdir(f"/proc/{pid}/task")) >= 3:
            return
        time.sleep(0.05)
    raise Failure("no vCPU thread came up")


def terminal_is_given_back():
    def check(path):
        with Guest([EMULATOR, *BARE[:6], "-nographic", "-kernel", str(path)], 60) as g:
            before = termios.tcgetattr(g.fd)[3]
            for _ in range(400):
                g._read(0.05)
                if not termios.tcgetattr(g.fd)[3] & termios.ICANON:
                    break
            else:
                g.fail("the terminal did not become raw")
            g.send(b"\x01h")
            g.expect("(?i)x .*(exit|quit|end)")
            g.send(b"\x01x")
            equal("status", g.wait(), 0)
            equal("terminal", termios.tcgetattr(g.fd)[3], before)
    with_file(elf([SPIN]), check)


def process_is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def daemon_goes_to_the_background():
    with tempfile.TemporaryDirectory() as d:
        pidfile = pathlib.Path(d) / "pid"
        kernel = pathlib.Path(d) / "kernel.elf"
        kernel.write_bytes(elf([SPIN]))
        options = [*BARE, "-serial", "null", "-daemonize", "-pidfile", pidfile, "-kernel", kernel]
        status, out, err = run(*options)
        equal("start", (status, out, err), (0, "", ""))
        pid = int(pidfile.read_text())
        try:
            equal("alive", process_is_alive(pid), True)
            status, _, err = run(*options)
            equal("second start", status, 1)
            contains("second start", err, str(pidfile))
        finally:
            os.kill(pid, signal.SIGTERM)
        for _ in range(400):
            if not pidfile.exists():
                return
            time.sleep(0.05)
        raise Failure("the pid file is still there")


def serial_on_a_unix_socket():
    with tempfile.TemporaryDirectory() as d:
        path = f"{d}/serial"
        command = linux("-display", "none", "-serial", f"unix:{path},server=on,wait=on")
        command.remove("-nographic")
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                for _ in range(200):
                    try:
                        s.connect(path)
                        break
                    except OSError:
                        time.sleep(0.05)
                s.settimeout(90)
                text = b""
                while b"vitrine:~# " not in text:
                    data = s.recv(4096)
                    if not data:
                        raise Failure(f"closed after {text[-300:]!r}")
                    text += data
                s.sendall(b"poweroff\n")
                while s.recv(4096):
                    pass
            equal("status", p.wait(timeout=60), 0)
        finally:
            p.kill()


def log_goes_to_a_file():
    with tempfile.TemporaryDirectory() as d:
        status = with_file(finisher(0x5555), lambda f: run(*BARE, "-kernel", f, "-d", "in_asm,op,op_opt",
                                                           "-D", f"{d}/log")[0])
        equal("status", status, 0)
        text = pathlib.Path(d, "log").read_text()
        contains("in_asm", text, "lui")
        contains("address", text, "80000000")


def main():
    report = Report("cli")
    report.case("-h and --version begin with the version", help_begins_with_version)
    report.case("help and ? list what is there", lists_name_what_is_there)
    for arguments, named in ERRORS:
        report.case(f"one-line error: {' '.join(arguments)}", error_is_one_line, arguments, named)
    report.case("a busy port is a one-line error", busy_port_is_an_error)
    report.case("nothing is left of a failed start", nothing_is_left_of_a_failed_start)
    report.case("the finisher's code is the exit status", finisher_code_is_the_status)
    report.case("the binary's name chooses XLEN", binary_names_choose_xlen)
    report.case("dumpdtb writes a tree that dtc reads", device_tree_is_valid)
    report.case("SIGTERM, SIGINT and SIGHUP end a run with status 0", signal_ends_a_run)
    report.case("Ctrl-A h and x; the terminal is given back", terminal_is_given_back)
    report.case("-daemonize and -pidfile", daemon_goes_to_the_background)
    report.case("a serial line on a unix socket", serial_on_a_unix_socket)
    report.case("-d and -D", log_goes_to_a_file)
    report.end()


if __name__ == "__main__":
    main()
