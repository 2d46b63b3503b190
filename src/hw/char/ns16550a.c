/* SPDX-License-Identifier: MIT */
/*
 * NS16550A: the serial port of the PC and of `virt`, with 16-byte FIFOs.
 *
 *   guest --THR--> Chardev        Chardev --> receive FIFO --RBR--> guest
 *              '-- (loopback) --> receive FIFO
 *
 *   offset  DLAB=0 read / write      DLAB=1
 *     0     RBR / THR                DLL   divisor, low byte
 *     1     IER                      DLM   divisor, high byte
 *     2     IIR / FCR
 *     3     LCR     5  LSR     7  SCR
 *     4     MCR     6  MSR
 *
 * The transmitter is never busy: a byte is with the Chardev when the write returns, so
 * THRE and TEMT are always set and only the THRE *interrupt* has state. The divisor
 * matters for the length of the receive timeout alone.
 *
 * Invariants: outside loopback the FIFO never overruns, since can_receive() tells the
 * host how much room there is.
 *
 * Spec: PC16550D data sheet, National Semiconductor, June 1995.
 *
 * Not modelled: framing and parity errors, break on the line, DMA modes, changes of the
 * modem lines.
 */
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev.h"
#include "hw/device.h"

enum {
    REG_DATA,
    REG_IER,
    REG_IIR_FCR,
    REG_LCR,
    REG_MCR,
    REG_LSR,
    REG_MSR,
    REG_SCR,
    REG_COUNT
};

enum {
    IER_RX = 1 << 0,
    IER_THRE = 1 << 1,
    IER_LINE = 1 << 2,
    IER_MODEM = 1 << 3,
    IER_MASK = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_RX = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 1 << 0,
    FCR_CLEAR_RX = 1 << 1,
    FCR_TRIGGER_SHIFT = 6,

    LCR_WORD_MASK = 3, /* data bits - 5 */
    LCR_STOP2 = 1 << 2,
    LCR_PARITY = 1 << 3,
    LCR_DLAB = 1 << 7,

    MCR_DTR = 1 << 0,
    MCR_RTS = 1 << 1,
    MCR_OUT1 = 1 << 2,
    MCR_OUT2 = 1 << 3,
    MCR_LOOP = 1 << 4,
    MCR_MASK = 0x1f,

    LSR_DR = 1 << 0,
    LSR_OE = 1 << 1,
    LSR_THRE = 1 << 5,
    LSR_TEMT = 1 << 6,

    MSR_DCTS = 1 << 0,
    MSR_DDSR = 1 << 1,
    MSR_TERI = 1 << 2,
    MSR_DDCD = 1 << 3,
    MSR_DELTAS = 0x0f,
    MSR_CTS = 1 << 4,
    MSR_DSR = 1 << 5,
    MSR_RI = 1 << 6,
    MSR_DCD = 1 << 7,

    FIFO_SIZE = 16,
    UART_SIZE = 8,
    UART_CLOCK_HZ = 3686400, /* as the device tree says */
    TIMEOUT_CHARACTERS = 4,
};

typedef struct Ns16550a {
    Device dev;
    Chardev *chr; /* or NULL: what is sent is lost */
    uint8_t ier, lcr, mcr, msr, scr, fcr;
    uint16_t divisor;
    uint8_t fifo[FIFO_SIZE];
    uint8_t fifo_first, fifo_count;
    bool overrun;      /* LSR.OE */
    bool thre_pending; /* the transmitter became empty and nobody was told */
    bool timed_out;    /* bytes wait below the trigger level */
    Timer timeout;
} Ns16550a;

/* --- interrupt ------------------------------------------------------------------- */

static unsigned fifo_capacity(const Ns16550a *s) {
    return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned trigger_level(const Ns16550a *s) {
    static const uint8_t level[] = {1, 4, 8, 14};
    return s->fcr & FCR_ENABLE ? level[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The cause of highest priority, as IIR shows it. */
static uint8_t interrupt_cause(const Ns16550a *s) {
    if ((s->ier & IER_LINE) && s->overrun) {
        return IIR_LINE;
    }
    if ((s->ier & IER_RX) && s->fifo_count >= trigger_level(s)) {
        return IIR_RX;
    }
    if ((s->ier & IER_RX) && s->timed_out) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_THRE) && s->thre_pending) {
        return IIR_THRE;
    }
    if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS)) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void update_irq(Ns16550a *s) {
    irq_set(&s->dev.irq, interrupt_cause(s) != IIR_NONE);
}

/* --- receiver -------------------------------------------------------------------- */

static int64_t character_ns(const Ns16550a *s) {
    unsigned bits = 1 + 5 + (s->lcr & LCR_WORD_MASK) + !!(s->lcr & LCR_PARITY) +
                    (s->lcr & LCR_STOP2 ? 2 : 1);
    unsigned divisor = s->divisor ? s->divisor : 1;
    return INT64_C(1000000000) * 16 * divisor * bits / UART_CLOCK_HZ;
}

/* The timeout counts from the last byte that came or was read. */
static void restart_timeout(Ns16550a *s) {
    s->timed_out = false;
    if ((s->fcr & FCR_ENABLE) && s->fifo_count) {
        timer_mod(&s->timeout,
                  clock_now_ns(s->timeout.clock) + TIMEOUT_CHARACTERS * character_ns(s));
    } else {
        timer_del(&s->timeout);
    }
}

static void timeout_passed(void *opaque) {
    Ns16550a *s = opaque;
    s->timed_out = s->fifo_count != 0;
    update_irq(s);
}

static void receive_byte(Ns16550a *s, uint8_t byte) {
    if (s->fifo_count >= fifo_capacity(s)) {
        s->overrun = true;
        if (s->fcr & FCR_ENABLE) {
            return; /* the FIFO keeps what it has; without it the new byte replaces the
                       old one */
        }
        s->fifo_count = 0;
    }
    s->fifo[(s->fifo_first + s->fifo_count) % FIFO_SIZE] = byte;
    s->fifo_count++;
}

static void clear_fifo(Ns16550a *s) {
    s->fifo_first = s->fifo_count = 0;
    restart_timeout(s);
}

static unsigned chr_can_receive(void *opaque) {
    const Ns16550a *s = opaque;
    return s->mcr & MCR_LOOP ? 0 : fifo_capacity(s) - s->fifo_count;
}

static void chr_receive(void *opaque, const uint8_t *buf, unsigned len) {
    Ns16550a *s = opaque;
    for (unsigned i = 0; i < len; i++) {
        receive_byte(s, buf[i]);
    }
    restart_timeout(s);
    update_irq(s);
}

static void accept_input(Ns16550a *s) {
    if (s->chr) {
        chardev_accept_input(s->chr);
    }
}

static uint8_t read_data(Ns16550a *s) {
    uint8_t byte = 0;
    if (s->fifo_count) {
        byte = s->fifo[s->fifo_first];
        s->fifo_first = (s->fifo_first + 1) % FIFO_SIZE;
        s->fifo_count--;
    }
    restart_timeout(s);
    update_irq(s);
    accept_input(s);
    return byte;
}

/* --- transmitter ----------------------------------------------------------------- */

static void write_data(Ns16550a *s, uint8_t byte) {
    if (s->mcr & MCR_LOOP) {
        receive_byte(s, byte);
        restart_timeout(s);
    } else if (s->chr) {
        chardev_write(s->chr, &byte, 1);
    }
    s->thre_pending = true;
    update_irq(s);
}

/* --- modem lines ----------------------------------------------------------------- */

/* Outside loopback somebody is always ready at the other end; in it the outputs are the
 * inputs. */
static void update_modem(Ns16550a *s) {
    uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;
    if (s->mcr & MCR_LOOP) {
        lines = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
                (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    uint8_t changed = (uint8_t)(lines ^ (s->msr & ~MSR_DELTAS));
    uint8_t deltas = s->msr & MSR_DELTAS;
    deltas |= changed & MSR_CTS ? MSR_DCTS : 0;
    deltas |= changed & MSR_DSR ? MSR_DDSR : 0;
    deltas |= changed & ~lines & MSR_RI ? MSR_TERI : 0; /* its trailing edge */
    deltas |= changed & MSR_DCD ? MSR_DDCD : 0;
    s->msr = lines | deltas;
}

/* --- registers ------------------------------------------------------------------- */

static uint8_t read_iir(Ns16550a *s) {
    uint8_t cause = interrupt_cause(s);
    if (cause == IIR_THRE) {
        s->thre_pending = false;
        update_irq(s);
    }
    return cause | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(Ns16550a *s) {
    uint8_t lsr =
        LSR_THRE | LSR_TEMT | (s->fifo_count ? LSR_DR : 0) | (s->overrun ? LSR_OE : 0);
    if (s->overrun) {
        s->overrun = false;
        update_irq(s);
    }
    return lsr;
}

static uint8_t read_msr(Ns16550a *s) {
    uint8_t msr = s->msr;
    if (msr & MSR_DELTAS) {
        s->msr &= (uint8_t)~MSR_DELTAS;
        update_irq(s);
    }
    return msr;
}

static uint64_t uart_read(void *opaque, hwaddr offset, unsigned size) {
    Ns16550a *s = opaque;
    (void)size;
    bool dlab = s->lcr & LCR_DLAB;
    switch (offset) {
    case REG_DATA:
        return dlab ? s->divisor & 0xff : read_data(s);
    case REG_IER:
        return dlab ? s->divisor >> 8 : s->ier;
    case REG_IIR_FCR:
        return read_iir(s);
    case REG_LCR:
        return s->lcr;
    case REG_MCR:
        return s->mcr;
    case REG_LSR:
        return read_lsr(s);
    case REG_MSR:
        return read_msr(s);
    default:
        return s->scr;
    }
}

static void write_ier(Ns16550a *s, uint8_t value) {
    /* Enabling it while the holding register is empty (always) raises the THRE interrupt
     * at once. */
    if ((value & IER_THRE) && !(s->ier & IER_THRE)) {
        s->thre_pending = true;
    }
    s->ier = value & IER_MASK;
    update_irq(s);
}

static void write_fcr(Ns16550a *s, uint8_t value) {
    if (((value ^ s->fcr) & FCR_ENABLE) || (value & FCR_CLEAR_RX)) {
        s->fcr = value;
        clear_fifo(s);
        accept_input(s);
    }
    /* Without FCR_ENABLE in the same write the other bits are not programmed. */
    s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT) : 0;
    update_irq(s);
}

static void write_mcr(Ns16550a *s, uint8_t value) {
    bool was_loop = s->mcr & MCR_LOOP;
    s->mcr = value & MCR_MASK;
    update_modem(s);
    update_irq(s);
    if (was_loop && !(s->mcr & MCR_LOOP)) {
        accept_input(s);
    }
}

static void uart_write(void *opaque, hwaddr offset, uint64_t wide_value, unsigned size) {
    Ns16550a *s = opaque;
    (void)size;
    uint8_t value = (uint8_t)wide_value;
    bool dlab = s->lcr & LCR_DLAB;
    switch (offset) {
    case REG_DATA:
        if (dlab) {
            s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
        } else {
            write_data(s, value);
        }
        break;
    case REG_IER:
        if (dlab) {
            s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
        } else {
            write_ier(s, value);
        }
        break;
    case REG_IIR_FCR:
        write_fcr(s, value);
        break;
    case REG_LCR:
        s->lcr = value;
        break;
    case REG_MCR:
        write_mcr(s, value);
        break;
    case REG_SCR:
        s->scr = value;
        break;
    default:
        device_guest_error(&s->dev, "write to read-only register %u", (unsigned)offset);
    }
}

/* An access of any width is one access to the register at its address. */
static const MemoryRegionOps uart_ops = {
    .read = uart_read,
    .write = uart_write,
    .valid_min = 1,
    .valid_max = 8,
    .impl_min = 1,
    .impl_max = 8,
};

/* --- the device ------------------------------------------------------------------ */

static bool uart_realize(Device *dev, Error **errp) {
    Ns16550a *s = (Ns16550a *)dev;
    (void)errp;
    timer_init(&s->timeout, device_clock(dev), timeout_passed, s);
    memory_region_init_io(&dev->mmio, &uart_ops, dev, "serial", UART_SIZE);
    if (s->chr) {
        char *name = device_unique_name(dev);
        const CharFrontend fe = {.can_receive = chr_can_receive,
                                 .receive = chr_receive,
                                 .opaque = s,
                                 .gate = device_gate(dev),
                                 .gate_name = name};
        chardev_attach(s->chr, &fe);
        free(name);
    }
    return true;
}

static void uart_unrealize(Device *dev) {
    Ns16550a *s = (Ns16550a *)dev;
    timer_del(&s->timeout);
}

static void uart_reset(Device *dev) {
    Ns16550a *s = (Ns16550a *)dev;
    s->ier = s->lcr = s->scr = s->fcr = 0;
    s->mcr = MCR_OUT2;
    s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    s->divisor = UART_CLOCK_HZ / 16 / 9600;
    s->overrun = s->thre_pending = false;
    memset(s->fifo, 0, sizeof(s->fifo));
    clear_fifo(s);
    update_irq(s);
    accept_input(s);
}

static void uart_post_load(Device *dev) {
    Ns16550a *s = (Ns16550a *)dev;
    s->fifo_first %= FIFO_SIZE;
    s->fifo_count =
        s->fifo_count > fifo_capacity(s) ? (uint8_t)fifo_capacity(s) : s->fifo_count;
    update_irq(s);
    accept_input(s);
}

static const DeviceProperty uart_properties[] = {
    {"chardev", PROP_CHARDEV, offsetof(Ns16550a, chr), NULL,
     "where the line ends on the host"},
    {NULL, PROP_STRING, 0, NULL, NULL},
};

static const StateField uart_state[] = {
    STATE(Ns16550a, ier, STATE_U8),
    STATE(Ns16550a, lcr, STATE_U8),
    STATE(Ns16550a, mcr, STATE_U8),
    STATE(Ns16550a, msr, STATE_U8),
    STATE(Ns16550a, scr, STATE_U8),
    STATE(Ns16550a, fcr, STATE_U8),
    STATE(Ns16550a, divisor, STATE_U16),
    STATE_ARRAY(Ns16550a, fifo, STATE_BYTES, FIFO_SIZE),
    STATE(Ns16550a, fifo_first, STATE_U8),
    STATE(Ns16550a, fifo_count, STATE_U8),
    STATE(Ns16550a, overrun, STATE_BOOL),
    STATE(Ns16550a, thre_pending, STATE_BOOL),
    STATE(Ns16550a, timed_out, STATE_BOOL),
    STATE(Ns16550a, timeout, STATE_TIMER),
    STATE_END,
};

const DeviceClass ns16550a_class = {
    .name = "serial-mm",
    .description = "NS16550A serial port",
    .size = sizeof(Ns16550a),
    .properties = uart_properties,
    .state = uart_state,
    .state_version = 1,
    .realize = uart_realize,
    .unrealize = uart_unrealize,
    .reset = uart_reset,
    .post_load = uart_post_load,
};
