# SPDX-License-Identifier: MIT
"""Pools of operand values: edges and random patterns."""
import struct

MASK64 = (1 << 64) - 1
POOL_SIZE = 256
BOX = 0xffffffff00000000


def f64_bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def f32_bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def fill(rng, values, make):
    values = list(dict.fromkeys(values))[:POOL_SIZE]
    while len(values) < POOL_SIZE:
        values.append(make(rng))
    return values


def integers(rng):
    edges = [0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7ff, 0x800, 0xffff]
    edges += [1 << n for n in (15, 16, 30, 31, 32, 33, 47, 62, 63)]
    edges += [(1 << n) - 1 for n in (31, 32, 33, 62, 63)]
    edges += [0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x80000001, 0xffffffff7fffffff,
              0x0123456789abcdef, 0xfedcba9876543210, 0x8000000080000000, 0x00ff00ff00ff00ff]
    edges += [-n & MASK64 for n in (1, 2, 3, 8, 32, 64, 128, 256, 2048, 1 << 31, (1 << 31) + 1)]

    def make(r):
        kind = r.randrange(5)
        value = r.getrandbits(64)
        if kind == 0:
            return value
        if kind == 1:
            return value >> r.randrange(64)
        if kind == 2:
            return ~(value >> r.randrange(64)) & MASK64
        if kind == 3:
            return ((value & 0xffffffff) ^ (1 << 31)) - (1 << 31) & MASK64
        return (1 << r.randrange(64)) + r.randrange(-2, 3) & MASK64
    return fill(rng, edges, make)


class Format:
    """A binary format: widths and landmark exponents."""

    def __init__(self, bits, fraction):
        self.bits, self.fraction = bits, fraction
        self.exponent = bits - 1 - fraction
        self.bias = (1 << (self.exponent - 1)) - 1
        self.special = (1 << self.exponent) - 1

    def make(self, sign, exponent, fraction):
        return sign << (self.bits - 1) | exponent << self.fraction | fraction

    def edges(self):
        ones = (1 << self.fraction) - 1
        quiet = 1 << (self.fraction - 1)
        magnitudes = [
            (0, 0), (0, 1), (0, 2), (0, ones), (0, quiet), (1, 0), (1, 1), (1, ones),
            (self.special - 1, ones), (self.special - 1, 0), (self.special, 0),
            (self.special, quiet), (self.special, quiet | 1), (self.special, ones),
            (self.special, 1), (self.special, quiet - 1),
            (self.bias, 0), (self.bias, 1), (self.bias - 1, ones), (self.bias, quiet),
            (self.bias - 1, 0), (self.bias - 1, 1), (self.bias - 2, ones), (self.bias + 1, 0),
            (self.bias + 1, quiet >> 1), (self.bias + 1, quiet),
            (self.bias + self.fraction, 1), (self.bias + self.fraction - 1, 1),
            (self.bias + self.fraction + 1, 1), (self.bias - self.fraction, 0),
        ]
        # Around the limits of the integer types: 2^n and its neighbours, with halves where they fit.
        for n in (31, 32, 63, 64):
            magnitudes += [(self.bias + n, 0), (self.bias + n, 1), (self.bias + n - 1, ones)]
            if self.fraction > n:
                below = ones & ~((1 << (self.fraction - n + 1)) - 1)
                half = 1 << (self.fraction - n)
                magnitudes += [(self.bias + n - 1, below), (self.bias + n - 1, below | half),
                               (self.bias + n - 1, below | half - 1),
                               (self.bias + n, half), (self.bias + n, half >> 1)]
        return [self.make(s, e, f) for e, f in magnitudes for s in (0, 1)]

    def random(self, r):
        kind = r.randrange(6)
        sign, fraction = r.randrange(2), r.getrandbits(self.fraction)
        if kind == 0:
            return self.make(sign, r.randrange(self.special + 1), fraction)
        if kind == 1:
            return self.make(sign, 0, fraction >> r.randrange(self.fraction))
        if kind == 2:  # few fraction bits: ties and exact results
            keep = r.randrange(4)
            fraction = fraction >> (self.fraction - keep) << (self.fraction - keep)
            return self.make(sign, self.bias + r.randrange(-4, 5), fraction)
        if kind == 3:  # a carry through a long run of ones
            fraction = (1 << self.fraction) - 1 - (1 << r.randrange(self.fraction))
            return self.make(sign, self.bias + r.randrange(-30, 66), fraction)
        return self.make(sign, max(1, self.bias + r.randrange(-3, 66)), fraction)


F32 = Format(32, 23)
F64 = Format(64, 52)


def doubles(rng):
    values = F64.edges()
    # What becomes subnormal, infinite or a tie when narrowed to single precision.
    for exponent in (-149, -150, -151, -126, -127, 127, 128):
        for fraction in (0, 1, 1 << 28, (1 << 28) + 1, (1 << 52) - (1 << 28), (1 << 52) - 1):
            values.append(F64.make(rng.randrange(2), F64.bias + exponent, fraction))
    values += [F64.make(0, F64.bias, f) for f in (1 << 28, (1 << 28) - 1, (1 << 28) + 1, 3 << 28)]
    return fill(rng, values, F64.random)


def singles(rng):
    """Boxed, but for one in ten."""
    values = [BOX | v for v in F32.edges()]

    def make(r):
        value = F32.random(r)
        if r.random() < 0.25:
            return r.choice([value, r.getrandbits(64), 0xfffffffe00000000 | value,
                             0x7fffffff00000000 | value, 0x3ff0000000000000])
        return BOX | value
    return fill(rng, values, make)


def mixed(rng):
    pool = rng.sample(singles(rng), 128) + rng.sample(doubles(rng), 128)
    return pool
