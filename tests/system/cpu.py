#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""cpu.disas and cpu.trap: code as text, and traps in words, of harts whose every instruction is known."""
import os

from guest import EMULATOR, Failure, Report, contains, equal
from rpc_client import Machine, number

RAM, HANDLER, USER = 0x80000000, 0x80000100, 0x80000040
BARE = ("-M", "virt", "-m", "16", "-display", "none", "-serial", "null", "-bios", "none", "-S")
RV32 = EMULATOR.replace("riscv64", "riscv32")

# Encodings and text from binutils 2.40, assembled at RAM: 2 and 4 bytes mixed, jumps ahead and back.
CODE = [
    ("1141", "add\tsp,sp,-16", None),
    ("00b50363", "beq\ta0,a1,0x80000008", 0x80000008),
    ("0505", "add\ta0,a0,1", None),
    ("a019", "j\t0x8000000e", 0x8000000E),
    ("ff7ff0ef", "jal\t0x80000000", 0x80000000),
    ("0001", "nop", None),
    ("8082", "ret", None),
]


def parcels(text):
    """Bytes as they stand in memory: the encoding is little-endian."""
    return bytes.fromhex(text)[::-1]


def load(m, addr, *encodings):
    m.rpc.call("mem.write", addr=hex(addr), data=b"".join(map(parcels, encodings)).hex())


def set_regs(m, **values):
    for name, value in values.items():
        m.rpc.call("cpu.set", name=name, value=hex(value))


def code_is_told_as_it_stands():
    with Machine(*BARE) as m:
        load(m, RAM, *(encoding for encoding, _, _ in CODE))
        answer = m.rpc.call("cpu.disas", addr=hex(RAM), count=len(CODE))
        equal("texts", [i["text"] for i in answer["insns"]], [text for _, text, _ in CODE])
        equal("bytes", [bytes.fromhex(i["bytes"]) for i in answer["insns"]], [parcels(e) for e, _, _ in CODE])
        equal("targets", [i["target"] and number(i["target"]) for i in answer["insns"]], [t for _, _, t in CODE])
        addresses = [number(i["addr"]) for i in answer["insns"]]
        equal("addresses follow one another", addresses,
              [RAM + sum(len(parcels(e)) for e, _, _ in CODE[:n]) for n in range(len(CODE))])
        # Backwards from each of them: the same instructions, as many as asked for.
        for n in range(1, len(CODE)):
            before = m.rpc.call("cpu.disas", addr=hex(addresses[n]), before=n, count=1)["insns"]
            equal(f"up to instruction {n}", [number(i["addr"]) for i in before], addresses[:n + 1])
        one = m.rpc.call("cpu.disas", addr=hex(addresses[4]), before=2, count=1)["insns"]
        equal("no more before it than asked for", [number(i["addr"]) for i in one], addresses[2:5])


def what_cannot_be_read_is_said():
    with Machine(*BARE) as m:
        end = RAM + (16 << 20)
        answer = m.rpc.call("cpu.disas", addr=hex(end - 4), count=8)
        equal("the end of RAM", answer["unreadable"], hex(end))
        if not answer["insns"]:
            raise Failure("what is before the end is not told")
        equal("nothing there", m.rpc.call("cpu.disas", addr="0x40", before=8)["insns"], [])
        equal("at the top of the address space", m.rpc.call("cpu.disas", addr="0xfffffffffffffffe", before=64)["insns"], [])
        load(m, RAM, "0000")
        equal("zeros are no instruction", m.rpc.call("cpu.disas", addr=hex(RAM), count=1)["insns"][0]["legal"], False)


def a_trap_is_explained(emulator):
    with Machine(*BARE, emulator=emulator) as m:
        fresh = m.rpc.call("cpu.trap")
        equal("before any trap", [(t["to"], t["state"], t["returns"]) for t in fresh["traps"]],
              [("M", "none", None), ("S", "none", None)])
        load(m, RAM, "00000073")  # ecall
        load(m, HANDLER, "30200073")  # mret
        set_regs(m, pc=RAM, mtvec=HANDLER)
        equal("stop", m.rpc.call("cpu.step", unit="trap")["stop"]["reason"], "trap")
        trap = m.rpc.call("cpu.trap")["traps"][0]
        # Privileged Architecture, table "mcause values after trap": 11 is an ecall from M mode.
        equal("what and where", (trap["to"], trap["state"], trap["interrupt"], trap["code"], number(trap["epc"]),
                                 trap["epc_text"], number(trap["handler"])),
              ("M", "entered", False, 11, RAM, "ecall", HANDLER))
        equal("then", (number(trap["returns"]["pc"]), trap["returns"]["mode"]), (RAM, "M"))
        contains("in words", trap["returns"]["words"], "adds 4")
        m.rpc.call("cpu.step")
        equal("mret went back", number(m.rpc.call("cpu.regs")["general"]["pc"]), number(trap["returns"]["pc"]))
        equal("the handler may still run, for all that the registers say",
              m.rpc.call("cpu.trap")["traps"][0]["state"], "perhaps")


def what_a_user_may_not_do_goes_to_the_mode_it_is_delegated_to():
    """From U mode: an illegal instruction to M; then, delegated, to S."""
    with Machine(*BARE) as m:
        load(m, RAM, "30200073")  # mret
        load(m, USER, "30002573")  # csrr a0,mstatus: not allowed in U mode
        load(m, HANDLER, "00000013")
        set_regs(m, mtvec=HANDLER, stvec=HANDLER + 4, pmpaddr0=(1 << 54) - 1, pmpcfg0=0x1F)

        def down_and_up():
            set_regs(m, mstatus=0, mepc=USER, pc=RAM)
            m.rpc.call("cpu.step")
            equal("in U mode", m.rpc.call("cpu.trap")["mode"], "U")
            m.rpc.call("cpu.step", unit="trap")
            return m.rpc.call("cpu.trap")

        to_m = down_and_up()
        trap = to_m["traps"][0]
        equal("to M", (to_m["mode"], trap["to"], trap["state"], trap["name"], number(trap["tval"])),
              ("M", "M", "entered", "illegal instruction", 0x30002573))
        equal("it came from U", trap["returns"]["mode"], "U")
        set_regs(m, medeleg=1 << 2)
        to_s = down_and_up()
        trap = to_s["traps"][0]
        equal("to S", (to_s["mode"], trap["to"], trap["state"], number(trap["handler"]), trap["returns"]["mode"]),
              ("S", "S", "entered", HANDLER + 4, "U"))
        equal("M's last one has returned", [t["state"] for t in to_s["traps"] if t["to"] == "M"], ["left"])


def what_is_written_by_hand_is_part_of_history():
    """As the console says: going back and on again writes it again where it was written."""
    with Machine(*BARE, "-icount", "shift=0", "-history", "on") as m:
        load(m, RAM, *["0001"] * 16)  # nop
        m.rpc.call("cpu.step")
        set_regs(m, t6=0x1234)
        m.rpc.call("cpu.step")
        equal("written", m.rpc.call("cpu.regs")["general"]["t6"], "0x1234")
        m.rpc.call("history.back")
        equal("before it was written", m.rpc.call("cpu.regs")["general"]["t6"], "0x0")
        m.rpc.call("history.go", count="0x2")
        equal("behind it", m.rpc.call("cpu.regs")["general"]["t6"], "0x1234")


def main():
    report = Report("cpu")
    report.case("code is told as it stands, and backwards from each instruction", code_is_told_as_it_stands)
    report.case("what cannot be read is said", what_cannot_be_read_is_said)
    report.case("an ecall and its mret are explained", lambda: a_trap_is_explained(EMULATOR))
    if os.path.exists(RV32):
        report.case("so they are on a hart of 32 bits", lambda: a_trap_is_explained(RV32))
    report.case("traps of a user program to M and, delegated, to S",
                what_a_user_may_not_do_goes_to_the_mode_it_is_delegated_to)
    report.case("what is written by hand is part of history", what_is_written_by_hand_is_part_of_history)
    report.end()


if __name__ == "__main__":
    main()
