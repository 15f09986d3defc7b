#include "dnsd/zone/patch.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <stdio.h>
#include <stdlib.h>

#define SOA(serial) "@ 3600 SOA NS admin " serial " 7200 900 86400 300\n"
#define BODY                                                                                       \
    "@ 3600 NS ns\nns 3600 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 A 192.0.2.3\n"                  \
    "@ 60 MX 10 Mail.example.org.\n*.w 60 TXT \"x\" \"y\"\nd 60 CNAME other.example.net.\n"        \
    "a.b.c 60 SRV 1 2 3 www\n"

static struct dns_image *image;
static const char *zone;

static void setup(void)
{
    zone = "example.org";
    image = support_image(zone, SOA("5") BODY);
}

static void teardown(void)
{
    keel_free(image);
}

/* --- records of text, into a diff --- */

static struct dns_diff steps[4];
static unsigned count;

struct into {
    struct dns_diff *diff;
    bool add;
};

static int take(void *arg, const struct dns_scanned *record, struct keel_diag *diag)
{
    struct into *into = arg;
    struct dns_name owner = *record->owner;
    dns_name_lower(&owner);
    const struct dns_diff_record item = {.owner = owner.bytes,
                                         .owner_size = owner.size,
                                         .type = record->type,
                                         .ttl = record->ttl,
                                         .rdata = record->rdata,
                                         .rdata_size = record->rdata_size};
    return (into->add ? dns_diff_add : dns_diff_delete)(into->diff, &item);
}

static void step(uint32_t from, uint32_t to, const char *deleted, const char *added)
{
    struct dns_name origin = support_name(zone);
    struct into into = {&steps[count++], false};
    struct keel_diag diag;
    dns_diff_init(into.diff);
    into.diff->from = from;
    into.diff->to = to;
    struct dns_scan_io io = {support_no_files, take, &into};
    int err = dns_scan_text(keel_str(deleted), "deleted", &origin, &io, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    into.add = true;
    err = dns_scan_text(keel_str(added), "added", &origin, &io, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
}

static void drop_steps(void)
{
    while (count > 0)
        dns_diff_fini(&steps[--count]);
}

/* --- records back into an image --- */

static int compile(void *arg, const struct dns_diff_record *record)
{
    struct dns_name owner;
    struct keel_diag diag;
    dns_name_set(&owner, record->owner);
    const struct dns_scanned scanned = {.owner = &owner,
                                        .type = record->type,
                                        .ttl = record->ttl,
                                        .rdata = record->rdata,
                                        .rdata_size = record->rdata_size,
                                        .file = "patch"};
    return dns_compiler_add(arg, &scanned, &diag);
}

static int patched(struct dns_image **out, struct keel_diag *diag)
{
    struct dns_name origin = support_name(zone);
    struct dns_compiler *compiler = dns_compiler_new(&origin, (struct keel_hash_key){1, 2});
    if (!compiler)
        return KEEL_ENOMEM;
    int err =
        dns_patch_each(image, steps, count, (struct keel_hash_key){3, 4}, compile, compiler, diag);
    if (err == 0)
        err = dns_compiler_finish(compiler, out, diag);
    dns_compiler_free(compiler);
    return err;
}

/* What the steps make of the image is, byte for byte, what text makes. */
static void check_is(const char *text)
{
    struct dns_image *expected = support_image(zone, text), *got;
    struct keel_diag diag = {""};
    int err = patched(&got, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert_uint_eq(got->records, expected->records);
    ck_assert_uint_eq(got->size, expected->size);
    ck_assert_int_eq(memcmp(got, expected, got->size), 0);
    keel_free(got);
    keel_free(expected);
    drop_steps();
}

static void check_refused(const char *why)
{
    struct keel_diag diag = {""};
    struct dns_image *got;
    ck_assert_int_eq(patched(&got, &diag), KEEL_EINVAL);
    ck_assert_str_eq(diag.text, why);
    drop_steps();
}

START_TEST(nothing_changes)
{
    uint32_t numbers[5];
    check_is(SOA("5") BODY);
    const struct dns_view view = {image, NULL};
    dns_view_soa(&view, numbers);
    ck_assert_uint_eq(numbers[0], 5);
    ck_assert_uint_eq(numbers[1], 7200);
    ck_assert_uint_eq(numbers[4], 300);
}
END_TEST

START_TEST(out_and_in)
{
    step(5, 6, SOA("5") "www 60 A 192.0.2.2\n@ 60 MX 10 mail\n",
         SOA("6") "new 60 AAAA 2001:db8::1\n");
    step(6, 7, SOA("6") "new 60 AAAA 2001:db8::1\n", SOA("7") "new 60 AAAA 2001:db8::2\n");
    check_is(SOA("7") "@ 3600 NS ns\nns 3600 A 192.0.2.1\nwww 60 A 192.0.2.3\n*.w 60 TXT x y\n"
                      "d 60 CNAME other.example.net.\na.b.c 60 SRV 1 2 3 www\n"
                      "new 60 AAAA 2001:db8::2\n");
}
END_TEST

START_TEST(out_and_in_again)
{
    step(5, 6, SOA("5") "www 60 A 192.0.2.2\n", SOA("6") "x 60 A 192.0.2.9\n");
    step(6, 7, SOA("6") "x 60 A 192.0.2.9\n", SOA("7") "www 60 A 192.0.2.2\n");
    check_is(SOA("7") BODY);
}
END_TEST

START_TEST(another_ttl)
{
    step(5, 6, SOA("5") "d 60 CNAME other.example.net.\n",
         SOA("6") "d 77 CNAME other.example.net.\n");
    check_is(SOA("6") "@ 3600 NS ns\nns 3600 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 A 192.0.2.3\n"
                      "@ 60 MX 10 Mail\n*.w 60 TXT \"x\" \"y\"\nd 77 CNAME other.example.net.\n"
                      "a.b.c 60 SRV 1 2 3 www\n");
}
END_TEST

START_TEST(names_in_any_case_but_text_in_its_own)
{
    step(5, 6, SOA("5") "@ 60 MX 10 MAIL.EXAMPLE.ORG.\n", SOA("6") "@ 60 MX 20 mail\n");
    check_is(SOA("6") "@ 3600 NS ns\nns 3600 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 A 192.0.2.3\n"
                      "@ 60 MX 20 mail\n*.w 60 TXT \"x\" \"y\"\nd 60 CNAME other.example.net.\n"
                      "a.b.c 60 SRV 1 2 3 www\n");
    step(5, 6, SOA("5") "*.w 60 TXT X y\n", SOA("6"));
    check_refused("it deletes *.w.example.org. TXT, which is not there");
}
END_TEST

START_TEST(what_does_not_fit)
{
    step(4, 6, SOA("4"), SOA("6"));
    check_refused("the differences are from serial 4, not 5");
    step(5, 6, SOA("5"), SOA("6"));
    step(7, 8, SOA("7"), SOA("8"));
    check_refused("the differences are from serial 7, not 6");
    step(5, 6, SOA("5") "nowhere 60 A 192.0.2.2\n", SOA("6"));
    check_refused("it deletes nowhere.example.org. A, which is not there");
    step(5, 6, SOA("5") "www 60 A 192.0.2.2\n", SOA("6"));
    step(6, 7, SOA("6") "www 60 A 192.0.2.2\n", SOA("7"));
    check_refused("it deletes www.example.org. A, which is not there");
}
END_TEST

START_TEST(signed_zones_come_out_whole)
{
    char *text = support_data("signed.zone");
    keel_free(image);
    zone = "signed";
    image = support_image(zone, text);
    check_is(text);
    free(text);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_image *got;
    struct keel_diag diag;
    int err = patched(&got, &diag);
    if (err == 0)
        keel_free(got);
    return err;
}

START_TEST(every_allocation_may_fail)
{
    step(5, 6, SOA("5") "www 60 A 192.0.2.2\n", SOA("6") "x 60 A 192.0.2.9\n");
    allocfail_sweep(sweep, NULL);
    drop_steps();
}
END_TEST

Suite *patch_suite(void)
{
    Suite *suite = suite_create("patch");
    TCase *tc = tcase_create("patch");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_changes);
    tcase_add_test(tc, out_and_in);
    tcase_add_test(tc, out_and_in_again);
    tcase_add_test(tc, another_ttl);
    tcase_add_test(tc, names_in_any_case_but_text_in_its_own);
    tcase_add_test(tc, what_does_not_fit);
    tcase_add_test(tc, signed_zones_come_out_whole);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
