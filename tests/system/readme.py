#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What README.md shows is what happens: its fenced blocks marked `console` are typed again.

A block is a session: a line that begins with a prompt is typed, the lines after it are what must come up to the next
prompt. Alone on a line `...` stands for any lines, in a line for any text; numbers may differ, spaces too.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from guest import EMULATOR, GUEST, ROOT, Failure, Guest, Report

BENCH = pathlib.Path(EMULATOR).resolve().parent / "bench"
COMPILER = "riscv64-unknown-elf-gcc"
PROMPTS = ("vitrine:~# ", "(vitrine) ", "(gdb) ", "$ ")
KEY = {"Ctrl-A c": b"\x01c"}
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x07")
NUMBER = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\b\d+\b")


def sessions(text):
    """[(first line's number, lines)] of the blocks."""
    found = []
    for match in re.finditer(r"^```console\n(.*?)^```$", text, re.M | re.S):
        found.append((text.count("\n", 0, match.start()) + 2, match.group(1).splitlines()))
    return found


def steps(lines):
    """[(prompt, what is typed, lines that must come)]"""
    found = []
    for line in lines:
        prompt = next((p for p in PROMPTS if line.startswith(p)), None)
        if prompt:
            found.append((prompt, line[len(prompt):], []))
        else:
            found[-1][2].append(line)
    return found


def pattern(lines):
    """A regular expression of these lines of output."""
    def words(line):
        parts = []
        for part in re.split(r"(\.\.\.|\s+)", line):
            if part == "...":
                parts.append(r"[^\n]*")
            elif part.isspace():
                parts.append(r"[ \t]+")
            else:
                ends = 0
                for number in NUMBER.finditer(part):
                    parts += [re.escape(part[ends:number.start()]), "[0-9a-fx]+"]
                    ends = number.end()
                parts.append(re.escape(part[ends:]))
        return "".join(parts) + r"[ \t]*\n"
    return "".join(r"(?:[^\n]*\n)*?" if line.strip() == "..." else words(line) for line in lines)


def check(typed, wanted, text):
    text = CONTROL.sub("", text).strip("\n") + "\n"
    text = "" if text == "\n" else text
    if not re.fullmatch(pattern(wanted), text):
        raise Failure(f"after {typed!r} README.md shows\n" + "\n".join(wanted) + f"\nbut this came:\n{text[:3000]}")


class Session:
    """A shell on a terminal, in a directory that looks like the source tree."""

    def __init__(self, directory):
        self.terminal = Guest(["/bin/sh", "-c", f"cd '{directory}'; stty cols 1000; PS1='$ ' exec sh -i"], patience=60)

    def until(self, prompt):
        """Waits for a prompt that stands at a line's beginning, and returns what came before it."""
        start = self.terminal.seen
        # The end of all output: what comes from the emulator may contain a prompt, too.
        self.terminal.expect(rb"(?:^|[\n\r]|\x1b\[[0-9;?]*[A-Za-z])" + re.escape(prompt).encode()
                             + rb"(?:\x1b\[[0-9;?]*[A-Za-z])*$")
        return self.terminal.output[start:self.terminal.seen].decode(errors="replace")

    def play(self, lines):
        plan = steps(lines)
        self.until(plan[0][0])
        for i, (_, typed, wanted) in enumerate(plan):
            key = KEY.get(typed)
            self.terminal.send(key or typed + "\n")
            if i + 1 == len(plan):
                self.last(typed, wanted)
                return
            following = plan[i + 1][0]
            if key and following == "vitrine:~# ":
                self.terminal.send("\n")   # the guest's shell prints its prompt again
            text = self.until(following)
            text = CONTROL.sub("", text)[:-len(following)]
            if not key:
                text = text.partition("\n")[2]   # the echo
                check(typed, wanted, text)

    def close(self):
        """Ends the shell and what it started: a job in the background does not end with the terminal."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.terminal.pid != int(entry.name):
                    os.kill(int(entry.name), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.terminal.__exit__()

    def last(self, typed, wanted):
        """The end of a session has no prompt to wait for."""
        if [line for line in wanted if line != "..."]:
            self.terminal.expect(pattern(wanted).replace(r"\n", r"\r*\n").encode())


def play(lines):
    with tempfile.TemporaryDirectory(prefix="vitrine-readme-") as name:
        directory = pathlib.Path(name)
        (directory / "build/release").mkdir(parents=True)
        (directory / "build/release/vitrine-system-riscv64").symlink_to(os.path.abspath(EMULATOR))
        (directory / "guest").symlink_to(GUEST.parent)
        (directory / "build/release/bench").symlink_to(BENCH)
        session = Session(name)
        try:
            session.play(lines)
        finally:
            session.close()


def main():
    report = Report("readme")
    blocks = sessions((ROOT / "README.md").read_text(encoding="utf-8"))
    if len(blocks) < 3:
        print("not ok - readme: the sessions are gone")
        sys.exit(1)
    if shutil.which(COMPILER):
        subprocess.run(["make", "-s", f"BUILD={BENCH.parent}", f"{BENCH}/fib.elf"], cwd=ROOT, check=True)
    for number, lines in blocks:
        name = f"session at line {number}"
        if any("gdb-multiarch" in line for line in lines) and not shutil.which("gdb-multiarch"):
            report.skip(name, "no gdb-multiarch")
        elif any("bench/fib.elf" in line for line in lines) and not shutil.which(COMPILER):
            report.skip(name, f"no {COMPILER}")
        else:
            report.case(name, play, lines)
    report.end()


if __name__ == "__main__":
    main()
