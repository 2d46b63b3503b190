/* SPDX-License-Identifier: MIT */
/*
 * WebSocket: carries an InspectClient's messages. A text is a JSON-RPC message, a binary message a
 * frame (inspect/frame.h).
 *
 *   GET BASE/ws --web_ws_confirm()--> Host, Origin, token, room, protocol? --> session
 *                                 '-- 401 403 404 405 421 426 429 503 and a text
 *   the end: what waits is sent, then Close 1001 "the machine has ended: guest" (or user, signal, ...)
 *
 * Invariants: one thing is written a WRITEABLE callback, as libwebsockets wants it; a socket whose
 * client has no room is not read.
 * Spec: RFC 6455.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/server_int.h"

enum { CLOSE_TRY_AGAIN_LATER = 1013, CLOSE_MAX = 123 }; /* IANA's registry; 5.5 */

/* Inspector's thread, with its lock held: wakes and does nothing else. */
static void client_ready(void *opaque) {
    web_server_wake(((WebSession *)opaque)->server);
}

static InspectRole inspect_role(AuthRole role) {
    return role == AUTH_OPERATOR ? INSPECT_OPERATOR : INSPECT_VIEWER;
}

/* Says why. Returns what the callback returns. */
static int hang_up(WebServer *ws, struct lws *wsi, int status, const char *why) {
    lws_close_reason(wsi, (enum lws_close_status)status, (unsigned char *)why,
                     strlen(why));
    web_log_refusal(ws, wsi, why);
    return -1;
}

/* --- the door ----------------------------------------------------------------------- */

typedef struct Refusal {
    unsigned status; /* of HTTP; 0: welcome */
    const char *text;
} Refusal;

static Refusal refusal(AuthRefusal why) {
    return (Refusal){auth_refusal_status(why), auth_refusal_text(why)};
}

/* A browser offers the protocol it was told to, and takes no other. */
static bool offers_protocol(struct lws *wsi) {
    char list[WEB_HEADER_MAX], version[8];
    const char *p = web_copy_header(wsi, WSI_TOKEN_PROTOCOL, list, sizeof(list));
    const char *v = web_copy_header(wsi, WSI_TOKEN_VERSION, version, sizeof(version));
    return p != NULL && v != NULL && strcmp(p, "vitrine") == 0 && strcmp(v, "13") == 0;
}

/* Whoever asks for a WebSocket at the right place. */
static Refusal ask_door(WebServer *ws, struct lws *wsi, const AuthRequest *request) {
    AuthRefusal why;
    if (auth_check(ws->auth, request, web_now_ms(), &why) == AUTH_NOBODY) {
        return refusal(why);
    }
    if (ws->ending) {
        return (Refusal){503, "the machine has ended"};
    }
    if (ws->session_count >= WEB_MAX_CLIENTS) {
        return (Refusal){503, "there are too many viewers"};
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) == 0 || !offers_protocol(wsi)) {
        return (Refusal){426, "this is a WebSocket: ask for an upgrade to websocket, "
                              "version 13, with the protocol vitrine"};
    }
    return (Refusal){0, NULL};
}

static int send_refusal(WebServer *ws, struct lws *wsi, const Refusal *r) {
    static const WebHeader upgrade = {"upgrade:", "websocket"};
    web_log_refusal(ws, wsi, r->text);
    return web_send_text(ws, wsi, r->status, r->status == 426 ? &upgrade : NULL, r->text);
}

int web_ws_refuse(WebServer *ws, struct lws *wsi, const AuthRequest *request) {
    const Refusal r = ask_door(ws, wsi, request);
    return send_refusal(ws, wsi, &r) < 0 || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* libwebsockets asks this also about upgrades that it has refused itself, when the headers are no more;
 * its own pointer to them is not to be touched then. */
int web_ws_confirm(WebServer *ws, struct lws *wsi) {
    char path[WEB_HEADER_MAX], to[32];
    WebHeaders store;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) == 0) {
        return -1;
    }
    const AuthRequest request = web_request_headers(wsi, &store);
    const char *below = web_copy_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path));
    const char *up = web_copy_header(wsi, WSI_TOKEN_UPGRADE, to, sizeof(to));
    const AuthRefusal why = auth_check_source(ws->auth, &request);
    Refusal r = {0, NULL};
    below = below ? web_below_base(ws, below) : NULL;
    if (why != AUTH_OK) {
        r = refusal(why);
    } else if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0) {
        r = (Refusal){405, "a WebSocket is asked for with GET"};
    } else if (below == NULL || strcmp(below, "ws") != 0) {
        r = (Refusal){404, "there is no such page"};
    } else if (up == NULL || strcasecmp(up, "websocket") != 0) {
        r = (Refusal){426, "there is a WebSocket here, and no other protocol"};
    } else {
        r = ask_door(ws, wsi, &request);
    }
    return r.status == 0 ? 0 : send_refusal(ws, wsi, &r) < 0 ? -1 : 1;
}

/* --- a session ---------------------------------------------------------------------- */

static int open_session(WebServer *ws, WebSession *s, struct lws *wsi) {
    WebHeaders store;
    const AuthRequest request = web_request_headers(wsi, &store);
    memset(s, 0, sizeof(*s));
    s->role = auth_check(ws->auth, &request, web_now_ms(), NULL);
    if (s->role == AUTH_NOBODY) {
        return -1; /* logged out since it was let in */
    }
    s->login = auth_session(ws->auth, request.cookie);
    s->server = ws;
    s->wsi = wsi;
    s->client = inspect_client_new(ws->ins, inspect_role(s->role),
                                   &(InspectSink){client_ready, s});
    if (s->client == NULL) {
        return hang_up(ws, wsi, CLOSE_TRY_AGAIN_LATER, "there are too many clients");
    }
    s->next = ws->sessions;
    ws->sessions = s;
    __atomic_add_fetch(&ws->session_count, 1, __ATOMIC_RELAXED);
    return 0;
}

static void close_session(WebServer *ws, WebSession *s) {
    for (WebSession **p = &ws->sessions; *p != NULL; p = &(*p)->next) {
        if (*p == s) {
            *p = s->next;
            __atomic_sub_fetch(&ws->session_count, 1, __ATOMIC_RELAXED);
            inspect_client_free(s->client);
            s->client = NULL;
            free(s->text);
            s->text = NULL;
            break;
        }
    }
}

/* A piece of a message. False: no memory. */
static bool add_piece(WebSession *s, const char *piece, size_t len) {
    if (s->too_long || s->text_len + len > INSPECT_MAX_MESSAGE) {
        s->too_long = true;
        return true;
    }
    char *text = realloc(s->text, s->text_len + len + 1);
    if (text == NULL) {
        return false;
    }
    s->text = text;
    memcpy(s->text + s->text_len, piece, len);
    s->text_len += len;
    return true;
}

/* The message is whole. False: hang up. */
static bool take_message(WebSession *s) {
    bool ok = true;
    if (s->too_long) {
        inspect_client_too_long(s->client);
    } else {
        ok = inspect_client_message(s->client, s->text ? s->text : "", s->text_len);
    }
    free(s->text);
    s->text = NULL;
    s->text_len = 0;
    s->too_long = false;
    if (!inspect_client_has_room(s->client)) {
        s->held = true;
        lws_rx_flow_control(s->wsi, 0);
    }
    return ok;
}

static int receive(WebSession *s, const void *in, size_t len) {
    if (s->server->ending || s->logged_out) {
        return 0; /* it asks too late */
    }
    if (lws_frame_is_binary(s->wsi)) {
        return hang_up(s->server, s->wsi, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE,
                       "requests are texts");
    }
    if (!add_piece(s, in, len)) {
        return -1;
    }
    if (lws_is_final_fragment(s->wsi) && lws_remaining_packet_payload(s->wsi) == 0) {
        return take_message(s) ? 0 : -1;
    }
    return 0;
}

/* The machine is no more. */
static int say_goodbye(WebSession *s) {
    const Machine *m = inspector_machine(s->server->ins);
    const ShutdownCause cause = __atomic_load_n(&m->shutdown, __ATOMIC_ACQUIRE);
    char why[CLOSE_MAX + 1];
    int len = snprintf(why, sizeof(why), "the machine has ended: %s",
                       machine_shutdown_cause_name(cause));
    s->closing = true;
    lws_close_reason(s->wsi, LWS_CLOSE_STATUS_GOINGAWAY, (unsigned char *)why,
                     (size_t)len);
    return -1;
}

static int send_one(WebSession *s) {
    if (s->closing) {
        return -1;
    }
    if (s->logged_out) {
        s->closing = true;
        return hang_up(s->server, s->wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                       "you have logged out");
    }
    if (s->server->hurry) {
        return say_goodbye(s);
    }
    if (inspect_client_is_dropped(s->client)) {
        return hang_up(s->server, s->wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                       "nothing was taken for too long");
    }
    InspectOut *out = inspect_client_take(s->client);
    if (out == NULL) {
        bool over = s->server->ending && inspect_client_is_idle(s->client);
        return over ? say_goodbye(s) : 0;
    }
    unsigned char *buf = malloc(LWS_PRE + out->len);
    int written = -1;
    if (buf != NULL) {
        memcpy(buf + LWS_PRE, out->data, out->len);
        written = lws_write(s->wsi, buf + LWS_PRE, out->len,
                            out->frame ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
    }
    free(buf);
    free(out);
    if (written < 0) {
        return -1;
    }
    lws_callback_on_writable(s->wsi); /* maybe there is more */
    return 0;
}

void web_ws_serve(WebServer *ws) {
    for (WebSession *s = ws->sessions; s != NULL; s = s->next) {
        if (s->held && inspect_client_has_room(s->client)) {
            s->held = false;
            lws_rx_flow_control(s->wsi, 1);
        }
        lws_callback_on_writable(s->wsi);
    }
}

void web_ws_log_out(WebServer *ws, uint64_t login) {
    for (WebSession *s = ws->sessions; s != NULL; s = s->next) {
        if (login != 0 && s->login == login) {
            s->logged_out = true;
            lws_callback_on_writable(s->wsi);
        }
    }
}

void web_ws_close_all(WebServer *ws) {
    while (ws->sessions != NULL) {
        close_session(ws, ws->sessions);
    }
}

int web_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                    void *in, size_t len) {
    WebServer *ws = lws_context_user(lws_get_context(wsi));
    WebSession *s = user;
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(ws, s, wsi);
    case LWS_CALLBACK_CLOSED:
        close_session(ws, s);
        return 0;
    case LWS_CALLBACK_RECEIVE: /* even after it was refused, until the peer has closed, too */
        return s->client ? receive(s, in, len) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return s->client ? send_one(s) : -1;
    default:
        return 0;
    }
}
