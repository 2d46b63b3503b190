/* SPDX-License-Identifier: MIT */
/*
 * Runs the IR text tests of tests/ir on every back end. A file holds cases:
 *
 *   test a_name_that_is_a_claim
 *   input
 *      ... IR ...
 *   optimized                      what optimizer and liveness make of it; optional
 *      ... IR ...  ; rule          where a rule is named, it must be that one
 *   given  r1=0x5 m32:0x10000=7    any number of times, each followed by
 *   expect r0=0x6 exit=slot0 pc=0x1004
 *   end
 *
 * Keys: rN fN wN sN pc; eSIZE:offset is a field of env, mSIZE:address guest memory (SIZE
 * in bits); round (of given), flags, faults, exit (of expect). A line that starts with #
 * is a comment. Each case runs as it is and optimized.
 */
#include <ctype.h>
#include <glob.h>
#include <inttypes.h>

#include "tcg/ir_random.h"

static const Backend *const backends[] = {&backend_interp, &backend_x86_64};
enum { BACKEND_COUNT = sizeof(backends) / sizeof(backends[0]) };

typedef struct Run {
    char *given, *expect;
} Run;

enum { MAX_RUNS = 16 };

typedef struct Case {
    const char *file;
    unsigned line;
    char name[80];
    char *input, *optimized;
    Run run[MAX_RUNS];
    unsigned runs;
} Case;

typedef struct Fixture {
    IrContext *ctx;
    IrMachine *machine[BACKEND_COUNT];
    unsigned cases;
} Fixture;

#define CASE_FAIL(c, ...)                                                                \
    do {                                                                                 \
        fprintf(stderr, "%s:%u: %s: ", (c)->file, (c)->line, (c)->name);                 \
        fprintf(stderr, __VA_ARGS__);                                                    \
        fail_msg("IR text test %s", (c)->name);                                          \
    } while (0)

/* --- registers and memory by name --------------------------------------------- */

static const char *const exits[8] = {"slot0", "slot1", "lookup", "request",
                                     "state", "halt",  "debug",  NULL};

/* Where a key lives and in how many bytes; NULL: it is none of these. */
static void *key_place(IrMachine *m, const char *key, unsigned *size) {
    TestEnv *env = &m->cpu->env;
    char kind;
    unsigned n;
    uint64_t at;
    *size = 8;
    if (strcmp(key, "pc") == 0) {
        return &env->pc;
    }
    if (sscanf(key, "%c%u:%" SCNi64, &kind, &n, (int64_t *)&at) == 3) {
        *size = n / 8;
        if (kind == 'e' && at + *size <= FIELD_BYTES) {
            return env->field + at;
        }
        return kind == 'm' ? machine_byte(m, at, 0) : NULL;
    }
    if (!isdigit((unsigned char)key[1])) {
        return NULL;
    }
    n = (unsigned)(key[1] - '0');
    if (key[0] == 'r' && n < REG_COUNT) {
        return &env->r[n];
    }
    if (key[0] == 'f' && n < FREG_COUNT) {
        return &env->f[n];
    }
    *size = 4;
    if (key[0] == 'w' && n < NARROW_COUNT) {
        return &env->w[n];
    }
    return key[0] == 's' && n < NARROW_COUNT ? &env->s[n] : NULL;
}

typedef bool KeyFn(const Case *c, IrMachine *m, const char *key, const char *value,
                   uint64_t v);

static bool given_key(const Case *c, IrMachine *m, const char *key, const char *value,
                      uint64_t v) {
    unsigned size;
    void *p = key_place(m, key, &size);
    (void)c;
    (void)value;
    if (strcmp(key, "round") == 0) {
        m->backend->fp_set_round(&m->cpu->tcg.fp, (unsigned)v);
        return true;
    }
    if (p) {
        memcpy(p, &v, size);
    }
    return p;
}

static bool expect_key(const Case *c, IrMachine *m, const char *key, const char *value,
                       uint64_t v) {
    unsigned size;
    uint64_t got = 0;
    void *p = key_place(m, key, &size);
    if (p) {
        memcpy(&got, p, size);
    } else if (strcmp(key, "exit") == 0) {
        const char *name = exits[m->exit & TB_EXIT_MASK];
        if (!name || strcmp(name, value) != 0) {
            CASE_FAIL(c, "on %s: exit is %s, not %s\n", m->backend->name, name, value);
        }
        return true;
    } else if (strcmp(key, "faults") == 0) {
        got = m->faults;
    } else if (strcmp(key, "flags") == 0) {
        got = m->backend->fp_get_flags(&m->cpu->tcg.fp);
    } else {
        return false;
    }
    if (got != v) {
        CASE_FAIL(c, "on %s: %s is %#" PRIx64 ", not %#" PRIx64 "\n", m->backend->name,
                  key, got, v);
    }
    return true;
}

static void each_key(const Case *c, IrMachine *m, const char *list, KeyFn *fn) {
    char buf[1024], *rest;
    snprintf(buf, sizeof(buf), "%s", list);
    for (char *item = strtok_r(buf, " \t\n", &rest); item;
         item = strtok_r(NULL, " \t\n", &rest)) {
        char *value = strchr(item, '=');
        if (!value) {
            CASE_FAIL(c, "'%s' is not key=value\n", item);
        }
        *value++ = '\0';
        if (!fn(c, m, item, value, strtoull(value, NULL, 0))) {
            CASE_FAIL(c, "no such key: %s\n", item);
        }
    }
}

/* --- running a case ----------------------------------------------------------- */

static void parse(Fixture *f, const Case *c) {
    Error *err = NULL;
    if (!ir_parse(f->ctx, c->input, test_helpers, &err) || !ir_validate(f->ctx, &err)) {
        CASE_FAIL(c, "%s\n", error_message(err));
    }
}

static void run_all(Fixture *f, const Case *c) {
    for (unsigned b = 0; b < BACKEND_COUNT; b++) {
        IrMachine *m = f->machine[b];
        for (unsigned i = 0; i < c->runs; i++) {
            machine_reset(m);
            m->backend->fp_set_round(&m->cpu->tcg.fp, FP_MODE_RNE);
            m->backend->fp_set_flags(&m->cpu->tcg.fp, 0);
            each_key(c, m, c->run[i].given, given_key);
            machine_translate(m, f->ctx, &m->tb);
            machine_run(m);
            each_key(c, m, c->run[i].expect, expect_key);
        }
    }
}

/* Takes the next line, without blanks around it and without its remark, but with its
 * rule. */
static bool next_line(const char **text, char *line, char *rule, size_t size) {
    line[0] = rule[0] = '\0';
    while (**text && !line[0]) {
        size_t n = strcspn(*text, "\n");
        const char *p = *text, *end = p + n, *remark = memchr(p, ';', n);
        *text += n + ((*text)[n] == '\n');
        const char *stop = remark ? remark : end;
        while (p < stop && isspace((unsigned char)*p)) {
            p++;
        }
        while (stop > p && isspace((unsigned char)stop[-1])) {
            stop--;
        }
        snprintf(line, size, "%.*s", (int)(stop - p), p);
        if (remark) {
            sscanf(remark, "; %63[a-z_]", rule);
        }
        rule[strcspn(rule, " ")] = '\0';
    }
    return line[0];
}

static void compare_optimized(Fixture *f, const Case *c) {
    char *text = NULL, want[200], want_rule[64], got[200], got_rule[64];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    ir_dump(f->ctx, out);
    fclose(out);
    const char *w = c->optimized, *g = text;
    for (;;) {
        bool more_want = next_line(&w, want, want_rule, sizeof(want));
        bool more_got = next_line(&g, got, got_rule, sizeof(got));
        if (!more_want && !more_got) {
            break;
        }
        if (strcmp(want, got) != 0 ||
            (want_rule[0] && strcmp(want_rule, got_rule) != 0)) {
            CASE_FAIL(c, "expected '%s; %s', got '%s; %s' in\n%s", want, want_rule, got,
                      got_rule, text);
        }
    }
    free(text);
}

/* What is dumped reads back as the same. */
static void check_round_trip(Fixture *f, const Case *c) {
    char *first = NULL, *second = NULL;
    size_t size;
    FILE *out = open_memstream(&first, &size);
    ir_dump(f->ctx, out);
    fclose(out);
    Error *err = NULL;
    if (!ir_parse(f->ctx, first, test_helpers, &err)) {
        CASE_FAIL(c, "its own dump does not parse: %s\n%s", error_message(err), first);
    }
    out = open_memstream(&second, &size);
    ir_dump(f->ctx, out);
    fclose(out);
    if (strcmp(first, second) != 0) {
        CASE_FAIL(c, "dump, parse, dump is not the same:\n%s---\n%s", first, second);
    }
    free(first);
    free(second);
}

static void run_case(Fixture *f, const Case *c) {
    if (!c->input || !c->runs) {
        CASE_FAIL(c, "a case needs input, given and expect\n");
    }
    f->cases++;
    parse(f, c);
    check_round_trip(f, c);
    ir_liveness(f->ctx);
    run_all(f, c);
    parse(f, c);
    ir_optimize(f->ctx);
    ir_liveness(f->ctx);
    if (c->optimized) {
        compare_optimized(f, c);
    }
    run_all(f, c);
}

/* --- reading files ------------------------------------------------------------ */

static char *read_file(const char *path) {
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, in);
    fclose(in);
    assert_true(n > 0);
    return text;
}

static bool starts(const char *line, const char *word) {
    size_t n = strlen(word);
    return strncmp(line, word, n) == 0 &&
           (line[n] == '\0' || isspace((unsigned char)line[n]));
}

static void run_file(Fixture *f, const char *path) {
    char *text = read_file(path), *rest, *body = NULL;
    Case c = {.file = path};
    unsigned number = 0;
    /* Lines are cut at their ends, and joined again where they belong to a body of IR. */
    for (char *line = text; *line; line = rest) {
        size_t n = strcspn(line, "\n");
        rest = line + n + (line[n] == '\n');
        number++;
        char first[64] = "";
        sscanf(line, "%63s", first);
        bool keyword =
            line[0] != ' ' && line[0] != '-' && line[0] != 'L' && line[0] != '\n';
        if (keyword) {
            if (body) {
                line[-1] = '\0';
                body = NULL;
            }
            line[n] = '\0';
        }
        if (!keyword || line[0] == '#') {
            continue;
        }
        if (starts(line, "test")) {
            c = (Case){.file = path, .line = number};
            sscanf(line, "test %79s", c.name);
        } else if (starts(line, "input")) {
            c.input = body = rest;
        } else if (starts(line, "optimized")) {
            c.optimized = body = rest;
        } else if (starts(line, "given") && c.runs < MAX_RUNS) {
            c.run[c.runs].given = line + 5;
        } else if (starts(line, "expect") && c.runs < MAX_RUNS && c.run[c.runs].given) {
            c.run[c.runs++].expect = line + 6;
        } else if (starts(line, "end")) {
            run_case(f, &c);
        } else {
            CASE_FAIL(&c, "line %u: what is '%s'?\n", number, first);
        }
    }
    free(text);
}

static void text_tests_pass_on_every_back_end(void **state) {
    Fixture *f = *state;
    glob_t files;
    assert_int_equal(glob("tests/ir/*.ir", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        unsigned before = f->cases;
        run_file(f, files.gl_pathv[i]);
        printf("%s: %u cases\n", files.gl_pathv[i], f->cases - before);
        assert_true(f->cases > before);
    }
    globfree(&files);
}

/* Random programs: dumped, parsed and run, they do the same. */
static void dump_and_parse_keep_the_program(void **state) {
    Fixture *f = *state;
    uint64_t seed = test_seed();
    Outcome *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    printf("VITRINE_SEED=%" PRIu64 "\n", seed);
    for (unsigned i = 0; i < 300; i++) {
        IrRandom r;
        char *text = NULL;
        size_t size;
        random_begin(&r, f->ctx, seed + i);
        r.floats = true;
        random_ops(&r, 20);
        random_end(&r);
        FILE *out = open_memstream(&text, &size);
        ir_dump(f->ctx, out);
        fclose(out);
        random_run(f->machine[0], f->ctx, seed + i, a);
        Error *err = NULL;
        if (!ir_parse(f->ctx, text, test_helpers, &err)) {
            fail_msg("%s in\n%s", error_message(err), text);
        }
        random_run(f->machine[0], f->ctx, seed + i, b);
        assert_memory_equal(a, b, sizeof(*a));
        free(text);
    }
    free(a);
    free(b);
}

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    f->ctx = ir_context_new();
    machine_declare_globals(f->ctx);
    for (unsigned b = 0; b < BACKEND_COUNT; b++) {
        f->machine[b] = machine_new(backends[b]);
    }
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    for (unsigned b = 0; b < BACKEND_COUNT; b++) {
        machine_free(f->machine[b]);
    }
    ir_context_free(f->ctx);
    free(f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_tests_pass_on_every_back_end),
        cmocka_unit_test(dump_and_parse_keep_the_program),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
