/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: on random inputs from a seed, or on files.
 *
 *   fuzz_x-seeded [-n INPUTS] [-s SEED]     prints the seed; on a failure the input's number is the
 *                                           last one printed with -v
 *   fuzz_x-seeded FILE...                   runs inputs that libFuzzer saved
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 4096, DEFAULT_INPUTS = 2000 };

static uint64_t random_next(uint64_t *s) { /* xorshift64* (Vigna 2016) */
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

/* Bytes at random, small numbers and edges more often than chance has it. */
static size_t make_input(uint8_t *buf, uint64_t seed, uint64_t number) {
    static const uint8_t edges[] = {0, 1, 2, 4, 8, 16, 0x40, 0x7f, 0x80, 0xff};
    uint64_t s = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (number + 1) * UINT64_C(0xbf58476d1ce4e5b9);
    size_t len = 1 + random_next(&s) % INPUT_MAX;
    for (size_t i = 0; i < len; i++) {
        uint64_t r = random_next(&s);
        buf[i] = r % 4 == 0 ? edges[(r >> 8) % sizeof(edges)] : (uint8_t)(r >> 16);
    }
    return len;
}

static int run_file(const char *path) {
    uint8_t buf[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    size_t len = fread(buf, 1, sizeof(buf), f);
    fclose(f);
    printf("%s: %zu bytes\n", path, len);
    return LLVMFuzzerTestOneInput(buf, len);
}

int main(int argc, char **argv) {
    uint64_t inputs = DEFAULT_INPUTS, seed = (uint64_t)time(NULL);
    int verbose = 0, option;
    while ((option = getopt(argc, argv, "n:s:v")) != -1) {
        switch (option) {
        case 'n':
            inputs = strtoull(optarg, NULL, 0);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'v':
            verbose = 1;
            break;
        default:
            fprintf(stderr, "usage: %s [-n INPUTS] [-s SEED] [-v] | FILE...\n", argv[0]);
            return EXIT_FAILURE;
        }
    }
    if (optind < argc) {
        int status = 0;
        for (int i = optind; i < argc; i++) {
            status |= run_file(argv[i]);
        }
        return status;
    }
    printf("%s: %llu inputs, -s %llu\n", argv[0], (unsigned long long)inputs,
           (unsigned long long)seed);
    fflush(stdout);
    for (uint64_t i = 0; i < inputs; i++) {
        uint8_t buf[INPUT_MAX];
        size_t len = make_input(buf, seed, i);
        if (verbose) {
            printf("input %llu\n", (unsigned long long)i);
            fflush(stdout);
        }
        LLVMFuzzerTestOneInput(buf, len);
    }
    return EXIT_SUCCESS;
}
