/* SPDX-License-Identifier: MIT */
/*
 * Sampler: where vCPUs spend their time, found by looking now and then.
 *
 *   sampler thread: sleep 1..3 ms --SIGPROF--> each vCPU thread that does not sleep: Backend.place() --> ring
 *          '-- every 25 looks: rings --tb_samples_credit()--> tb->samples, totals
 *
 * Generated code is the same with it and without it: what it costs is 500 signals a second for each vCPU that
 * computes, and nothing for one that waits. The sleep's length varies, so that no periodic guest is always found
 * at the same point. The number of samples of a block is in proportion to the host time that is spent in it and
 * in C that it calls; its standard error is the square root of that number.
 *
 * Threads: any may hold and release; the handler runs on vCPU threads, and writes only their rings.
 */
#ifndef VITRINE_CPU_SAMPLER_H
#define VITRINE_CPU_SAMPLER_H

#include <stdbool.h>

#include "tcg/sample.h"
#include "util/error.h"

typedef struct CpuGroup CpuGroup;
typedef struct CpuSampler CpuSampler;

enum { CPU_SAMPLES_PER_S = 500 }; /* of each vCPU that computes, on the average */

/* Takes samples until as many calls of release. Errors: no thread. */
bool cpu_sampler_hold(CpuGroup *g, Error **errp);
void cpu_sampler_release(CpuGroup *g);

typedef struct CpuSamples {
    bool on;
    TbSampleCounts counts; /* since the group was made */
    uint64_t dropped;      /* not counted: a vCPU's ring was full */
} CpuSamples;
void cpu_sampler_get(CpuGroup *g, CpuSamples *out);

/* For good: holders may still release. Before the vCPU threads end. */
void cpu_sampler_end(CpuGroup *g);
CpuSampler *cpu_sampler_new(CpuGroup *g);
void cpu_sampler_free(CpuSampler *s);

#endif
