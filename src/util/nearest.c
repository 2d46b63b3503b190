/* SPDX-License-Identifier: MIT */
/* Nearest: how many letters two names differ by. */
#include "util/nearest.h"

#include <string.h>

enum { NAME_MAX_LEN = 32 };

static unsigned min3(unsigned a, unsigned b, unsigned c) {
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance: insertions, removals and changes of a letter from a to b. */
static unsigned edit_distance(const char *a, const char *b) {
    unsigned row[NAME_MAX_LEN + 1];
    unsigned len = (unsigned)strlen(b);
    if (len > NAME_MAX_LEN || strlen(a) > NAME_MAX_LEN) {
        return NAME_MAX_LEN;
    }
    for (unsigned j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= len; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min3(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[len];
}

void nearest_init(Nearest *n, const char *written) {
    /* A third of the letters and one more may be wrong; one letter is near nothing. */
    size_t len = strlen(written);
    *n = (Nearest){.written = written, .best = len < 2 ? 0 : (unsigned)len / 3 + 2};
}

void nearest_offer(Nearest *n, const char *name) {
    unsigned distance = edit_distance(n->written, name);
    if (distance < n->best && distance < strlen(name)) {
        n->best = distance;
        n->name = name;
    }
}
