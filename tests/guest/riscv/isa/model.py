# SPDX-License-Identifier: MIT
"""What the manual says of the instructions that QEMU 7.2 lacks or gets wrong: ctzw, Zicond, Zfa, Zicbom, Zicboz, Zawrs.

Written from the manual's text with exact rationals; shares no code with the emulator. A run's final
state is computed from its initial one as rt.S makes it, and hashed as rt.S hashes.
"""
from fractions import Fraction

import values

MASK32, MASK64 = 0xffffffff, (1 << 64) - 1
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16
RNE, RTZ, RDN, RUP, RMM = range(5)
CAUSE_ILLEGAL = 2
MSTATUS_FS = 0x6000
# Slots of ctx, 8 bytes each.
FPR, FCSR, TRAPS, TRAP, SLOTS = 32, 64, 65, 66, 78
WINDOW, WINDOW_SIZE, CBO_BLOCK = 0x80004f80, 256, 64

FLI = [-1.0, None, 2.0**-16, 2.0**-15, 2.0**-8, 2.0**-7, 0.0625, 0.125, 0.25, 0.3125, 0.375, 0.4375,
       0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 8.0, 16.0, 128.0, 256.0,
       2.0**15, 2.0**16, float("inf"), None]


# --- binary formats --------------------------------------------------------------------------------
def fields_of(fmt, bits):
    return (bits >> (fmt.bits - 1) & 1, bits >> fmt.fraction & fmt.special,
            bits & (1 << fmt.fraction) - 1)


def is_nan(fmt, bits):
    _, exponent, fraction = fields_of(fmt, bits)
    return exponent == fmt.special and fraction != 0


def is_signaling(fmt, bits):
    return is_nan(fmt, bits) and not bits >> (fmt.fraction - 1) & 1


def canonical_nan(fmt):
    return fmt.make(0, fmt.special, 1 << (fmt.fraction - 1))


def value_of(fmt, bits):
    """A Fraction, or a float infinity."""
    sign, exponent, fraction = fields_of(fmt, bits)
    if exponent == fmt.special:
        return float("-inf") if sign else float("inf")
    if exponent:
        fraction |= 1 << fmt.fraction
    else:
        exponent = 1
    value = Fraction(fraction) * Fraction(2) ** (exponent - fmt.bias - fmt.fraction)
    return -value if sign else value


def round_integer(value, mode):
    """A Fraction to an int."""
    down = value.numerator // value.denominator
    rest = value - down
    if rest == 0 or mode == RDN:
        return down
    if mode == RUP:
        return down + 1
    if mode == RTZ:
        return down if value > 0 else down + 1
    if rest != Fraction(1, 2):
        return down + (rest > Fraction(1, 2))
    if mode == RNE:
        return down + (down & 1)
    return down + (value > 0)  # RMM: away from zero


def encode(fmt, value):
    """Bits of a Fraction that the format holds exactly (not a zero)."""
    sign, value = value < 0, abs(value)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    exponent = max(exponent, 1 - fmt.bias)
    scaled = value / Fraction(2) ** (exponent - fmt.fraction)
    assert scaled.denominator == 1, value
    fraction = scaled.numerator
    if fraction < 1 << fmt.fraction:
        return fmt.make(sign, 0, fraction)
    return fmt.make(sign, exponent + fmt.bias, fraction - (1 << fmt.fraction))


def nearest(fmt, value):
    """Some value of the format that is not far from a Fraction."""
    if value == 0:
        return 0
    exponent = abs(value).numerator.bit_length() - abs(value).denominator.bit_length() - 1
    exponent = max(exponent, 1 - fmt.bias)
    unit = Fraction(2) ** (exponent - fmt.fraction)
    result = Fraction(round_integer(value / unit, RNE)) * unit
    if result == 0:
        return 0
    if abs(result) >= Fraction(2) ** (fmt.special - fmt.bias):
        return fmt.make(value < 0, fmt.special - 1, (1 << fmt.fraction) - 1)
    try:
        return encode(fmt, result)
    except AssertionError:
        return encode(fmt, Fraction(round_integer(value / unit / 2, RNE)) * unit * 2)


def cancelling(fmt, rng):
    """a, b, c such that a * b and c differ by little, in either sign."""
    ones = (1 << fmt.fraction) - 1
    low = 1 if rng.random() < 0.2 else fmt.bias - 40
    a, b = (fmt.make(rng.randrange(2), rng.randrange(low, fmt.bias + 40), rng.getrandbits(fmt.fraction))
            for _ in range(2))
    if rng.random() < 0.4:  # short: exact products, ties
        a &= ~(ones >> rng.randrange(1, 8))
        b &= ~(ones >> rng.randrange(1, 20))
    product = value_of(fmt, a) * value_of(fmt, b)
    c = nearest(fmt, product)
    c ^= rng.randrange(2) << (fmt.bits - 1)
    kind = rng.random()
    if kind < 0.5:
        c += rng.choice([-1, 0, 0, 1]) if c & (1 << (fmt.bits - 1)) - 1 else 0
    elif kind < 0.8:  # the addend is around the product's last bit
        shift = rng.randrange(fmt.fraction - 2, fmt.fraction + 4)
        _, exponent, fraction = fields_of(fmt, c)
        exponent = min(max(exponent + rng.choice([-shift, shift]), 0), fmt.special - 1)
        c = fmt.make(rng.randrange(2), exponent, fraction)
    return a, b, c & (1 << fmt.bits) - 1


# --- one instruction -------------------------------------------------------------------------------
class State:
    def __init__(self, generator, ins, rng_state):
        self.xlen = generator.xlen
        self.words = []
        for _ in range(WINDOW_SIZE // 4):
            rng_state = xorshift(rng_state)
            self.words.append(rng_state)
        self.slots = [0] * SLOTS
        pool = generator.pools["int"]
        for reg in range(1, 32):
            rng_state = xorshift(rng_state)
            self.slots[reg] = pool[rng_state >> 8 & 255]
        pool = generator.pools[ins.pool]
        for reg in range(32):
            rng_state = xorshift(rng_state)
            self.slots[FPR + reg] = pool[rng_state >> 8 & 255]
        for slot, value in ins.over.items():
            self.slots[slot] = value
        if self.xlen == 32:
            for reg in range(32):
                self.slots[reg] &= MASK32
        self.slots[FCSR] = ins.fcsr
        self.rng_state = rng_state

    def hash(self, value):
        words = [w for slot in self.slots for w in (slot & MASK32, slot >> 32)] + self.words
        for word in words:
            value = (value ^ word) * 0x9e3779b1 & MASK32
            value ^= value >> 15
        return value

    def set_x(self, reg, value):
        if reg:
            self.slots[reg] = value & (MASK64 if self.xlen == 64 else MASK32)

    def get_f(self, fmt, reg):
        value = self.slots[FPR + reg]
        if fmt.bits == 64:
            return value
        return value & MASK32 if value >> 32 == MASK32 else canonical_nan(fmt)

    def set_f(self, fmt, reg, value):
        self.slots[FPR + reg] = value | (0 if fmt.bits == 64 else values.BOX)

    def raise_flags(self, flags):
        self.slots[FCSR] |= flags

    def trap(self, cause, pc, tval):
        count = self.slots[TRAPS]
        self.slots[TRAP + 3 * count:TRAP + 3 * count + 3] = [cause, pc, tval]
        self.slots[TRAPS] = count + 1


def xorshift(x):
    x = (x ^ x << 13) & MASK32
    x ^= x >> 17
    return (x ^ x << 5) & MASK32


def total_key(fmt, bits):
    """Orders -0 below +0."""
    return (value_of(fmt, bits), not bits >> (fmt.bits - 1))


def fminm_fmaxm(state, fmt, a, b, d, largest):
    if is_signaling(fmt, a) or is_signaling(fmt, b):
        state.raise_flags(NV)
    if is_nan(fmt, a) or is_nan(fmt, b):
        result = canonical_nan(fmt)
    else:
        result = (max if largest else min)(a, b, key=lambda v: total_key(fmt, v))
    state.set_f(fmt, d, result)


def fround(state, fmt, a, d, mode, inexact):
    _, exponent, _ = fields_of(fmt, a)
    if is_nan(fmt, a):
        if is_signaling(fmt, a):
            state.raise_flags(NV)
        a = canonical_nan(fmt)
    elif exponent != fmt.special:
        value = value_of(fmt, a)
        whole = round_integer(value, mode)
        if inexact and whole != value:
            state.raise_flags(NX)
        sign = a >> (fmt.bits - 1)
        a = encode(fmt, Fraction(whole)) if whole else fmt.make(sign, 0, 0)
    state.set_f(fmt, d, a)


def quiet_compare(state, fmt, a, b, d, test):
    if is_nan(fmt, a) or is_nan(fmt, b):
        if is_signaling(fmt, a) or is_signaling(fmt, b):
            state.raise_flags(NV)
        state.set_x(d, 0)
    else:
        state.set_x(d, int(test(value_of(fmt, a), value_of(fmt, b))))


def fcvtmod(state, a, d):
    fmt = values.F64
    _, exponent, _ = fields_of(fmt, a)
    if exponent == fmt.special:
        state.raise_flags(NV)
        state.set_x(d, 0)
        return
    value = value_of(fmt, a)
    whole = round_integer(value, RTZ)
    if not -(1 << 31) <= whole < 1 << 31:
        state.raise_flags(NV)
    elif whole != value:
        state.raise_flags(NX)
    state.set_x(d, ((whole & MASK32) ^ 1 << 31) - (1 << 31))


def execute(state, ins, row, f, bits):
    """One instruction of the extensions this module knows."""
    name = row.id
    x = state.slots
    if name.startswith("czero"):
        zero = (x[f["t"]] == 0) == (name == "czero_eqz")
        state.set_x(f["d"], 0 if zero else x[f["s"]])
        return
    if name.startswith("cbo_"):
        if name == "cbo_zero":
            first = (x[f["s"]] & ~(CBO_BLOCK - 1)) - WINDOW
            for index in range(max(0, first // 4), min(WINDOW_SIZE, first + CBO_BLOCK) // 4):
                state.words[index] = 0
        return
    if name == "ctzw":
        low = x[f["s"]] & MASK32
        state.set_x(f["d"], (low & -low).bit_length() - 1 if low else 32)
        return
    if name.startswith("wrs_"):
        return
    mode = f.get("m", RNE)
    if mode == 7:
        mode = x[FCSR] >> 5
    if not ins.mstatus & MSTATUS_FS or mode > RMM:
        state.trap(CAUSE_ILLEGAL, ins.entry_pc, bits)
        return
    execute_float(state, row, f, mode)


def execute_float(state, row, f, mode):
    name, x = row.id, state.slots
    fmt = values.F32 if name.endswith("_s") else values.F64
    a = state.get_f(fmt, f["s"])
    b = state.get_f(fmt, f["t"]) if "t" in f else None
    stem = name.split("_")[0]
    if stem == "fli":
        value = FLI[f["s"]]
        if f["s"] == 1:
            bits = fmt.make(0, 1, 0)
        elif f["s"] == 31:
            bits = canonical_nan(fmt)
        else:
            bits = values.f64_bits(value) if fmt.bits == 64 else values.f32_bits(value)
        state.set_f(fmt, f["d"], bits)
    elif stem in ("fminm", "fmaxm"):
        fminm_fmaxm(state, fmt, a, b, f["d"], stem == "fmaxm")
    elif stem in ("fround", "froundnx"):
        fround(state, fmt, a, f["d"], mode, stem == "froundnx")
    elif stem == "fleq":
        quiet_compare(state, fmt, a, b, f["d"], lambda p, q: p <= q)
    elif stem == "fltq":
        quiet_compare(state, fmt, a, b, f["d"], lambda p, q: p < q)
    elif stem == "fcvtmod":
        fcvtmod(state, a, f["d"])
    elif stem == "fmvh":
        state.set_x(f["d"], x[FPR + f["s"]] >> 32)
    elif stem == "fmvp":
        state.slots[FPR + f["d"]] = x[f["t"]] << 32 | x[f["s"]]
    else:
        raise AssertionError(name)


def row_hash(generator, instances):
    """The hash that rt.S prints for a row of single instructions."""
    result = 0
    for ins in instances:
        rng_state = ins.seed
        (row, fields, _), = ins.items
        bits = row.encode(**fields)
        for _ in range(ins.runs):
            state = State(generator, ins, rng_state)
            rng_state = state.rng_state
            execute(state, ins, row, fields, bits)
            result = state.hash(result)
    return result
