/* SPDX-License-Identifier: MIT */
/*
 * Follows pointers in random order through 16 MB.
 *
 * Costs: nearly each step is on another page, so each misses a small software TLB; what a
 * refill costs is what this measures.
 */
#include "bench.h"

enum { NODES = 1 << 18, STEPS = 4000000 }; /* of 64 bytes: one cache line a node */

typedef struct Node {
    struct Node *next;
    uint64_t weight;
    uint8_t rest_of_line[48];
} Node;

static Node nodes[NODES];

/* One cycle through all nodes (Sattolo's shuffle). */
static void link_in_one_cycle(void) {
    uint64_t random = 0xfeedface;
    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i].next = &nodes[i];
        nodes[i].weight = i;
    }
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(random_next(&random) % i);
        Node *kept = nodes[i].next;
        nodes[i].next = nodes[j].next;
        nodes[j].next = kept;
    }
}

uint64_t bench_run(void) {
    link_in_one_cycle();
    uint64_t sum = 0;
    const Node *n = nodes;
    for (uint32_t i = 0; i < STEPS; i++) {
        sum += n->weight ^ i;
        n = n->next;
    }
    return sum;
}
