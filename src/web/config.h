/* SPDX-License-Identifier: MIT */
/*
 * WebConfig: where a server listens and who may come, as the text of -web or -api says.
 *
 *   [ADDR:]PORT[+]|unix:FILE[,token=T][,viewer-token=T][,host=NAME][,base=PATH][,frame-ancestors=ORIGIN]
 *
 * base and frame-ancestors are of the page, so of -web alone.
 */
#ifndef VITRINE_WEB_CONFIG_H
#define VITRINE_WEB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"
#include "web/auth.h"

enum { WEB_NEXT_PORTS = 32 };

typedef struct WebConfig {
    const char *option;    /* "-web" or "-api": for messages */
    const char *address;   /* to listen on: NULL: loopback */
    uint16_t port;         /* 0: any free one */
    bool or_next;          /* or the next free one of WEB_NEXT_PORTS */
    const char *unix_path; /* instead of address and port */
    const char *base;      /* path before all others behind a proxy: "/vm1", or NULL */
    const char *frame_ancestors; /* who may embed the page, for its CSP; NULL: nobody */
    const char *token, *viewer_token; /* the user's; NULL: one is made, there is none */
    const char *host[AUTH_MAX_HOSTS]; /* names it goes by besides the loopback's */
    unsigned host_count;
} WebConfig;

/* Parses the text into *config, whose strings point into *store (free() it after use). Errors: no
 * port, an unknown word. */
bool web_config_parse(WebConfig *config, const char *option, const char *text,
                      char **store, Error **errp);
/* Errors: an address that other machines reach, without a token of the user's. */
bool web_config_check_reach(const WebConfig *config, bool has_own_token, Error **errp);

#endif
