/* SPDX-License-Identifier: MIT */
/*
 * The sampler's thread, the signal, and the rings between them; see sampler.h.
 *
 *   SIGPROF's value --> SampleRing of the thread --> its vCPUs: which one is in generated code?
 *
 * Invariants: a signal is sent only to a thread that has begun and that nobody joins yet: with work_lock, under
 * which `thread_started` and `quit` change. A ring has one writer, the handler on its thread, and one reader, who
 * has `lock`.
 * Spec: POSIX.1-2017, queued signals and SA_SIGINFO; the order of the registers in ucontext_t is Linux's.
 */
#include "cpu/sampler.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "cpu/exec.h"

enum { RING_SIZE = 128, LOOKS_PER_COUNT = 25 };
#define LOOK_NS (1000000000 / CPU_SAMPLES_PER_S)

typedef struct SampleRing {
    CpuGroup *g;
    CPUState *const *cpu; /* of the thread: one of them, or all of the group */
    unsigned cpu_count;
    TbSample sample[RING_SIZE];
    unsigned head, tail; /* atomic; never wrapped: written and read modulo RING_SIZE */
    uint64_t dropped;    /* atomic */
} SampleRing;

struct CpuSampler {
    CpuGroup *g;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* with lock */
    /* lock */
    unsigned holders;
    bool started, quit;
    pthread_t thread;
    TbSampleCounts counts;
    uint32_t random;
    SampleRing ring[CPU_GROUP_MAX];
};

/* --- on the vCPU's thread ---------------------------------------------------------------------- */

static uintptr_t host_pc_of(const void *context) {
#if defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    (void)context;
    return 0; /* interp alone: it does not ask */
#endif
}

static TbSample look(const SampleRing *ring, const void *context) {
    const TbCache *tc = ring->g->cache;
    TbSample s = {.born_most = __atomic_load_n(&tc->stats.translated, __ATOMIC_RELAXED)};
    for (unsigned i = 0; i < ring->cpu_count && !s.place; i++) {
        s.place = tc->backend->place(&tc->bs, &ring->cpu[i]->tcg, host_pc_of(context),
                                     &s.helper);
    }
    return s;
}

/* Async-signal-safe: no locks, of the C library getpid() alone, errno is left as it is. */
static void on_sample(int number, siginfo_t *info, void *context) {
    (void)number;
    if (info->si_code != SI_QUEUE || info->si_pid != getpid()) {
        return; /* somebody's kill(1) */
    }
    SampleRing *ring = info->si_value.sival_ptr;
    unsigned head = ring->head;
    if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == RING_SIZE) {
        __atomic_store_n(&ring->dropped, ring->dropped + 1, __ATOMIC_RELAXED);
        return;
    }
    ring->sample[head % RING_SIZE] = look(ring, context);
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

/* --- on the sampler's -------------------------------------------------------------------------- */

static void ring_drain_locked(CpuSampler *s, SampleRing *ring) {
    TbSample batch[RING_SIZE];
    unsigned n = 0;
    unsigned head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    while (ring->tail + n != head) {
        batch[n] = ring->sample[(ring->tail + n) % RING_SIZE];
        n++;
    }
    __atomic_store_n(&ring->tail, head, __ATOMIC_RELEASE);
    tb_samples_credit(s->g->cache, batch, n, &s->counts);
}

static void count_locked(CpuSampler *s) {
    for (unsigned i = 0; i < CPU_GROUP_MAX; i++) {
        if (s->ring[i].g) {
            ring_drain_locked(s, &s->ring[i]);
        }
    }
}

static void ask(CpuSampler *s, unsigned i, pthread_t thread, CPUState *const *cpu,
                unsigned cpu_count) {
    SampleRing *ring = &s->ring[i];
    if (!ring->g) {
        ring->cpu = cpu;
        ring->cpu_count = cpu_count;
        ring->g = s->g;
    }
    pthread_sigqueue(thread, SIGPROF, (union sigval){.sival_ptr = ring});
}

/* One look at each thread that computes. */
static void look_locked(CpuSampler *s) {
    CpuGroup *g = s->g;
    pthread_mutex_lock(&g->work_lock);
    if (g->single_started && !g->quit) {
        if (!__atomic_load_n(&g->cpu[0]->sleeping,
                             __ATOMIC_RELAXED)) { /* as all of them */
            ask(s, 0, g->single_id, g->cpu, g->count);
        }
    } else if (!g->quit) {
        for (unsigned i = 0; i < g->count; i++) {
            CPUState *cpu = g->cpu[i];
            if (cpu->thread_started &&
                !__atomic_load_n(&cpu->sleeping, __ATOMIC_RELAXED)) {
                ask(s, i, cpu->thread, &g->cpu[i], 1);
            }
        }
    }
    pthread_mutex_unlock(&g->work_lock);
}

/* xorshift32 (Marsaglia, "Xorshift RNGs", 2003): LOOK_NS on the average, from half to one and a half of it. */
static long next_wait_ns(CpuSampler *s) {
    s->random ^= s->random << 13;
    s->random ^= s->random >> 17;
    s->random ^= s->random << 5;
    return LOOK_NS / 2 + (long)(s->random % LOOK_NS);
}

static void sleep_locked(CpuSampler *s) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += next_wait_ns(s);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!s->quit && pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT) {
    }
}

static void *sampler_thread(void *arg) {
    CpuSampler *s = arg;
    unsigned looks = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->quit) {
        if (!s->holders) {
            count_locked(s);
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        sleep_locked(s);
        if (s->holders && !s->quit) {
            look_locked(s);
        }
        if (++looks % LOOKS_PER_COUNT == 0) {
            count_locked(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* --- for others -------------------------------------------------------------------------------- */

CpuSampler *cpu_sampler_new(CpuGroup *g) {
    CpuSampler *s = calloc(1, sizeof(*s));
    assert(s);
    s->g = g;
    s->random = 1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return s;
}

/* The handler stays: a signal may be under way when the last holder releases. */
static bool start_locked(CpuSampler *s, Error **errp) {
    struct sigaction sample = {.sa_sigaction = on_sample,
                               .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&sample.sa_mask);
    sigaction(SIGPROF, &sample, NULL);
    int err = pthread_create(&s->thread, NULL, sampler_thread, s);
    if (err) {
        error_set_errno(errp, err, "cannot start the sampler's thread; raise ulimit -u");
        return false;
    }
    s->started = true;
    return true;
}

bool cpu_sampler_hold(CpuGroup *g, Error **errp) {
    CpuSampler *s = g->sampler;
    pthread_mutex_lock(&s->lock);
    bool ok = s->started || s->quit || start_locked(s, errp);
    if (ok && s->holders++ == 0) {
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

void cpu_sampler_release(CpuGroup *g) {
    CpuSampler *s = g->sampler;
    pthread_mutex_lock(&s->lock);
    assert(s->holders > 0);
    s->holders--;
    pthread_mutex_unlock(&s->lock);
}

void cpu_sampler_get(CpuGroup *g, CpuSamples *out) {
    CpuSampler *s = g->sampler;
    pthread_mutex_lock(&s->lock);
    count_locked(s);
    *out = (CpuSamples){.on = s->holders > 0, .counts = s->counts};
    for (unsigned i = 0; i < CPU_GROUP_MAX; i++) {
        out->dropped += __atomic_load_n(&s->ring[i].dropped, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&s->lock);
}

void cpu_sampler_end(CpuGroup *g) {
    CpuSampler *s = g->sampler;
    pthread_mutex_lock(&s->lock);
    bool join = s->started && !s->quit;
    s->quit = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (join) {
        pthread_join(s->thread, NULL);
    }
}

void cpu_sampler_free(CpuSampler *s) {
    if (s) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
        free(s);
    }
}
