/* SPDX-License-Identifier: MIT */
/* BlockBackend on real files; locks are tried with qemu-img where it is installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/block.h"

typedef struct Image {
    char dir[32], path[64];
    int fd;
    char told[512]; /* by report() */
    unsigned told_count;
} Image;

static void report(void *opaque, const char *message) {
    Image *im = opaque;
    snprintf(im->told, sizeof(im->told), "%s", message);
    im->told_count++;
}

static Image *image_new(uint64_t size) {
    Image *im = calloc(1, sizeof(*im));
    strcpy(im->dir, "/tmp/test-block-XXXXXX");
    assert_non_null(mkdtemp(im->dir));
    snprintf(im->path, sizeof(im->path), "%s/disk.img", im->dir);
    im->fd = open(im->path, O_RDWR | O_CREAT, 0600);
    for (uint64_t i = 0; i < size; i += 100) {
        char text[101];
        snprintf(text, sizeof(text), "%-99llu\n", (unsigned long long)i);
        uint64_t n = size - i < 100 ? size - i : 100;
        assert_int_equal(pwrite(im->fd, text, n, (off_t)i), (int)n);
    }
    return im;
}

static void image_free(Image *im) {
    close(im->fd);
    unlink(im->path);
    assert_int_equal(rmdir(im->dir), 0); /* fails if something was left behind */
    free(im);
}

static BlockBackend *image_open(Image *im, BlockOptions o) {
    Error *err = NULL;
    o.file = im->path;
    o.report = report;
    o.report_opaque = im;
    BlockBackend *blk = blk_open(&o, &err);
    if (blk == NULL) {
        print_error("%s\n", error_message(err));
    }
    assert_non_null(blk);
    return blk;
}

/* Expects blk_open to fail with a message that has all of these words. */
static void expect_error(BlockOptions o, const char *a, const char *b) {
    Error *err = NULL;
    assert_null(blk_open(&o, &err));
    if (strstr(error_message(err), a) == NULL || strstr(error_message(err), b) == NULL) {
        fail_msg("unexpected: %s", error_message(err));
    }
    error_free(err);
}

static void reads_and_writes_any_alignment(void **state) {
    (void)state;
    Image *im = image_new(4096);
    BlockBackend *blk = image_open(im, (BlockOptions){.id = "x"});
    char buf[300], file[300];
    assert_string_equal(blk_id(blk), "x");
    assert_int_equal(blk_size(blk), 4096);
    assert_int_equal(blk_read(blk, 123, buf, 300), 0);
    assert_int_equal(pread(im->fd, file, 300, 123), 300);
    assert_memory_equal(buf, file, 300);
    memset(buf, 'z', 300);
    assert_int_equal(blk_write(blk, 1001, buf, 300), 0);
    assert_int_equal(pread(im->fd, file, 300, 1001), 300);
    assert_memory_equal(buf, file, 300);
    assert_int_equal(blk_flush(blk), 0);
    blk_close(blk);
    image_free(im);
}

static void vectors_are_filled_in_order(void **state) {
    (void)state;
    Image *im = image_new(512 * 300);
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    enum { PARTS = 200 }; /* more than one system call takes at once */
    static char buf[PARTS * 512], file[PARTS * 512];
    struct iovec iov[PARTS];
    for (unsigned i = 0; i < PARTS; i++) {
        iov[i] = (struct iovec){buf + i * 512, 512};
    }
    assert_int_equal(blk_readv(blk, 512, iov, PARTS), 0);
    assert_int_equal(pread(im->fd, file, sizeof(file), 512), (int)sizeof(file));
    assert_memory_equal(buf, file, sizeof(file));
    blk_close(blk);
    image_free(im);
}

static void outside_the_image_is_einval(void **state) {
    (void)state;
    Image *im = image_new(1024);
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    char buf[64] = {0};
    assert_int_equal(blk_read(blk, 1024, buf, 1), -EINVAL);
    assert_int_equal(blk_read(blk, 1000, buf, 25), -EINVAL);
    assert_int_equal(blk_write(blk, UINT64_MAX, buf, 2), -EINVAL);
    assert_int_equal(blk_write(blk, UINT64_MAX - 1, buf, 64), -EINVAL);
    assert_int_equal(blk_discard(blk, 1023, 2), -EINVAL);
    assert_int_equal(blk_write_zeroes(blk, 0, UINT64_MAX), -EINVAL);
    assert_int_equal(blk_discard(blk, 512, UINT64_MAX - 100),
                     -EINVAL); /* the end overflows */
    assert_int_equal(blk_read(blk, 1024, buf, 0), 0);
    struct iovec huge[2] = {{buf, SIZE_MAX}, {buf, 10}};
    assert_int_equal(blk_readv(blk, 0, huge, 2), -EINVAL); /* the sum overflows */
    blk_close(blk);
    image_free(im);
}

/* QEMU rounds the size up to a sector, reads zeros there, and lets the file grow. */
static void last_partial_sector_reads_zeros_and_can_be_written(void **state) {
    (void)state;
    Image *im = image_new(1000);
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    char buf[512], zeros[24] = {0};
    struct stat sb;
    assert_int_equal(blk_size(blk), 1024);
    assert_int_equal(blk_read(blk, 512, buf, 512), 0);
    assert_memory_equal(buf + 488, zeros, 24);
    memset(buf, 'q', sizeof(buf));
    assert_int_equal(blk_write(blk, 512, buf, 512), 0);
    fstat(im->fd, &sb);
    assert_int_equal(sb.st_size, 1024);
    blk_close(blk);
    image_free(im);
}

static void read_only_image_refuses_writes(void **state) {
    (void)state;
    Image *im = image_new(1024);
    BlockBackend *blk = image_open(im, (BlockOptions){.read_only = true});
    char buf[16] = {0};
    assert_true(blk_read_only(blk));
    assert_int_equal(blk_read(blk, 0, buf, 16), 0);
    assert_int_equal(blk_write(blk, 0, buf, 16), -EACCES);
    assert_int_equal(blk_write_zeroes(blk, 0, 16), -EACCES);
    assert_int_equal(blk_discard(blk, 0, 16), -EACCES);
    blk_close(blk);
    image_free(im);
}

static void truncated_image_is_an_io_error_told_once(void **state) {
    (void)state;
    Image *im = image_new(8192);
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    char buf[512];
    assert_int_equal(ftruncate(im->fd, 4096), 0);
    assert_int_equal(blk_read(blk, 0, buf, 512), 0);
    assert_int_equal(im->told_count, 0);
    assert_int_equal(blk_read(blk, 4096, buf, 512), -EIO);
    assert_int_equal(blk_read(blk, 3840, buf, 512), -EIO);
    assert_int_equal(im->told_count, 1);
    assert_non_null(strstr(im->told, im->path));
    assert_non_null(strstr(im->told, "reading"));
    blk_close(blk);
    image_free(im);
}

static void removed_image_goes_on_working(void **state) {
    (void)state;
    Image *im = image_new(1024);
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    char buf[512];
    unlink(im->path);
    assert_int_equal(blk_write(blk, 0, "abc", 3), 0);
    assert_int_equal(blk_read(blk, 0, buf, 512), 0);
    assert_memory_equal(buf, "abc", 3);
    assert_int_equal(blk_flush(blk), 0);
    blk_close(blk);
    image_free(im);
}

/* A limit on the file's size stands in for a full disk. */
static void full_disk_is_an_error_and_what_was_flushed_stays(void **state) {
    (void)state;
    Image *im = image_new(0);
    assert_int_equal(ftruncate(im->fd, 1024 * 1024), 0);
    pid_t pid = fork();
    if (pid == 0) { /* the limit would hold for this process for good */
        signal(SIGXFSZ, SIG_IGN);
        BlockBackend *blk = image_open(im, (BlockOptions){0});
        struct rlimit limit = {512 * 1024, 512 * 1024};
        setrlimit(RLIMIT_FSIZE, &limit);
        bool ok = blk_write(blk, 0, "kept", 4) == 0 && blk_flush(blk) == 0;
        int rc = blk_write(blk, 512 * 1024, "lost", 4);
        ok = ok && rc == -EFBIG && im->told_count == 1 &&
             strstr(im->told, "writing") != NULL;
        rc = blk_write(blk, 512 * 1024, "lost", 4);
        ok = ok && rc == -EFBIG && im->told_count == 1;
        ok = ok && blk_write(blk, 1000, "more", 4) == 0; /* goes on */
        blk_close(blk);
        _exit(ok ? 0 : 1);
    }
    int status;
    char buf[4];
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(pread(im->fd, buf, 4, 0), 4);
    assert_memory_equal(buf, "kept", 4);
    image_free(im);
}

static void unusable_files_are_clear_errors(void **state) {
    (void)state;
    Image *im = image_new(1024);
    char fifo[96], qcow[96], missing[96];
    snprintf(fifo, sizeof(fifo), "%s/fifo", im->dir);
    snprintf(qcow, sizeof(qcow), "%s/q", im->dir);
    snprintf(missing, sizeof(missing), "%s/none/x", im->dir);
    mkfifo(fifo, 0600);
    int fd = open(qcow, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(fd, "QFI\xfb\0\0\0\3", 8), 8);
    close(fd);
    expect_error((BlockOptions){.file = missing}, missing, "No such file");
    expect_error((BlockOptions){.file = im->dir}, im->dir, "directory");
    expect_error((BlockOptions){.file = im->dir, .read_only = true}, im->dir,
                 "neither a file");
    expect_error((BlockOptions){.file = fifo}, fifo, "neither a file");
    expect_error((BlockOptions){.file = "/dev/null"}, "/dev/null", "neither a file");
    expect_error((BlockOptions){.file = qcow}, qcow, "qcow2");
    expect_error((BlockOptions){.file = im->path, .format = "vmdk"}, "vmdk",
                 "not supported");
    expect_error((BlockOptions){.file = im->path, .snapshot = true, .tmp_dir = missing},
                 missing, "TMPDIR");
    BlockOptions raw = {.file = qcow,
                        .format = "raw"}; /* asked for by name: taken as it is */
    BlockBackend *blk = blk_open(&raw, NULL);
    assert_non_null(blk);
    blk_close(blk);
    unlink(fifo);
    unlink(qcow);
    image_free(im);
}

/* Open file descriptions lock each other out inside one process too. */
static void writer_excludes_others_and_readers_share(void **state) {
    (void)state;
    Image *im = image_new(1024);
    BlockBackend *writer = image_open(im, (BlockOptions){0});
    expect_error((BlockOptions){.file = im->path}, im->path, "in use");
    expect_error((BlockOptions){.file = im->path, .read_only = true}, im->path, "in use");
    expect_error((BlockOptions){.file = im->path, .snapshot = true}, im->path, "in use");
    blk_close(writer);
    BlockBackend *a = image_open(im, (BlockOptions){.read_only = true});
    BlockBackend *b = image_open(im, (BlockOptions){.snapshot = true});
    expect_error((BlockOptions){.file = im->path}, im->path, "in use");
    blk_close(a);
    blk_close(b);
    blk_close(image_open(im, (BlockOptions){0}));
    image_free(im);
}

static bool qemu_io_opens(const Image *im, bool read_only) {
    char command[256];
    snprintf(command, sizeof(command), "qemu-io -f raw %s -c quit %s >/dev/null 2>&1",
             read_only ? "-r" : "", im->path);
    return system(command) == 0;
}

static void locks_are_those_of_qemu(void **state) {
    (void)state;
    Image *im = image_new(1024);
    if (system("qemu-io --version >/dev/null 2>&1") != 0) {
        print_message("skipped: qemu-io is not installed\n");
        image_free(im);
        skip();
    }
    assert_true(qemu_io_opens(im, false));
    BlockBackend *blk = image_open(im, (BlockOptions){0});
    assert_false(qemu_io_opens(im, false));
    blk_close(blk);
    blk = image_open(im, (BlockOptions){.read_only = true});
    assert_false(qemu_io_opens(im, false));
    assert_true(qemu_io_opens(im, true));
    blk_close(blk);
    image_free(im);
}

static void discard_makes_holes_only_if_asked(void **state) {
    (void)state;
    for (int unmap = 0; unmap < 2; unmap++) {
        Image *im = image_new(64 * 1024);
        char buf[4096], zeros[4096] = {0}, before[4096];
        struct stat sb;
        BlockBackend *blk = image_open(im, (BlockOptions){.discard = unmap});
        assert_int_equal(blk_read(blk, 8192, before, 4096), 0);
        assert_int_equal(blk_discard(blk, 8192, 4096), 0);
        assert_int_equal(blk_read(blk, 8192, buf, 4096), 0);
        if (!unmap) {
            assert_memory_equal(buf, before, 4096);
        } else if (memcmp(buf, before, 4096) !=
                   0) { /* a file system without holes keeps it */
            assert_memory_equal(buf, zeros, 4096);
        }
        fstat(im->fd, &sb);
        assert_int_equal(sb.st_size, 64 * 1024);
        blk_close(blk);
        image_free(im);
    }
}

/* --- snapshot ----------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *s) { /* xorshift64* (Vigna 2016) */
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * UINT64_C(2685821657736338717);
}

/* Random reads, writes and zeroings against an array; the image must stay as it was. */
static void snapshot_is_an_array_over_an_untouched_image(void **state) {
    (void)state;
    enum { FILE_SIZE = 100 * 1000, SIZE = 100352 }; /* rounded up to a sector */
    const char *given = getenv("VITRINE_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("VITRINE_SEED=%llu\n", (unsigned long long)seed);
    uint64_t s = seed * 2 + 1;
    Image *im = image_new(FILE_SIZE);
    static uint8_t model[SIZE], before[FILE_SIZE], buf[SIZE];
    memset(model, 0, sizeof(model));
    assert_int_equal(pread(im->fd, before, FILE_SIZE, 0), FILE_SIZE);
    memcpy(model, before, FILE_SIZE);
    BlockBackend *blk =
        image_open(im, (BlockOptions){.snapshot = true, .tmp_dir = im->dir});
    assert_false(blk_read_only(blk));
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t offset = random_next(&s) % SIZE;
        uint64_t len = random_next(&s) % (random_next(&s) % 8 == 0 ? SIZE : 9000);
        len = len < SIZE - offset ? len : SIZE - offset;
        if (random_next(&s) % 3 == 0) { /* whole sectors, as disks have */
            offset &= ~UINT64_C(511);
            len &= ~UINT64_C(511);
        }
        switch (random_next(&s) % 4) {
        case 0:
            assert_int_equal(blk_read(blk, offset, buf, len), 0);
            assert_memory_equal(buf, model + offset, len);
            break;
        case 1:
            memset(model + offset, 0, len);
            assert_int_equal(blk_write_zeroes(blk, offset, len), 0);
            break;
        default:
            memset(model + offset, (int)random_next(&s), len);
            assert_int_equal(blk_write(blk, offset, model + offset, len), 0);
        }
    }
    assert_int_equal(blk_read(blk, 0, buf, SIZE), 0);
    assert_memory_equal(buf, model, SIZE);
    blk_close(blk);
    assert_int_equal(pread(im->fd, buf, SIZE, 0), FILE_SIZE);
    assert_memory_equal(buf, before, FILE_SIZE);
    image_free(im);
}

static void snapshot_of_a_file_without_write_permission(void **state) {
    (void)state;
    Image *im = image_new(1024);
    chmod(im->path, 0400);
    BlockBackend *blk = image_open(im, (BlockOptions){.snapshot = true});
    char buf[4];
    assert_int_equal(blk_write(blk, 10, "abcd", 4), 0);
    assert_int_equal(blk_read(blk, 10, buf, 4), 0);
    assert_memory_equal(buf, "abcd", 4);
    blk_close(blk);
    image_free(im);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_any_alignment),
        cmocka_unit_test(vectors_are_filled_in_order),
        cmocka_unit_test(outside_the_image_is_einval),
        cmocka_unit_test(last_partial_sector_reads_zeros_and_can_be_written),
        cmocka_unit_test(read_only_image_refuses_writes),
        cmocka_unit_test(truncated_image_is_an_io_error_told_once),
        cmocka_unit_test(removed_image_goes_on_working),
        cmocka_unit_test(full_disk_is_an_error_and_what_was_flushed_stays),
        cmocka_unit_test(unusable_files_are_clear_errors),
        cmocka_unit_test(writer_excludes_others_and_readers_share),
        cmocka_unit_test(locks_are_those_of_qemu),
        cmocka_unit_test(discard_makes_holes_only_if_asked),
        cmocka_unit_test(snapshot_is_an_array_over_an_untouched_image),
        cmocka_unit_test(snapshot_of_a_file_without_write_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
