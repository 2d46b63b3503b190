/* SPDX-License-Identifier: MIT */
/* Nearest: "did you mean ...?" for names that are not known. */
#ifndef VITRINE_UTIL_NEAREST_H
#define VITRINE_UTIL_NEAREST_H

/* The search for the nearest of many names: nearest_init(), nearest_offer() each; then `name` is it. Letters
 * may be missing, too many or wrong, in a longer name more of them. */
typedef struct Nearest {
    const char *written;
    const char *name; /* the nearest so far, or NULL: none is near */
    unsigned best;
} Nearest;

void nearest_init(Nearest *n, const char *written);
void nearest_offer(Nearest *n, const char *name);

#endif
