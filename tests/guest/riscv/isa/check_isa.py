#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every instruction row and random sequences under us and under QEMU; the lines must be equal.

    gen_isa.py --> rt.S --> one ELF --> QEMU 7.2           --> "row hash" lines --\\
                                    --> vitrine, x86_64    --> "row hash" lines ---> equal?
                                    --> vitrine, interp    --> "row hash" lines --/

Rows that QEMU 7.2 lacks are compared with model.py instead. A row that differs is run again with the
state of each run printed, and the first runs that differ are shown: code, operands, what each side
got. Prints its seed; --seed N --only ROW takes it up again.
"""
import argparse
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

import gen_isa
import model

HERE = pathlib.Path(__file__).resolve().parent
GCC = os.environ.get("RISCV_CC", "riscv64-unknown-elf-gcc")
OBJDUMP = os.environ.get("RISCV_OBJDUMP", "riscv64-linux-gnu-objdump")
ABI = {64: ["-march=rv64gc", "-mabi=lp64d"], 32: ["-march=rv32gc", "-mabi=ilp32d"]}
QEMU_CPU = {64: "rv64,svinval=on,zba=on,zbb=on,zbc=on,zbs=on",
            32: "rv32,svinval=on,zba=on,zbb=on,zbc=on,zbs=on"}
VITRINE = "{binary} -M virt -m 128M -bios none -display none -monitor none -serial stdio " \
          "-accel tcg,backend={backend} -kernel {elf}"


def command_lines(args):
    """(name, command) of each side; the first is the reference."""
    qemu = f"qemu-system-riscv{args.xlen} -M virt -cpu {QEMU_CPU[args.xlen]} -bios none " \
           "-display none -monitor none -serial stdio -kernel {elf}"
    sides = [("qemu", qemu)]
    for backend in args.backend:
        if args.runner:
            command = args.runner.replace("{backend}", backend)
        else:
            command = VITRINE.replace("{binary}", str(args.binary)).replace("{backend}", backend)
        sides.append((backend, command))
    return sides


def build(generator, args, mode, only, work):
    blob, elf = work / "isa.bin", work / f"isa_{mode}.elf"
    blob.write_bytes(generator.blob(mode, only))
    subprocess.run([GCC, *ABI[args.xlen], "-nostdlib", "-static", f'-DBLOB="{blob}"', "-T",
                    HERE / "isa.ld", "-Wl,--no-warn-rwx-segments", "-o", elf, HERE / "rt.S"],
                   check=True)
    return elf


def run(command, elf, args):
    """Lines of one side, and the seconds it took."""
    start = time.monotonic()
    argv = shlex.split(command.replace("{elf}", str(elf)))
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=args.timeout)
        out, status = done.stdout, done.returncode
        if status:
            print(f"  exit status {status}: {done.stderr.decode(errors='replace')[-600:]}")
    except subprocess.TimeoutExpired as timeout:
        out = timeout.stdout or b""
        print(f"  no end after {args.timeout} s")
    lines = out.decode(errors="replace").replace("\r", "").splitlines()
    return [line.strip() for line in lines], time.monotonic() - start


def by_row(lines):
    return dict(line.split() for line in lines if len(line.split()) == 2)


# --- showing what differs --------------------------------------------------------------------------
def slot_name(slot):
    if slot < 32:
        return f"x{slot}"
    if slot < 64:
        return f"f{slot - 32}"
    if slot == model.FCSR:
        return "fcsr"
    if slot == model.TRAPS:
        return "traps"
    if slot < model.SLOTS:
        return f"trap{(slot - model.TRAP) // 3}.{('cause', 'epc', 'tval')[(slot - model.TRAP) % 3]}"
    return f"[{model.WINDOW + 8 * (slot - model.SLOTS):#x}]"


def parse_states(lines):
    """{(row, instance, run): (before, after)} as lists of slots."""
    states = {}
    for line in lines:
        words = line.split()
        if len(words) < 10 or words[0] not in ("before", "after"):
            continue
        key = (words[1], int(words[2], 16), int(words[3], 16))
        slots = [int(h + l, 16) for h, l in zip(words[4::2], words[5::2])]
        states.setdefault(key, {})[words[0]] = slots
    return states


def disassemble(ins, generator, args, work):
    binary = work / "code.bin"
    size = ins.end + 4 - ins.address
    at = ins.address - generator.code_base
    binary.write_bytes(bytes(generator.code[at:at + size]))
    text = subprocess.run([OBJDUMP, "-D", "-b", "binary", "-m", f"riscv:rv{args.xlen}",
                           f"--adjust-vma={ins.address}", binary], capture_output=True, text=True)
    for line in re.findall(r"^\s*[0-9a-f]+:.*$", text.stdout, re.M):
        print("     ", line.strip())


def model_states(generator, instances):
    """What model.py says, in the form of parse_states()."""
    states = {}
    for index, ins in enumerate(instances):
        rng_state = ins.seed
        (row, fields, _), = ins.items
        for number in range(ins.runs):
            state = model.State(generator, ins, rng_state)
            rng_state = state.rng_state
            before = state.slots + [0] * (model.WINDOW_SIZE // 8)
            model.execute(state, ins, row, fields, row.encode(**fields))
            window = [hi << 32 | lo for lo, hi in zip(state.words[::2], state.words[1::2])]
            states[(row.id, index, number)] = {"before": before, "after": state.slots + window}
    return states


def explain(generator, args, name, side, command, work):
    """Shows the first runs of a row in which `side` differs."""
    elf = build(generator, args, "state", [name], work)
    _, in_qemu, instances = next(d for d in generator.data if d[0] == name)
    if in_qemu:
        reference = parse_states(run(command_lines(args)[0][1], elf, args)[0])
    else:
        reference = model_states(generator, instances)
    ours = parse_states(run(command, elf, args)[0])
    shown = differing = 0
    last = None
    for key, want in reference.items():
        got = ours.get(key, {})
        if got.get("after") == want.get("after"):
            continue
        differing += 1
        if shown == args.max_runs or key[1] == last:
            continue
        shown += 1
        last = key[1]
        ins = instances[key[1]]
        print(f"    {name} instance {key[1]} run {key[2]}: entry {ins.entry_pc:#x} "
              f"fcsr {ins.fcsr:#x} mstatus {ins.mstatus:#x}")
        disassemble(ins, generator, args, work)
        if "after" not in got:
            print(f"      {side} did not get here")
            break
        for slot, (b, w, g) in enumerate(zip(got["before"], want["after"], got["after"])):
            if w != g:
                print(f"      {slot_name(slot):>8}: expected {w:016x}, {side} {g:016x}"
                      f" (before {b:016x})")
        used = sorted({fields[c] + (32 if generator.is_float(row, c) else 0)
                       for row, fields, _ in ins.items for c in "stu" if c in fields})
        print("      in:", " ".join(f"{slot_name(s)}={got['before'][s]:x}" for s in used))
    print(f"    {differing} of {len(reference)} runs differ"
          + ("" if differing else " alone: it depends on the rows before it"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--binary", type=pathlib.Path, help="vitrine-system-riscvXLEN")
    parser.add_argument("--runner", help="command in place of --binary, with {elf} and {backend}")
    parser.add_argument("--backend", action="append", help="x86_64, interp (default: both)")
    parser.add_argument("--xlen", type=int, choices=(32, 64), default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=24, help="instances a row")
    parser.add_argument("--only", action="append", help="a row or sequence (again for more)")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--max-runs", type=int, default=3, help="runs shown of a row")
    parser.add_argument("--max-explain", type=int, default=8, help="rows shown in detail")
    args = parser.parse_args()
    args.backend = args.backend or ["x86_64", "interp"]
    if not args.binary and not args.runner:
        parser.error("give --binary or --runner")
    with tempfile.TemporaryDirectory(prefix="isa") as directory:
        sys.exit(check(args, pathlib.Path(directory)))


def check(args, work):
    generator = gen_isa.Generator(args.xlen, args.seed, args.count)
    generator.generate()
    names = [d[0] for d in generator.data if not args.only or d[0] in args.only]
    modelled = [d[0] for d in generator.data if not d[1]]
    print(f"isa: rv{args.xlen}, seed {args.seed}, {args.count} instances a row, {len(names)} rows")
    print("isa: not checked against QEMU (it lacks them, or is wrong), but against model.py:",
          " ".join(modelled))
    elf = build(generator, args, "rows", args.only, work)
    sides = command_lines(args)
    lines, seconds = run(sides[0][1], elf, args)
    expected = by_row(lines)
    if "done" not in lines:
        print("isa: QEMU did not finish")
        return 1
    for name, value in generator.expected().items():
        if name in expected:
            expected[name] = f"{value:08x}"
    print(f"isa: qemu: {seconds:.1f} s")
    failed = 0
    for side, command in sides[1:]:
        lines, seconds = run(command, elf, args)
        got = by_row(lines)
        wrong = [name for name in names if got.get(name) != expected[name]]
        end = "" if "done" in lines else ", did not finish"
        print(f"isa: {side}: {seconds:.1f} s, {len(names) - len(wrong)} rows right, "
              f"{len(wrong)} wrong{end}", flush=True)
        if wrong:
            failed = 1
            print("  wrong:", " ".join(wrong[:100]))
        if not got:
            continue
        for name in wrong[:args.max_explain]:
            explain(generator, args, name, side, command, work)
    return failed


if __name__ == "__main__":
    main()
