/* SPDX-License-Identifier: MIT */
/* The list of back ends. */
#include "tcg/backend.h"

#include <string.h>

const Backend *tcg_backend_find(const char *name) {
    static const Backend *const all[] = {&backend_x86_64, &backend_interp};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (!strcmp(all[i]->name, name)) {
            return all[i];
        }
    }
    return NULL;
}
