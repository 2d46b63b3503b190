/* SPDX-License-Identifier: MIT */
/* The state hash. See hash.h. */
#include "state/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "state/bytes.h"
#include "state/fields.h"
#include "state/ram.h"

static void hash_number(XXH3_state_t *h, uint64_t value) {
    uint8_t bytes[sizeof(value)];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    XXH3_128bits_update(h, bytes, sizeof(bytes));
}

static void hash_ram(XXH3_state_t *h, const RAMBlock *rb, RamScan *scan) {
    uint64_t page;
    XXH3_128bits_update(h, rb->name, strlen(rb->name) + 1);
    hash_number(h, rb->size);
    ram_scan_begin(scan, rb);
    while (ram_next_page(scan, &page)) {
        hash_number(h, page);
        XXH3_128bits_update(h, ram_page(rb, page), PAGE_SIZE);
    }
    ram_scan_end(scan);
    hash_number(h, UINT64_MAX); /* no page: the end of the block */
}

static void hash_all(Machine *m, XXH3_state_t *h, RamScan *scan,
                     const ByteBuffer *fields) {
    XXH3_128bits_reset(h);
    hash_number(h, (uint64_t)clock_now_ns(&m->clock));
    XXH3_128bits_update(h, fields->data, fields->len);
    for (const RAMBlock *rb = m->ram_list.first; rb; rb = rb->next) {
        hash_ram(h, rb, scan);
    }
}

bool machine_hash(Machine *m, char hex[MACHINE_HASH_HEX], Error **errp) {
    ByteBuffer fields = {0};
    RamScan *scan = malloc(sizeof(*scan));
    XXH3_state_t *h = XXH3_createState();
    machine_lock(m);
    fields_save(m, &fields);
    bool ok = scan && h && !fields.failed;
    if (ok) {
        hash_all(m, h, scan, &fields);
    } else {
        error_set(errp, "no memory for the hash of the machine");
    }
    machine_unlock(m);
    if (ok) {
        XXH128_canonical_t c;
        XXH128_canonicalFromHash(&c, XXH3_128bits_digest(h));
        for (unsigned i = 0; i < sizeof(c.digest); i++) {
            snprintf(hex + 2 * i, 3, "%02x", c.digest[i]);
        }
    }
    XXH3_freeState(h);
    free(scan);
    buffer_free(&fields);
    return ok;
}
