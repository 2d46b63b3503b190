/* SPDX-License-Identifier: MIT */
/*
 * What comes to the doors -web and -api: bytes on a socket, as a stranger or a viewer sends them.
 * Input: the first byte chooses the way, the rest goes there:
 *   0  -web, as it is         2  -web, behind the handshake of a WebSocket: frames
 *   1  -api, as it is         3  -api, a viewer's request: line 1 "METHOD PATH", the rest its body
 */
#include "fuzz.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "web/api.h"
#include "web/server.h"

enum { WAYS = 4, HEAD_SIZE = 4096, PATIENCE_MS = 8000, QUIET_MS = 2 };

#define TOKENS "token=operator-operator-1,viewer-token=viewer-viewer-viewer"
#define VIEWER "Host: localhost\r\nAuthorization: Bearer viewer-viewer-viewer\r\n"

typedef struct Doors {
    char *dir; /* its name ends with the process */
    WebServer *web;
    ApiServer *api;
} Doors;

/* The directory goes with the process; the machine and its servers do without being asked. */
static Doors *get_doors(void) {
    static Doors doors;
    return &doors;
}

static void clean_up(void) {
    static const char *const names[] = {"index.html", "web", "api"};
    char path[128];
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", get_doors()->dir, names[i]);
        unlink(path);
    }
    rmdir(get_doors()->dir);
}

static void open_doors(Doors *doors) {
    char text[256], page[128], *store[2];
    WebConfig config;
    Error *err = NULL;
    Inspector *ins = inspector_new(fuzz_machine_new(false), NULL);
    doors->dir = fuzz_tmp_name("fuzz-web-XXXXXX");
    if (!mkdtemp(doors->dir)) {
        abort();
    }
    snprintf(page, sizeof(page), "%s/index.html", doors->dir);
    FILE *f = fopen(page, "w");
    fputs("<html></html>", f);
    fclose(f);
    snprintf(text, sizeof(text), "unix:%s/web," TOKENS, doors->dir);
    if (web_config_parse(&config, "-web", text, &store[0], &err)) {
        doors->web = web_server_new(ins, &config, doors->dir, &err);
    }
    snprintf(text, sizeof(text), "unix:%s/api", doors->dir);
    if (doors->web && web_config_parse(&config, "-api", text, &store[1], &err)) {
        doors->api = api_server_new(ins, &config, doors->web, &err);
    }
    if (!doors->api) {
        fprintf(stderr, "%s\n", error_message(err));
        abort();
    }
}

static int open_socket(const Doors *doors, const char *name) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", doors->dir, name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        abort(); /* the server has gone */
    }
    return fd;
}

static void give(int fd, const void *data, size_t len) {
    if (len) {
        send(fd, data, len,
             MSG_NOSIGNAL | MSG_DONTWAIT); /* what it does not take is not sent */
    }
}

/* Takes what comes until nothing does for so long. True: something came, be it the end. */
static bool take(int fd, int ms) {
    char buf[HEAD_SIZE];
    struct pollfd p = {fd, POLLIN, 0};
    bool any = false;
    while (poll(&p, 1, any ? QUIET_MS : ms) > 0) {
        any = true;
        if (recv(fd, buf, sizeof(buf), 0) <= 0) {
            break;
        }
    }
    return any;
}

static void send_request(int fd, const uint8_t *data, size_t size) {
    char head[HEAD_SIZE];
    const uint8_t *end = memchr(data, '\n', size);
    size_t line = end ? (size_t)(end - data) : size;
    size_t body = end ? size - line - 1 : 0;
    int n = snprintf(head, sizeof(head),
                     "%.*s HTTP/1.1\r\n" VIEWER "Content-Length: %zu\r\n\r\n", (int)line,
                     (const char *)data, body);
    give(fd, head, (size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1);
    give(fd, end ? end + 1 : data, body);
}

static void send_frames(int fd, const uint8_t *data, size_t size) {
    static const char hello[] =
        "GET /ws HTTP/1.1\r\n" VIEWER "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: vitrine\r\n\r\n";
    give(fd, hello, sizeof(hello) - 1);
    if (!take(fd, PATIENCE_MS)) {
        abort(); /* a viewer is let in, or after too many guesses not; the server sleeps */
    }
    give(fd, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Doors *doors = get_doors();
    if (!doors->api) {
        open_doors(doors);
        atexit(clean_up);
    }
    if (size == 0) {
        return 0;
    }
    unsigned way = data[0] % WAYS;
    int fd = open_socket(doors, way % 2 ? "api" : "web");
    if (way == 2) {
        send_frames(fd, data + 1, size - 1);
    } else if (way == 3) {
        send_request(fd, data + 1, size - 1);
    } else {
        give(fd, data + 1, size - 1);
    }
    take(fd, QUIET_MS);
    close(fd);
    return 0;
}
