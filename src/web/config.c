/* SPDX-License-Identifier: MIT */
/* WebConfig: the text of -web and -api. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "web/server.h"

static bool is_loopback(const char *address) {
    struct in_addr v4;
    struct in6_addr v6;
    if (address == NULL || strcmp(address, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "8088", "8088+", "127.0.0.1:8088", "[::1]:8088", ":8088" in place. */
static bool parse_address(WebConfig *config, char *text, Error **errp) {
    char *port = strrchr(text, ':'), *end;
    if (port != NULL) {
        *port++ = '\0';
        size_t len = strlen(text);
        if (text[0] == '[' && len > 1 && text[len - 1] == ']') {
            text[len - 1] = '\0';
            text++;
        } else if (strchr(text, ':') != NULL) {
            error_set(errp, "%s: write an IPv6 address in brackets, as in [::1]:8088",
                      config->option);
            return false;
        }
        config->address = text[0] ? text : NULL;
    } else {
        port = text;
    }
    unsigned long value = strtoul(port, &end, 10);
    config->or_next = *end == '+';
    end += config->or_next;
    if (end == port || *end != '\0' || port[0] < '0' || port[0] > '9' ||
        value > UINT16_MAX) {
        error_set(errp,
                  "%s: '%s' is no port; use [ADDR:]PORT such as 8088 or 127.0.0.1:8088, "
                  "8088+ for that or the next free one, or unix:FILE",
                  config->option, port);
        return false;
    }
    config->port = (uint16_t)value;
    return true;
}

static bool check_base(const WebConfig *config, Error **errp) {
    const char *base = config->base;
    size_t len = base ? strlen(base) : 0;
    if (base && (base[0] != '/' || base[len - 1] == '/' || strpbrk(base, "\"; "))) {
        error_set(errp,
                  "%s: base=%s: it begins with a slash and does not end with one, "
                  "as in base=/vm1",
                  config->option, base);
        return false;
    }
    return true;
}

/* One NAME=VALUE. False: there is no such name. */
static bool set_word(WebConfig *config, const char *name, const char *value) {
    bool page = strcmp(config->option, "-web") == 0;
    if (strcmp(name, "token") == 0) {
        config->token = value;
    } else if (strcmp(name, "viewer-token") == 0) {
        config->viewer_token = value;
    } else if (strcmp(name, "base") == 0 && page) {
        config->base = value;
    } else if (strcmp(name, "frame-ancestors") == 0 && page) {
        config->frame_ancestors = value;
    } else if (strcmp(name, "host") == 0 && config->host_count < AUTH_MAX_HOSTS - 2) {
        config->host[config->host_count++] = value;
    } else {
        return false;
    }
    return true;
}

static bool parse_words(WebConfig *config, char *rest, Error **errp) {
    const char *known = strcmp(config->option, "-web") == 0
                            ? "token, viewer-token, base, host, frame-ancestors"
                            : "token, viewer-token, host";
    char *word;
    while ((word = strsep(&rest, ",")) != NULL) {
        char *value = strchr(word, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        if (value == NULL || *value == '\0') {
            error_set(errp, "%s: '%s' wants a value; known are %s", config->option, word,
                      known);
            return false;
        }
        if (!set_word(config, word, value)) {
            error_set(errp, "%s: '%s' is unknown (or there are too many); known are %s",
                      config->option, word, known);
            return false;
        }
    }
    return true;
}

bool web_config_parse(WebConfig *config, const char *option, const char *text,
                      char **store, Error **errp) {
    *config = (WebConfig){.option = option};
    *store = strdup(text);
    assert(*store != NULL);
    char *rest = *store, *where = strsep(&rest, ",");
    if (strncmp(where, "unix:", 5) == 0) {
        config->unix_path = where + 5;
    } else if (!parse_address(config, where, errp)) {
        return false;
    }
    return parse_words(config, rest, errp) && check_base(config, errp);
}

bool web_config_check_reach(const WebConfig *config, bool has_own_token, Error **errp) {
    if (is_loopback(config->address) || has_own_token) {
        return true;
    }
    error_set(errp,
              "%s: %s can be reached from other machines; give token=SECRET with it "
              "(and put TLS in front of it), or use 127.0.0.1",
              config->option, config->address);
    return false;
}
