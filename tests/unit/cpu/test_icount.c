/* SPDX-License-Identifier: MIT */
/*
 * -icount: the count is exact wherever somebody asks, whatever blocks the instructions lie in, and on
 * both back ends.
 *
 *   program --- the thread runs to a count, stops ---> registers, log of the device
 *      '------- once in one go, once an instruction at a time: no difference
 *
 * Expected values: the number of an instruction in the program, counted by hand; the successor of each
 * instruction by the Unprivileged ISA 20240411; a deadline's instruction by division.
 */
#include "riscv_hart.h"

#define CODE_AT(h, offset) ((uint32_t *)(void *)((h)->ram->host + (offset)))

/* --- instructions ------------------------------------------------------------------- */
enum { ZERO = 0, T0 = 5, T1, S0 = 8, S1, A0, A1, A2, A3, A4, A5, A6, A7, S2, S3, S4 };

static uint32_t itype(uint32_t op, unsigned rd, unsigned rs1, int imm) {
    return op | rd << 7 | rs1 << 15 | (uint32_t)imm << 20;
}
static uint32_t stype(uint32_t op, unsigned rs2, unsigned rs1, int imm) {
    return op | ((uint32_t)imm & 31) << 7 | rs1 << 15 | rs2 << 20 |
           ((uint32_t)imm >> 5 & 0x7f) << 25;
}
static uint32_t addi(unsigned rd, unsigned rs1, int imm) {
    return itype(0x13, rd, rs1, imm);
}
static uint32_t add(unsigned rd, unsigned rs1, unsigned rs2) {
    return 0x33 | rd << 7 | rs1 << 15 | rs2 << 20;
}
static uint32_t ld(unsigned rd, unsigned rs1, int imm) {
    return itype(0x3003, rd, rs1, imm);
}
static uint32_t sd(unsigned rs2, unsigned rs1, int imm) {
    return stype(0x3023, rs2, rs1, imm);
}
static uint32_t sw(unsigned rs2, unsigned rs1, int imm) {
    return stype(0x2023, rs2, rs1, imm);
}
static uint32_t lui(unsigned rd, uint32_t value) {
    return 0x37 | rd << 7 | (value & 0xfffff000);
}
static uint32_t csrr(unsigned rd, unsigned csr) {
    return itype(0x2073, rd, ZERO, (int)csr);
}
static uint32_t csrw(unsigned csr, unsigned rs1) {
    return itype(0x1073, ZERO, rs1, (int)csr);
}
static uint32_t amoadd_d(unsigned rd, unsigned rs2, unsigned rs1) {
    return 0x302f | rd << 7 | rs1 << 15 | rs2 << 20;
}
static uint32_t jal0(int offset) {
    uint32_t o = (uint32_t)offset;
    return 0x6f | (o >> 12 & 0xff) << 12 | (o >> 11 & 1) << 20 | (o >> 1 & 0x3ff) << 21 |
           (o >> 31) << 31;
}
static uint32_t bge0(unsigned rs1, int offset) { /* bge rs1, zero */
    uint32_t o = (uint32_t)offset;
    return 0x5063 | (o >> 11 & 1) << 7 | (o >> 1 & 15) << 8 | rs1 << 15 |
           (o >> 5 & 63) << 25 | (o >> 31) << 31;
}
#define WFI  0x10500073u
#define MRET 0x30200073u
enum { CSR_MEPC = 0x341, CSR_MCAUSE = 0x342, CSR_MINSTRET = 0xb02, CSR_MCYCLE = 0xb00 };

/* --- a machine that can be run to a count ------------------------------------------- */
/* The device:   0  write: nothing               8  read: the count; write: nothing
 *              16  write: MTI in that many ns  24  write: MTI off
 *              32  read: MTI on at once        40  read: MTI in 100 ns
 * Each access is noted with the count, each firing of its timer as address 0xff. */
enum { REG_ARM = 16, REG_ACK = 24, REG_RAISE = 32, REG_ARM_BY_READ = 40, FIRED = 0xff };
enum { NOTES = 4096, READ_ARMS_NS = 100, VECTOR = 0x400, SHIFT = 2, NS_PER_INSN = 4 };

typedef struct Note {
    uint64_t count, address;
    int64_t ns;
} Note;

typedef struct Rig {
    Hart *h;
    InputGate *gate;
    Timer timer;
    Note note[NOTES];
    unsigned notes;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached, started;
} Rig;

typedef struct Param {
    const char *backend;
} Param;

static const Param params[] = {{"interp"}, {"x86_64"}};

static void note(Rig *r, uint64_t address) {
    assert_true(r->notes < NOTES);
    r->note[r->notes++] = (Note){.count = cpu_group_icount(r->h->group),
                                 .address = address,
                                 .ns = clock_now_ns(&r->h->clock)};
}

static void timer_fired(void *opaque) {
    Rig *r = opaque;
    note(r, FIRED);
    riscv_cpu_set_irq(r->h->cpu, IRQ_MTI, true);
}

static uint64_t rig_read(void *opaque, hwaddr offset, unsigned size) {
    Rig *r = opaque;
    (void)size;
    note(r, offset);
    if (offset == REG_RAISE) {
        riscv_cpu_set_irq(r->h->cpu, IRQ_MTI, true);
    } else if (offset == REG_ARM_BY_READ) {
        timer_mod(&r->timer, clock_now_ns(&r->h->clock) + READ_ARMS_NS);
    }
    return cpu_group_icount(r->h->group);
}

static void rig_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    Rig *r = opaque;
    (void)size;
    note(r, offset);
    if (offset == REG_ARM) {
        timer_mod(&r->timer, clock_now_ns(&r->h->clock) + (int64_t)value);
    } else if (offset == REG_ACK) {
        riscv_cpu_set_irq(r->h->cpu, IRQ_MTI, false);
    }
}

static const MemoryRegionOps rig_ops = {.read = rig_read, .write = rig_write};

static void limit_reached(void *opaque) {
    Rig *r = opaque;
    pthread_mutex_lock(&r->lock);
    r->reached = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static Rig *rig_new(const Param *p) {
    Rig *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->gate = gate_new();
    const HartIcount icount = {.cfg = {.on = true, .shift = SHIFT, .sleep = false},
                               .gate = r->gate};
    r->h = hart_make(64, "rv64", p->backend, 0, &rig_ops, r, &icount);
    r->h->group->debug.notify = limit_reached;
    r->h->group->debug.notify_opaque = r;
    timer_init(&r->timer, &r->h->clock, timer_fired, r);
    RiscvEnv *env = &r->h->cpu->env;
    env->pc = RAM_BASE;
    env->mtvec = RAM_BASE + VECTOR;
    env->mie = 1u << IRQ_MTI;
    env->mstatus |= MSTATUS_MIE;
    return r;
}

static void rig_free(Rig *r) {
    cpu_group_quit(r->h->group);
    timer_del(&r->timer);
    hart_free(r->h);
    gate_free(r->gate);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* Returns with the vCPU parked right before instruction number `count`. */
static void run_to(Rig *r, uint64_t count) {
    CpuGroup *g = r->h->group;
    r->reached = false;
    cpu_group_icount_limit(g, (CpuMoment){.count = count});
    if (r->started) {
        debug_go(g, NULL);
        cpu_group_resume(g);
    } else {
        r->started = true;
        assert_true(cpu_group_start(g, NULL));
    }
    pthread_mutex_lock(&r->lock);
    while (!r->reached) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    cpu_group_stop(g);
    DebugStop stop;
    assert_true(debug_take_stop(g, &stop));
    assert_int_equal(stop.reason, DEBUG_COUNT);
    assert_int_equal(cpu_group_icount(g), count);
}

static void put_code(Rig *r, unsigned at, const uint32_t *code, size_t bytes) {
    memcpy(CODE_AT(r->h, at), code, bytes);
}

/* Interrupts are acknowledged, instructions that fault are skipped. */
static void put_handler(Rig *r) {
    const uint32_t handler[] = {
        csrr(T0, CSR_MCAUSE), bge0(T0, 12),    sd(ZERO, A2, REG_ACK), MRET,
        csrr(T1, CSR_MEPC),   addi(T1, T1, 4), csrw(CSR_MEPC, T1),    MRET,
    };
    put_code(r, VECTOR, handler, sizeof(handler));
}

static uint64_t gpr(const Rig *r, unsigned n) {
    return r->h->cpu->env.gpr[n];
}
static unsigned pc_index(const Rig *r) {
    return (unsigned)(r->h->cpu->env.pc - RAM_BASE) / 4;
}

/* --- exact counts ------------------------------------------------------------------- */
static void counts_in_the_middle_of_a_block_are_exact(void **state) {
    Rig *r = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),   /*  0 */
        addi(A0, ZERO, 1),      /*  1 */
        ld(A1, A2, 8),          /*  2: the device says 2 */
        csrr(A3, CSR_MINSTRET), /*  3 */
        addi(A0, A0, 1),        /*  4 */
        sd(A0, A2, 0),          /*  5 */
        csrr(A4, CSR_MCYCLE),   /*  6 */
        amoadd_d(A5, ZERO, A2), /*  7: to a device: read and write */
        ld(A6, A2, 8),          /*  8 */
        jal0(0),                /*  9 */
    };
    put_code(r, 0, code, sizeof(code));
    run_to(r, 100);
    assert_int_equal(gpr(r, A1), 2);
    assert_int_equal(gpr(r, A3), 3);
    assert_int_equal(gpr(r, A4), 6);
    assert_int_equal(gpr(r, A5), 7);
    assert_int_equal(gpr(r, A6), 8);
    static const uint64_t counts[] = {2, 5, 7, 7, 8};
    assert_int_equal(r->notes, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(r->note[i].count, counts[i]);
        assert_int_equal(r->note[i].ns, counts[i] * NS_PER_INSN);
    }
    assert_int_equal(pc_index(r), 9);
    rig_free(r);
}

static void an_instruction_that_faults_counts_as_one(void **state) {
    Rig *r = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),     /*  0 */
        ld(A0, ZERO, 0),          /*  1: nothing is there; the handler takes 2 to 7 */
        sd(ZERO, A2, 0),          /*  8 */
        sd(ZERO, ZERO, 0),        /*  9: the handler takes 10 to 15 */
        sd(ZERO, A2, 8),          /* 16 */
        0,                        /* 17: illegal; 18 to 23 */
        0x00000073,               /* 24: ecall; 25 to 30 */
        sd(ZERO, A2, 0),          /* 31 */
        addi(T0, ZERO, -4),       /* 32 */
        itype(0x67, ZERO, T0, 0), /* 33: jump to where nothing can be fetched: 34 */
    };
    put_code(r, 0, code, sizeof(code));
    put_handler(r);
    run_to(r, 34);
    static const uint64_t counts[] = {8, 16, 31};
    assert_int_equal(r->notes, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(r->note[i].count, counts[i]);
    }
    assert_int_equal(r->h->cpu->env.pc, UINT64_MAX - 3);
    run_to(r, 35); /* the fetch that fails */
    assert_int_equal(pc_index(r), VECTOR / 4);
    assert_int_equal(r->h->cpu->env.mcause, CAUSE_INSN_ACCESS);
    rig_free(r);
}

/* The store changes the instruction behind it: the block ends, and nothing is counted twice. */
static void store_into_the_running_block_is_counted_once(void **state) {
    Rig *r = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),        /* 0 */
        lui(S3, (uint32_t)RAM_BASE), /* 1 */
        add(S3, ZERO, S3),           /* 2 */
        ld(S2, S3, 0x200),           /* 3 */
        sw(S2, S3, 5 * 4),           /* 4 */
        addi(A0, A0, 1),             /* 5: becomes + 64 */
        sd(ZERO, A2, 0),             /* 6 */
        jal0(0),
    };
    put_code(r, 0, code, sizeof(code));
    *CODE_AT(r->h, 0x200) = addi(A0, A0, 64);
    /* lui sign-extends: as an address with bit 31 set it is made by hand */
    CODE_AT(r->h, 0)[1] = addi(S3, ZERO, 1);
    CODE_AT(r->h, 0)[2] = itype(0x1013, S3, S3, 31); /* slli */
    run_to(r, 50);
    assert_int_equal(gpr(r, A0), 64);
    assert_int_equal(r->notes, 1);
    assert_int_equal(r->note[0].count, 6);
    rig_free(r);
}

/* --- timers ------------------------------------------------------------------------- */
/* A timer set by instruction 3 (12 ns) fires before the first instruction at or behind its
 * deadline, and its interrupt is taken there. */
static void timer_fires_at_its_exact_instruction(void **state) {
    for (unsigned ns = 1; ns < 120; ns++) {
        Rig *r = rig_new(*state);
        const uint32_t start[] = {lui(A2, DEVICE_BASE), addi(A0, ZERO, (int)ns),
                                  addi(A1, ZERO, 0), sd(A0, A2, REG_ARM)};
        enum { ARMED_AT = 3, NOPS = 64 };
        put_code(r, 0, start, sizeof(start));
        for (unsigned i = 0; i < NOPS; i++) {
            CODE_AT(r->h, 0)[ARMED_AT + 1 + i] = addi(A1, A1, 1);
        }
        CODE_AT(r->h, 0)[ARMED_AT + 1 + NOPS] = jal0(0);
        *CODE_AT(r->h, VECTOR) = jal0(0);
        run_to(r, 100);
        uint64_t due = ARMED_AT + (ns + NS_PER_INSN - 1) / NS_PER_INSN;
        assert_int_equal(r->notes, 2);
        assert_int_equal(r->note[1].address, FIRED);
        assert_int_equal(r->note[1].count, due);
        assert_int_equal(r->h->cpu->env.mepc, RAM_BASE + 4 * due);
        assert_int_equal(gpr(r, A1), due - ARMED_AT - 1);
        rig_free(r);
    }
}

/* What a load causes takes effect behind it, not at the end of its block. */
static void what_a_load_causes_takes_effect_behind_it(void **state) {
    Rig *r = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),        /*  0 */
        addi(A1, A1, 1),             /*  1 */
        ld(A0, A2, REG_RAISE),       /*  2 */
        addi(A1, A1, 1),             /*  7: behind the handler's four */
        ld(A0, A2, REG_ARM_BY_READ), /*  8: 100 ns are 25 instructions */
    };
    put_code(r, 0, code, sizeof(code));
    for (unsigned i = 5; i < 60; i++) {
        CODE_AT(r->h, 0)[i] = addi(A1, A1, 1);
    }
    CODE_AT(r->h, 0)[60] = jal0(0);
    put_handler(r);
    run_to(r, 120);
    static const Note want[] = {
        {2, REG_RAISE, 8}, {5, REG_ACK, 20},   {8, REG_ARM_BY_READ, 32},
        {33, FIRED, 132},  {35, REG_ACK, 140},
    };
    assert_int_equal(r->notes, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(r->note[i].address, want[i].address);
        assert_int_equal(r->note[i].count, want[i].count);
        assert_int_equal(r->note[i].ns, want[i].ns);
    }
    rig_free(r);
}

/* A comparison with a time that has come: STIP rises by a CSR instruction, and the interrupt is behind it,
 * not at the end of its block. */
static void an_interrupt_by_stimecmp_comes_right_behind_it(void **state) {
    Rig *r = rig_new(*state);
    RiscvEnv *env = &r->h->cpu->env;
    enum { CSR_STIMECMP = 0x14d, NOPS = 20 };
    *CODE_AT(r->h, 0) = csrw(CSR_STIMECMP, ZERO);
    for (unsigned i = 1; i <= NOPS; i++) {
        CODE_AT(r->h, 0)[i] = addi(A1, A1, 1);
    }
    *CODE_AT(r->h, VECTOR) = jal0(0);
    env->menvcfg |= ENVCFG_STCE;
    env->mie |= 1u << IRQ_STI;
    run_to(r, 10);
    assert_int_equal(env->mcause, UINT64_C(1) << 63 | IRQ_STI);
    assert_int_equal(env->mepc, RAM_BASE + 4);
    assert_int_equal(gpr(r, A1), 0);
    rig_free(r);
}

/* Interrupts are let in by csrs while one is pending: the block ends there, and the rest of it is not
 * counted. */
static void a_block_that_is_left_in_the_middle_counts_what_it_executed(void **state) {
    for (unsigned by_step = 0; by_step < 2; by_step++) {
        Rig *r = rig_new(*state);
        RiscvEnv *env = &r->h->cpu->env;
        enum { CSR_MSTATUS = 0x300, NOPS = 20, LET_IN = 3 };
        for (unsigned i = 0; i < NOPS; i++) {
            CODE_AT(r->h, 0)[i] = addi(A1, A1, 1);
        }
        CODE_AT(r->h, 0)[LET_IN] = itype(0x2073, ZERO, A2, CSR_MSTATUS); /* csrs */
        CODE_AT(r->h, 0)[NOPS] = jal0(0);
        *CODE_AT(r->h, VECTOR) = csrr(A3, CSR_MINSTRET);
        CODE_AT(r->h, VECTOR)[1] = jal0(0);
        env->gpr[A2] = MSTATUS_MIE;
        env->mstatus &= ~(uint64_t)MSTATUS_MIE;
        riscv_cpu_set_irq(r->h->cpu, IRQ_MTI, true);
        for (unsigned n = 1; by_step && n < 20; n++) {
            run_to(r, n);
        }
        run_to(r, 20);
        assert_int_equal(env->mepc, RAM_BASE + 4 * (LET_IN + 1));
        assert_int_equal(gpr(r, A1), LET_IN);
        assert_int_equal(gpr(r, A3), LET_IN + 1);
        rig_free(r);
    }
}

/* Every hart waits: time jumps to the deadline, the count stands. */
static void waiting_jumps_to_the_deadline(void **state) {
    Rig *r = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),
        addi(A0, ZERO, 2000),
        sd(A0, A2, REG_ARM),
        WFI,             /* 3 */
        sd(ZERO, A2, 0), /* 8 */
        jal0(0),
    };
    put_code(r, 0, code, sizeof(code));
    put_handler(r);
    run_to(r, 50);
    static const Note want[] = {
        {2, REG_ARM, 8}, {4, FIRED, 2008}, {6, REG_ACK, 2016}, {8, 0, 2024}};
    assert_int_equal(r->notes, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(r->note[i].address, want[i].address);
        assert_int_equal(r->note[i].count, want[i].count);
        assert_int_equal(r->note[i].ns, want[i].ns);
    }
    rig_free(r);
}

/* Time goes on while every hart waits; but not from input that wakes one up to when its thread comes to
 * run it, which takes as long as the host likes. */
static void time_stands_once_a_hart_has_work(void **state) {
    Rig *r = rig_new(*state);
    CpuGroup *g = r->h->group;
    const struct timespec moment = {.tv_nsec = 2000000};
    g->icount.cfg.sleep = true;
    *CODE_AT(r->h, 0) = WFI;
    assert_true(cpu_group_start(g, NULL));
    bool idle = false;
    while (!idle) {
        nanosleep(&moment, NULL);
        cpu_group_lock(g);
        idle = g->icount.idle;
        cpu_group_unlock(g);
    }
    cpu_group_lock(g);
    cpu_icount_note_time(g);
    int64_t first = clock_now_ns(&r->h->clock);
    nanosleep(&moment, NULL);
    cpu_icount_note_time(g);
    int64_t input = clock_now_ns(&r->h->clock);
    assert_true(input - first >= moment.tv_nsec);
    riscv_cpu_set_irq(r->h->cpu, IRQ_MTI, true);
    nanosleep(&moment, NULL);
    cpu_icount_note_time(g);
    assert_int_equal(clock_now_ns(&r->h->clock), input);
    cpu_group_unlock(g);
    rig_free(r);
}

/* --- where it is cut makes no difference -------------------------------------------- */
enum { TOTAL = 700, LOOP = 5, PATCHED = 18 };

/* A little of everything: devices, counters, timers, faults, code that is written. */
static void put_mixture(Rig *r) {
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE),
        addi(S3, ZERO, 1),
        itype(0x1013, S3, S3, 31), /* slli: RAM_BASE */
        ld(S2, S3, 0x200),
        ld(S4, S3, 0x208),
        /* LOOP */
        addi(A0, A0, 1),
        sd(A0, A2, 0),
        addi(A1, A1, 3),
        ld(A3, A2, 8),
        add(A4, A4, A3),
        csrr(A5, CSR_MINSTRET),
        add(A4, A4, A5),
        sd(A1, A2, REG_ARM),
        addi(A6, A6, 1),
        ld(A7, ZERO, 0), /* faults */
        addi(A6, A6, 5),
        sw(S2, S3, PATCHED * 4),
        add(S2, S2, S4),
        addi(S1, S1, 1), /* PATCHED */
        ld(T1, A2, REG_ARM_BY_READ),
        addi(A6, A6, 7),
        amoadd_d(A7, A6, A2),
        jal0((LOOP - 22) * 4),
    };
    put_code(r, 0, code, sizeof(code));
    *CODE_AT(r->h, 0x200) = addi(S1, S1, 2);
    *CODE_AT(r->h, 0x208) = 1u << 20; /* the immediate grows by one */
    put_handler(r);
}

typedef struct State {
    uint64_t gpr[32], pc, mepc, mcause, mstatus, minstret;
} State;

static State state_of(const Rig *r) {
    const RiscvEnv *env = &r->h->cpu->env;
    State s = {
        .pc = env->pc, .mepc = env->mepc, .mcause = env->mcause, .mstatus = env->mstatus};
    memcpy(s.gpr, env->gpr, sizeof(s.gpr));
    s.minstret = hart_read(r->h, CSR_MINSTRET);
    return s;
}

/* May one instruction lead from one pc to the other? An interrupt that is pending comes first. */
static bool is_step(const Rig *r, vaddr from, vaddr to) {
    uint32_t insn;
    memcpy(&insn, r->h->ram->host + (from - RAM_BASE), sizeof(insn));
    vaddr vector = RAM_BASE + VECTOR;
    bool jumps = (insn & 0x7f) == 0x6f || insn == MRET;
    bool branches = (insn & 0x7f) == 0x63;
    return to == vector + 4 || (jumps ? to != from + 4 : to == from + 4) ||
           (branches && to == from + 12) || (to == vector && insn == ld(A7, ZERO, 0));
}

static void any_cut_gives_the_same_run(void **unused) {
    static State step[2][TOTAL + 1];
    (void)unused;
    Rig *rig[2];
    for (unsigned b = 0; b < 2; b++) {
        Rig *r = rig[b] = rig_new(&params[b]);
        put_mixture(r);
        for (unsigned n = 0; n < TOTAL; n++) {
            vaddr from = r->h->cpu->env.pc;
            run_to(r, n + 1);
            step[b][n + 1] = state_of(r);
            assert_int_equal(step[b][n + 1].minstret, n + 1);
            assert_true(is_step(r, from, r->h->cpu->env.pc));
        }
    }
    assert_memory_equal(step[0], step[1], sizeof(step[0]));
    assert_int_equal(rig[0]->notes, rig[1]->notes);
    assert_memory_equal(rig[0]->note, rig[1]->note, sizeof(rig[0]->note));
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned n = 1; n <= TOTAL; n += n < 60 ? 1 : 37) {
            Rig *r = rig_new(&params[b]);
            put_mixture(r);
            run_to(r, n); /* in one go */
            State s = state_of(r);
            assert_memory_equal(&s, &step[b][n], sizeof(s));
            assert_memory_equal(r->note, rig[b]->note, r->notes * sizeof(Note));
            run_to(r, TOTAL);
            s = state_of(r);
            assert_memory_equal(&s, &step[b][TOTAL], sizeof(s));
            rig_free(r);
        }
    }
    assert_true(rig[0]->notes > 100);
    rig_free(rig[0]);
    rig_free(rig[1]);
}

/* Work that other threads leave for a vCPU ends slices, but is not part of the guest's world. */
static void nothing(CPUState *cpu, void *arg) {
    (void)cpu;
    (*(unsigned *)arg)++;
}

static void *disturb(void *opaque) {
    Rig *r = opaque;
    static const struct timespec pause = {.tv_nsec = 20000};
    unsigned done = 0;
    while (!__atomic_load_n(&r->reached, __ATOMIC_ACQUIRE)) {
        cpu_queue_work(&r->h->cpu->parent, nothing, &done);
        nanosleep(&pause, NULL);
    }
    cpu_group_stop(r->h->group); /* all work is done, or will be by whoever frees it */
    cpu_group_resume(r->h->group);
    return NULL;
}

static void kicks_from_outside_change_nothing(void **state) {
    enum { LONG = 200000 };
    Rig *calm = rig_new(*state), *kicked = rig_new(*state);
    const uint32_t code[] = {
        lui(A2, DEVICE_BASE), addi(A1, ZERO, 1000), sd(A1, A2, REG_ARM), /* loop: */
        addi(A0, A0, 1),      add(A4, A4, A0),      jal0(-8),
    };
    const uint32_t handler[] = {sd(ZERO, A2, REG_ACK), addi(A1, A1, 17),
                                sd(A1, A2, REG_ARM), add(A5, A5, A4), MRET};
    put_code(calm, 0, code, sizeof(code));
    put_code(kicked, 0, code, sizeof(code));
    put_code(calm, VECTOR, handler, sizeof(handler));
    put_code(kicked, VECTOR, handler, sizeof(handler));
    run_to(calm, LONG);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, disturb, kicked), 0);
    run_to(kicked, LONG);
    cpu_group_resume(kicked->h->group);
    pthread_join(other, NULL);
    cpu_group_stop(kicked->h->group);
    State a = state_of(calm), b = state_of(kicked);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(calm->notes, kicked->notes);
    assert_memory_equal(calm->note, kicked->note, sizeof(calm->note));
    rig_free(calm);
    rig_free(kicked);
}

int main(void) {
#define T(fn)                                                                            \
    {#fn " (interp)", fn, NULL, NULL, (void *)(uintptr_t)&params[0]}, {                  \
#fn " (x86_64)", fn, NULL, NULL, (void *)(uintptr_t)&params[1]                   \
    }
    const struct CMUnitTest tests[] = {
        T(counts_in_the_middle_of_a_block_are_exact),
        T(an_instruction_that_faults_counts_as_one),
        T(store_into_the_running_block_is_counted_once),
        T(timer_fires_at_its_exact_instruction),
        T(what_a_load_causes_takes_effect_behind_it),
        T(an_interrupt_by_stimecmp_comes_right_behind_it),
        T(a_block_that_is_left_in_the_middle_counts_what_it_executed),
        T(waiting_jumps_to_the_deadline),
        T(time_stands_once_a_hart_has_work),
        T(kicks_from_outside_change_nothing),
        cmocka_unit_test(any_cut_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
