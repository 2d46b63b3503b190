/* SPDX-License-Identifier: MIT */
/* Session: see session.h. */
#include "monitor/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WRITE_CHUNK = 4096,
    END_PATIENCE_MS = 200,
    MS_PER_SEC = 1000,
    NS_PER_MS = 1000000
};

struct Session {
    Machine *m;
    Chardev *chr;
    void (*run)(Session *s, void *opaque);
    void *opaque;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* a leaf */
    pthread_cond_t changed;
    /* lock */
    uint8_t input[SESSION_INPUT_SIZE];
    unsigned head, len;
    bool idle;      /* the thread waits for input, and has answered all there was */
    bool connected; /* there is a peer */
    bool in_focus;
    bool ending; /* the thread is to come to its end */
    bool poked, focus_came, writable;
    bool hung_up; /* the peer whose bytes are in `input` is gone */
};

/* --- callbacks, under the machine lock ---------------------------------------------- */

static unsigned session_can_receive(void *opaque) {
    Session *s = opaque;
    pthread_mutex_lock(&s->lock);
    unsigned room = s->hung_up ? 0 : SESSION_INPUT_SIZE - s->len;
    pthread_mutex_unlock(&s->lock);
    return room;
}

static void session_receive(void *opaque, const uint8_t *buf, unsigned len) {
    Session *s = opaque;
    pthread_mutex_lock(&s->lock);
    assert(len <= SESSION_INPUT_SIZE - s->len);
    for (unsigned i = 0; i < len; i++) {
        s->input[(s->head + s->len++) % SESSION_INPUT_SIZE] = buf[i];
    }
    s->idle = s->idle && len == 0;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static bool session_is_busy(void *opaque) {
    Session *s = opaque;
    pthread_mutex_lock(&s->lock);
    bool busy = !s->idle && s->connected;
    pthread_mutex_unlock(&s->lock);
    return busy;
}

static void session_event_locked(Session *s, int event) {
    switch (event) {
    case CHR_OPENED:
        s->connected = true;
        break;
    case CHR_CLOSED:
        s->hung_up = s->hung_up || s->connected;
        s->connected = false;
        break;
    case CHR_WRITABLE:
        s->writable = true;
        break;
    }
}

static void session_event(void *opaque, int event) {
    Session *s = opaque;
    if (event == CHR_CLOSED) {
        chardev_drop_input(s->chr, s); /* else the next peer would seem to have sent it */
    }
    pthread_mutex_lock(&s->lock);
    session_event_locked(s, event);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void session_focus(void *opaque, bool in) {
    Session *s = opaque;
    pthread_mutex_lock(&s->lock);
    s->in_focus = in;
    if (in) {
        s->focus_came = s->poked = true;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* --- life ----------------------------------------------------------------------------- */

Session *session_new(Machine *m, Chardev *chr, Error **errp) {
    Session *s = calloc(1, sizeof(*s));
    assert(s != NULL);
    s->m = m;
    s->chr = chr;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    const CharFrontend fe = {.can_receive = session_can_receive,
                             .receive = session_receive,
                             .event = session_event,
                             .is_busy = session_is_busy,
                             .focus = session_focus,
                             .opaque = s};
    machine_lock(m);
    bool ok = chardev_attach_behind(chr, &fe);
    machine_unlock(m);
    if (!ok) {
        error_set(errp, "something else uses this character device; give it mux=on to "
                        "share it, or name another one");
        s->chr = NULL;
        session_free(s);
        return NULL;
    }
    return s;
}

static void *session_thread(void *arg) {
    Session *s = arg;
    s->run(s, s->opaque);
    return NULL;
}

bool session_start(Session *s, void (*run)(Session *s, void *opaque), void *opaque,
                   Error **errp) {
    s->run = run;
    s->opaque = opaque;
    int rc = pthread_create(&s->thread, NULL, session_thread, s);
    if (rc != 0) {
        error_set_errno(errp, rc, "cannot start a thread for a monitor");
        return false;
    }
    s->started = true;
    return true;
}

void session_stop(Session *s) {
    if (s == NULL) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->started) {
        pthread_join(s->thread, NULL);
        s->started = false;
    }
}

void session_free(Session *s) {
    if (s == NULL) {
        return;
    }
    session_stop(s);
    if (s->chr != NULL) {
        machine_lock(s->m);
        chardev_detach(s->chr, s);
        machine_unlock(s->m);
    }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* --- the thread's side ------------------------------------------------------------------ */

bool session_wait_peer(Session *s) {
    pthread_mutex_lock(&s->lock);
    while (!s->ending && !s->hung_up && !(s->connected && s->in_focus)) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    s->focus_came = s->poked = false;
    bool ok = !s->ending;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* All there was is answered: lets the chardev deliver what it kept, or hang up. */
static void session_become_idle(Session *s) {
    pthread_mutex_lock(&s->lock);
    bool news = s->len == 0 && !s->idle && !s->ending;
    s->idle = s->idle || news;
    pthread_mutex_unlock(&s->lock);
    if (news) {
        machine_lock(s->m);
        chardev_accept_input(s->chr);
        machine_unlock(s->m);
    }
}

static int session_read_locked(Session *s, uint8_t *buf, unsigned size) {
    while (s->len == 0 && !s->ending && !s->hung_up && !s->poked) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    if (s->poked) {
        s->poked = false;
        return SESSION_POKE;
    }
    if (s->len == 0) {
        int what = s->ending ? SESSION_END : SESSION_HANGUP;
        s->hung_up = s->idle = false;
        return what;
    }
    unsigned n = s->len < size ? s->len : size;
    for (unsigned i = 0; i < n; i++) {
        buf[i] = s->input[s->head];
        s->head = (s->head + 1) % SESSION_INPUT_SIZE;
    }
    s->len -= n;
    return (int)n;
}

int session_read(Session *s, uint8_t *buf, unsigned size) {
    session_become_idle(s);
    pthread_mutex_lock(&s->lock);
    int n = session_read_locked(s, buf, size);
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Waits until the chardev takes bytes again. False: nobody is there to take them. */
static bool session_wait_writable(Session *s) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += END_PATIENCE_MS * NS_PER_MS;
    end.tv_sec += end.tv_nsec / (MS_PER_SEC * NS_PER_MS);
    end.tv_nsec %= MS_PER_SEC * NS_PER_MS;
    pthread_mutex_lock(&s->lock);
    bool late = false;
    while (!s->writable && s->connected && !s->hung_up && !(s->ending && late)) {
        late = pthread_cond_timedwait(&s->changed, &s->lock, &end) != 0;
        if (late && !s->ending) {
            break; /* look again */
        }
    }
    bool ok = s->connected && !s->hung_up && !(s->ending && late);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* Under the machine lock. False: the peer is gone. */
static bool session_write_some(Session *s, const uint8_t *data, unsigned len,
                               bool *wrote) {
    pthread_mutex_lock(&s->lock);
    bool ok = s->connected && !s->hung_up;
    s->writable = false;
    pthread_mutex_unlock(&s->lock);
    *wrote = ok && chardev_writable(s->chr);
    if (*wrote) {
        chardev_write_aside(s->chr, data, len);
    }
    return ok;
}

void session_write(Session *s, const void *data, size_t len) {
    const uint8_t *p = data;
    while (len > 0) {
        unsigned n = len < WRITE_CHUNK ? (unsigned)len : WRITE_CHUNK;
        bool wrote;
        machine_lock(s->m);
        bool ok = session_write_some(s, p, n, &wrote);
        machine_unlock(s->m);
        if (!ok || (!wrote && !session_wait_writable(s))) {
            return;
        }
        if (wrote) {
            p += n;
            len -= n;
        }
    }
}

bool session_took_focus(Session *s) {
    pthread_mutex_lock(&s->lock);
    bool came = s->focus_came;
    s->focus_came = false;
    pthread_mutex_unlock(&s->lock);
    return came;
}

void session_poke(Session *s) {
    pthread_mutex_lock(&s->lock);
    s->poked = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}
