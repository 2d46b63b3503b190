/* SPDX-License-Identifier: MIT */
/*
 * Everyday integer code: a list is sorted, matrices are multiplied, a CRC is taken bit by
 * bit, a state machine reads numbers.
 *
 * Costs: the quality of generated code. Loops of a few short blocks, so guest registers
 * that go through memory at each block's end show.
 */
#include "bench.h"

enum { ROUNDS = 1500, NODES = 500, SIZE = 24, TEXT = 4000 };

/* --- a linked list, merged in order ------------------------------------------------- */

typedef struct Node {
    struct Node *next;
    uint32_t key;
} Node;

static Node nodes[NODES];

static Node *merge(Node *a, Node *b) {
    Node head = {0};
    Node *last = &head;
    while (a && b) {
        Node **smaller = a->key <= b->key ? &a : &b;
        last->next = *smaller;
        last = *smaller;
        *smaller = last->next;
    }
    last->next = a ? a : b;
    return head.next;
}

static Node *sort(Node *list) {
    if (!list || !list->next) {
        return list;
    }
    Node *middle = list;
    for (Node *end = list->next; end && end->next; end = end->next->next) {
        middle = middle->next;
    }
    Node *second = middle->next;
    middle->next = NULL;
    return merge(sort(list), sort(second));
}

static uint64_t sort_a_list(uint64_t *random) {
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] =
            (Node){i + 1 < NODES ? &nodes[i + 1] : NULL, (uint32_t)random_next(random)};
    }
    uint64_t sum = 0;
    for (const Node *n = sort(nodes); n; n = n->next) {
        sum = mix(sum, n->key);
    }
    return sum;
}

/* --- matrices ----------------------------------------------------------------------- */

static int32_t a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

static uint64_t multiply_matrices(uint64_t *random) {
    for (unsigned i = 0; i < SIZE; i++) {
        for (unsigned j = 0; j < SIZE; j++) {
            a[i][j] = (int16_t)random_next(random);
            b[i][j] = (int16_t)random_next(random);
        }
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < SIZE; i++) {
        for (unsigned j = 0; j < SIZE; j++) {
            uint32_t dot = 0;
            for (unsigned k = 0; k < SIZE; k++) {
                dot += (uint32_t)a[i][k] * (uint32_t)b[k][j];
            }
            c[i][j] = (int32_t)dot;
            sum += dot;
        }
    }
    return sum;
}

/* --- a CRC and a state machine over a text ------------------------------------------ */

static uint8_t text[TEXT];

static void write_text(uint64_t *random) {
    static const uint8_t letters[] = "0123456789+-.e, x";
    for (unsigned i = 0; i < TEXT; i++) {
        text[i] = letters[random_next(random) % (sizeof(letters) - 1)];
    }
}

/* CRC-16-CCITT, a bit at a time. */
static uint64_t crc_of_text(void) {
    uint32_t crc = 0xffff;
    for (unsigned i = 0; i < TEXT; i++) {
        crc ^= (uint32_t)text[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        }
    }
    return crc & 0xffff;
}

typedef enum State {
    START,
    SIGN,
    INTEGER,
    POINT,
    FRACTION,
    EXPONENT,
    INVALID,
    STATES
} State;

static State next_state(State state, uint8_t letter) {
    if (letter == ',') {
        return START;
    }
    if (letter >= '0' && letter <= '9') {
        static const uint8_t after_digit[STATES] = {INTEGER,  INTEGER,  INTEGER, FRACTION,
                                                    FRACTION, EXPONENT, INVALID};
        return after_digit[state];
    }
    switch (letter) {
    case '+':
    case '-':
        return state == START ? SIGN : INVALID;
    case '.':
        return state == INTEGER ? POINT : INVALID;
    case 'e':
        return state == INTEGER || state == FRACTION ? EXPONENT : INVALID;
    default:
        return INVALID;
    }
}

static uint64_t count_states(void) {
    uint32_t seen[STATES] = {0};
    State state = START;
    for (unsigned i = 0; i < TEXT; i++) {
        state = next_state(state, text[i]);
        seen[state]++;
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATES; i++) {
        sum = mix(sum, seen[i]);
    }
    return sum;
}

uint64_t bench_run(void) {
    uint64_t random = 0x1234567, sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum = mix(sum, sort_a_list(&random));
        sum = mix(sum, multiply_matrices(&random));
        write_text(&random);
        sum = mix(sum, crc_of_text());
        sum = mix(sum, count_states());
    }
    return sum;
}
