#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What book/life-of-an-instruction.md shows is what the emulator prints: the chapter's program is built and run as it says.

A listing must come line by line, where it shows `...` with anything between. Host addresses differ from run to run, so
numbers of nine digits and more only have to be numbers, and so do offsets of fields from env (rbp). Remarks that the chapter adds stand three spaces and a `;` behind
a line. Of listings side by side each side's lines must come in their order.
"""
import pathlib
import re
import shutil
import subprocess
import tempfile

from guest import EMULATOR, ROOT, Failure, Report, equal

CHAPTER = ROOT / "book/life-of-an-instruction.md"
COMPILER = "riscv64-unknown-elf-gcc"
OUTPUT = re.compile(r"^(?:-{16}|IN:|OP:|OUT:|0x7f)")
BOTH_SIDES = "OP after optimization:"


def blocks(language=""):
    text = CHAPTER.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def plain(line):
    """A line without remarks, and without what differs from run to run."""
    line = re.sub(r"\s{3,};.*$", "", line)
    line = re.sub(r"0x[0-9a-f]{9,}", lambda m: m.group() if m.group().startswith("0xffff") else "ADDRESS", line)
    line = re.sub(r"(\[rbp(?: \+ \w+)? [+-]) 0x[0-9a-f]+\]", r"\1 FIELD]", line)
    return re.sub(r"\s+", " ", line).strip()


def plain_lines(text):
    return [line for line in map(plain, text.splitlines()) if line]


class Program:
    """The chapter's program, and what the emulator prints while it runs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        source = next(b for b in blocks("asm") if "_start" in b)
        (self.directory / "life.S").write_text(source, encoding="utf-8")
        shell = next(b for b in blocks("sh") if COMPILER in b)
        self.build = next(line for line in shell.splitlines() if line.startswith(COMPILER))
        self.options = re.search(r"vitrine-system-riscv64 (.*)", shell.replace("\\\n", " "), re.S).group(1).split()
        subprocess.run(self.build.split(), cwd=directory, check=True)

    def run(self, *options):
        done = subprocess.run([EMULATOR, *options], cwd=self.directory, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, check=False)
        equal("exit status", done.returncode, 0)

    def log(self, *items):
        """What comes with the options of the chapter, or with -d and these items."""
        options = self.options
        if items:
            options = options[:options.index("-dfilter")] + ["-d", ",".join(items), "-D", "life.log"]
        self.run(*options)
        return (self.directory / "life.log").read_text(encoding="utf-8")


def comes(listing, lines):
    """The listing's lines stand together in `lines`; between two of its parts, divided by `...`, are others."""
    at = 0
    for part in "\n".join(listing).split("\n...\n"):
        wanted = part.splitlines()
        while lines[at:at + len(wanted)] != wanted:
            at += 1
            if at > len(lines):
                raise Failure("the chapter shows\n" + "\n".join(wanted) + "\nbut this came:\n" + "\n".join(lines))


def come_in_order(side, lines):
    rest = iter(lines)
    for line in side:
        if " ... " not in line and line not in rest:
            raise Failure(f"the chapter shows {line!r}, which does not come there in\n" + "\n".join(lines))


def listings_come(program):
    lines = plain_lines(program.log())
    shown = [b for b in blocks() if OUTPUT.match(b)]
    if len(shown) < 4:
        raise Failure("the chapter's listings are gone")
    for block in shown:
        head = block.splitlines()[0]
        if BOTH_SIDES not in head:
            comes(plain_lines(block), lines)
            continue
        column = head.index(BOTH_SIDES)
        left = "\n".join(line[:column] for line in block.splitlines())
        right = "\n".join(line[column:] for line in block.splitlines())
        come_in_order(plain_lines(left) + plain_lines(right), lines)


def entered(log):
    """What stands in brackets in the lines of -d exec."""
    return re.findall(r"^Trace 0: \S+ \[(\S+)\]", log, re.M)


def blocks_are_entered(program):
    shown = next(b for b in blocks() if "Trace 0:" in b)
    equal("with nochain", entered(program.log("exec", "nochain")), entered(shown))
    chained = [each.split("/")[1].lstrip("0") for each in entered(program.log("exec"))]
    equal("chained", chained, re.findall(r"\.\.\.([0-9a-f]+)$", shown, re.M))


def interpreted(program):
    program.options += ["-accel", "tcg,backend=interp"]
    log = program.log()
    if "OP after optimization:" not in log or "OUT:" in log:
        raise Failure("interp: ops, and no host code; but this came:\n" + log)


def main():
    report = Report("book")
    if not shutil.which(COMPILER):
        report.skip("life of an instruction", f"no {COMPILER}")
        report.end()
    with tempfile.TemporaryDirectory(prefix="vitrine-book-") as directory:
        program = Program(directory)
        report.case("the listings of an instruction's life come so", listings_come, program)
        report.case("its blocks are entered so, chained and unchained", blocks_are_entered, program)
        report.case("interp runs the same ops", interpreted, program)
    report.end()


if __name__ == "__main__":
    main()
