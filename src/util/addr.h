/* SPDX-License-Identifier: MIT */
/* The three kinds of guest address, as types: mixing them up is the classic emulator
 * bug. */
#ifndef VITRINE_UTIL_ADDR_H
#define VITRINE_UTIL_ADDR_H

#include <stdint.h>

typedef uint64_t vaddr;    /* guest virtual: what a guest instruction computes */
typedef uint64_t hwaddr;   /* guest physical: what comes out of the page-table walk */
typedef uint64_t ram_addr; /* machine-wide: one byte of RAM, whatever alias shows it */

#define PAGE_BITS        12
#define PAGE_SIZE        4096u
#define PAGE_OFFSET_MASK ((uint64_t)PAGE_SIZE - 1)
#define PAGE_MASK        (~PAGE_OFFSET_MASK)
#define RAM_ADDR_INVALID UINT64_MAX

#endif
