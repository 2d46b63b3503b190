#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the instances that rt.S runs: for every row of the instruction tables, and sequences.

    insn32.def, insn16.def --rows--> instances (code, operands, seed) --> blob for rt.S
                                                                      --> expected lines (model.py)

Rows that QEMU 7.2 does not have get their expected lines from model.py, an independent model of the
few instructions in question. The same seed makes the same blob, byte for byte.
"""
import argparse
import random
import struct
import sys
import zlib

import insns
import model
import values

BLOB = 0x80008000
RUN_END = 0x80001800
WINDOW, WINDOW_SIZE = 0x80004f80, 256
UNMAPPED = 0x20000
FPR0 = 32  # slot of f0 in ctx
HEADER = 16
OVERRIDES_MAX = 16
MSTATUS_MPP_M, MSTATUS_FS = 0x1800, 0x6000
MODES = {"rows": 0, "runs": 1, "state": 2}
# Extensions that QEMU 7.2 lacks.
NOT_IN_QEMU = {"zfa", "zicond", "zicbom", "zicboz", "zawrs"}
# Rows where QEMU 7.2 is wrong: it counts into the upper half.
WRONG_IN_QEMU = {"ctzw"}
SIZES = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "lwu": 4, "sw": 4,
         "flw": 4, "fsw": 4, "ld": 8, "sd": 8, "fld": 8, "fsd": 8}
# fflags frm fcsr; sscratch stval; read-only ones; one that does not exist
CSRS = [1, 2, 3, 3, 2, 1, 0x140, 0x143, 0xf11, 0xf14, 0x5c0]
SEQUENCES = ("alu", "mem", "fp", "mix", "branch", "loop", "long", "rvc")


def in_qemu(row):
    return not NOT_IN_QEMU & set(row.extensions) and row.id not in WRONG_IN_QEMU


class Instance:
    def __init__(self, rng, address):
        self.rng, self.address = rng, address
        self.items = []      # [row, fields, index of the item it branches to or None]
        self.over = {}       # slot -> value
        self.by_link = rng.random() < 0.75
        self.seed = rng.getrandbits(32) | 1
        self.runs = 3
        self.pool = "mixed"
        self.entry = 0       # item
        self.mie = 0
        self.mstatus = MSTATUS_MPP_M | MSTATUS_FS
        self.fcsr = rng.choice([0, 0, 0, 0x1f, rng.getrandbits(5)])
        kind = rng.random()
        frm = 0 if kind < 0.4 else rng.randrange(5) if kind < 0.95 else rng.randrange(5, 8)
        self.fcsr |= frm << 5
        if self.by_link:
            self.over[31] = RUN_END

    def emit(self, row, target=None, **fields):
        self.items.append([row, fields, target])
        return len(self.items) - 1

    def offsets(self):
        at, result = 0, []
        for row, _, _ in self.items:
            result.append(at)
            at += row.size
        return result + [at]

    def code(self):
        """Bytes; the end comes last."""
        offsets, out = self.offsets(), b""
        for index, (row, fields, target) in enumerate(self.items):
            if target is not None:
                fields = dict(fields, i=row.immediate(offsets[target] - offsets[index]))
            out += row.encode(**fields).to_bytes(row.size, "little")
        self.end = self.address + len(out)
        if self.by_link:
            out += (0x000f8067).to_bytes(4, "little")  # jr x31
        elif self.rng.random() < 0.5:
            out += (0x9002).to_bytes(2, "little")
        else:
            out += (0x00100073).to_bytes(4, "little")
        self.entry_pc = self.address + offsets[self.entry]
        return out


class Generator:
    def __init__(self, xlen, seed, count):
        self.xlen, self.seed, self.count = xlen, seed, count
        self.rows = insns.read_rows(xlen)
        self.by_id = {row.id: row for row in self.rows}
        rng = random.Random(f"{seed} pools")
        self.pools = {"int": values.integers(rng), "f32": values.singles(rng),
                      "f64": values.doubles(rng), "mixed": values.mixed(rng)}
        plain = [row for row in self.rows if row.form != "reserved" and in_qemu(row)]
        self.mem = [row for row in plain if row.trans in SIZES]
        self.amo = [row for row in plain if row.id.startswith("amo")]
        self.fp = [row for row in plain if self.is_fp(row) and row not in self.mem]
        self.branch = [row for row in plain if row.form.endswith(",a") and row.has("s")]
        self.csr = [self.by_id["csrrwi"], self.by_id["csrrs"], self.by_id["csrrci"]]
        self.alu = [row for row in plain if self.is_alu(row)]
        self.data = []

    # --- what kind of row ------------------------------------------------------------------------
    @staticmethod
    def operands(row):
        return row.form.partition(" ")[2]

    def is_fp(self, row):
        return any(c in self.operands(row) for c in "DSTU")

    def is_alu(self, row):
        special = ("a" in self.operands(row) or "(" in row.form or "c," in self.operands(row) or
                   self.is_fp(row) or not self.operands(row).startswith("d"))
        return not special

    def is_float(self, row, letter):
        """Whether the register field is of a float register."""
        return letter.upper() in self.operands(row) and letter not in self.operands(row)

    # --- fields ----------------------------------------------------------------------------------
    def register(self, ins, choice, width):
        if width == 3:
            narrow = [r for r in choice if 8 <= r <= 15]
            return ins.rng.choice(narrow or range(8, 16))
        return ins.rng.choice(choice)

    def random_fields(self, ins, row, read=None, write=None, floats=None):
        rng, fields = ins.rng, {}
        top = 31 if ins.by_link else 32
        write = write or range(top)
        read = read or range(32)
        floats = floats or range(32)
        for letter in row.places:
            width = row.width(letter)
            if letter in "dstu":
                if self.is_float(row, letter):
                    choice = floats
                else:
                    choice = write if letter == "d" else read
                fields[letter] = self.register(ins, choice, width)
            elif letter == "m":
                kind = rng.random()
                fields["m"] = 7 if kind < 0.4 else rng.randrange(5) if kind < 0.96 else \
                    rng.randrange(5, 7)
            elif letter == "c":
                fields["c"] = rng.choice(CSRS)
            else:
                value = rng.getrandbits(width)
                if width >= 5 and rng.random() < 0.3:
                    value = rng.choice([0, 1, (1 << width) - 1, 1 << (width - 1)])
                fields[letter] = value
        if "d" in fields and "s" in fields and rng.random() < 0.2 and row.width("s") == 5:
            if self.is_float(row, "d") == self.is_float(row, "s"):
                fields["s"] = fields["d"]
        if "s" in fields and "t" in fields and rng.random() < 0.2 and \
                row.width("s") == row.width("t") and \
                self.is_float(row, "s") == self.is_float(row, "t"):
            fields["t"] = fields["s"]
        if row.id in ("c_mv", "c_add"):
            fields["t"] = fields["t"] or rng.randrange(1, 31)
        return fields

    def fillers(self, ins, count):
        for _ in range(count):
            row = ins.rng.choice(self.alu)
            ins.emit(row, **self.random_fields(ins, row))

    # --- single rows -----------------------------------------------------------------------------
    def base_register(self, row, fields):
        if "SP" in row.format:
            return 2
        return fields["s"]

    def single_mem(self, ins, row):
        rng = ins.rng
        fields = self.random_fields(ins, row)
        size = SIZES[row.trans]
        kind = rng.random()
        if kind < 0.45:
            address = WINDOW + rng.randrange(WINDOW_SIZE // size) * size
        elif kind < 0.75:
            address = WINDOW + rng.randrange(WINDOW_SIZE - size + 1)
        elif kind < 0.95:
            address = WINDOW + WINDOW_SIZE // 2 - rng.randrange(size)
        else:
            address = UNMAPPED + rng.randrange(8) * 8
        if row.format in ("I", "S"):
            imm = rng.randrange(-2048, 2048)
        else:
            limit, step = insns.COMPRESSED_OFFSETS[row.format]
            imm = rng.randrange(limit // step + 1) * step
        fields["i"] = row.immediate(imm)
        while self.base_register(row, fields) in (0, 31):
            fields["s"] = rng.randrange(1, 31)
        ins.over[self.base_register(row, fields)] = address - imm & values.MASK64
        ins.emit(row, **fields)

    def single_amo(self, ins, row):
        rng = ins.rng
        fields = self.random_fields(ins, row)
        size = 4 if row.id.endswith("_w") else 8
        pair = row.id[:2] in ("lr", "sc")
        address = WINDOW + rng.randrange(WINDOW_SIZE // size) * size
        if rng.random() < 0.3 and row.id[:2] == "lr":
            address = WINDOW + rng.randrange(WINDOW_SIZE - size)
            pair = False
        fields["s"] = rng.randrange(1, 31)
        ins.over[fields["s"]] = address
        if not pair or rng.random() < 0.2:
            ins.emit(row, **fields)
            return
        lr, sc = self.by_id["lr" + row.id[2:]], self.by_id["sc" + row.id[2:]]
        others = [r for r in range(31) if r != fields["s"]]
        ins.emit(lr, d=rng.choice(others), s=fields["s"], a=rng.randrange(2))
        for _ in range(rng.randrange(3)):
            alu = rng.choice(self.alu)
            ins.emit(alu, **self.random_fields(ins, alu, write=[r for r in others if r != 2 and
                                                                 not 8 <= r <= 15]))
            if ins.items[-1][0].size == 2:
                ins.items.pop()  # may name the base register by three bits
        ins.emit(sc, d=rng.randrange(31), s=fields["s"], t=rng.randrange(32), l=rng.randrange(2))

    def single_jump(self, ins, row):
        rng = ins.rng
        before, between, after = rng.randrange(3), rng.randrange(4), rng.randrange(3)
        if rng.random() < 0.3:  # backwards: entry --> row --> filler, past the row
            self.fillers(ins, before + 1)
            jump = ins.emit(self.by_id["jal"], d=0)
            ins.entry = ins.emit(row, target=0, **self.random_fields(ins, row))
            ins.items[jump][2] = len(ins.items)
        else:
            self.fillers(ins, before)
            here = ins.emit(row, **self.random_fields(ins, row))
            self.fillers(ins, between)
            ins.items[here][2] = len(ins.items)
            self.fillers(ins, after)

    def single_jalr(self, ins, row):
        rng = ins.rng
        fields = self.random_fields(ins, row)
        fields["s"] = rng.randrange(1, 31)
        ins.emit(row, **fields)
        self.fillers(ins, rng.randrange(4))
        imm = 0
        if "i" in fields:
            imm = rng.randrange(-2048, 2048)
            ins.items[0][1]["i"] = imm & 0xfff
        target = ins.address + ins.offsets()[-1] + rng.randrange(2)  # bit 0 is ignored
        ins.over[fields["s"]] = target - imm & values.MASK64

    def single_xret(self, ins, row):
        csrrs, csrrw = self.by_id["csrrs"], self.by_id["csrrw"]
        ins.by_link = False
        ins.over.pop(31, None)
        ins.emit(csrrs, d=0, s=5, c=0x300)
        ins.emit(csrrw, d=0, s=6, c=0x341 if row.id == "mret" else 0x141)
        ins.emit(row)
        self.fillers(ins, 2)
        ins.over[5] = MSTATUS_MPP_M if row.id == "mret" else 0x100
        ins.over[6] = ins.address + ins.offsets()[-1]

    def single_fma(self, ins, row, fields):
        """The product and the addend nearly cancel."""
        double = row.id.endswith("_d")
        fmt = values.F64 if double else values.F32
        rng = ins.rng
        regs = rng.sample(range(32), 3)
        fields.update(s=regs[0], t=regs[1], u=regs[2])
        a, b, c = model.cancelling(fmt, rng)
        box = 0 if double else values.BOX
        for reg, value in zip(regs, (a, b, c)):
            ins.over[FPR0 + reg] = box | value

    def single(self, ins, row):
        rng = ins.rng
        if row.trans in SIZES and row.form != "reserved":
            self.single_mem(ins, row)
        elif "a" in row.extensions:
            self.single_amo(ins, row)
        elif row.form.endswith("a") and row.format in ("J", "B", "CJ", "CJAL", "CB"):
            self.single_jump(ins, row)
        elif row.trans == "jalr" and row.form != "reserved":
            self.single_jalr(ins, row)
        elif row.id in ("mret", "sret"):
            self.single_xret(ins, row)
        else:
            fields = self.random_fields(ins, row)
            if self.is_fp(row):
                ins.pool = rng.choice(["f64" if row.id.endswith("_d") or "_d_" in row.id else
                                       "f32"] * 3 + ["mixed"])
                if row.id.startswith("fcvt_s_d") or row.id == "fcvtmod_w_d":
                    ins.pool = "f64"
                if row.id.startswith("fcvt_d_s"):
                    ins.pool = "f32"
                if row.has("u") and rng.random() < 0.5:
                    self.single_fma(ins, row, fields)
                if rng.random() < 0.04:
                    ins.mstatus &= ~MSTATUS_FS
            if row.id in ("wfi", "wrs_nto", "wrs_sto"):
                ins.mie = 8
            if row.id in ("csrrs", "csrrc") and fields["c"] >= 0xc00 and 0 < fields["s"] < 31:
                ins.over[fields["s"]] = 4  # QEMU 7.2 takes a write of no bits for none
            if row.id.startswith("cbo_"):
                fields["s"] = rng.randrange(1, 31)
                ins.over[fields["s"]] = WINDOW + rng.randrange(WINDOW_SIZE)
            ins.emit(row, **fields)

    # --- sequences -------------------------------------------------------------------------------
    def sequence(self, ins, kind):
        rng = ins.rng
        self.seq = {
            "read": rng.sample(range(8, 16), 3) + rng.sample(range(16, 31), 3) + [rng.choice([0, 1, 5])],
            "floats": rng.sample(range(8, 16), 2) + rng.sample(range(32), 3),
        }
        free = [r for r in range(1, 31) if r not in self.seq["read"] and r != 2]
        low = [r for r in free if 8 <= r <= 15]
        bases = [rng.choice(low), rng.choice([r for r in free if r > 15])]
        amo = rng.choice([r for r in free if r not in bases and r < 8 or r > 15 and r not in bases])
        bad = rng.choice([r for r in free if r not in bases + [amo]])
        self.seq["bases"] = {
            bases[0]: WINDOW + rng.randrange(24),
            bases[1]: WINDOW + WINDOW_SIZE // 2 + rng.randrange(-8, 9),
            2: WINDOW + rng.choice([0, 8, 16, rng.randrange(24)]),
        }
        self.seq["amo"], self.seq["bad"] = amo, bad
        for reg, value in self.seq["bases"].items():
            ins.over[reg] = value
        ins.over[amo] = WINDOW + rng.randrange(WINDOW_SIZE // 8) * 8
        ins.over[bad] = rng.choice([UNMAPPED, UNMAPPED + 2048, 0x90000])
        self.seq["margin"] = 0
        if kind == "loop":
            self.loop(ins)
        elif kind == "branch":
            self.branches(ins)
        else:
            count = rng.randrange(80, 160) if kind == "long" else rng.randrange(5, 31)
            if kind == "long":
                self.seq["read"] = [r for r in range(31) if r not in (*self.seq["bases"], amo, bad)]
                self.seq["floats"] = list(range(32))
            self.steps(ins, kind, count)

    def steps(self, ins, kind, count):
        rng = ins.rng
        weights = {"alu": (1, 0, 0, 0, 0), "mem": (3, 6, 0, 1, 0), "fp": (1, 1, 6, 0, 1),
                   "mix": (4, 3, 3, 0.3, 0.3), "branch": (4, 2, 2, 0, 0),
                   "loop": (4, 3, 2, 0.2, 0.1), "long": (4, 3, 3, 0.2, 0.1),
                   "rvc": (4, 2, 0.5, 0, 0)}[kind]
        for _ in range(count):
            family = rng.choices((self.alu, self.mem, self.fp, self.amo, self.csr), weights)[0]
            if kind == "rvc" and rng.random() < 0.7:
                family = [row for row in family if row.size == 2] or family
            row = rng.choice(family)
            if family is self.csr:  # flags and rounding mode change between operations
                fields = self.seq_fields(ins, row)
                fields["c"] = rng.choice([1, 1, 3, 2])
                if row.id != "csrrwi":
                    fields["s"] = 0
                elif fields["c"] == 2:
                    fields["s"] = rng.randrange(5)
                ins.emit(row, **fields)
            elif family is self.amo:
                fields = self.seq_fields(ins, row)
                fields["s"] = self.seq["amo"]
                ins.emit(row, **fields)
            elif row.trans in SIZES:
                self.seq_mem(ins, row)
            else:
                ins.emit(row, **self.seq_fields(ins, row))

    def seq_fields(self, ins, row):
        for _ in range(100):
            fields = self.random_fields(ins, row, self.seq["read"], self.seq["read"],
                                        self.seq["floats"])
            protected = (*self.seq["bases"], self.seq["amo"], self.seq["bad"], 31)
            if self.is_float(row, "d") or fields.get("d") not in protected:
                return fields
        raise AssertionError(row.id)

    def seq_mem(self, ins, row):
        rng, size = ins.rng, SIZES[row.trans]
        fields = self.seq_fields(ins, row)
        bases = self.seq["bases"]
        if "SP" in row.format:
            base = 2
        elif row.size == 2:
            base = fields["s"] = next(r for r in bases if 8 <= r <= 15)
        elif rng.random() < 0.03:
            fields["s"] = self.seq["bad"]
            fields["i"] = row.immediate(rng.randrange(256) * 8)
            ins.emit(row, **fields)
            return
        else:
            base = fields["s"] = rng.choice(list(bases))
        low = WINDOW - bases[base]
        high = WINDOW + WINDOW_SIZE - size - bases[base] - self.seq["margin"]
        if row.size == 2:
            limit, step = insns.COMPRESSED_OFFSETS[row.format]
            imm = rng.randrange(min(limit, high) // step + 1) * step
        else:
            imm = rng.randrange(low, high + 1)
            if rng.random() < 0.6:  # aligned, if there is room
                aligned = imm - (bases[base] + imm) % size
                imm = aligned if aligned >= low else imm
        fields["i"] = row.immediate(imm)
        ins.emit(row, **fields)

    def branches(self, ins):
        """Forward branches over one to five instructions, nested at will."""
        rng, pending = ins.rng, []
        for _ in range(rng.randrange(3, 9)):
            row = rng.choice(self.branch)
            fields = self.seq_fields(ins, row)
            pending.append(ins.emit(row, **fields))
            for _ in range(rng.randrange(1, 6)):
                self.steps(ins, "branch", 1)
                if pending and rng.random() < 0.3:
                    ins.items[pending.pop(rng.randrange(len(pending)))][2] = len(ins.items)
        for index in pending:
            ins.items[index][2] = len(ins.items)

    def loop(self, ins):
        rng = ins.rng
        turns = rng.randrange(2, 6)
        self.seq["margin"] = 8 * turns
        counter = rng.choice([r for r in (3, 4, 6, 7) if r not in (self.seq["amo"], self.seq["bad"])
                              and r not in self.seq["bases"]])
        moving = [r for r in self.seq["bases"] if r > 15][0]
        ins.over[counter] = turns
        if rng.random() < 0.5:
            self.steps(ins, "loop", rng.randrange(4))
        top = len(ins.items)
        self.steps(ins, "loop", rng.randrange(2, 14))
        if rng.random() < 0.5:
            row = rng.choice(self.branch)
            here = ins.emit(row, **self.seq_fields(ins, row))
            self.steps(ins, "loop", rng.randrange(1, 4))
            ins.items[here][2] = len(ins.items)
        ins.emit(self.by_id["addi"], d=moving, s=moving, i=rng.choice([1, 4, 8]))
        ins.emit(self.by_id["addi"], d=counter, s=counter, i=0xfff)
        ins.emit(self.by_id["bne"], target=top, s=counter, t=0)
        self.steps(ins, "loop", rng.randrange(4))

    # --- the blob --------------------------------------------------------------------------------
    def generate(self):
        """Fills self.data with (name, checked against QEMU, instances)."""
        self.code_base = BLOB + HEADER + 4 * 8 * values.POOL_SIZE
        self.code = bytearray()
        jobs = [(row.id, row) for row in self.rows]
        jobs += [(f"seq_{kind}", kind) for kind in SEQUENCES]
        for name, what in jobs:
            rng = random.Random(f"{self.seed} {name}")
            known = isinstance(what, str) or in_qemu(what)
            instances = []
            factor = 4 if isinstance(what, str) else 1
            for _ in range(self.count * factor):
                if rng.random() < 0.2:
                    self.code += b"\x01\x00"  # c.nop nobody runs: changes the alignment
                ins = Instance(rng, self.code_base + len(self.code))
                if isinstance(what, str):
                    self.sequence(ins, what)
                else:
                    self.single(ins, what)
                assert len(ins.over) <= OVERRIDES_MAX
                self.code += ins.code()
                instances.append(ins)
            self.data.append((name, known, instances))

    def pool_address(self, name):
        return BLOB + HEADER + 8 * values.POOL_SIZE * list(self.pools).index(name)

    def blob(self, mode, only):
        """only: names of rows, or None for all."""
        code = bytes(self.code) + bytes(-len(self.code) % 8)
        at = self.code_base + len(code)
        chosen = [d for d in self.data if only is None or d[0] in only]
        records = bytearray()
        for number, (name, _, instances) in enumerate(chosen):
            base = at + len(records)
            sizes = [80 + 16 * len(ins.over) for ins in instances]
            after = base + 40 + sum(sizes)
            last = number == len(chosen) - 1
            records += struct.pack("<QQ24s", 0 if last else after, base + 40, name.encode())
            here = base + 40
            for index, ins in enumerate(instances):
                here += sizes[index]
                records += struct.pack(
                    "<QQQQQQQQQQ", 0 if index == len(instances) - 1 else here, ins.entry_pc,
                    ins.end, ins.seed, ins.runs, self.pool_address(ins.pool), ins.fcsr,
                    ins.mstatus, ins.mie, len(ins.over))
                for slot, value in ins.over.items():
                    records += struct.pack("<QQ", slot, value)
        head = struct.pack("<QQ", MODES[mode], at)
        pools = b"".join(struct.pack("<256Q", *pool) for pool in self.pools.values())
        return head + pools + code + bytes(records)

    def expected(self):
        """Lines of the rows that QEMU lacks, by name."""
        lines = {}
        for name, known, instances in self.data:
            if not known:
                lines[name] = model.row_hash(self, instances)
        return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--xlen", type=int, choices=(32, 64), default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=24, help="instances a row")
    parser.add_argument("--mode", choices=MODES, default="rows")
    parser.add_argument("--only", action="append", help="a row or sequence (again for more)")
    parser.add_argument("output")
    args = parser.parse_args()
    generator = Generator(args.xlen, args.seed, args.count)
    generator.generate()
    blob = generator.blob(args.mode, args.only)
    with open(args.output, "wb") as out:
        out.write(blob)
    print(f"{args.output}: rv{args.xlen}, seed {args.seed}, {len(generator.data)} rows, "
          f"{len(blob)} bytes, crc {zlib.crc32(blob):08x}", file=sys.stderr)


if __name__ == "__main__":
    main()
