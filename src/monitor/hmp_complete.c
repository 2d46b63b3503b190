/* SPDX-License-Identifier: MIT */
/*
 * Completion: commands first, then what the command's arguments may be.
 *
 *   "in|"         commands            "info re|"   info's items      "help x|"    commands
 *   "p $m|"       registers           "logfile a|" file names        "log in|"    log items
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "monitor/hmp_call.h"

typedef struct Offers {
    const char *prefix; /* what stands there already */
    size_t prefix_len;
    void (*offer)(void *opaque, const char *word);
    void *opaque;
} Offers;

static void offer(const Offers *o, const char *word) {
    if (word[0] && !strncmp(word, o->prefix, o->prefix_len)) {
        o->offer(o->opaque, word);
    }
}

typedef const HmpCommand *RowFn(unsigned index);

static void offer_rows(const Offers *o, RowFn *row) {
    for (unsigned i = 0; row(i); i++) {
        offer(o, row(i)->name);
    }
}

static void offer_registers(const Offers *o) {
    char name[64] = "$";
    for (unsigned i = 0; hmp_register_name(i, name + 1, sizeof(name) - 1); i++) {
        offer(o, name[1] ? name : "");
    }
}

static void offer_log_items(const Offers *o) {
#define LOG_NAME(id, name, help) offer(o, name);
    LOG_CATEGORIES(LOG_NAME)
#undef LOG_NAME
    offer(o, "none");
    offer(o, "all");
}

static void offer_entry(const Offers *o, const char *dir, const char *name) {
    char path[HMP_MAX_WORD];
    struct stat st;
    if (snprintf(path, sizeof(path) - 1, "%s%s", dir, name) >= (int)sizeof(path) - 1) {
        return;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        strcat(path, "/");
    }
    offer(o, path);
}

static void offer_files(const Offers *o) {
    char dir[HMP_MAX_WORD] = "";
    const char *slash = strrchr(o->prefix, '/');
    if (slash && (size_t)(slash - o->prefix) + 1 < sizeof(dir)) {
        memcpy(dir, o->prefix, (size_t)(slash - o->prefix) + 1);
    }
    DIR *d = opendir(dir[0] ? dir : ".");
    if (!d) {
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        bool hidden = e->d_name[0] == '.' && !(slash ? slash[1] : o->prefix[0]);
        if (!hidden && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            offer_entry(o, dir, e->d_name);
        }
    }
    closedir(d);
}

static const HmpCommand *find_command(const char *name, size_t len) {
    const HmpCommand *row;
    for (unsigned i = 0; (row = hmp_command(i)) != NULL; i++) {
        if ((strlen(row->name) == len && !memcmp(row->name, name, len)) ||
            (strlen(row->alias) == len && len && !memcmp(row->alias, name, len))) {
            return row;
        }
    }
    return NULL;
}

static void offer_argument(const Offers *o, const HmpCommand *row, bool first) {
    if (o->prefix[0] == '$') {
        offer_registers(o);
    } else if (row->handler == hmp_info_help && first) {
        offer_rows(o, hmp_info_command);
    } else if (row->handler == hmp_help && first) {
        offer_rows(o, hmp_command);
    } else if (row->handler == hmp_log) {
        offer_log_items(o);
    } else if (strstr(row->args, "filename:s")) {
        offer_files(o);
    }
}

void hmp_complete(Hmp *hmp, const char *line, size_t start, size_t end,
                  void (*fn)(void *opaque, const char *word), void *opaque) {
    char *prefix = strndup(line + start, end - start);
    Offers o = {prefix, end - start, fn, opaque};
    (void)hmp; /* what may be said is the same for all */
    size_t begin = strspn(line, " ");
    size_t len = strcspn(line + begin, " /");
    if (!prefix) {
        return;
    }
    if (start <= begin) {
        offer_rows(&o, hmp_command);
    } else {
        const HmpCommand *row = find_command(line + begin, len);
        size_t second = begin + len + strspn(line + begin + len, " ");
        if (row) {
            offer_argument(&o, row, start <= second);
        }
    }
    free(prefix);
}
