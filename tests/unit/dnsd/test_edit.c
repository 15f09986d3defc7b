/* Changes to a zone: steps, their differences, and the images made of them. */
#include "common/base/rand.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/edit.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <stdio.h>

#define SOA "@ SOA ns h 7 2 3 4 5\n"
#define NEXT_SOA "@ SOA ns h 8 2 3 4 5\n"
#define REST                                                                                       \
    "@ NS ns\n@ NS ns.other.\nns A 192.0.2.1\nmail MX 10 NS\nmail MX 20 ns.other.\n"               \
    "www CNAME ns\n*.wild TXT \"a b\"\ncut NS ns.cut\nns.cut AAAA ::1\ndeep.er TXT x\n"            \
    "d DNAME other.\n"
#define ZONE "$TTL 60\n" SOA REST

static struct dns_image *base;
static struct dns_edit *edit;

static void setup(void)
{
    base = support_image("z", ZONE);
    edit = dns_edit_new(base);
    ck_assert_ptr_nonnull(edit);
}

static void teardown(void)
{
    dns_edit_free(edit);
    keel_free(base);
}

/* --- changes as text: "+ RECORD", "- RECORD", "- OWNER TYPE", "- OWNER" --- */

struct line {
    struct dns_edit *edit;
    bool add;
    int err;
};

static int take(void *arg, const struct dns_scanned *scanned, struct keel_diag *diag)
{
    struct line *line = arg;
    struct dns_name owner = *scanned->owner;
    dns_name_lower(&owner);
    const struct dns_diff_record r = {.owner = owner.bytes,
                                      .owner_size = owner.size,
                                      .type = scanned->type,
                                      .ttl = scanned->ttl,
                                      .rdata = scanned->rdata,
                                      .rdata_size = scanned->rdata_size};
    line->err = line->add ? dns_edit_add(line->edit, &r) : dns_edit_remove(line->edit, &r);
    return 0;
}

static int remove_all(struct dns_edit *e, const char *text)
{
    struct dns_name apex = support_name("z"), owner;
    struct keel_str rest = keel_str(text), name;
    uint16_t type = 0;
    keel_str_split(&rest, ' ', &name);
    ck_assert_int_eq(dns_name_from_text(&owner, name, &apex), 0);
    if (rest.n > 0)
        ck_assert_int_eq(dns_type_parse(rest, &type), 0);
    const struct dns_diff_record r = {.owner = owner.bytes, .owner_size = owner.size, .type = type};
    return dns_edit_remove(e, &r);
}

static int change(struct dns_edit *e, const char *text)
{
    struct dns_name apex = support_name("z");
    struct line line = {.edit = e, .add = text[0] == '+'};
    struct keel_diag diag;
    char entry[256];
    unsigned words = 1;
    for (const char *p = text + 2; *p; p++)
        words += *p == ' ';
    if (!line.add && words < 3)
        return remove_all(e, text + 2);
    snprintf(entry, sizeof entry, "$TTL 60\n%s\n", text + 2);
    struct dns_scan_io io = {support_no_files, take, &line};
    ck_assert_msg(dns_scan_text(keel_str(entry), "line", &apex, &io, &diag) == 0, "%s", diag.text);
    return line.err;
}

/* Lines until NULL. The first error. */
static int change_all(struct dns_edit *e, const char *const *lines)
{
    int err = 0;
    for (; *lines && err == 0; lines++)
        err = change(e, *lines);
    return err;
}

static const struct {
    const char *lines[6];
    const char *zone;
} steps[] = {
    {{"+ new A 192.0.2.9"}, ZONE "new A 192.0.2.9\n"},
    {{"+ a.b.c A 192.0.2.9"}, ZONE "a.b.c A 192.0.2.9\n"},
    {{"+ ns A 192.0.2.1"}, ZONE},
    {{"+ NS A 192.0.2.2"}, ZONE "ns A 192.0.2.2\n"},
    {{"- mail MX 10 ns"},
     "$TTL 60\n" SOA "@ NS ns\n@ NS ns.other.\nns A 192.0.2.1\n"
     "mail MX 20 ns.other.\nwww CNAME ns\n*.wild TXT \"a b\"\n"
     "cut NS ns.cut\nns.cut AAAA ::1\ndeep.er TXT x\nd DNAME other.\n"},
    {{"- www", "+ www A 192.0.2.3", "- www A", "+ www CNAME mail", "+ WWW CNAME ns"}, ZONE},
    {{"- mail MX", "+ mail MX 20 ns.other.", "+ mail MX 10 NS"}, ZONE},
    {{"+ @ SOA ns h 8 2 3 4 5"}, "$TTL 60\n" NEXT_SOA REST},
    {{"- d", "+ x.d A 192.0.2.4"},
     "$TTL 60\n" SOA "@ NS ns\n@ NS ns.other.\nns A 192.0.2.1\nmail MX 10 NS\n"
     "mail MX 20 ns.other.\nwww CNAME ns\n*.wild TXT \"a b\"\n"
     "cut NS ns.cut\nns.cut AAAA ::1\ndeep.er TXT x\n"
     "x.d A 192.0.2.4\n"},
    {{"+ *.wild 99 TXT c"},
     "$TTL 60\n" SOA "@ NS ns\n@ NS ns.other.\nns A 192.0.2.1\nmail MX 10 NS\n"
     "mail MX 20 ns.other.\nwww CNAME ns\n*.wild 99 TXT \"a b\"\n"
     "*.wild 99 TXT c\ncut NS ns.cut\nns.cut AAAA ::1\ndeep.er TXT x\n"
     "d DNAME other.\n"},
};

START_TEST(a_step_changes_the_zone)
{
    struct keel_diag diag = {""};
    struct dns_diff diff;
    dns_edit_begin(edit);
    ck_assert_int_eq(change_all(edit, steps[_i].lines), 0);
    dns_diff_init(&diff);
    ck_assert_int_eq(dns_edit_difference(edit, &diff), 0);
    ck_assert_msg(dns_edit_commit(edit, &diag) == 0, "%s", diag.text);
    support_expect(edit, steps[_i].zone);
    /* the difference does the same to another */
    struct dns_edit *other = dns_edit_new(base);
    diff.from = 7;
    dns_edit_begin(other);
    ck_assert_msg(dns_edit_apply(other, &diff, &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(dns_edit_commit(other, &diag), 0);
    support_expect(other, steps[_i].zone);
    dns_diff_fini(&diff);
    dns_edit_free(other);
}
END_TEST

START_TEST(a_step_can_be_undone)
{
    struct keel_diag diag;
    dns_edit_begin(edit);
    ck_assert_int_eq(change(edit, "+ kept A 192.0.2.8"), 0);
    ck_assert_int_eq(dns_edit_commit(edit, &diag), 0);
    dns_edit_begin(edit);
    ck_assert_int_eq(change_all(edit, steps[_i].lines), 0);
    ck_assert_int_eq(change(edit, "- kept"), 0);
    dns_edit_rollback(edit);
    support_expect(edit, ZONE "kept A 192.0.2.8\n");
}
END_TEST

static const char *const wrong[][5] = {
    {"- @ NS"},
    {"- @"},
    {"- @ SOA"},
    {"+ www A 192.0.2.1"},
    {"+ ns CNAME www"},
    {"+ below.d A 192.0.2.1"},
    {"+ far.below.d A 192.0.2.1"},
    {"+ er DNAME other."},
    {"+ *.wild NS ns"},
};

START_TEST(what_is_no_zone_is_refused)
{
    struct keel_diag diag = {""};
    dns_edit_begin(edit);
    ck_assert_int_eq(change_all(edit, wrong[_i]), 0);
    ck_assert_int_eq(dns_edit_commit(edit, &diag), KEEL_EINVAL);
    ck_assert_str_ne(diag.text, "");
    dns_edit_rollback(edit);
    support_expect(edit, ZONE);
}
END_TEST

START_TEST(what_cannot_stand_is_refused)
{
    dns_edit_begin(edit);
    ck_assert_int_eq(change(edit, "+ x.other. A 192.0.2.1"), KEEL_EINVAL);
    ck_assert_int_eq(change(edit, "+ sub SOA ns h 1 1 1 1 1"), KEEL_EINVAL);
    ck_assert_int_eq(change(edit, "- nothing A"), KEEL_ENOENT);
    ck_assert_int_eq(change(edit, "- ns A 192.0.2.77"), KEEL_ENOENT);
    dns_edit_rollback(edit);
}
END_TEST

static int count_one(void *arg, const struct dns_diff_record *record)
{
    ++*(unsigned *)arg;
    return 0;
}

START_TEST(reads_what_is_there_now)
{
    struct keel_diag diag;
    struct dns_name ns = support_name("ns.z"), fresh = support_name("new.z");
    struct dns_name empty = support_name("er.z");
    unsigned count = 0;
    ck_assert_uint_eq(dns_edit_serial(edit), 7);
    ck_assert(dns_edit_has_name(edit, ns.bytes, ns.size));
    ck_assert(!dns_edit_has_name(edit, fresh.bytes, fresh.size));
    ck_assert(!dns_edit_has_name(edit, empty.bytes, empty.size)); /* no record is there */
    ck_assert(dns_edit_has_set(edit, ns.bytes, ns.size, DNS_TYPE_A));
    ck_assert(!dns_edit_has_set(edit, ns.bytes, ns.size, DNS_TYPE_AAAA));
    dns_edit_begin(edit);
    ck_assert_int_eq(change(edit, "+ new A 192.0.2.9"), 0);
    ck_assert_int_eq(change(edit, "- ns"), 0);
    ck_assert_int_eq(change(edit, "+ @ SOA ns h 9 2 3 4 5"), 0);
    ck_assert_uint_eq(dns_edit_serial(edit), 9);
    ck_assert(!dns_edit_has_name(edit, ns.bytes, ns.size));
    ck_assert(dns_edit_has_set(edit, fresh.bytes, fresh.size, DNS_TYPE_A));
    ck_assert_int_eq(dns_edit_commit(edit, &diag), 0);
    ck_assert_int_eq(dns_edit_each(edit, count_one, &count), 0);
    ck_assert_uint_eq(count, 12);
    ck_assert(!dns_edit_is_signed(edit));
}
END_TEST

START_TEST(a_difference_must_fit)
{
    struct keel_diag diag;
    struct dns_diff diff;
    dns_diff_init(&diff);
    diff.from = 6;
    dns_edit_begin(edit);
    ck_assert_int_eq(dns_edit_apply(edit, &diff, &diag), KEEL_EINVAL);
    diff.from = 7;
    struct dns_name nothing = support_name("nothing.z");
    const struct dns_diff_record r = {.owner = nothing.bytes,
                                      .owner_size = nothing.size,
                                      .type = DNS_TYPE_A,
                                      .rdata = (const uint8_t *)"\1\2\3\4",
                                      .rdata_size = 4};
    ck_assert_int_eq(dns_diff_delete(&diff, &r), 0);
    ck_assert_int_eq(dns_edit_apply(edit, &diff, &diag), KEEL_EINVAL);
    dns_edit_rollback(edit);
    dns_diff_fini(&diff);
}
END_TEST

/* Random steps; some undone; now and then the base is made anew from a snapshot while the edit goes
 * on. A plain list of what should be there is the judge. */
START_TEST(random_steps)
{
    struct keel_prng prng;
    struct keel_diag diag = {""};
    bool there[40] = {false}, before[40];
    struct dns_edit *snapshot = NULL;
    struct dns_image *image;
    char line[64], text[8192];
    keel_prng_seed(&prng, (uint64_t)_i + 1);
    for (unsigned round = 0; round < 60; round++) {
        memcpy(before, there, sizeof there);
        dns_edit_begin(edit);
        for (unsigned n = keel_prng_below(&prng, 6); n > 0; n--) {
            unsigned k = keel_prng_below(&prng, 40);
            snprintf(line, sizeof line, "%c n%u.r A 192.0.2.%u", there[k] ? '-' : '+', k % 9, k);
            ck_assert_int_eq(change(edit, line), 0);
            there[k] = !there[k];
        }
        if (keel_prng_below(&prng, 4) == 0) {
            dns_edit_rollback(edit);
            memcpy(there, before, sizeof there);
        } else {
            ck_assert_msg(dns_edit_commit(edit, &diag) == 0, "%s", diag.text);
        }
        if (keel_prng_below(&prng, 8) == 0 && !snapshot) {
            snapshot = dns_edit_snapshot(edit);
        } else if (keel_prng_below(&prng, 4) == 0 && snapshot) {
            ck_assert_int_eq(
                dns_edit_image(snapshot, (struct keel_hash_key){round, 3}, &image, &diag), 0);
            ck_assert_int_eq(dns_edit_rebase(edit, snapshot, image), 0);
            dns_edit_free(snapshot);
            snapshot = NULL;
            keel_free(base);
            base = image;
        }
        size_t used = (size_t)snprintf(text, sizeof text, "%s", ZONE);
        for (unsigned k = 0; k < 40; k++)
            if (there[k])
                used += (size_t)snprintf(text + used, sizeof text - used, "n%u.r A 192.0.2.%u\n",
                                         k % 9, k);
        support_expect(edit, text);
    }
    dns_edit_free(snapshot);
    ck_assert_uint_lt(dns_edit_weight(edit), 100000);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_name names[] = {support_name("new.z"), support_name("ns.z"), support_name("www.z")};
    struct keel_diag diag;
    struct dns_diff diff;
    struct dns_image *image = NULL;
    struct dns_edit *e = dns_edit_new(base), *snapshot = NULL;
    if (!e)
        return KEEL_ENOMEM;
    dns_diff_init(&diff);
    dns_edit_begin(e);
    int err = 0;
    for (unsigned i = 0; i < 3 && err == 0; i++) {
        const struct dns_diff_record r = {.owner = names[i].bytes,
                                          .owner_size = names[i].size,
                                          .type = i < 2 ? DNS_TYPE_A : 0,
                                          .rdata = i < 2 ? (const uint8_t *)"\1\2\3\4" : NULL,
                                          .rdata_size = i < 2 ? 4 : 0};
        err = i < 2 ? dns_edit_add(e, &r) : dns_edit_remove(e, &r);
    }
    if (err == 0)
        err = dns_edit_difference(e, &diff);
    int checked = err == 0 ? dns_edit_commit(e, &diag) : err;
    if (checked)
        dns_edit_rollback(e);
    err = checked;
    if (err == 0)
        err = (snapshot = dns_edit_snapshot(e)) ? 0 : KEEL_ENOMEM;
    if (err == 0)
        err = dns_edit_image(e, (struct keel_hash_key){1, 2}, &image, &diag);
    if (err == 0)
        err = dns_edit_rebase(e, snapshot, image);
    dns_edit_free(e);
    dns_edit_free(snapshot);
    dns_diff_fini(&diff);
    keel_free(image);
    return err;
}

START_TEST(survives_every_failing_allocation)
{
    allocfail_sweep(sweep, NULL);
}
END_TEST

Suite *edit_suite(void)
{
    Suite *s = suite_create("dnsd/zone/edit");
    TCase *t = tcase_create("edit");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_step_changes_the_zone, 0, sizeof steps / sizeof steps[0]);
    tcase_add_loop_test(t, a_step_can_be_undone, 0, sizeof steps / sizeof steps[0]);
    tcase_add_loop_test(t, what_is_no_zone_is_refused, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, what_cannot_stand_is_refused);
    tcase_add_test(t, reads_what_is_there_now);
    tcase_add_test(t, a_difference_must_fit);
    tcase_add_loop_test(t, random_steps, 0, 6);
    tcase_add_test(t, survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return s;
}
