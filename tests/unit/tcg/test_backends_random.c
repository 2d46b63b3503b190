/* SPDX-License-Identifier: MIT */
/*
 * Random programs do the same on every back end as on the interpreter, as they are and
 * optimized: registers, fields, memory, I/O, faults, sticky flags and exit.
 *
 * VITRINE_SEED=n runs another set; VITRINE_ROUNDS=n makes it longer.
 */
#include "tcg/ir_random.h"

typedef struct Fixture {
    IrContext *ctx;
    IrMachine *interp, *other;
    Outcome want, got;
    unsigned rounds;
    uint64_t seed;
} Fixture;

static void build(Fixture *f, uint64_t seed, bool optimize) {
    IrRandom r;
    random_begin(&r, f->ctx, seed);
    r.floats = seed & 1;
    random_ops(&r, 1 + rnd(&r, 30));
    random_end(&r);
    if (optimize) {
        ir_optimize(f->ctx);
    }
    ir_liveness(f->ctx);
}

static void check(Fixture *f, uint64_t seed, bool optimize) {
    build(f, seed, optimize);
    random_run(f->interp, f->ctx, seed, &f->want);
    random_run(f->other, f->ctx, seed, &f->got);
    if (memcmp(&f->want, &f->got, sizeof(f->want)) != 0) {
        ir_dump(f->ctx, stderr);
        outcome_print_difference(&f->want, &f->got);
        fail_msg("seed %llu%s: %s differs from interp", (unsigned long long)seed,
                 optimize ? ", optimized" : "", f->other->backend->name);
    }
}

static void x86_64_does_what_interp_does(void **state) {
    Fixture *f = *state;
    for (unsigned i = 0; i < f->rounds; i++) {
        check(f, f->seed + i, false);
        check(f, f->seed + i, true);
    }
}

static int setup(void **state) {
    Fixture *f = calloc(1, sizeof(*f));
    const char *rounds = getenv("VITRINE_ROUNDS");
    f->ctx = ir_context_new();
    machine_declare_globals(f->ctx);
    f->interp = machine_new(&backend_interp);
    f->other = machine_new(&backend_x86_64);
    f->seed = test_seed();
    f->rounds = rounds ? (unsigned)strtoul(rounds, NULL, 0) : 2000;
    printf("VITRINE_SEED=%llu VITRINE_ROUNDS=%u\n", (unsigned long long)f->seed,
           f->rounds);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    Fixture *f = *state;
    machine_free(f->interp);
    machine_free(f->other);
    ir_context_free(f->ctx);
    free(f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(x86_64_does_what_interp_does)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
