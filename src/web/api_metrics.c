/* SPDX-License-Identifier: MIT */
/*
 * Metrics: numbers of a few methods that do not hold the guest up, as Prometheus reads them.
 *
 *   machine.counters {"counters":{"interrupts":"0x2b"}} --row--> vitrine_interrupts_total 43
 *
 * Spec: Prometheus text format 0.0.4.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/api_int.h"

enum { HEX_BASE = 16 };
#define NS_PER_S 1e9

/* Where a number comes from and what it is called. Rows of a method stand together: it is called once. */
typedef struct Metric {
    const char *method, *path, *name, *type, *help;
    double scale; /* 0: as it is */
} Metric;

#define COUNTER(field, help)                                                             \
    {                                                                                    \
        "machine.counters", "counters." #field, "vitrine_" #field "_total", "counter",   \
            help, 0                                                                      \
    }

static const Metric metrics[] = {
    {"machine.status", "running", "vitrine_running", "gauge", "1: the guest runs", 0},
    {"machine.status", "cpus", "vitrine_cpus", "gauge", "harts of the machine", 0},
    {"machine.status", "ram", "vitrine_ram_bytes", "gauge", "memory of the guest", 0},
    {"machine.status", "time_ns", "vitrine_guest_time_seconds", "gauge",
     "the guest's clock", NS_PER_S},
    {"machine.status", "uptime_ns", "vitrine_uptime_seconds", "gauge",
     "how long the emulator runs", NS_PER_S},
    COUNTER(instructions, "guest instructions executed; only counted with -icount"),
    {"machine.counters", "counters.busy_ns", "vitrine_busy_seconds_total", "counter",
     "time of the host's processors", NS_PER_S},
    COUNTER(interrupts, "interrupts taken"),
    COUNTER(exceptions, "exceptions taken"),
    COUNTER(calls, "calls of user mode into the system"),
    COUNTER(page_faults, "page faults taken"),
    COUNTER(device_reads, "reads of device registers"),
    COUNTER(device_writes, "writes of device registers"),
    COUNTER(tlb_misses, "accesses that left the fast path"),
    COUNTER(tlb_walks, "page-table walks"),
    COUNTER(tlb_fills, "TLB entries made"),
    COUNTER(tlb_flushes, "TLB flushes"),
    COUNTER(translations, "blocks translated"),
    COUNTER(translated_bytes, "bytes of guest code translated"),
    COUNTER(lookups, "blocks looked up"),
    {"tb.stats", "alive", "vitrine_blocks", "gauge", "blocks that can run", 0},
    {"tb.stats", "buffer_used", "vitrine_code_buffer_used_bytes", "gauge",
     "code buffer in use", 0},
    {"tb.stats", "buffer_size", "vitrine_code_buffer_bytes", "gauge", "code buffer", 0},
    {"tb.stats", "evictions", "vitrine_code_buffer_evictions_total", "counter",
     "times that room was made in the code buffer", 0},
    {"machine.pauses", "count", "vitrine_looks_total", "counter",
     "times that looking held the machine", 0},
    {"machine.pauses", "total_ns", "vitrine_held_seconds_total", "counter",
     "how long looking held the machine", NS_PER_S},
    {"machine.pauses", "over_limit", "vitrine_looks_long_total", "counter",
     "times that it took longer than 2 ms", 0},
    {"serial.list", "lines.0.written", "vitrine_serial_bytes_total", "counter",
     "bytes that the guest wrote to the first serial line", 0},
};

/* A member, or of an array an element, by a path "counters.interrupts", "lines.0.written". */
static const json_t *find(const json_t *at, const char *path) {
    while (at != NULL && *path != '\0') {
        char word[48];
        size_t len = strcspn(path, ".");
        snprintf(word, sizeof(word), "%.*s", (int)len, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(word, NULL, 10))
                               : json_object_get(at, word);
        path += len + (path[len] == '.');
    }
    return at;
}

/* False: it is no number, or null: it is not known. */
static bool is_number(const json_t *value, double *number) {
    if (json_is_string(value)) {
        *number = (double)strtoull(json_string_value(value), NULL, HEX_BASE);
        return true;
    }
    *number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    return json_is_boolean(value) || json_is_number(value);
}

static void print_metric(FILE *out, const Metric *row, double number) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
            row->type);
    if (row->scale > 0) {
        fprintf(out, "%s %.9f\n", row->name, number / row->scale);
    } else {
        fprintf(out, "%s %.0f\n", row->name, number);
    }
}

static void print_own(FILE *out, ApiRequest *req) {
    ApiServer *api = req->peer->server;
    json_t *list = api_query(req, "snapshot.list", NULL);
    const Metric snapshots = {
        NULL, NULL, "vitrine_snapshots", "gauge", "snapshots in the directory", 0};
    const Metric scripts = {
        NULL, NULL, "vitrine_api_clients", "gauge", "connections of scripts", 0};
    const Metric viewers = {NULL, NULL, "vitrine_web_clients", "gauge", "open pages", 0};
    print_metric(out, &snapshots,
                 (double)json_array_size(json_object_get(list, "snapshots")));
    pthread_mutex_lock(&api->lock);
    print_metric(out, &scripts, api->peer_count);
    pthread_mutex_unlock(&api->lock);
    if (api->web != NULL) {
        print_metric(out, &viewers, web_server_client_count(api->web));
    }
    json_decref(list);
}

ApiResult api_metrics(ApiRequest *req) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    const char *method = "";
    json_t *result = NULL;
    if (out == NULL) {
        return MHD_NO;
    }
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        double number;
        if (strcmp(metrics[i].method, method) != 0) {
            method = metrics[i].method;
            json_decref(result);
            result = api_query(req, method, NULL);
        }
        if (is_number(find(result, metrics[i].path), &number)) {
            print_metric(out, &metrics[i], number);
        }
    }
    json_decref(result);
    print_own(out, req);
    fclose(out);
    return api_send(req, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                    MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE));
}
