/* SPDX-License-Identifier: MIT */
/* The bits of the control and status registers, named as in the privileged manual. */
#ifndef VITRINE_CPU_RISCV_BITS_H
#define VITRINE_CPU_RISCV_BITS_H

#include <stdint.h>

#define BIT64(n) (UINT64_C(1) << (n))

/* mstatus (and its view sstatus) */
#define MSTATUS_SIE  BIT64(1)
#define MSTATUS_MIE  BIT64(3)
#define MSTATUS_SPIE BIT64(5)
#define MSTATUS_MPIE BIT64(7)
#define MSTATUS_SPP  BIT64(8)
#define MSTATUS_MPP  (BIT64(11) | BIT64(12))
#define MSTATUS_FS   (BIT64(13) | BIT64(14))
#define MSTATUS_MPRV BIT64(17)
#define MSTATUS_SUM  BIT64(18)
#define MSTATUS_MXR  BIT64(19)
#define MSTATUS_TVM  BIT64(20)
#define MSTATUS_TW   BIT64(21)
#define MSTATUS_TSR  BIT64(22)
#define MSTATUS_UXL  (BIT64(32) | BIT64(33))
#define MSTATUS_SXL  (BIT64(34) | BIT64(35))
#define MSTATUS64_SD BIT64(63)
#define MSTATUS32_SD BIT64(31)
enum {
    MSTATUS_SPP_SHIFT = 8,
    MSTATUS_MPP_SHIFT = 11,
    MSTATUS_FS_SHIFT = 13,
    MSTATUS_UXL_SHIFT = 32,
    MSTATUS_SXL_SHIFT = 34
};
enum { FS_OFF = 0, FS_INITIAL = 1, FS_CLEAN = 2, FS_DIRTY = 3 };

/* mip, mie */
#define MIP_SSIP   BIT64(1)
#define MIP_MSIP   BIT64(3)
#define MIP_STIP   BIT64(5)
#define MIP_MTIP   BIT64(7)
#define MIP_SEIP   BIT64(9)
#define MIP_MEIP   BIT64(11)
#define MIP_S_BITS (MIP_SSIP | MIP_STIP | MIP_SEIP)
#define MIP_ALL    (MIP_S_BITS | MIP_MSIP | MIP_MTIP | MIP_MEIP)

/* menvcfg, senvcfg */
#define ENVCFG_FIOM  BIT64(0)
#define ENVCFG_CBIE  (BIT64(4) | BIT64(5))
#define ENVCFG_CBCFE BIT64(6)
#define ENVCFG_CBZE  BIT64(7)
#define ENVCFG_ADUE  BIT64(61)
#define ENVCFG_PBMTE BIT64(62)
#define ENVCFG_STCE  BIT64(63)
enum {
    ENVCFG_CBIE_SHIFT = 4,
    CBIE_ILLEGAL = 0,
    CBIE_FLUSH = 1,
    CBIE_RESERVED = 2,
    CBIE_INVAL = 3
};

/* Bits of TBF_CBO_SHIFT. */
enum { CBO_INVAL_OK = 1, CBO_CLEAN_OK = 2, CBO_ZERO_OK = 4 };

/* mcounteren, scounteren, mcountinhibit */
#define COUNTER_CY BIT64(0)
#define COUNTER_TM BIT64(1)
#define COUNTER_IR BIT64(2)

/* satp */
enum { SATP_BARE = 0, SATP_SV32 = 1, SATP_SV39 = 8, SATP_SV48 = 9, SATP_SV57 = 10 };
enum {
    SATP32_MODE_SHIFT = 31,
    SATP32_ASID_SHIFT = 22,
    SATP64_MODE_SHIFT = 60,
    SATP64_ASID_SHIFT = 44
};
#define SATP32_ASID_MASK UINT64_C(0x1ff)
#define SATP64_ASID_MASK UINT64_C(0xffff)
#define SATP32_PPN_MASK  UINT64_C(0x3fffff)
#define SATP64_PPN_MASK  UINT64_C(0xfffffffffff)

/* page-table entries */
#define PTE_V        BIT64(0)
#define PTE_R        BIT64(1)
#define PTE_W        BIT64(2)
#define PTE_X        BIT64(3)
#define PTE_U        BIT64(4)
#define PTE_G        BIT64(5)
#define PTE_A        BIT64(6)
#define PTE_D        BIT64(7)
#define PTE_RESERVED (UINT64_C(0x7f) << 54)
#define PTE_PBMT     (BIT64(61) | BIT64(62))
#define PTE_N        BIT64(63)
enum { PTE_PPN_SHIFT = 10 };

/* pmpcfg */
enum {
    PMP_R = 1,
    PMP_W = 2,
    PMP_X = 4,
    PMP_A = 3 << 3,
    PMP_A_SHIFT = 3,
    PMP_L = 1 << 7,
    PMP_CFG_WRITABLE = PMP_R | PMP_W | PMP_X | PMP_A | PMP_L
};
enum { PMP_OFF = 0, PMP_TOR = 1, PMP_NA4 = 2, PMP_NAPOT = 3 };

/* The interrupt bit of mcause and scause as kept in env: RV32's bit 31, sign-extended. */
#define CAUSE_INTERRUPT_64 BIT64(63)
#define CAUSE_INTERRUPT_32 UINT64_C(0xffffffff80000000)

#endif
