/* SPDX-License-Identifier: MIT */
/*
 * Goldfish RTC: a 64-bit counter of nanoseconds since 1970, with one alarm.
 *
 *   0x00 TIME_LOW (read: latches TIME_HIGH)   0x10 IRQ_ENABLED
 *   0x04 TIME_HIGH                            0x14 CLEAR_ALARM
 *   0x08 ALARM_LOW (write: arms)              0x18 ALARM_STATUS
 *   0x0c ALARM_HIGH (write first)             0x1c CLEAR_INTERRUPT
 *
 * The time is the clock's wall time plus what the guest set it off by.
 *
 * Invariants: alarm_running is true exactly while the timer is armed or the alarm is too
 * far away for the clock to reach.
 *
 * Spec: "Goldfish virtual hardware", section "Goldfish RTC" (docs of the Android
 * emulator).
 */
#include "hw/device.h"

enum {
    RTC_TIME_LOW = 0x00,
    RTC_TIME_HIGH = 0x04,
    RTC_ALARM_LOW = 0x08,
    RTC_ALARM_HIGH = 0x0c,
    RTC_IRQ_ENABLED = 0x10,
    RTC_CLEAR_ALARM = 0x14,
    RTC_ALARM_STATUS = 0x18,
    RTC_CLEAR_INTERRUPT = 0x1c,
    RTC_SIZE = 0x24,
};

typedef struct GoldfishRtc {
    Device dev;
    uint64_t offset_ns;  /* guest's time minus the clock's wall time, modulo 2^64 */
    uint64_t alarm_ns;   /* in guest's time */
    uint32_t alarm_high; /* waits for the write of ALARM_LOW */
    uint32_t time_high;  /* latched by a read of TIME_LOW */
    bool alarm_running, irq_pending, irq_enabled;
    Timer timer;
} GoldfishRtc;

static uint64_t rtc_now(const GoldfishRtc *s) {
    return (uint64_t)clock_host_wall_ns(device_clock(&s->dev)) + s->offset_ns;
}

static void update_irq(GoldfishRtc *s) {
    irq_set(&s->dev.irq, s->irq_pending && s->irq_enabled);
}

static void stop_alarm(GoldfishRtc *s) {
    s->alarm_running = false;
    timer_del(&s->timer);
}

/* Arms the timer; for an alarm that is overdue (the host's wall clock went on while the machine was
 * a file) at once. */
static void arm_alarm(GoldfishRtc *s) {
    uint64_t now = rtc_now(s);
    uint64_t virtual_now = (uint64_t)clock_now_ns(device_clock(&s->dev));
    uint64_t left = s->alarm_ns > now ? s->alarm_ns - now : 0;
    if (left > INT64_MAX - virtual_now) {
        timer_del(&s->timer);
    } else {
        timer_mod(&s->timer, (int64_t)(virtual_now + left));
    }
}

/* Fires the alarm if it is due, else arms the timer for it. */
static void run_alarm(GoldfishRtc *s) {
    if (s->alarm_ns <= rtc_now(s)) {
        stop_alarm(s);
        s->irq_pending = true;
        update_irq(s);
        return;
    }
    s->alarm_running = true;
    arm_alarm(s);
}

/* The host's wall clock may have been set back meanwhile: then the alarm waits again. */
static void alarm_due(void *opaque) {
    run_alarm(opaque);
}

static void set_time(GoldfishRtc *s, uint64_t now) {
    s->offset_ns = now - (uint64_t)clock_host_wall_ns(device_clock(&s->dev));
    if (s->alarm_running) {
        run_alarm(s);
    }
}

static uint64_t rtc_read(void *opaque, hwaddr offset, unsigned size) {
    GoldfishRtc *s = opaque;
    (void)size;
    uint64_t now;
    switch (offset) {
    case RTC_TIME_LOW:
        now = rtc_now(s);
        s->time_high = (uint32_t)(now >> 32);
        return (uint32_t)now;
    case RTC_TIME_HIGH:
        return s->time_high;
    case RTC_ALARM_LOW:
        return (uint32_t)s->alarm_ns;
    case RTC_ALARM_HIGH:
        return (uint32_t)(s->alarm_ns >> 32);
    case RTC_IRQ_ENABLED:
        return s->irq_enabled;
    case RTC_ALARM_STATUS:
        return s->alarm_running;
    default:
        device_guest_error(&s->dev, "read of unknown register 0x%x", (unsigned)offset);
        return 0;
    }
}

static void rtc_write(void *opaque, hwaddr offset, uint64_t value, unsigned size) {
    GoldfishRtc *s = opaque;
    (void)size;
    uint32_t v = (uint32_t)value;
    switch (offset) {
    case RTC_TIME_LOW:
        set_time(s, (rtc_now(s) & UINT64_C(0xffffffff00000000)) | v);
        break;
    case RTC_TIME_HIGH:
        set_time(s, (uint64_t)v << 32 | (uint32_t)rtc_now(s));
        break;
    case RTC_ALARM_LOW:
        s->alarm_ns = (uint64_t)s->alarm_high << 32 | v;
        run_alarm(s);
        break;
    case RTC_ALARM_HIGH:
        s->alarm_high = v;
        break;
    case RTC_IRQ_ENABLED:
        s->irq_enabled = v & 1;
        update_irq(s);
        break;
    case RTC_CLEAR_ALARM:
        stop_alarm(s);
        break;
    case RTC_CLEAR_INTERRUPT:
        s->irq_pending = false;
        update_irq(s);
        break;
    default:
        device_guest_error(&s->dev, "write to unknown register 0x%x", (unsigned)offset);
    }
}

static const MemoryRegionOps rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .valid_min = 4,
    .valid_max = 4,
    .impl_min = 4,
    .impl_max = 4,
};

static bool rtc_realize(Device *dev, Error **errp) {
    GoldfishRtc *s = (GoldfishRtc *)dev;
    (void)errp;
    timer_init(&s->timer, device_clock(dev), alarm_due, s);
    memory_region_init_io(&dev->mmio, &rtc_ops, dev, "goldfish_rtc", RTC_SIZE);
    return true;
}

static void rtc_unrealize(Device *dev) {
    timer_del(&((GoldfishRtc *)dev)->timer);
}

/* The time itself outlives a reset: it has a battery. */
static void rtc_reset(Device *dev) {
    GoldfishRtc *s = (GoldfishRtc *)dev;
    stop_alarm(s);
    s->alarm_ns = s->alarm_high = s->time_high = 0;
    s->irq_pending = s->irq_enabled = false;
    update_irq(s);
}

static void rtc_post_load(Device *dev) {
    GoldfishRtc *s = (GoldfishRtc *)dev;
    update_irq(s);
    timer_del(&s->timer);
    if (s->alarm_running) {
        arm_alarm(s);
    }
}

static const RegisterField rtc_enabled_fields[] = {
    {"enabled", 1, "the alarm raises the interrupt line", "0=off|1=on"},
    REGISTER_FIELDS_END,
};
static const RegisterField rtc_status_fields[] = {
    {"running", 1, "an alarm is set and has not come", NULL},
    REGISTER_FIELDS_END,
};

static const RegisterDesc rtc_registers[] = {
    REGISTER("TIME_LOW", RTC_TIME_LOW, 4, REG_BOTH,
             "low half of the time in ns; a read latches the high half"),
    REGISTER("TIME_HIGH", RTC_TIME_HIGH, 4, REG_BOTH,
             "high half of the time, as latched"),
    REGISTER("ALARM_LOW", RTC_ALARM_LOW, 4, REG_BOTH,
             "low half of the alarm; a write arms it"),
    REGISTER("ALARM_HIGH", RTC_ALARM_HIGH, 4, REG_BOTH, "high half of the alarm"),
    REGISTER("IRQ_ENABLED", RTC_IRQ_ENABLED, 4, REG_BOTH, "interrupt enable",
             .fields = rtc_enabled_fields),
    REGISTER("CLEAR_ALARM", RTC_CLEAR_ALARM, 4, REG_WRITE, "a write disarms the alarm"),
    REGISTER("ALARM_STATUS", RTC_ALARM_STATUS, 4, REG_READ, "whether an alarm is set",
             .fields = rtc_status_fields),
    REGISTER("CLEAR_INTERRUPT", RTC_CLEAR_INTERRUPT, 4, REG_WRITE,
             "a write lowers the interrupt line"),
    REGISTERS_END,
};

static bool rtc_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                     uint64_t *value) {
    const GoldfishRtc *s = (const GoldfishRtc *)dev;
    (void)reg;
    switch (offset) {
    case RTC_TIME_LOW:
        *value = (uint32_t)rtc_now(s);
        return true;
    case RTC_TIME_HIGH:
        *value = s->time_high;
        return true;
    case RTC_ALARM_LOW:
        *value = (uint32_t)s->alarm_ns;
        return true;
    case RTC_ALARM_HIGH:
        *value = (uint32_t)(s->alarm_ns >> 32);
        return true;
    case RTC_IRQ_ENABLED:
        *value = s->irq_enabled;
        return true;
    case RTC_ALARM_STATUS:
        *value = s->alarm_running;
        return true;
    default:
        return false;
    }
}

static const StateField rtc_state[] = {
    STATE(GoldfishRtc, offset_ns, STATE_U64),
    STATE(GoldfishRtc, alarm_ns, STATE_U64),
    STATE(GoldfishRtc, alarm_high, STATE_U32),
    STATE(GoldfishRtc, time_high, STATE_U32),
    STATE(GoldfishRtc, alarm_running, STATE_BOOL),
    STATE(GoldfishRtc, irq_pending, STATE_BOOL),
    STATE(GoldfishRtc, irq_enabled, STATE_BOOL),
    STATE_END,
};

const DeviceClass goldfish_rtc_class = {
    .name = "goldfish_rtc",
    .description = "Goldfish real-time clock",
    .size = sizeof(GoldfishRtc),
    .state = rtc_state,
    .state_version = 1,
    .registers = rtc_registers,
    .peek = rtc_peek,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .post_load = rtc_post_load,
};
