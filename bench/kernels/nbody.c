/* SPDX-License-Identifier: MIT */
/*
 * Five bodies attract each other, in double precision.
 *
 * Costs: additions, products, quotients and square roots that an emulator either makes
 * host instructions of or calls a helper for, one by one. The sum has all bits: a result
 * rounded otherwise shows.
 */
#include "bench.h"

enum { BODIES = 5, STEPS = 700000, AXES = 3 };

typedef struct Body {
    double at[AXES], speed[AXES], mass;
} Body;

/* A sun and four planets with round numbers, in a plane and a little out of it. */
static Body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 40.0},
    {{5, 0, 0.125}, {0, 2.75, 0}, 0.0375},
    {{0, 9.5, -0.25}, {-2.0, 0, 0.03125}, 0.0125},
    {{-19, 0, 0.5}, {0, -1.4375, 0}, 0.001875},
    {{0, -30, -0.75}, {1.15625, 0, -0.015625}, 0.00225},
};

static void attract(Body *a, Body *b, double dt) {
    double d[AXES], square = 0;
    for (unsigned i = 0; i < AXES; i++) {
        d[i] = a->at[i] - b->at[i];
        square += d[i] * d[i];
    }
    double pull = dt / (square * __builtin_sqrt(square));
    for (unsigned i = 0; i < AXES; i++) {
        a->speed[i] -= d[i] * b->mass * pull;
        b->speed[i] += d[i] * a->mass * pull;
    }
}

static void step(double dt) {
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned j = i + 1; j < BODIES; j++) {
            attract(&bodies[i], &bodies[j], dt);
        }
    }
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned k = 0; k < AXES; k++) {
            bodies[i].at[k] += dt * bodies[i].speed[k];
        }
    }
}

static uint64_t bits_of(double d) {
    union {
        double d;
        uint64_t bits;
    } u = {d};
    return u.bits;
}

uint64_t bench_run(void) {
    for (unsigned i = 0; i < STEPS; i++) {
        step(0.0078125);
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned k = 0; k < AXES; k++) {
            sum = mix(sum, bits_of(bodies[i].at[k]));
        }
    }
    return sum;
}
