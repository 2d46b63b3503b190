#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the texts name is there: files, functions, make targets in the code spans of every *.md, and their links.

    tools/check-texts.py        prints a line for each name that is not in the tree; nothing if all are

A span is checked if it is one of these; other spans say something else and are left alone:

    `cpu/exec.c:cpu_run()`   a file, and a function or struct that this file has
    `exec.c`, `cpu/`         a file, a folder: beside the text, from the top, from src/, or (a bare name) anywhere
    `cpu_run()`              a function somewhere in the tree
    `make guests`            a target of the Makefile or of what it includes
    [words](glossary.md#tb)  a file beside the text; a heading of it
"""
import fnmatch
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIP = {"build", "guest", ".git", "node_modules", "__pycache__"}
MADE = {"book/protocol.md"}          # by `make protocol`; speaks of methods only
CODE = (".c", ".h", ".def", ".S", ".js", ".mjs", ".py", ".sh", ".mk")
NAME = r"[A-Za-z0-9_.*{},-]+"
FILE = re.compile(rf"((?:\.\./|{NAME}/)*)({NAME}\.(?:c|h|def|S|js|mjs|py|sh|mk|md|html|css|ir|json)|{NAME}/)"
                  r"(?::([A-Za-z_]\w*)(?:\(\))?)?")
CALL = re.compile(r"([A-Za-z_]\w*)\(\)")
MAKE = re.compile(r"make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)")


def tree():
    """Every file of ours, as a path from the top."""
    for folder, folders, names in os.walk(ROOT):
        here = pathlib.Path(folder).relative_to(ROOT)
        folders[:] = [f for f in folders if f not in SKIP or (f == "guest" and here.name == "tests")]
        for name in names:
            yield (here / name).as_posix()


def braces(pattern):
    """`a{b,c}` as [`ab`, `ac`]."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if not match:
        return [pattern]
    return [one for part in match.group(1).split(",")
            for one in braces(pattern[:match.start()] + part + pattern[match.end():])]


class Tree:
    def __init__(self):
        self.files = sorted(tree())
        self.folders = {p.as_posix() for f in self.files for p in pathlib.PurePosixPath(f).parents}
        self.code = {f: (ROOT / f).read_text(encoding="utf-8", errors="replace")
                     for f in self.files if f.endswith(CODE)}
        self.words = {w for text in self.code.values() for w in re.findall(r"\b\w+(?= ?\()", text)}
        makefiles = [f for f in self.files if f == "Makefile" or f.endswith(".mk")]
        self.targets = {t for f in makefiles for line in (ROOT / f).read_text(encoding="utf-8").splitlines()
                        for t in re.findall(r"^([a-z][a-z -]*):(?!=)", line) for t in t.split()}

    def find(self, text, name):
        """The files and folders that `name` means in a text; a bare name may be anywhere."""
        beside = pathlib.PurePosixPath(text).parent.as_posix()
        found = []
        for one in braces(name.rstrip("/")):
            tries = [os.path.normpath(os.path.join(start, one)) for start in (beside, ".", "src", "web/static")]
            if name.endswith("/"):
                mine = [t for t in tries if t in self.folders]
            else:
                mine = [f for f in self.files if any(fnmatch.fnmatchcase(f, t) for t in tries)]
                if not mine and not name.startswith("../"):
                    mine = [f for f in self.files if fnmatch.fnmatchcase(f, "*/" + one)]
            if not mine:
                return []
            found += mine
        return found

    def has(self, files, symbol):
        return any(re.search(rf"\b{symbol}\b", self.code.get(f, "")) for f in files)


def headings(path):
    """The anchors of a text's headings, and those that stand in it by hand."""
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    made = {re.sub(r"[^\w -]", "", t.lower()).strip().replace(" ", "-") for t in titles}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def spans(text):
    """(line number, code span) outside of fenced blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            for span in re.findall(r"`([^`]+)`", line):
                yield number, span


def wrong(there, text, span):
    """What is wrong with a span, or None."""
    match = MAKE.fullmatch(span)
    if match:
        return None if match.group(1) in there.targets else "no such target"
    match = CALL.fullmatch(span)
    if match:
        return None if match.group(1) in there.words else "no such function"
    match = FILE.fullmatch(span)
    if match:
        files = there.find(text, match.group(1) + match.group(2))
        if not files:
            return "no such file"
        if match.group(3) and not there.has(files, match.group(3)):
            return "the file has no such name"
    return None


def links(text, path):
    """(line number, target, what is wrong) of links to files."""
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            to = (path.parent / file) if file else path
            if not to.exists():
                yield number, target, "no such file"
            elif anchor and anchor not in headings(to):
                yield number, target, "no such heading"


def main():
    there = Tree()
    bad = 0
    for name in there.files:
        if not name.endswith(".md") or name in MADE:
            continue
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for number, span in spans(text):
            reason = wrong(there, name, span)
            if reason:
                print(f"{name}:{number}: `{span}`: {reason}")
                bad += 1
        for number, target, reason in links(text, path):
            print(f"{name}:{number}: ({target}): {reason}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
