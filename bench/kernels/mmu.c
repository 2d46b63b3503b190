/* SPDX-License-Identifier: MIT */
/*
 * S mode under Sv39: touches random 4 KB pages, and remaps one now and then.
 *
 * Costs: TLB misses with a walk of three levels, and sfence.vma of one address, which
 * need not forget the rest.
 */
#include "bench.h"

enum { PAGES = 4096, TOUCHES = 4000000, REMAP_EVERY = 64, PTES = 512 };

#define PTE_V     1ull
#define PTE_RWX   (7ull << 1)
#define PTE_A     (1ull << 6)
#define PTE_D     (1ull << 7)
#define PTE_LEAF  (PTE_V | PTE_RWX | PTE_A | PTE_D)
#define SATP_SV39 (8ull << 60)
#define WINDOW    0x40000000ull /* virtual address of the first page */

extern char __free_memory[];

static uint64_t root[PTES] __attribute__((aligned(4096)));
static uint64_t middle[PTES] __attribute__((aligned(4096)));
static uint64_t leaves[PAGES] __attribute__((aligned(4096)));
static uint64_t result;

static uint64_t pte(const void *physical, uint64_t flags) {
    return (uint64_t)physical / PAGE_SIZE << 10 | flags;
}

static void *frame(uint64_t number) {
    return __free_memory + number * PAGE_SIZE;
}

static void make_tables(void) {
    for (unsigned i = 0; i < 4;
         i++) { /* devices, RAM: each a gigabyte, at their own address */
        root[i] = pte((void *)((uint64_t)i << 30), PTE_LEAF);
    }
    root[WINDOW >> 30] = pte(middle, PTE_V);
    for (unsigned i = 0; i < PAGES / PTES; i++) {
        middle[i] = pte(&leaves[i * PTES], PTE_V);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        leaves[i] = pte(frame(i), PTE_LEAF);
        *(uint64_t *)frame(i) = i;
    }
}

/* Two pages change places. */
static void swap_pages(uint64_t a, uint64_t b) {
    uint64_t kept = leaves[a];
    leaves[a] = leaves[b];
    leaves[b] = kept;
    __asm__ volatile("sfence.vma %0, zero" ::"r"(WINDOW + a * PAGE_SIZE) : "memory");
    __asm__ volatile("sfence.vma %0, zero" ::"r"(WINDOW + b * PAGE_SIZE) : "memory");
}

static void touch_pages(void) {
    uint64_t random = 0x5eed, sum = 0;
    for (unsigned i = 0; i < TOUCHES; i++) {
        uint64_t r = random_next(&random);
        uint64_t *word = (uint64_t *)(WINDOW + r % PAGES * PAGE_SIZE);
        sum += *word;
        *word += i;
        if (i % REMAP_EVERY == 0) {
            swap_pages(r % PAGES, r >> 32 & (PAGES - 1));
        }
    }
    result = sum;
}

uint64_t bench_run(void) {
    make_tables();
    bench_run_supervisor(touch_pages, SATP_SV39 | (uint64_t)root / PAGE_SIZE);
    return result;
}
