/* SPDX-License-Identifier: MIT */
/* Faces, see faces.h. */
#include "cli/faces.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SETTLE_MS = 50 };

/* All say goodbye at the same time. */
static void say_goodbye(Faces *f) {
    if (f->inspector) {
        inspector_settle(f->inspector, SETTLE_MS);
    }
    if (f->web) {
        web_server_end(f->web);
    }
    for (unsigned i = 0; i < f->rpc_count; i++) {
        rpc_end(f->rpc[i]);
    }
}

void faces_close(Faces *f) {
    say_goodbye(f);
    api_server_free(f->api);
    f->api = NULL;
    web_server_free(f->web);
    f->web = NULL;
    monitors_free(f->monitors);
    f->monitors = NULL;
    gdb_port_free(f->gdb);
    f->gdb = NULL;
    while (f->rpc_count) {
        rpc_free(f->rpc[--f->rpc_count]);
    }
    inspector_free(f->inspector);
    f->inspector = NULL;
    travel_free(f->travel);
    f->travel = NULL;
}

static char *monitor_for_gdb(void *opaque, const char *text) {
    Faces *f = opaque;
    return hmp_execute(&f->gdb_hmp, text);
}

/* gdb's reverse-stepi and reverse-continue. */
static bool reverse_for_gdb(void *opaque, unsigned cpu, bool step, DebugStop *stop,
                            Error **errp) {
    Faces *f = opaque;
    (void)cpu;
    if (!step) {
        return travel_back_to_point(f->travel, stop, errp);
    }
    bool ok = travel_back(f->travel, 1, errp);
    *stop = machine_debug_stop(inspector_machine(f->inspector));
    return ok;
}

static bool open_history(Faces *f, const CommandLine *cl, Machine *m, Error **errp) {
    TravelConfig config;
    if (!cl->history) {
        return true;
    }
    if (!travel_config_parse(&config, cl->history, errp)) {
        return false;
    }
    f->travel = travel_new(m, &config, errp);
    return f->travel != NULL;
}

/* The page is built beside the program. */
static char *page_directory(void) {
    static const char name[] = "web";
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
    char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (!slash) {
        return strdup(name);
    }
    strcpy(slash + 1, name);
    return strdup(path);
}

static bool open_web(Faces *f, const char *text, Error **errp) {
    WebConfig config;
    char *store = NULL, *files = page_directory();
    if (web_config_parse(&config, "-web", text, &store, errp)) {
        f->web = web_server_new(f->inspector, &config, files, errp);
    }
    free(store);
    free(files);
    return f->web != NULL;
}

static bool open_api(Faces *f, const char *text, Error **errp) {
    WebConfig config;
    char *store = NULL;
    if (web_config_parse(&config, "-api", text, &store, errp)) {
        f->api = api_server_new(f->inspector, &config, f->web, errp);
    }
    free(store);
    return f->api != NULL;
}

bool faces_open(Faces *f, const CommandLine *cl, Machine *m, Error **errp) {
    f->inspector = open_history(f, cl, m, errp) ? inspector_new(m, errp) : NULL;
    bool ok = f->inspector != NULL;
    if (ok) {
        inspector_set_travel(f->inspector, f->travel);
    }
    for (unsigned i = 0; ok && i < cl->rpcs.count; i++) {
        f->rpc[i] = rpc_new(f->inspector, cl->rpcs.item[i], errp);
        ok = f->rpc[i] != NULL;
        f->rpc_count += ok;
    }
    if (ok) {
        const GdbHooks hooks = {.monitor = monitor_for_gdb,
                                .reverse = f->travel ? reverse_for_gdb : NULL,
                                .opaque = f};
        hmp_init(&f->gdb_hmp, m, f->inspector,
                 NULL); /* gdb does not replace its server */
        f->gdb = gdb_port_new(m, &hooks);
        f->monitors = monitors_new(m, f->inspector, f->gdb, &cl->monitors, errp);
        ok = f->monitors && (!cl->gdb || gdb_port_open(f->gdb, cl->gdb, errp));
    }
    ok = ok && (!cl->web || open_web(f, cl->web, errp)) &&
         (!cl->api || open_api(f, cl->api, errp));
    if (!ok) {
        faces_close(f);
    }
    return ok;
}
