/* SPDX-License-Identifier: MIT */
/* savevm, loadvm, delvm and their list. Deviates: a tag names a file, not a part of a disk image, so
 * there is always one to name. */
#include <inttypes.h>
#include <stdlib.h>

#include "monitor/hmp_call.h"

static void with_tag(HmpCall *call, const char *method) {
    json_decref(
        hmp_ask(call, method, json_pack("{s:s}", "name", hmp_string(call, "tag"))));
}

void hmp_savevm(HmpCall *call) {
    with_tag(call, "snapshot.save");
}

void hmp_loadvm(HmpCall *call) {
    with_tag(call, "snapshot.load");
}

void hmp_delvm(HmpCall *call) {
    with_tag(call, "snapshot.delete");
}

void hmp_info_snapshots(HmpCall *call) {
    size_t i;
    json_t *one, *answer = hmp_ask(call, "snapshot.list", NULL);
    json_t *list = json_object_get(answer, "snapshots");
    if (answer && json_array_size(list) == 0) {
        fprintf(call->out, "There is no snapshot available.\n");
    } else if (answer) {
        fprintf(call->out, "%-20s %12s  %s\n", "TAG", "BYTES", "DATE");
    }
    json_array_foreach(list, i, one) {
        uint64_t bytes =
            strtoull(json_string_value(json_object_get(one, "bytes")), NULL, 0);
        fprintf(call->out, "%-20s %12" PRIu64 "  %s\n",
                json_string_value(json_object_get(one, "name")), bytes,
                json_string_value(json_object_get(one, "date")));
    }
    json_decref(answer);
}
