/* SPDX-License-Identifier: MIT */
/* Loader. ELF files are made with the host's <elf.h>; Image headers after Linux's
 * Documentation/arch/riscv/boot-image-header.rst. */
#include "hw_fixture.h"

#include <elf.h>
#include <unistd.h>

#include "hw/machine/loader.h"

enum {
    RAM = 0x80000000,
    RAM_SIZE = 0x100000,
    SEG0 = 0x1000,
    SEG1 = 0x2000,
    FILE_SIZE = 0x3000
};

typedef struct LoaderTest {
    Fixture *f;
    MemoryRegion ram;
    RAMBlock *rb;
} LoaderTest;

static int setup(void **state) {
    LoaderTest *t = calloc(1, sizeof(*t));
    Error *err = NULL;
    t->f = fixture_new();
    t->rb = ramblock_new(&t->f->m.ram_list, "ram", RAM_SIZE, RAM_ANONYMOUS, NULL, &err);
    memory_region_init_ram(&t->ram, t->rb, "ram", RAM_SIZE);
    memory_region_add(&t->f->m.as, &t->f->m.system_memory, RAM, &t->ram, 0);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    LoaderTest *t = *state;
    memory_region_del(&t->f->m.as, &t->ram);
    address_space_reclaim(&t->f->m.as);
    memory_region_destroy(&t->ram);
    fixture_free(t->f);
    free(t);
    return 0;
}

static const ImagePlace place = {.xlen = 64, .ram_base = RAM, .free_base = RAM + 0x20000};

/* A program of two segments: 16 bytes of text at RAM, 8 bytes of data and 24 of bss
 * behind it, linked for virtual addresses 0x1000 above. */
static uint8_t *make_elf(void) {
    uint8_t *file = calloc(1, FILE_SIZE);
    Elf64_Ehdr *h = (Elf64_Ehdr *)file;
    Elf64_Phdr *p = (Elf64_Phdr *)(file + sizeof(*h));
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS64;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_type = ET_EXEC;
    h->e_machine = EM_RISCV;
    h->e_entry = RAM + 0x1004;
    h->e_phoff = sizeof(*h);
    h->e_phentsize = sizeof(*p);
    h->e_phnum = 2;
    p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_offset = SEG0,
                        .p_vaddr = RAM + 0x1000,
                        .p_paddr = RAM,
                        .p_filesz = 16,
                        .p_memsz = 16};
    p[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_offset = SEG1,
                        .p_vaddr = RAM + 0x1100,
                        .p_paddr = RAM + 0x100,
                        .p_filesz = 8,
                        .p_memsz = 32};
    memcpy(file + SEG0, "0123456789abcdef", 16);
    memcpy(file + SEG1, "datadata", 8);
    return file;
}

static Elf64_Ehdr *header(uint8_t *file) {
    return (Elf64_Ehdr *)file;
}

static Elf64_Phdr *phdr(uint8_t *file, unsigned i) {
    return (Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)) + i;
}

/* Parsing must fail with a message that contains `words`. Frees the file. */
static void expect_error(uint8_t *file, size_t size, const char *words) {
    ImageSource src = image_source_buffer("prog", file, size);
    Image image;
    Error *err = NULL;
    assert_false(image_parse(&src, &place, &image, &err));
    assert_non_null(err);
    if (!strstr(error_message(err), words)) {
        fail_msg("'%s' does not say '%s'", error_message(err), words);
    }
    assert_non_null(strstr(error_message(err), "prog"));
    error_free(err);
    free(file);
}

static void elf_segments_go_to_their_physical_addresses(void **state) {
    LoaderTest *t = *state;
    uint8_t *file = make_elf();
    ImageSource src = image_source_buffer("prog", file, FILE_SIZE);
    Image image;
    Error *err = NULL;
    assert_true(image_parse(&src, &place, &image, &err));
    assert_int_equal(image.kind, IMAGE_ELF);
    assert_int_equal(image.entry, RAM + 4);
    assert_int_equal(image.low, RAM);
    assert_int_equal(image.high, RAM + 0x120);
    memset(t->rb->host, 0xee, 0x200);
    assert_true(image_load(&src, &image, &t->f->m.as, false, &err));
    assert_memory_equal(t->rb->host, "0123456789abcdef\xee", 17);
    assert_memory_equal(t->rb->host + 0x100, "datadata\0\0\0\0", 12);
    assert_int_equal(t->rb->host[0x11f], 0);
    assert_int_equal(t->rb->host[0x120], 0xee);
    free(file);
}

static void elf_entry_outside_of_the_program_is_its_first_byte(void **state) {
    (void)state;
    uint8_t *file = make_elf();
    header(file)->e_entry = 0x1234;
    ImageSource src = image_source_buffer("prog", file, FILE_SIZE);
    Image image;
    assert_true(image_parse(&src, &place, &image, NULL));
    assert_int_equal(image.entry, RAM);
    free(file);
}

static void foreign_elf_files_are_named(void **state) {
    (void)state;
    uint8_t *file = make_elf();
    header(file)->e_machine = EM_X86_64;
    expect_error(file, FILE_SIZE, "another processor");
    file = make_elf();
    header(file)->e_ident[EI_DATA] = ELFDATA2MSB;
    expect_error(file, FILE_SIZE, "little-endian");
    file = make_elf();
    header(file)->e_ident[EI_CLASS] = ELFCLASS32;
    expect_error(file, FILE_SIZE, "RV32");
    file = make_elf();
    header(file)->e_ident[EI_CLASS] = 9;
    expect_error(file, FILE_SIZE, "class");
    file = make_elf();
    header(file)->e_type = ET_REL;
    expect_error(file, FILE_SIZE, "link it");
}

static void broken_elf_files_are_refused(void **state) {
    (void)state;
    uint8_t *file = make_elf();
    header(file)->e_phoff = UINT64_MAX - 8;
    expect_error(file, FILE_SIZE, "program headers");
    file = make_elf();
    header(file)->e_phnum = 0xffff;
    expect_error(file, FILE_SIZE, "program headers");
    file = make_elf();
    header(file)->e_phentsize = 8;
    expect_error(file, FILE_SIZE, "program headers");
    file = make_elf();
    phdr(file, 1)->p_offset = UINT64_MAX - 4;
    expect_error(file, FILE_SIZE, "truncated");
    file = make_elf();
    expect_error(file, SEG1 + 4, "truncated");
    file = make_elf();
    expect_error(file, 60, "");
    file = make_elf();
    phdr(file, 1)->p_memsz = 4;
    expect_error(file, FILE_SIZE, "impossible size");
    file = make_elf();
    phdr(file, 1)->p_paddr = UINT64_MAX - 16;
    expect_error(file, FILE_SIZE, "impossible size");
    file = make_elf();
    phdr(file, 1)->p_paddr = RAM + 15;
    expect_error(file, FILE_SIZE, "overlap");
    file = make_elf();
    phdr(file, 0)->p_type = phdr(file, 1)->p_type = PT_NOTE;
    expect_error(file, FILE_SIZE, "nothing to load");
}

static void segments_outside_of_ram_do_not_load(void **state) {
    LoaderTest *t = *state;
    uint8_t *file = make_elf();
    phdr(file, 1)->p_paddr = RAM + RAM_SIZE - 16;
    ImageSource src = image_source_buffer("prog", file, FILE_SIZE);
    Image image;
    Error *err = NULL;
    assert_true(image_parse(&src, &place, &image, &err));
    assert_false(image_load(&src, &image, &t->f->m.as, true, &err));
    assert_non_null(strstr(error_message(err), "0x80100000"));
    error_free(err);
    free(file);
}

static void put64(uint8_t *p, uint64_t v) {
    memcpy(p, &v, 8);
}

static uint8_t *make_linux(uint64_t text_offset, uint64_t image_size) {
    uint8_t *file = calloc(1, FILE_SIZE);
    put64(file + 8, text_offset);
    put64(file + 16, image_size);
    memcpy(file + 48, "RISCV\0\0\0RSC\x05", 12);
    return file;
}

static void linux_image_goes_to_its_text_offset(void **state) {
    (void)state;
    uint8_t *file = make_linux(0x40000, 0x5000);
    ImageSource src = image_source_buffer("Image", file, FILE_SIZE);
    Image image;
    assert_true(image_parse(&src, &place, &image, NULL));
    assert_int_equal(image.kind, IMAGE_LINUX);
    assert_int_equal(image.entry, RAM + 0x40000);
    assert_int_equal(image.segment[0].file_size, FILE_SIZE);
    assert_int_equal(image.high, RAM + 0x45000);
    free(file);
}

static void linux_image_stays_clear_of_the_firmware(void **state) {
    (void)state;
    uint8_t *file = make_linux(0x10000, 0);
    ImageSource src = image_source_buffer("Image", file, FILE_SIZE);
    Image image;
    assert_true(image_parse(&src, &place, &image, NULL));
    assert_int_equal(image.entry, place.free_base);
    assert_int_equal(image.high, place.free_base + FILE_SIZE);
    free(file);
}

static void hostile_linux_headers_are_refused(void **state) {
    LoaderTest *t = *state;
    uint8_t *file = make_linux(UINT64_MAX & ~UINT64_C(0xfff), 0x5000);
    expect_error(file, FILE_SIZE, "text_offset");
    file = make_linux(0x200000, UINT64_MAX);
    expect_error(file, FILE_SIZE, "impossible size");
    file = make_linux(0x40000, 0);
    file[24] = 1;
    expect_error(file, FILE_SIZE, "big-endian");
    file = make_linux(0x40000, UINT64_C(1) << 40);
    ImageSource src = image_source_buffer("prog", file, FILE_SIZE);
    Image image;
    Error *err = NULL;
    assert_true(image_parse(&src, &place, &image, &err));
    assert_false(image_load(&src, &image, &t->f->m.as, true, &err));
    assert_non_null(strstr(error_message(err), "does not fit"));
    error_free(err);
    free(file);
}

static void compressed_kernels_are_named(void **state) {
    (void)state;
    uint8_t *file = calloc(1, 64);
    memcpy(file, "\x1f\x8b\x08", 3);
    expect_error(file, 64, "gzip");
    file = calloc(1, 64);
    memcpy(file, "MZ\0\0zimg", 8);
    expect_error(file, 64, "EFI");
    file = calloc(1, 64);
    memcpy(file, "\x27\x05\x19\x56", 4);
    expect_error(file, 64, "uImage");
}

static void anything_else_is_raw(void **state) {
    LoaderTest *t = *state;
    ImageSource src = image_source_buffer("blob", "xyz", 3);
    Image image;
    assert_true(image_parse(&src, &place, &image, NULL));
    assert_int_equal(image.kind, IMAGE_RAW);
    assert_int_equal(image.entry, place.free_base);
    assert_true(image_load(&src, &image, &t->f->m.as, true, NULL));
    assert_memory_equal(t->rb->host + 0x20000, "xyz", 4);
}

static void files_are_read_and_their_absence_reported(void **state) {
    LoaderTest *t = *state;
    char path[64];
    ImageSource src;
    Image image;
    Error *err = NULL;
    snprintf(path, sizeof(path), "/tmp/vitrine-loader-%d", (int)getpid());
    FILE *out = fopen(path, "wb");
    fwrite("hello", 1, 5, out);
    fclose(out);
    assert_true(image_source_open(&src, path, &err));
    assert_true(image_parse(&src, &place, &image, &err));
    assert_true(image_load(&src, &image, &t->f->m.as, true, &err));
    assert_memory_equal(t->rb->host + 0x20000, "hello", 5);
    assert_int_equal(truncate(path, 2), 0);
    assert_false(image_load(&src, &image, &t->f->m.as, true, &err));
    assert_non_null(strstr(error_message(err), "shorter"));
    error_free(err);
    image_source_close(&src);
    unlink(path);
    err = NULL;
    assert_false(image_source_open(&src, path, &err));
    assert_non_null(strstr(error_message(err), "No such file"));
    error_free(err);
    err = NULL;
    assert_false(image_source_open(&src, "/tmp", &err));
    assert_non_null(strstr(error_message(err), "regular file"));
    error_free(err);
}

/* Whatever the bytes, parsing and loading end, and within the sanitizers' bounds. */
static void mutated_files_cannot_hurt(void **state) {
    LoaderTest *t = *state;
    uint64_t x = 20240411;
    unsigned parsed = 0;
    print_message("mutation seed %llu\n", (unsigned long long)x);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t *file = round & 1 ? make_elf() : make_linux(0x40000, 0x5000);
        for (unsigned i = 0; i < 1 + round % 4; i++) {
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
            file[(x >> 40) % 176] = (uint8_t)(x >> 32);
        }
        size_t size = round % 5 ? FILE_SIZE : (x >> 20) % FILE_SIZE + 1;
        uint8_t *exact = malloc(size);
        memcpy(exact, file, size);
        ImageSource src = image_source_buffer("prog", exact, size);
        Image image;
        Error *err = NULL;
        if (image_parse(&src, &place, &image, &err)) {
            parsed++;
            image_load(&src, &image, &t->f->m.as, false, &err);
        }
        error_free(err);
        free(exact);
        free(file);
    }
    assert_true(parsed > 1000 && parsed < 19000);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(elf_segments_go_to_their_physical_addresses),
        T(elf_entry_outside_of_the_program_is_its_first_byte),
        T(foreign_elf_files_are_named),
        T(broken_elf_files_are_refused),
        T(segments_outside_of_ram_do_not_load),
        T(linux_image_goes_to_its_text_offset),
        T(linux_image_stays_clear_of_the_firmware),
        T(hostile_linux_headers_are_refused),
        T(compressed_kernels_are_named),
        T(anything_else_is_raw),
        T(files_are_read_and_their_absence_reported),
        T(mutated_files_cannot_hurt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
