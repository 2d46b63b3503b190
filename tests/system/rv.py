# SPDX-License-Identifier: MIT
"""RISC-V instructions as numbers, for guests of a few instructions.

    Spec: RISC-V Unprivileged ISA 20191213, 2.2 to 2.6, 7.1
"""
ZERO, T0, T1, T2, S0, S1, A0, A1 = 0, 5, 6, 7, 8, 9, 10, 11


def u_type(op, rd, upper):
    """`upper` has its low twelve bits ignored."""
    return upper & 0xfffff000 | rd << 7 | op


def i_type(op, f3, rd, rs1, imm):
    return (imm & 0xfff) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | op


def s_type(f3, rs1, rs2, imm):
    return (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (imm & 0x1f) << 7 | 0x23


def b_type(f3, rs1, rs2, imm):
    return ((imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12
            | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | 0x63)


def lui(rd, upper):
    return u_type(0x37, rd, upper)


def auipc(rd, upper):
    return u_type(0x17, rd, upper)


def addi(rd, rs1, imm):
    return i_type(0x13, 0, rd, rs1, imm)


def slli(rd, rs1, shift):
    return i_type(0x13, 1, rd, rs1, shift)


def srli(rd, rs1, shift):
    return i_type(0x13, 5, rd, rs1, shift)


def add(rd, rs1, rs2):
    return rs2 << 20 | rs1 << 15 | rd << 7 | 0x33


def mul(rd, rs1, rs2):
    return 1 << 25 | add(rd, rs1, rs2)


def ld(rd, offset, base):
    return i_type(0x03, 3, rd, base, offset)


def sw(rs, offset, base):
    return s_type(2, base, rs, offset)


def sd(rs, offset, base):
    return s_type(3, base, rs, offset)


def beq(rs1, rs2, offset):
    return b_type(0, rs1, rs2, offset)


def bne(rs1, rs2, offset):
    return b_type(1, rs1, rs2, offset)


def bltu(rs1, rs2, offset):
    return b_type(6, rs1, rs2, offset)
