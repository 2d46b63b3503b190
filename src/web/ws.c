/* SPDX-License-Identifier: MIT */
/*
 * WebSocket: carries an InspectClient's messages. A text is a JSON-RPC message, a binary message a
 * frame (inspect/frame.h).
 *
 * Invariants: one thing is written a WRITEABLE callback, as libwebsockets wants it; a socket whose
 * client has no room is not read.
 */
#include <stdlib.h>
#include <string.h>

#include "web/server_int.h"

enum { CLOSE_TRY_AGAIN_LATER = 1013 }; /* IANA's registry of RFC 6455 */

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

static int open_session(WebServer *ws, WebSession *s, struct lws *wsi) {
    WebHeaders store;
    const AuthRequest request = web_request_headers(wsi, &store);
    memset(s, 0, sizeof(*s));
    s->role = auth_check(ws->auth, &request, web_now_ms(), NULL);
    if (s->role == AUTH_NOBODY) {
        return -1;
    }
    if (ws->session_count == WEB_MAX_CLIENTS) {
        return hang_up(ws, wsi, CLOSE_TRY_AGAIN_LATER, "there are too many viewers");
    }
    s->server = ws;
    s->wsi = wsi;
    s->client = inspect_client_new(ws->ins, inspect_role(s->role),
                                   &(InspectSink){client_ready, s});
    if (s->client == NULL) {
        return -1;
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
            free(s->text);
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

static int send_one(WebSession *s) {
    if (inspect_client_is_dropped(s->client)) {
        return hang_up(s->server, s->wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION,
                       "nothing was taken for too long");
    }
    InspectOut *out = inspect_client_take(s->client);
    if (out == NULL) {
        return 0;
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

int web_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                    void *in, size_t len) {
    WebServer *ws = lws_context_user(lws_get_context(wsi));
    WebSession *s = user;
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: {
        WebHeaders store;
        const AuthRequest request = web_request_headers(wsi, &store);
        AuthRefusal why;
        if (auth_check(ws->auth, &request, web_now_ms(), &why) == AUTH_NOBODY) {
            web_log_refusal(ws, wsi, auth_refusal_text(why));
            return -1;
        }
        return 0;
    }
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
