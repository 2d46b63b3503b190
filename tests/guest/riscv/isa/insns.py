# SPDX-License-Identifier: MIT
"""Reads insn32.def and insn16.def and encodes their rows.

    row = Row("addi", "iiiiiiiiiiii sssss 000 ddddd 0010011", ...)
    row.encode(d=5, s=6, i=imm_bits)      fields by the letter of the drawing
"""
import pathlib
import re

TABLES = pathlib.Path(__file__).resolve().parents[4] / "src/cpu/riscv"
ROW = re.compile(
    r'^(INSN|SPEC)\(\s*(\w+),\s*"([^"]+)",\s*(\w+),\s*([^,]+),\s*(\d+),\s*(\w+)(?:,\s*"([^"]*)")?\s*\)',
    re.M)


class Row:
    def __init__(self, match, size):
        self.kind, self.id, self.pattern, self.format, ext, xlen, self.trans, self.form = match
        self.size = size
        self.xlen = int(xlen)
        self.extensions = re.findall(r"X\((\w+)\)", ext)
        bits = self.pattern.replace(" ", "")
        assert len(bits) == 8 * size, self.id
        self.fixed = 0
        self.places = {}  # letter -> bit positions, most significant first
        for index, char in enumerate(bits):
            position = len(bits) - 1 - index
            if char in "01":
                self.fixed |= int(char) << position
            else:
                self.places.setdefault(char, []).append(position)

    def has(self, letter):
        return letter in self.places

    def width(self, letter):
        return len(self.places[letter])

    def encode(self, **fields):
        bits = self.fixed
        for letter, value in fields.items():
            places = self.places.get(letter)
            if places is None:
                continue
            width = len(places)
            if letter in "dst" and width == 3:
                value -= 8
            for index, position in enumerate(places):
                bits |= (value >> (width - 1 - index) & 1) << position
        return bits

    def immediate(self, value):
        """Bits of the field `i` for an immediate of this row's format."""
        order = IMMEDIATES[self.format]
        places = self.places["i"]
        assert len(order) == len(places), (self.id, self.format)
        bits = 0
        for bit in order:
            bits = bits << 1 | (value >> bit & 1)
        return bits


def _down(high, low):
    return list(range(high, low - 1, -1))


# Which bit of the immediate stands at each place, from the left (manual, chapters "RV32I" and "C").
IMMEDIATES = {
    "I": _down(11, 0),
    "S": _down(11, 0),
    "B": [12] + _down(10, 5) + _down(4, 1) + [11],
    "J": [20] + _down(10, 1) + [11] + _down(19, 12),
    "U": _down(31, 12),
    "CL_W": [5, 4, 3] + [2, 6],
    "CS_W": [5, 4, 3] + [2, 6],
    "CL_D": [5, 4, 3] + [7, 6],
    "CS_D": [5, 4, 3] + [7, 6],
    "CI_LWSP": [5, 4, 3, 2, 7, 6],
    "CI_LDSP": [5, 4, 3, 8, 7, 6],
    "CSS_SWSP": [5, 4, 3, 2, 7, 6],
    "CSS_SDSP": [5, 4, 3, 8, 7, 6],
    "CJ": [11, 4, 9, 8, 10, 6, 7, 3, 2, 1, 5],
    "CJAL": [11, 4, 9, 8, 10, 6, 7, 3, 2, 1, 5],
    "CB": [8, 4, 3, 7, 6, 2, 1, 5],
}
# Offsets a compressed load or store can have: largest, and step.
COMPRESSED_OFFSETS = {
    "CL_W": (124, 4), "CS_W": (124, 4), "CL_D": (248, 8), "CS_D": (248, 8),
    "CI_LWSP": (252, 4), "CSS_SWSP": (252, 4), "CI_LDSP": (504, 8), "CSS_SDSP": (504, 8),
}


def read_table(name, size):
    return [Row(match.groups(), size) for match in ROW.finditer((TABLES / name).read_text())]


def read_rows(xlen):
    """The rows of a hart with this XLEN; 16-bit rows get the form of what they expand to."""
    rows32 = read_table("insn32.def", 4)
    forms = {row.id: row.form for row in rows32}
    rows16 = read_table("insn16.def", 2)
    for row in rows16:
        row.form = forms.get(row.trans, "reserved")
    return [row for row in rows32 + rows16 if row.xlen in (0, xlen)]
