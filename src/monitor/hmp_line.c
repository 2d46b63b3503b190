/* SPDX-License-Identifier: MIT */
/* HmpLine: see hmp_line.h. */
#include "monitor/hmp_line.h"

#include <assert.h>
#include <histedit.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "monitor/session.h"
#include "util/version.h"

enum {
    HISTORY_SIZE = 200,
    KEYS_SIZE = 256,
    DEFAULT_ROWS = 24,
    DEFAULT_COLUMNS = 80,
    MAX_CHOICES = 512,
    ASCII_END = 0x80,
};

struct HmpLine {
    Hmp hmp;
    Session *session;
    EditLine *edit;
    History *history;
    int tty, tty_master; /* for libedit's ioctls */
    FILE *in, *out, *err;
    /* session's thread */
    uint8_t keys[KEYS_SIZE];
    int key_count, key_at;
    bool over;     /* the peer is gone, or the monitor is to end */
    bool too_long; /* the line was given up */
};

/* --- what libedit calls --------------------------------------------------------------------- */

static HmpLine *line_of(EditLine *edit) {
    HmpLine *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return l;
}

static char *line_prompt(EditLine *edit) {
    static const char prompt[] = "(vitrine) ";
    (void)edit;
    return (char *)prompt; /* libedit does not change it */
}

/* Terminals that are not there, and raw ones, want both characters of a line's end. */
static ssize_t line_write(void *cookie, const char *buf, size_t len) {
    HmpLine *l = cookie;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(buf + at, '\n', len - at);
        size_t n = end ? (size_t)(end - buf) - at : len - at;
        session_write(l->session, buf + at, n);
        if (end) {
            session_write(l->session, "\r\n", 2);
        }
        at += n + (end != NULL);
    }
    return (ssize_t)len;
}

static ssize_t drop_write(void *cookie, const char *buf, size_t len) {
    (void)cookie;
    (void)buf;
    return (ssize_t)len;
}

/* Waits for a key; false: there will be none. */
static bool more_keys(HmpLine *l) {
    while (l->key_at == l->key_count) {
        int n = session_read(l->session, l->keys, sizeof(l->keys));
        if (n == SESSION_POKE) {
            if (session_took_focus(l->session)) {
                fputc('\n', l->out);
                el_set(l->edit, EL_REFRESH);
            }
        } else if (n < 0) {
            l->over = true;
            return false;
        } else {
            l->key_at = 0;
            l->key_count = n;
        }
    }
    return true;
}

static int line_getc(EditLine *edit, wchar_t *key) {
    HmpLine *l = line_of(edit);
    const LineInfoW *now = el_wline(edit);
    if (now->lastchar - now->buffer > HMP_MAX_LINE) {
        l->too_long = true;
        return 0;
    }
    do {
        if (!more_keys(l)) {
            return 0;
        }
        *key = l->keys[l->key_at++];
    } while (*key >= ASCII_END || *key == '\0');
    return 1;
}

/* --- completion --------------------------------------------------------------------------- */

typedef struct Choices {
    char *word[MAX_CHOICES];
    unsigned count;
} Choices;

static void add_choice(void *opaque, const char *word) {
    Choices *c = opaque;
    if (c->count < MAX_CHOICES) {
        c->word[c->count] = strdup(word);
        assert(c->word[c->count]);
        c->count++;
    }
}

static size_t common_length(const Choices *c) {
    size_t len = strlen(c->word[0]);
    for (unsigned i = 1; i < c->count; i++) {
        size_t n = 0;
        while (n < len && c->word[i][n] == c->word[0][n]) {
            n++;
        }
        len = n;
    }
    return len;
}

static void show_choices(HmpLine *l, const Choices *c) {
    unsigned width = 0, column = 0;
    for (unsigned i = 0; i < c->count; i++) {
        unsigned len = (unsigned)strlen(c->word[i]);
        width = len > width ? len : width;
    }
    unsigned columns = DEFAULT_COLUMNS / (width + 2);
    fputc('\n', l->out);
    for (unsigned i = 0; i < c->count; i++) {
        bool last = ++column >= columns || i + 1 == c->count;
        fprintf(l->out, "%-*s%s", last ? 0 : (int)width + 2, c->word[i],
                last ? "\n" : "");
        column = last ? 0 : column;
    }
}

/* What can be added for certain; true: something was. */
static bool insert_common(EditLine *edit, const Choices *c, size_t have) {
    size_t len = common_length(c);
    if (len < have) {
        return false;
    }
    char *text = malloc(len - have + 2);
    assert(text);
    memcpy(text, c->word[0] + have, len - have);
    text[len - have] = '\0';
    if (c->count == 1 && c->word[0][len - 1] != '/') {
        strcat(text, " ");
    }
    bool added = *text && el_insertstr(edit, text) == 0;
    free(text);
    return added;
}

static unsigned char complete(EditLine *edit, int key) {
    (void)key;
    HmpLine *l = line_of(edit);
    const LineInfo *info = el_line(edit);
    size_t end = (size_t)(info->cursor - info->buffer), start = end;
    while (start > 0 && info->buffer[start - 1] != ' ') {
        start--;
    }
    char *line = strndup(info->buffer, end);
    assert(line);
    Choices choices = {.count = 0};
    hmp_complete(&l->hmp, line, start, end, add_choice, &choices);
    free(line);
    unsigned char result = CC_REFRESH_BEEP;
    if (choices.count && insert_common(edit, &choices, end - start)) {
        result = CC_REFRESH;
    } else if (choices.count > 1) {
        show_choices(l, &choices);
        result = CC_REDISPLAY;
    }
    for (unsigned i = 0; i < choices.count; i++) {
        free(choices.word[i]);
    }
    return result;
}

/* --- lines -------------------------------------------------------------------------------- */

static void run_line(HmpLine *l, const char *text) {
    HistEvent event;
    char *line = strdup(text);
    assert(line);
    line[strcspn(line, "\r\n")] = '\0';
    if (line[strspn(line, " \t")]) {
        history(l->history, &event, H_ENTER, line);
    }
    char *answer = hmp_execute(&l->hmp, line);
    fputs(answer, l->out);
    fflush(l->out);
    free(answer);
    free(line);
}

static void serve(HmpLine *l) {
    fprintf(l->out,
            "Vitrine " VITRINE_VERSION " monitor - type 'help' for more information\n");
    while (!l->over) {
        int len;
        const char *text = el_gets(l->edit, &len);
        if (text && !l->over && !l->too_long) {
            run_line(l, text);
            continue;
        }
        if (l->too_long) {
            fprintf(l->out, "\nthe line is longer than %d characters\n", HMP_MAX_LINE);
        } else if (!l->over) {
            fputc('\n', l->out); /* Ctrl-D */
        }
        l->too_long = false;
        el_reset(l->edit);
    }
    fflush(l->out);
}

static void line_thread(Session *s, void *opaque) {
    HmpLine *l = opaque;
    while (session_wait_peer(s)) {
        l->over = false;
        l->key_at = l->key_count = 0;
        serve(l);
    }
}

/* --- life ----------------------------------------------------------------------------------- */

static bool open_tty(HmpLine *l, Error **errp) {
    struct winsize size = {.ws_row = DEFAULT_ROWS, .ws_col = DEFAULT_COLUMNS};
    struct winsize ours;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ours) == 0 && ours.ws_col > 0) {
        size = ours;
    }
    if (openpty(&l->tty_master, &l->tty, NULL, NULL, &size) != 0) {
        l->tty = l->tty_master = -1;
        error_set(errp, "no pseudo terminal for a monitor's line editor");
        return false;
    }
    const cookie_io_functions_t writes = {.write = line_write},
                                drops = {.write = drop_write};
    l->in = fdopen(dup(l->tty), "r");
    l->out = fopencookie(l, "w", writes);
    l->err = fopencookie(l, "w", drops);
    return l->in && l->out && l->err;
}

static void open_editor(HmpLine *l) {
    HistEvent event;
    l->edit = el_init_fd("vitrine", l->in, l->out, l->err, l->tty, l->tty, l->tty);
    l->history = history_init();
    assert(l->edit && l->history);
    history(l->history, &event, H_SETSIZE, HISTORY_SIZE);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_TERMINAL, "dumb");
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_PROMPT, line_prompt);
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_GETCFN, line_getc);
    el_set(l->edit, EL_ADDFN, "vitrine-complete", "complete a word", complete);
    el_set(l->edit, EL_BIND, "^I", "vitrine-complete", NULL);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

HmpLine *hmp_line_new(Machine *m, Inspector *ins, struct GdbPort *gdb, Chardev *chr,
                      Error **errp) {
    HmpLine *l = calloc(1, sizeof(*l));
    assert(l);
    l->tty = l->tty_master = -1;
    hmp_init(&l->hmp, m, ins, gdb);
    l->session = session_new(m, chr, errp);
    if (l->session && open_tty(l, errp)) {
        open_editor(l);
        if (session_start(l->session, line_thread, l, errp)) {
            return l;
        }
    }
    hmp_line_free(l);
    return NULL;
}

static void close_stream(FILE *f) {
    if (f) {
        fclose(f);
    }
}

void hmp_line_free(HmpLine *l) {
    if (!l) {
        return;
    }
    session_free(l->session);
    if (l->edit) {
        el_end(l->edit);
        history_end(l->history);
    }
    l->session = NULL;
    close_stream(l->in);
    close_stream(l->out);
    close_stream(l->err);
    if (l->tty >= 0) {
        close(l->tty);
        close(l->tty_master);
    }
    free(l);
}
