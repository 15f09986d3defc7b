#include "dnsd/wire/type.h"
#include "dnsd/zone/image_check.h"
#include "dnsd/zone/image_file.h"
#include "dnsd/zone/set_read.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#include <stdlib.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n"

static const char *const texts[] = {
    HEAD "ns A 192.0.2.1\n* MX 10 ns\na.b CNAME c.d\nd DNAME e\n",
    HEAD "sub NS ns.sub\nns.sub AAAA ::1\n_s._tcp SRV 1 2 3 ns\n"
         "a-rather-long-name-that-does-not-stand-in-its-node A 192.0.2.1\n",
    HEAD "@ NSEC a NS SOA\na NSEC z. A\na A 192.0.2.1\n",
};
#define ZONES (sizeof texts / sizeof texts[0])
static const char *const origins[ZONES] = {"one.", "two.", "3.three."};

static const struct dns_source sources[] = {
    {"zones/one", 11, 12, 13, 14, 15, true},
    {"/etc/included", 21, 22, 23, -24, 25, false},
};

/* A file of some zones in memory, 64-aligned. */
struct made {
    uint8_t *bytes;
    uint64_t size;
};

static struct made make(unsigned count)
{
    struct dns_image_part parts[ZONES];
    uint64_t offsets[ZONES], size = 0;
    struct keel_buf head = {0};
    for (unsigned i = 0; i < count; i++)
        parts[i] = (struct dns_image_part){support_image(origins[i], texts[i]), sources, i % 3};
    ck_assert_int_eq(dns_image_file_build(parts, count, &head, offsets, &size), 0);
    ck_assert_uint_eq(offsets[0] % DNS_IMAGE_FILE_PAGE, 0);
    struct made made = {aligned_alloc(64, (size + 63) & ~63ull), size};
    memset(made.bytes, 0, size);
    memcpy(made.bytes, keel_buf_bytes(&head), keel_buf_size(&head));
    for (unsigned i = 0; i < count; i++) {
        memcpy(made.bytes + offsets[i], parts[i].image, parts[i].image->size);
        keel_free((void *)parts[i].image);
    }
    keel_buf_fini(&head);
    return made;
}

START_TEST(comes_back_as_it_was)
{
    struct made made = make(ZONES);
    struct dns_image_file file;
    struct dns_image_zone zone;
    struct dns_source source;
    struct keel_diag diag;
    ck_assert_int_eq(dns_image_file_open(&file, made.bytes, made.size, &diag), 0);
    ck_assert_uint_eq(file.count, ZONES);
    for (unsigned i = 0; i < ZONES; i++) {
        struct dns_name apex = support_name(origins[i]);
        dns_image_file_zone(&file, i, &zone);
        ck_assert_mem_eq(zone.apex, apex.bytes, apex.size);
        ck_assert_uint_eq(zone.offset % 64, 0);
        const struct dns_image *image = dns_image_file_image(&file, &zone, &diag);
        ck_assert_msg(image, "%s", diag.text);
        ck_assert_uint_eq(image->serial, 7);
        ck_assert_uint_eq(zone.source_count, i % 3);
        for (unsigned k = 0; k < zone.source_count; k++) {
            dns_image_file_source(&file, &zone, k, &source);
            ck_assert_str_eq(source.path, sources[k].path);
            ck_assert_uint_eq(source.size, sources[k].size);
            ck_assert_uint_eq(source.inode, sources[k].inode);
            ck_assert_uint_eq(source.device, sources[k].device);
            ck_assert_int_eq(source.modified_ns, sources[k].modified_ns);
            ck_assert_int_eq(source.changed_ns, sources[k].changed_ns);
            ck_assert_int_eq(source.settled, sources[k].settled);
        }
    }
    free(made.bytes);
}
END_TEST

/* Which byte is between the parts: padding is nobody's. */
static bool is_padding(const struct dns_image_file *file, uint64_t at)
{
    struct dns_image_zone zone;
    uint64_t head;
    memcpy(&head, file->bytes + 24, sizeof head);
    bool taken = at < head;
    for (unsigned i = 0; i < file->count; i++) {
        dns_image_file_zone(file, i, &zone);
        taken |= at >= zone.offset && at < zone.offset + zone.size;
    }
    return !taken;
}

/* All images of the file, as the keeper would take them. */
static bool is_good(const struct made *made)
{
    struct dns_image_file file;
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    bool good = dns_image_file_open(&file, made->bytes, made->size, &diag) == 0;
    for (unsigned i = 0; good && i < file.count; i++) {
        dns_image_file_zone(&file, i, &zone);
        good = dns_image_file_image(&file, &zone, &diag) != NULL;
    }
    ck_assert(good || diag.text[0]);
    return good;
}

START_TEST(no_flipped_bit_passes)
{
    struct made made = make(ZONES);
    struct dns_image_file file;
    struct keel_diag diag;
    ck_assert_int_eq(dns_image_file_open(&file, made.bytes, made.size, &diag), 0);
    for (uint64_t at = 0; at < made.size; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        bool padding = is_padding(&file, at);
        made.bytes[at] ^= bit;
        ck_assert_msg(is_good(&made) == padding, "byte %llu", (unsigned long long)at);
        made.bytes[at] ^= bit;
    }
    ck_assert(is_good(&made));
    free(made.bytes);
}
END_TEST

START_TEST(no_shorter_file_passes)
{
    struct made made = make(2);
    uint64_t whole = made.size;
    for (made.size = 0; made.size < whole; made.size += made.size < 200 ? 1 : 37)
        ck_assert(!is_good(&made));
    free(made.bytes);
}
END_TEST

START_TEST(says_what_another_format_is)
{
    struct made made = make(1);
    struct dns_image_file file;
    struct keel_diag diag;
    made.bytes[10]++;
    ck_assert_int_eq(dns_image_file_open(&file, made.bytes, made.size, &diag), KEEL_EINVAL);
    ck_assert_str_eq(diag.text, "written in another format, by another version of the program");
    free(made.bytes);
}
END_TEST

static int build_and_open(void *arg)
{
    const struct dns_image_part *part = arg;
    struct keel_buf head = {0};
    uint64_t offset, size;
    int err = dns_image_file_build(part, 1, &head, &offset, &size);
    if (err == 0) {
        uint8_t *bytes = aligned_alloc(64, (size + 63) & ~63ull);
        struct dns_image_file file;
        struct dns_image_zone zone;
        struct keel_diag diag;
        memset(bytes, 0, size);
        memcpy(bytes, keel_buf_bytes(&head), keel_buf_size(&head));
        memcpy(bytes + offset, part->image, part->image->size);
        err = dns_image_file_open(&file, bytes, size, &diag);
        if (err == 0) {
            dns_image_file_zone(&file, 0, &zone);
            err = dns_image_file_image(&file, &zone, &diag) ? 0 : KEEL_ENOMEM;
        }
        free(bytes);
    }
    keel_buf_fini(&head);
    return err;
}

START_TEST(survives_no_memory)
{
    struct dns_image *image = support_image(origins[0], texts[0]);
    struct dns_image_part part = {image, sources, 2};
    ck_assert_uint_ge(allocfail_sweep(build_and_open, &part), 3);
    keel_free(image);
}
END_TEST

/* every fix and every kind of name comes back flat */
START_TEST(reads_rdata_back)
{
    struct dns_image *image = support_image(
        "example.", HEAD "@ MX 1 a.b.c.example.\n@ MX 2 x.b.c.example.\n@ MX 3 other.test.\n"
                         "@ MX 4 y.other.test.\n");
    const struct dns_node *apex = dns_image_apex(image);
    static const char *const wanted[] = {"a.b.c.example", "x.b.c.example", "other.test",
                                         "y.other.test"};
    struct dns_set_reader *reader = malloc(sizeof *reader);
    const uint8_t *rdata;
    uint16_t size;
    unsigned seen = 0;
    dns_set_read(reader, dns_node_set(image, apex, DNS_TYPE_MX), dns_node_name(image, apex),
                 apex->name_size, apex->name_size);
    while (dns_set_read_next(reader, &rdata, &size) == 1) {
        unsigned i = keel_get_u16(rdata) - 1u;
        struct dns_name name = support_name(wanted[i]);
        ck_assert_uint_eq(size, name.size + 2u);
        ck_assert_mem_eq(rdata + 2, name.bytes, name.size);
        seen |= 1u << i;
    }
    ck_assert_uint_eq(seen, 15);
    free(reader);
    keel_free(image);
}
END_TEST

Suite *image_file_suite(void)
{
    Suite *suite = suite_create("image_file");
    TCase *tests = tcase_create("image_file");
    tcase_add_test(tests, comes_back_as_it_was);
    tcase_add_test(tests, no_flipped_bit_passes);
    tcase_add_test(tests, no_shorter_file_passes);
    tcase_add_test(tests, says_what_another_format_is);
    tcase_add_test(tests, survives_no_memory);
    tcase_add_test(tests, reads_rdata_back);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
