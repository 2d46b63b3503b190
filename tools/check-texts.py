#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the texts name is there: in the code spans and links of every *.md, and in the comments of src and web/static.

    tools/check-texts.py        prints a line for each name that is not in the tree; nothing if all are

Checked are spans of these forms; other spans say something else and are left alone. Names in capitals (`unit/LAYER/x.c`)
stand for others, and a file that a fenced block of the same text speaks of is the reader's own.

    `cpu/exec.c:cpu_run()`   a file, and a function, table or struct that this file defines
    `exec.c`, `cpu/`         a file, a folder: beside the text, from the top, from src/, or (a bare name) anywhere
    `cpu_run()`              a function somewhere in the tree
    `make guests`            a target of the Makefile or of what it includes
    [words](glossary.md#tb)  a file beside the text; a heading of it
    *Memory: TLB*            a workspace of the page, and a title there (as English speakers see it)

In comments: `name()`, a function; "Book: x.md", a chapter. The book's
chapter about locks names every mutex, and a folder's README every source.
"""
import fnmatch
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIP = {"build", "guest", ".git", "node_modules", "__pycache__"}
MADE = {"book/protocol.md"}          # by `make protocol`; speaks of methods only
BUILT = {"build/"}
LOCKS = "book/threads-and-locks.md"
ELSEWHERE = {"hart_start"}           # functions of others that comments speak of
CODE = (".c", ".h", ".def", ".S", ".js", ".mjs", ".py", ".sh", ".mk")
NAME = r"[A-Za-z0-9_.*{},-]+"
FILE = re.compile(rf"((?:\.\./|{NAME}/)*)({NAME}\.(?:c|h|def|S|js|mjs|py|sh|mk|md|html|css|ir|json)|{NAME}/)"
                  r"(?::([A-Za-z_]\w*)(?:\(\))?)?")
CALL = re.compile(r"([A-Za-z_]\w*)\(\)")
MAKE = re.compile(r"make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)")
STANDS_FOR = re.compile(r"\b(?:LAYER|NAME|MODE|ISA)\b")
TITLE = re.compile(r"\*(Run|Translate|Memory|Devices|Time|CPU): ([^*]+)\*")
STRUCT = re.compile(r"^(?:typedef )?struct (\w+) \{\n(.*?)^\}", re.M | re.S)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


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
        self.words = {w for file, text in self.code.items() for w in re.findall(r"\b\w+\b", COMMENT.sub(" ", text))
                      if file != "tools/check-texts.py"}
        self.titles = {t for file, text in self.code.items() if file.startswith("web/static/strings/")
                       for t in re.findall(r'^ *"[\w.-]+": "([^"]*)"', text, re.M)}
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
                mine = [t for t in tries if t in self.folders or name in BUILT]
            else:
                mine = [f for f in self.files if any(fnmatch.fnmatchcase(f, t) for t in tries)]
                if not mine and not name.startswith("../"):
                    mine = [f for f in self.files if fnmatch.fnmatchcase(f, "*/" + one)]
            if not mine:
                return []
            found += mine
        return found

    def defines(self, file, symbol):
        """A function's opening line, or a table or struct; one of JavaScript may stand in a class."""
        opening = rf"^(?:[A-Za-z][^\n;=]*\b{symbol}\(|[A-Za-z][^\n;(]*\b{symbol}\b(?:\[.*)? (?:=|\{{))"
        method = rf"^(?:  )?(?:(?:export|async|function|const) )*{symbol}(?:\(.*\{{$| = )"
        return re.search(method if file.endswith("js") else opening, self.code.get(file, ""), re.M)


def headings(path):
    """The anchors of a text's headings, and those that stand in it by hand."""
    text = path.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    made = {re.sub(r"[^\w -]", "", t.lower()).strip().replace(" ", "-") for t in titles}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def fenced(text):
    """The fenced blocks of a text, as one text."""
    return "".join(re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S))


def lines(text):
    """(line number, line) outside of fenced blocks and pictures."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("    "):
            yield number, line


def wrong(there, text, span, own):
    """What is wrong with a span, or None."""
    match = MAKE.fullmatch(span)
    if match:
        return None if match.group(1) in there.targets else "no such target"
    match = CALL.fullmatch(span)
    if match:
        return None if match.group(1) in there.words else "no such function"
    match = FILE.fullmatch(span)
    if match and not STANDS_FOR.search(span) and span not in own:
        files = there.find(text, match.group(1) + match.group(2))
        if not files:
            return "no such file"
        if match.group(3) and not any(there.defines(f, match.group(3)) for f in files):
            return "not defined there"
    return None


def check_text(there, name):
    """(line number, what is named, what is wrong)"""
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    own = fenced(text)
    for number, line in lines(text):
        for span in re.findall(r"`([^`]+)`", line):
            yield number, span, wrong(there, name, span, own)
        for _, title in TITLE.findall(line):
            yield number, title, None if title in there.titles else "no such title on the page"
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            file, _, anchor = target.partition("#")
            to = (path.parent / file) if file else path
            if re.match(r"[a-z]+:", target):
                continue
            if not to.exists():
                yield number, target, "no such file"
            elif anchor and anchor not in headings(to):
                yield number, target, "no such heading"


def check_comments(there, name):
    """The same of a source's comments."""
    text = there.code[name]
    for comment in COMMENT.finditer(text):
        number = text.count("\n", 0, comment.start()) + 1
        for function in re.findall(r"\b([a-z]\w+)\(\)", comment.group()):
            known = function in there.words | ELSEWHERE or re.search(r"NAME|_x$|_domain_verb$", function)
            yield number, function + "()", None if known else "no such function"
        for chapter in re.findall(r"Book: ([^\s,]*?)\.?[\s,]", comment.group()):
            yield number, chapter, None if (ROOT / "book" / chapter).is_file() else "no such chapter"


def check_locks(there, name):
    """The mutexes of a source: the book's chapter names each."""
    chapter = (ROOT / LOCKS).read_text(encoding="utf-8")
    for struct in STRUCT.finditer(there.code[name]):
        for field in re.findall(r"pthread_mutex_t (\w+);", struct.group(2)):
            lock = f"{struct.group(1)}.{field}"
            number = there.code[name].count("\n", 0, struct.start()) + 1
            yield number, lock, None if f"`{lock}`" in chapter else f"{LOCKS} does not name this lock"


def check_folders(there):
    """Sources that neither the README of their folder nor that of the folder above names."""
    readmes = {f: (ROOT / f).read_text(encoding="utf-8") for f in there.files if f.endswith("README.md")}
    for name in there.code:
        path = pathlib.PurePosixPath(name)
        if name.startswith("src/") and path.suffix in (".c", ".def") and path.parent.as_posix() != "src":
            texts = [readmes.get(f"{folder}/README.md", "") for folder in (path.parent, path.parent.parent)]
            if not any(re.search(rf"\b{path.stem}\b", text) for text in texts):
                yield name


def main():
    there = Tree()
    bad = 0
    for name in there.files:
        found = ()
        if name.endswith(".md") and name not in MADE:
            found = check_text(there, name)
        elif name.startswith(("src/", "web/static/")) and name in there.code:
            found = [*check_comments(there, name), *check_locks(there, name)]
        for number, what, reason in found:
            if reason:
                print(f"{name}:{number}: {what}: {reason}")
                bad += 1
    for name in check_folders(there):
        print(f"{name}: its folder's README does not name it")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
