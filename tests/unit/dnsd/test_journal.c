#include "config.h"

#include "dnsd/serve/journal.h"

#include "common/base/mem.h"
#include "suites.h"
#include "support.h"

#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char dir[256];
static struct keel_store *store;
static struct dns_journal journal;
static struct dns_name apex, other;

#define NO_LIMIT UINT64_MAX

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void open_store(void)
{
    struct keel_diag diag;
    int err = keel_store_open(dir, DNS_JOURNAL_TABLES, false, &store, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert_int_eq(dns_journal_init(&journal, store, &diag), 0);
}

static void reopen_store(void)
{
    keel_store_close(store);
    open_store();
}

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/keel-journal-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    apex = support_name("example.org");
    other = support_name("org");
    open_store();
}

static void teardown(void)
{
    keel_store_close(store);
    store = NULL;
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
    ck_assert_int_eq(keel_store_begin(store), 0);
}

static void commit(void)
{
    ck_assert_int_eq(keel_store_commit(store), 0);
}

static int append(const struct dns_name *zone, uint32_t from, uint32_t to, uint64_t limit)
{
    char text[32];
    snprintf(text, sizeof text, "%u to %u", from, to);
    return dns_journal_append(&journal, zone, from, to, (struct keel_bytes){text, strlen(text)},
                              limit, NULL);
}

/* A base with serial 1 and steps up to `serial`. */
static void fill(const struct dns_name *zone, uint32_t serial)
{
    begin();
    ck_assert_int_eq(dns_journal_base(&journal, zone, "first.img", 1, 0, NO_LIMIT), 0);
    for (uint32_t i = 1; i < serial; i++)
        ck_assert_int_eq(append(zone, i, i + 1, NO_LIMIT), 0);
    commit();
}

static struct dns_journal_zone find(const struct dns_name *zone)
{
    struct dns_journal_zone found;
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(dns_journal_find(&journal, zone, &found), 0);
    keel_store_read_end(store);
    return found;
}

static int add_step(void *arg, const struct dns_journal_step *step)
{
    char *out = arg, expected[32];
    snprintf(expected, sizeof expected, "%u to %u", step->from, step->to);
    ck_assert_uint_eq(step->encoded.n, strlen(expected));
    ck_assert_mem_eq(step->encoded.p, expected, step->encoded.n);
    sprintf(out + strlen(out), "%u>%u ", step->from, step->to);
    return 0;
}

/* "1>2 2>3 " */
static const char *steps(const struct dns_name *zone, uint64_t number)
{
    static char text[1024];
    text[0] = '\0';
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(dns_journal_steps(&journal, zone, number, add_step, text), 0);
    keel_store_read_end(store);
    return text;
}

/* The number, or a negative error. */
static int64_t since(const struct dns_name *zone, uint32_t serial)
{
    uint64_t number;
    ck_assert_int_eq(keel_store_read(store), 0);
    int err = dns_journal_since(&journal, zone, serial, &number);
    keel_store_read_end(store);
    return err ? err : (int64_t)number;
}

START_TEST(steps_survive_a_reopen_in_order)
{
    fill(&apex, 5);
    fill(&other, 3); /* whose name the other one ends with */
    reopen_store();
    ck_assert_str_eq(steps(&apex, 1), "1>2 2>3 3>4 4>5 ");
    ck_assert_str_eq(steps(&apex, 4), "4>5 ");
    ck_assert_str_eq(steps(&apex, 5), "");
    ck_assert_str_eq(steps(&other, 1), "1>2 2>3 ");
    struct dns_journal_zone zone = find(&apex);
    ck_assert_uint_eq(zone.serial, 5);
    ck_assert_uint_eq(zone.base_serial, 1);
    ck_assert_uint_eq(zone.first, 1);
    ck_assert_uint_eq(zone.next, 5);
    ck_assert_str_eq(zone.base, "first.img");
    ck_assert_str_eq(zone.primary, "");
    ck_assert_uint_eq(zone.bytes, 4 * (8 + strlen("1 to 2")));
}
END_TEST

START_TEST(the_chain_from_a_serial)
{
    fill(&apex, 5);
    ck_assert_int_eq(since(&apex, 1), 1);
    ck_assert_int_eq(since(&apex, 4), 4);
    ck_assert_int_eq(since(&apex, 5), KEEL_ENOENT); /* the newest: nothing leads away */
    ck_assert_int_eq(since(&apex, 0), KEEL_ENOENT);
    ck_assert_int_eq(since(&apex, 77), KEEL_ENOENT);
    ck_assert_int_eq(since(&other, 1), KEEL_ENOENT);
}
END_TEST

START_TEST(serials_wrap_and_jump)
{
    static const uint32_t serials[] = {0xFFFFFFFE, 0xFFFFFFFF, 1, 2026112100, 0x80000000, 7};
    const unsigned count = sizeof serials / sizeof serials[0];
    begin();
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "b", serials[0], 0, NO_LIMIT), 0);
    for (unsigned i = 1; i < count; i++)
        ck_assert_int_eq(append(&apex, serials[i - 1], serials[i], NO_LIMIT), 0);
    commit();
    for (unsigned i = 0; i + 1 < count; i++)
        ck_assert_int_eq(since(&apex, serials[i]), i + 1);
    ck_assert_uint_eq(find(&apex).serial, 7);
}
END_TEST

START_TEST(a_serial_that_came_twice_is_the_newer_one)
{
    static const uint32_t serials[] = {10, 20, 10, 30};
    begin();
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "b", 10, 0, NO_LIMIT), 0);
    for (unsigned i = 1; i < 4; i++)
        ck_assert_int_eq(append(&apex, serials[i - 1], serials[i], NO_LIMIT), 0);
    commit();
    ck_assert_int_eq(since(&apex, 10), 3);
}
END_TEST

START_TEST(what_does_not_follow_is_refused_and_the_batch_goes_on)
{
    fill(&apex, 3);
    begin();
    ck_assert_int_eq(append(&apex, 2, 4, NO_LIMIT), KEEL_ERANGE);
    ck_assert_int_eq(append(&other, 1, 2, NO_LIMIT), KEEL_ENOENT);
    ck_assert_int_eq(dns_journal_refreshed(&journal, &other, 1, 2, ""), KEEL_ENOENT);
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "b", 9, 3, NO_LIMIT), KEEL_EINVAL);
    ck_assert_int_eq(append(&apex, 3, 4, NO_LIMIT), 0);
    commit();
    ck_assert_str_eq(steps(&apex, 1), "1>2 2>3 3>4 ");
}
END_TEST

START_TEST(the_oldest_go_but_none_that_the_base_has_not)
{
    const uint64_t step = 8 + strlen("1 to 2");
    fill(&apex, 6);
    begin();
    ck_assert_int_eq(append(&apex, 6, 7, step), 0); /* nothing is in the base yet */
    commit();
    ck_assert_uint_eq(find(&apex).first, 1);
    begin();
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "second.img", 5, 4, 3 * step), 0);
    commit();
    struct dns_journal_zone zone = find(&apex);
    ck_assert_uint_eq(zone.first, 4); /* three are kept: 4>5, and those behind the base */
    ck_assert_uint_eq(zone.serial, 7);
    ck_assert_uint_eq(zone.base_serial, 5);
    ck_assert_uint_eq(zone.bytes, 3 * step);
    ck_assert_str_eq(steps(&apex, zone.base_step + 1), "5>6 6>7 ");
    ck_assert_int_eq(since(&apex, 4), 4);
    ck_assert_int_eq(since(&apex, 3), KEEL_ENOENT);
    begin();
    ck_assert_int_eq(append(&apex, 7, 8, 0), 0);
    commit();
    ck_assert_uint_eq(find(&apex).first, 5);
    begin();
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "third.img", 8, 7, 0), 0);
    commit();
    zone = find(&apex);
    ck_assert_uint_eq(zone.first, zone.next);
    ck_assert_uint_eq(zone.bytes, 0);
    ck_assert_uint_eq(zone.serial, 8);
}
END_TEST

START_TEST(refreshed_cleared_removed)
{
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    fill(&apex, 4);
    fill(&other, 4);
    begin();
    ck_assert_int_eq(dns_journal_refreshed(&journal, &apex, 1000, 2000, "192.0.2.1:53"), 0);
    ck_assert_int_eq(dns_journal_refreshed(&journal, &other, 5, 6, longest), 0);
    commit();
    struct dns_journal_zone zone = find(&apex);
    ck_assert_uint_eq(zone.refreshed, 1000);
    ck_assert_uint_eq(zone.expires, 2000);
    ck_assert_str_eq(zone.primary, "192.0.2.1:53");
    ck_assert_uint_eq(strlen(find(&other).primary), DNS_JOURNAL_PRIMARY_MAX);

    begin(); /* another zone in its place */
    ck_assert_int_eq(dns_journal_clear(&journal, &apex), 0);
    zone.next = 0;
    ck_assert_int_eq(dns_journal_find(&journal, &apex, &zone), 0);
    ck_assert_int_eq(dns_journal_base(&journal, &apex, "new.img", 100, zone.next - 1, NO_LIMIT), 0);
    commit();
    zone = find(&apex);
    ck_assert_uint_eq(zone.serial, 100);
    ck_assert_uint_eq(zone.bytes, 0);
    ck_assert_str_eq(steps(&apex, zone.base_step + 1), "");
    ck_assert_int_eq(since(&apex, 1), KEEL_ENOENT);
    begin();
    ck_assert_int_eq(append(&apex, 100, 101, NO_LIMIT), 0);
    commit();
    ck_assert_str_eq(steps(&apex, zone.base_step + 1), "100>101 ");

    begin();
    ck_assert_int_eq(dns_journal_remove(&journal, &apex), 0);
    ck_assert_int_eq(dns_journal_remove(&journal, &apex), 0);
    ck_assert_int_eq(dns_journal_find(&journal, &apex, &zone), KEEL_ENOENT);
    commit();
    ck_assert_uint_eq(keel_store_count(journal.zones), 1);
    ck_assert_uint_eq(keel_store_count(journal.steps), 3);
    ck_assert_str_eq(steps(&other, 1), "1>2 2>3 3>4 ");
}
END_TEST

static int add_zone(void *arg, const struct dns_name *name, const struct dns_journal_zone *zone)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, name->bytes);
    sprintf((char *)arg + strlen(arg), "%s=%u ", text, zone->serial);
    return 0;
}

START_TEST(every_zone_is_visited)
{
    char text[256] = "";
    fill(&apex, 4);
    fill(&other, 2);
    ck_assert_int_eq(keel_store_read(store), 0);
    ck_assert_int_eq(dns_journal_each(&journal, add_zone, text), 0);
    keel_store_read_end(store);
    ck_assert_str_eq(text, "org.=2 example.org.=4 ");
}
END_TEST

START_TEST(what_is_none_of_ours_is_told)
{
    struct dns_journal_zone zone;
    static const char *const records[] = {"", "x", "\001", "\001abcdefghijklmnopqrstuvwxyz"};
    fill(&apex, 4);
    for (unsigned i = 0; i < sizeof records / sizeof records[0]; i++) {
        begin();
        keel_store_put(journal.zones, (struct keel_bytes){other.bytes, other.size},
                       (struct keel_bytes){records[i], strlen(records[i])});
        ck_assert_int_eq(dns_journal_find(&journal, &other, &zone), KEEL_EINVAL);
        ck_assert_int_eq(append(&other, 1, 2, NO_LIMIT), KEEL_EINVAL);
        char text[256] = "";
        ck_assert_int_eq(dns_journal_each(&journal, add_zone, text), KEEL_EINVAL);
        ck_assert_int_eq(dns_journal_remove(&journal, &other), 0);
        commit();
    }
    /* a step that is missing or has no head */
    uint8_t key[64];
    memcpy(key, apex.bytes, apex.size);
    memset(key + apex.size, 0, 8);
    key[apex.size + 7] = 2;
    struct keel_bytes second = {key, apex.size + 8u};
    char text[256] = "";
    begin();
    keel_store_put(journal.steps, second, (struct keel_bytes){"abc", 3});
    ck_assert_int_eq(dns_journal_steps(&journal, &apex, 1, add_step, text), KEEL_EINVAL);
    keel_store_del(journal.steps, second);
    ck_assert_int_eq(dns_journal_steps(&journal, &apex, 1, add_step, text), KEEL_EINVAL);
    ck_assert_int_eq(dns_journal_steps(&journal, &apex, 0, add_step, text), KEEL_EINVAL);
    ck_assert_int_eq(dns_journal_clear(&journal, &apex), 0);
    commit();
    ck_assert_uint_eq(keel_store_count(journal.steps), 0);
}
END_TEST

/* No file may grow: what the batch had in it is not there afterwards, for none of its zones. */
START_TEST(a_commit_that_fails_leaves_nothing)
{
    static char large[4 << 20];
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    fill(&apex, 4);
    fill(&other, 2);
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 2 << 20;
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 3; i++) {
        begin();
        ck_assert_int_eq(append(&apex, 4, 5, 0), 0);
        dns_journal_append(&journal, &other, 2, 3, (struct keel_bytes){large, sizeof large}, 0,
                           NULL);
        dns_journal_base(&journal, &apex, "lost.img", 5, 4, 0);
        ck_assert_int_ne(keel_store_commit(store), 0);
        ck_assert_str_eq(steps(&apex, 1), "1>2 2>3 3>4 ");
        ck_assert_str_eq(steps(&other, 1), "1>2 ");
        ck_assert_str_eq(find(&apex).base, "first.img");
    }
    limit.rlim_cur = before;
    setrlimit(RLIMIT_FSIZE, &limit);
    begin();
    ck_assert_int_eq(append(&apex, 4, 5, NO_LIMIT), 0);
    commit();
    reopen_store();
    ck_assert_str_eq(steps(&apex, 1), "1>2 2>3 3>4 4>5 ");
}
END_TEST

START_TEST(no_memory_is_an_error_and_no_loss)
{
    fill(&apex, 4);
    int err = KEEL_ENOMEM;
    for (uint64_t n = 1; err; n++) {
        ck_assert_uint_lt(n, 50);
        begin();
        keel_mem_fail_at(n);
        err = append(&apex, 4, 5, 0);
        if (err == 0)
            err = dns_journal_base(&journal, &apex, "second.img", 5, 4, 0);
        if (err == 0)
            err = keel_store_commit(store);
        else
            keel_store_abort(store);
        keel_mem_fail_at(0);
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        if (err)
            ck_assert_str_eq(steps(&apex, 1), "1>2 2>3 3>4 ");
    }
    ck_assert_str_eq(find(&apex).base, "second.img");
}
END_TEST

Suite *journal_suite(void)
{
    Suite *suite = suite_create("journal");
    TCase *tc = tcase_create("journal");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, steps_survive_a_reopen_in_order);
    tcase_add_test(tc, the_chain_from_a_serial);
    tcase_add_test(tc, serials_wrap_and_jump);
    tcase_add_test(tc, a_serial_that_came_twice_is_the_newer_one);
    tcase_add_test(tc, what_does_not_follow_is_refused_and_the_batch_goes_on);
    tcase_add_test(tc, the_oldest_go_but_none_that_the_base_has_not);
    tcase_add_test(tc, refreshed_cleared_removed);
    tcase_add_test(tc, every_zone_is_visited);
    tcase_add_test(tc, what_is_none_of_ours_is_told);
    tcase_add_test(tc, a_commit_that_fails_leaves_nothing);
    tcase_add_test(tc, no_memory_is_an_error_and_no_loss);
    suite_add_tcase(suite, tc);
    return suite;
}
