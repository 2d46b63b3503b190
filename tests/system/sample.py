#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tb.sample: what samples say of guests whose time is known, and that a run is the same with them and without.

A share that is estimated from n samples is right within 5 * sqrt(p * (1 - p) / n), but for one time in a million.
"""
import math
import time

from guest import Failure, Report, equal
from rpc_client import Machine, number
from rv import A0, A1, S0, S1, ZERO, addi, beq, bne, ld, lui, mul

RAM = 0x80000000
ENOUGH = 1500    # samples
PATIENCE = 120   # seconds; on a quiet host they come in three
BARE = ("-M", "virt", "-m", "16", "-display", "none", "-serial", "null", "-monitor", "none", "-bios", "none", "-S")
BACK_ENDS = ("x86_64", "interp")
SHORT, LONG = 100, 300      # turns of two loops of the same instructions
CHAIN = 16
IN_SHORT, IN_LONG = RAM + 4 * (CHAIN + 2), RAM + 4 * (2 * CHAIN + 5)    # the branch at the end of each


def load(m, *words):
    m.rpc.call("mem.write", addr=hex(RAM), data=b"".join(w.to_bytes(4, "little") for w in words).hex())


def two_loops():
    """Three quarters of its time are the second loop's. What takes time is a chain of multiplications, which no host
    can do faster in one of them than in the other."""
    chain = (mul(A0, A0, A0),) * CHAIN
    back = -4 * (CHAIN + 1)
    return (addi(A1, ZERO, SHORT), *chain, addi(A1, A1, -1), bne(A1, ZERO, back),
            addi(A1, ZERO, LONG), *chain, addi(A1, A1, -1), bne(A1, ZERO, back),
            beq(ZERO, ZERO, -4 * (2 * CHAIN + 6)))


def reads_the_time():
    """An endless loop of one MMIO read: CLINT mtime."""
    return (lui(S0, 0x0200c000), ld(S1, -8, S0), beq(ZERO, ZERO, -4))


def sampled(m, enough=ENOUGH):
    """The answer of tb.list when there are enough samples."""
    m.rpc.call("tb.sample", on=True)
    end = time.monotonic() + PATIENCE
    while True:
        answer = m.rpc.call("tb.list", sort="samples")
        s = answer["sampling"]
        if sum(number(s[k]) for k in ("code", "helper", "other")) >= enough:
            return answer
        if time.monotonic() > end:
            raise Failure(f"not {enough} samples in {PATIENCE} s: {s}")
        time.sleep(0.05)


def by_address(answer):
    """Samples of the blocks that hold an instruction."""
    out = {}
    for b in answer["blocks"]:
        for pc in range(number(b["pc"]), number(b["pc"]) + b["size"], 4):
            out[pc] = out.get(pc, 0) + number(b["samples"])
    return out


def shares_are_those_of_the_time(backend):
    with Machine(*BARE, "-accel", f"tcg,backend={backend}") as m:
        load(m, *two_loops())
        m.rpc.call("machine.cont")
        samples = by_address(sampled(m))
        short, long = samples[IN_SHORT], samples[IN_LONG]
        n, p = short + long, LONG / (SHORT + LONG)
        if abs(long / n - p) > 5 * math.sqrt(p * (1 - p) / n):
            raise Failure(f"{long} of {n} samples are in the loop that has {p:.0%} of the time")


def what_a_block_calls_counts_for_it():
    with Machine(*BARE) as m:
        load(m, *reads_the_time())
        m.rpc.call("machine.cont")
        answer = sampled(m)
        s = answer["sampling"]
        if number(s["helper"]) < number(s["code"]):
            raise Failure(f"an MMIO read is most of the work, and it is C: {s}")
        best = answer["blocks"][0]
        if not number(best["pc"]) <= RAM + 4 < number(best["pc"]) + best["size"]:
            raise Failure(f"the block that reads is {RAM + 4:#x}, not {best['pc']}")
        equal("nothing is lost", (s["dropped"], s["gone"]), ("0x0", "0x0"))


def a_loop_calls_nothing():
    with Machine(*BARE) as m:
        load(m, *two_loops())
        m.rpc.call("machine.cont")
        s = sampled(m)["sampling"]
        code, other = number(s["code"]), number(s["helper"]) + number(s["other"])
        if other > code / 20:   # the run loop is entered when the sampler's thread asks for the machine lock
            raise Failure(f"two loops are all there is: {s}")


def who_waits_is_not_asked():
    wfi = 0x10500073
    with Machine(*BARE, "-smp", "2") as m:
        load(m, wfi, beq(ZERO, ZERO, -4))
        m.rpc.call("tb.sample", on=True)
        m.rpc.call("machine.cont")
        seen = None
        while (now := m.rpc.call("tb.sample", on=True)["sampling"]) != seen:   # until they have come to their wfi
            seen = now
            time.sleep(0.1)
        time.sleep(0.5)     # 250 looks
        equal("of harts that wait", m.rpc.call("tb.sample", on=True)["sampling"], seen)


def it_ends_with_who_wants_it():
    with Machine(*BARE) as m:
        load(m, *two_loops())
        m.rpc.call("machine.cont")
        other = m.connect()
        other.call("tb.sample", on=True)
        equal("on", m.rpc.call("tb.list")["sampling"]["on"], True)
        m.rpc.call("tb.sample", on=True)
        other.close()
        equal("on for this one", m.rpc.call("tb.sample", on=True)["sampling"]["on"], True)
        equal("off", m.rpc.call("tb.sample", on=False)["sampling"]["on"], False)
        still = m.rpc.call("tb.sample", on=False)["sampling"]
        equal("a second time is no harm", still["on"], False)


def a_counted_run_is_the_same():
    def run(sample):
        with Machine(*BARE, "-smp", "2", "-icount", "shift=2,sleep=off") as m:
            load(m, *two_loops())
            if sample:
                m.rpc.call("tb.sample", on=True)
            m.rpc.call("machine.cont", until="0x2000000")
            while m.rpc.call("machine.status")["running"]:
                time.sleep(0.02)
            s = m.rpc.call("tb.sample", on=False)["sampling"]
            return m.rpc.call("machine.hash")["hash"], number(s["code"])
    without, none = run(False)
    with_samples, some = run(True)
    equal("none are taken unasked", none, 0)
    if not some:
        raise Failure("no sample was taken")
    equal("the hash", with_samples, without)


def main():
    report = Report("sample")
    for backend in BACK_ENDS:
        report.case(f"shares of samples are those of the time, {backend}",
                    lambda backend=backend: shares_are_those_of_the_time(backend))
    report.case("what a block calls counts for the block", what_a_block_calls_counts_for_it)
    report.case("a loop calls nothing", a_loop_calls_nothing)
    report.case("who waits is not asked", who_waits_is_not_asked)
    report.case("it ends with the clients that want it", it_ends_with_who_wants_it)
    report.case("with -icount a run is the same", a_counted_run_is_the_same)
    report.end()


if __name__ == "__main__":
    main()
