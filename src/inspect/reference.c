/* SPDX-License-Identifier: MIT */
/* Reference: the rows in the order of protocol.def, a section a domain. */
#include "inspect/reference.h"

#include <stdlib.h>
#include <string.h>

#include "inspect/protocol.h"

static void print_type(FILE *out, const SigParam *param) {
    char text[200];
    signature_describe(&param->type, text, sizeof(text));
    fprintf(out, "  * `%s`: %s", param->name, text);
    if (param->dflt[0]) {
        fprintf(out, "; `%s` if left out", param->dflt);
    } else if (param->optional) {
        fprintf(out, "; may be left out");
    }
    fprintf(out, "\n");
}

static void print_method(FILE *out, const InspectMethod *row) {
    Signature sig;
    if (!signature_parse(&sig, row->params)) {
        return;
    }
    fprintf(out, "* **%s.%s** (%s). %s\n", row->domain, row->verb,
            protocol_role_name(row->role), row->text);
    for (unsigned i = 0; i < sig.count; i++) {
        print_type(out, &sig.param[i]);
    }
    fprintf(out, "  * returns %s\n", row->returns);
}

static void print_event(FILE *out, const InspectEvent *row) {
    fprintf(out, "* event **%s.%s** (%s). %s\n  * data: %s\n", row->domain, row->name,
            protocol_kind_name(row->kind), row->text, row->fields);
}

static void print_domain(FILE *out, const char *domain) {
    const InspectMethod *method;
    const InspectEvent *event;
    fprintf(out, "\n## %s\n\n", domain);
    for (unsigned i = 0; (method = protocol_method(i)) != NULL; i++) {
        if (strcmp(method->domain, domain) == 0) {
            print_method(out, method);
        }
    }
    for (unsigned i = 0; (event = protocol_event(i)) != NULL; i++) {
        if (strcmp(event->domain, domain) == 0) {
            print_event(out, event);
        }
    }
}

static bool is_first_of_domain(unsigned index) {
    const char *domain = protocol_method(index)->domain;
    for (unsigned i = 0; i < index; i++) {
        if (strcmp(protocol_method(i)->domain, domain) == 0) {
            return false;
        }
    }
    return true;
}

static void print_limits(FILE *out) {
    fprintf(
        out,
        "\n## Limits\n\n"
        "A request has at most %d bytes and %d levels of nesting, a batch %d requests; a "
        "client may have %d requests\nwaiting, and hold %d "
        "subscriptions. An answer has at most %d MiB. The error that a limit\ncauses "
        "has class `limit` and names it.\n",
        INSPECT_MAX_MESSAGE, INSPECT_MAX_DEPTH, INSPECT_MAX_BATCH, INSPECT_MAX_QUEUE,
        INSPECT_MAX_SUBSCRIPTIONS, INSPECT_MAX_ANSWER >> 20);
}

static void print_errors(FILE *out) {
    fprintf(out,
            "\n## Errors\n\nBesides JSON-RPC's own codes; `data` has the class, what "
            "happened, and what to try.\n\n| code | class |\n|---|---|\n");
#define CLASS_ROW(id, word, code) fprintf(out, "| %d | %s |\n", code, word);
    INSPECT_CLASSES(CLASS_ROW)
#undef CLASS_ROW
}

void inspect_print_reference(FILE *out) {
    fprintf(out,
            "# The protocol\n\n"
            "Made from `src/inspect/protocol.def` by `make protocol`. How messages "
            "travel: `src/inspect/README.md`.\nA viewer may look, an operator may also "
            "change the machine.\n");
    for (unsigned i = 0; protocol_method(i); i++) {
        if (is_first_of_domain(i)) {
            print_domain(out, protocol_method(i)->domain);
        }
    }
    fprintf(out,
            "\n## What it cost\n\nAn answer has beside `result` or `error` a member "
            "`held_ns` if a running guest was held up for\nit, and for so many "
            "nanoseconds; an `events.result` has it in `params`, with that of the calls "
            "whose\nresults were not sent.\n");
    print_errors(out);
    print_limits(out);
}

void inspect_print_schema(FILE *out) {
    json_t *schema = protocol_schema();
    json_dumpf(schema, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(schema);
}
