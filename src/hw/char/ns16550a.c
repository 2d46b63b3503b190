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
#include "hw/machine/runstate.h"

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
    IIR_CAUSE_MASK = 0x0f,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 1 << 0,
    FCR_CLEAR_RX = 1 << 1,
    FCR_TRIGGER_SHIFT = 6,
    FCR_TRIGGER_MASK = 3 << FCR_TRIGGER_SHIFT,

    LCR_WORD_MASK = 3, /* data bits - 5 */
    LCR_STOP2 = 1 << 2,
    LCR_PARITY = 1 << 3,
    LCR_EVEN = 1 << 4,
    LCR_STICK = 1 << 5,
    LCR_BREAK = 1 << 6,
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
    } else if (s->chr && !machine_is_quiet(s->dev.machine)) {
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

static uint8_t iir_value(const Ns16550a *s) {
    return interrupt_cause(s) | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t lsr_value(const Ns16550a *s) {
    return LSR_THRE | LSR_TEMT | (s->fifo_count ? LSR_DR : 0) | (s->overrun ? LSR_OE : 0);
}

static uint8_t read_iir(Ns16550a *s) {
    uint8_t iir = iir_value(s);
    if (interrupt_cause(s) == IIR_THRE) {
        s->thre_pending = false;
        update_irq(s);
    }
    return iir;
}

static uint8_t read_lsr(Ns16550a *s) {
    uint8_t lsr = lsr_value(s);
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
    s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER_MASK) : 0;
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

/* --- registers for who looks on -------------------------------------------------- */

static const RegisterField ier_fields[] = {
    {"RX", IER_RX, "interrupt when data is there or has waited too long", NULL},
    {"THRE", IER_THRE, "interrupt when the transmitter is empty", NULL},
    {"LINE", IER_LINE, "interrupt on a line error", NULL},
    {"MODEM", IER_MODEM, "interrupt when a modem line changes", NULL},
    REGISTER_FIELDS_END,
};
static const RegisterField iir_fields[] = {
    {"cause", IIR_CAUSE_MASK, "the pending interrupt of highest priority",
     "1=none|0=modem line changed|2=transmitter empty|4=data is there|6=line error|"
     "12=data has waited"},
    {"FIFOS", IIR_FIFOS, "FIFOs are on", "0=off|3=on"},
    REGISTER_FIELDS_END,
};
static const RegisterField fcr_fields[] = {
    {"ENABLE", FCR_ENABLE, "FIFOs on", "0=off|1=on"},
    {"CLEAR_RX", FCR_CLEAR_RX, "empties the receive FIFO", NULL},
    {"TRIGGER", FCR_TRIGGER_MASK, "bytes in the FIFO that raise an interrupt",
     "0=1 byte|1=4 bytes|2=8 bytes|3=14 bytes"},
    REGISTER_FIELDS_END,
};
static const RegisterField lcr_fields[] = {
    {"WORD", LCR_WORD_MASK, "data bits", "0=5 bits|1=6 bits|2=7 bits|3=8 bits"},
    {"STOP", LCR_STOP2, "stop bits", "0=1 stop bit|1=2 stop bits"},
    {"PARITY", LCR_PARITY, "parity bit", "0=no parity|1=parity"},
    {"EVEN", LCR_EVEN, "kind of parity, if there is one", "0=odd|1=even"},
    {"STICK", LCR_STICK, "the parity bit is constant", NULL},
    {"BREAK", LCR_BREAK, "holds the line low", NULL},
    {"DLAB", LCR_DLAB, "offsets 0 and 1 are the divisor", "0=data|1=divisor"},
    REGISTER_FIELDS_END,
};
static const RegisterField mcr_fields[] = {
    {"DTR", MCR_DTR, "data terminal ready", NULL},
    {"RTS", MCR_RTS, "request to send", NULL},
    {"OUT1", MCR_OUT1, "auxiliary output 1", NULL},
    {"OUT2", MCR_OUT2, "auxiliary output 2", NULL},
    {"LOOP", MCR_LOOP, "what is sent is received", NULL},
    REGISTER_FIELDS_END,
};
static const RegisterField lsr_fields[] = {
    {"DR", LSR_DR, "received data is there", NULL},
    {"OE", LSR_OE, "received data was lost", NULL},
    {"THRE", LSR_THRE, "the transmitter takes a byte", NULL},
    {"TEMT", LSR_TEMT, "the transmitter has sent everything", NULL},
    REGISTER_FIELDS_END,
};
static const RegisterField msr_fields[] = {
    {"DCTS", MSR_DCTS, "CTS has changed", NULL},
    {"DDSR", MSR_DDSR, "DSR has changed", NULL},
    {"TERI", MSR_TERI, "RI has ended", NULL},
    {"DDCD", MSR_DDCD, "DCD has changed", NULL},
    {"CTS", MSR_CTS, "clear to send", NULL},
    {"DSR", MSR_DSR, "data set ready", NULL},
    {"RI", MSR_RI, "ring indicator", NULL},
    {"DCD", MSR_DCD, "data carrier detect", NULL},
    REGISTER_FIELDS_END,
};

/* Rows of uart_registers. */
enum { ROW_RBR, ROW_THR, ROW_DLL, ROW_IER, ROW_DLM, ROW_IIR, ROW_FCR, ROW_LCR, ROW_MCR };
enum { ROW_LSR = ROW_MCR + 1, ROW_MSR, ROW_SCR, ROW_END };

static const RegisterDesc uart_registers[] = {
    [ROW_RBR] = REGISTER("RBR", REG_DATA, 1, REG_READ, "the next received byte (DLAB=0)"),
    [ROW_THR] = REGISTER("THR", REG_DATA, 1, REG_WRITE, "the byte to send (DLAB=0)"),
    [ROW_DLL] =
        REGISTER("DLL", REG_DATA, 1, REG_BOTH, "low byte of the divisor (DLAB=1)"),
    [ROW_IER] = REGISTER("IER", REG_IER, 1, REG_BOTH, "which interrupts are on (DLAB=0)",
                         .fields = ier_fields),
    [ROW_DLM] =
        REGISTER("DLM", REG_IER, 1, REG_BOTH, "high byte of the divisor (DLAB=1)"),
    [ROW_IIR] = REGISTER("IIR", REG_IIR_FCR, 1, REG_READ, "which interrupt is pending",
                         .fields = iir_fields),
    [ROW_FCR] = REGISTER("FCR", REG_IIR_FCR, 1, REG_WRITE, "how the FIFOs work",
                         .fields = fcr_fields),
    [ROW_LCR] = REGISTER("LCR", REG_LCR, 1, REG_BOTH, "format of a character on the line",
                         .fields = lcr_fields),
    [ROW_MCR] = REGISTER("MCR", REG_MCR, 1, REG_BOTH, "modem outputs and loopback",
                         .fields = mcr_fields),
    [ROW_LSR] = REGISTER("LSR", REG_LSR, 1, REG_READ, "state of receiver and transmitter",
                         .fields = lsr_fields),
    [ROW_MSR] =
        REGISTER("MSR", REG_MSR, 1, REG_READ, "modem inputs", .fields = msr_fields),
    [ROW_SCR] = REGISTER("SCR", REG_SCR, 1, REG_BOTH, "scratch: keeps what is written"),
    [ROW_END] = REGISTERS_END,
};

static bool uart_peek(const Device *dev, const RegisterDesc *reg, hwaddr offset,
                      uint64_t *value) {
    const Ns16550a *s = (const Ns16550a *)dev;
    (void)offset;
    switch (reg - uart_registers) {
    case ROW_RBR:
        *value = s->fifo_count ? s->fifo[s->fifo_first] : 0;
        return true;
    case ROW_DLL:
        *value = s->divisor & 0xff;
        return true;
    case ROW_IER:
        *value = s->ier;
        return true;
    case ROW_DLM:
        *value = s->divisor >> 8;
        return true;
    case ROW_IIR:
        *value = iir_value(s);
        return true;
    case ROW_FCR:
        *value = s->fcr;
        return true;
    case ROW_LCR:
        *value = s->lcr;
        return true;
    case ROW_MCR:
        *value = s->mcr;
        return true;
    case ROW_LSR:
        *value = lsr_value(s);
        return true;
    case ROW_MSR:
        *value = s->msr;
        return true;
    case ROW_SCR:
        *value = s->scr;
        return true;
    default: /* THR: it is sent at once */
        return false;
    }
}

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
    .registers = uart_registers,
    .peek = uart_peek,
    .realize = uart_realize,
    .unrealize = uart_unrealize,
    .reset = uart_reset,
    .post_load = uart_post_load,
};
