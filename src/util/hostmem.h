/* SPDX-License-Identifier: MIT */
/*
 * Host memory for big things that are accessed at random: guest RAM, the softmmu TLB.
 *
 * With 2 MiB pages the host's own TLB misses nearly vanish; they cost a third of a random walk over
 * 64 MiB of guest memory. The memory is zeroed and costs nothing until it is touched.
 */
#ifndef VITRINE_UTIL_HOSTMEM_H
#define VITRINE_UTIL_HOSTMEM_H

#include <stdint.h>

/* Zeroed memory, aligned to 2 MiB, so that a guest's huge page is one of the host's; huge pages are a
 * wish, not a promise. `size` in bytes. NULL: the host has none left. */
void *hostmem_alloc(uint64_t size);
void hostmem_free(void *memory, uint64_t size); /* size as given to hostmem_alloc() */

#endif
