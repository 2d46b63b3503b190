/* SPDX-License-Identifier: MIT */
/* RegisterDesc: fields of a value, and the words for what they say. See registers.h. */
#include "hw/registers.h"

#include <stdlib.h>
#include <string.h>

uint64_t register_field_get(const RegisterField *field, uint64_t value) {
    return (value & field->mask) >> __builtin_ctzll(field->mask);
}

const char *register_field_words(const RegisterField *field, uint64_t value,
                                 size_t *len) {
    uint64_t now = register_field_get(field, value);
    for (const char *p = field->values; p && *p;) {
        char *words;
        uint64_t of = strtoull(p, &words, 0);
        words += *words == '=';
        *len = strcspn(words, "|");
        if (of == now) {
            return words;
        }
        p = words + *len;
        p += *p == '|';
    }
    return NULL;
}
