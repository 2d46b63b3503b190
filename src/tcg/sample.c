/* SPDX-License-Identifier: MIT */
/* From places in generated code to blocks; see sample.h. */
#include "tcg/sample.h"

#include <math.h>
#include <stdlib.h>

static int highest_first(const void *a, const void *b) {
    const TbSample *x = a, *y = b;
    return x->place < y->place ? 1 : x->place > y->place ? -1 : 0;
}

float tb_heat(const TbHeat *heat, uint64_t now) {
    return heat->sum * exp2f(-(float)(now - heat->at) / TB_HEAT_HALF);
}

static void heat_add(TbHeat *heat, unsigned samples, uint64_t now) {
    *heat = (TbHeat){tb_heat(heat, now) + (float)samples, now};
}

static void count_one(const TbSample *s, TranslationBlock *tb, uint64_t now,
                      TbSampleCounts *counts) {
    if (!tb || s->place < tb->code || s->place - tb->code >= tb->code_size ||
        tb->born > s->born_most) {
        counts->gone++;
        return;
    }
    tb->samples++;
    heat_add(&tb->heat, 1, now);
    counts->code += !s->helper;
    counts->helper += s->helper;
}

/* A region's list goes from the newest block to the oldest, which is from the highest to the lowest: so do the
 * samples, and one walk serves them all. Returns how many were in the region. */
static unsigned credit_region(TbCache *tc, const CodeRegion *r, const TbSample *sample,
                              unsigned count, TbSampleCounts *counts) {
    unsigned n = 0;
    pthread_mutex_lock(&tc->lock);
    TranslationBlock *tb = r->first;
    for (; n < count && sample[n].place >= r->start; n++) {
        while (tb && tb->code > sample[n].place) {
            tb = tb->region_next;
        }
        count_one(&sample[n], tb, tc->sample_count, counts);
    }
    pthread_mutex_unlock(&tc->lock);
    return n;
}

void tb_samples_credit(TbCache *tc, TbSample *sample, unsigned count,
                       TbSampleCounts *counts) {
    qsort(sample, count, sizeof(*sample), highest_first);
    pthread_mutex_lock(&tc->lock);
    tc->sample_count += count;
    heat_add(&tc->heat, count, tc->sample_count);
    pthread_mutex_unlock(&tc->lock);
    unsigned done = 0;
    for (unsigned i = TB_REGIONS; i-- > 0;) {
        const CodeRegion *r = &tc->region[i];
        if (done < count && sample[done].place >= r->start) {
            done += credit_region(tc, r, sample + done, count - done, counts);
        }
    }
    counts->other += count - done; /* NULL */
}
