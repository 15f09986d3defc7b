#include "common/base/clock.h"
#include "dnsd/transfer/notify.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#define ZONE "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"
#define NOW 1000

static struct dns_zones zones;
static struct dns_tsig_keys keys;
static const struct dns_tsig_key *key;
static struct dns_notifier notifier;
static uint8_t message[DNS_NOTIFY_SIZE];
static size_t size;
static const struct dns_notice *notice;
static unsigned rcode;

static void setup(void)
{
    struct dns_name name = support_name("k");
    support_zones_init(&zones);
    support_serve(&zones, "a.example", ZONE);
    support_serve(&zones, "b.example", ZONE);
    dns_tsig_keys_init(&keys, (struct keel_hash_key){1, 2});
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "x", 1, 0), 0);
    key = dns_tsig_keys_find(&keys, &name);
    dns_notifier_init(&notifier, (struct keel_hash_key){3, 4});
}

static void teardown(void)
{
    dns_notifier_fini(&notifier);
    dns_zones_fini(&zones);
    dns_tsig_keys_fini(&keys);
}

static struct dns_notify_target target(unsigned zone, const char *address, bool sign)
{
    struct dns_notify_target t = {.zone = zones.items[zone], .key = sign ? key : NULL};
    ck_assert_int_eq(keel_addr_parse(&t.addr, keel_str(address), 53, NULL), 0);
    return t;
}

static void add(unsigned zone, const char *address, bool sign)
{
    struct dns_notify_target t = target(zone, address, sign);
    ck_assert_int_eq(dns_notifier_add(&notifier, &t), 0);
    ck_assert_int_eq(dns_notifier_add(&notifier, &t), KEEL_EEXIST);
}

static enum dns_notify_action next(uint64_t s)
{
    return dns_notifier_next(&notifier, s * KEEL_NS_PER_S, NOW, (uint16_t)(s + 77), message, &size,
                             &notice);
}

/* An answer to `message`, signed when the notice is. */
static enum dns_notify_answer answer(struct dns_tsig_session *server, unsigned code)
{
    struct keel_addr from = notice->target.addr;
    struct keel_writer w;
    size_t question = notice->target.zone->apex.size + 4u;
    keel_put_u16(message + 6, 0);
    keel_put_u16(message + 10, 0);
    message[2] |= 0x80;
    message[3] = (uint8_t)code;
    keel_writer_init(&w, message, sizeof message);
    keel_write_skip(&w, DNS_HEADER_SIZE + question);
    if (server)
        ck_assert_int_eq(dns_tsig_sign(server, &w, NOW), 0);
    return dns_notifier_answer(&notifier, &from, message, keel_writer_offset(&w), NOW, &notice,
                               &rcode);
}

static void change(unsigned zone, const char *text)
{
    dns_zone_set_version(zones.items[zone], dns_version_new(support_image("a.example", text)));
}

START_TEST(tells_of_each_version)
{
    add(0, "192.0.2.1", false);
    add(0, "192.0.2.2", false);
    add(1, "192.0.2.1", false);
    dns_notifier_zone(&notifier, zones.items[0]);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
        ck_assert_int_eq(answer(NULL, DNS_NOERROR), DNS_NOTIFY_HEARD);
    }
    ck_assert_int_eq(next(1), DNS_NOTIFY_NOTHING);

    /* another version while the answer is on its way: it is told once more, at once */
    change(0, "$TTL 60\n@ SOA ns h 8 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    dns_notifier_zone(&notifier, zones.items[0]);
    ck_assert_int_eq(next(2), DNS_NOTIFY_SEND);
    change(0, "$TTL 60\n@ SOA ns h 9 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    dns_notifier_zone(&notifier, zones.items[0]);
    ck_assert_int_eq(answer(NULL, DNS_NOERROR), DNS_NOTIFY_HEARD);
    ck_assert_uint_eq(notice->serial, 8);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(next(2), DNS_NOTIFY_SEND);
        ck_assert_int_eq(answer(NULL, DNS_NOERROR), DNS_NOTIFY_HEARD);
        ck_assert_uint_eq(notice->serial, 9);
    }
    ck_assert_int_eq(next(2), DNS_NOTIFY_NOTHING);
}
END_TEST

START_TEST(forgets_a_zone)
{
    add(0, "192.0.2.1", false);
    add(1, "192.0.2.1", false);
    add(0, "192.0.2.2", false);
    dns_notifier_begin(&notifier);
    dns_notifier_forget(&notifier, zones.items[0]);
    dns_notifier_forget(&notifier, zones.items[0]);
    ck_assert_uint_eq(notifier.count, 1);
    ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
    ck_assert_ptr_eq(notice->target.zone, zones.items[1]);
    ck_assert_int_eq(next(1), DNS_NOTIFY_NOTHING);
    add(0, "192.0.2.1", false);
    ck_assert_uint_eq(notifier.count, 2);
}
END_TEST

START_TEST(says_nothing_of_a_zone_without_data)
{
    add(0, "192.0.2.1", false);
    dns_notifier_begin(&notifier);
    dns_zone_set_version(zones.items[0], NULL);
    ck_assert_int_eq(next(1), DNS_NOTIFY_NOTHING);
    dns_notifier_zone(&notifier, zones.items[0]);
    ck_assert_int_eq(next(1), DNS_NOTIFY_NOTHING);
}
END_TEST

START_TEST(tells_until_it_is_heard)
{
    add(0, "192.0.2.1", false);
    ck_assert_uint_eq(dns_notifier_due(&notifier), UINT64_MAX);
    ck_assert_int_eq(next(0), DNS_NOTIFY_NOTHING);
    dns_notifier_begin(&notifier);
    ck_assert_uint_eq(dns_notifier_due(&notifier), 0);
    uint64_t at = 100;
    for (unsigned i = 0; i < DNS_NOTIFY_TRIES; i++) {
        ck_assert_int_eq(next(at), DNS_NOTIFY_SEND);
        ck_assert_int_eq(next(at), DNS_NOTIFY_NOTHING);
        ck_assert_uint_eq(dns_notifier_due(&notifier), (at + (1ull << i)) * KEEL_NS_PER_S);
        at += 1ull << i;
        ck_assert_int_eq(next(at - 1), DNS_NOTIFY_NOTHING);
    }
    ck_assert_int_eq(next(at), DNS_NOTIFY_GIVE_UP);
    ck_assert_uint_eq(dns_notifier_due(&notifier), UINT64_MAX);
    ck_assert_int_eq(answer(NULL, 0), DNS_NOTIFY_STRANGE); /* too late */
    dns_notifier_begin(&notifier);
    ck_assert_int_eq(next(at), DNS_NOTIFY_SEND);
    ck_assert_int_eq(answer(NULL, 0), DNS_NOTIFY_HEARD);
    ck_assert(notifier.changed);
    ck_assert_int_eq(answer(NULL, 0), DNS_NOTIFY_STRANGE); /* twice */
    dns_notifier_begin(&notifier);
    ck_assert_int_eq(next(at), DNS_NOTIFY_NOTHING);
}
END_TEST

START_TEST(says_what_is_new)
{
    char shown[4096];
    add(0, "[2001:db8::1]:5353", false);
    dns_notifier_begin(&notifier);
    ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
    ck_assert_uint_eq(keel_get_u16(message), 78);
    ck_assert_uint_eq(keel_get_u16(message + 2), 0x2400);
    ck_assert_uint_eq(keel_addr_port(&notice->target.addr), 5353);
    support_show(shown, sizeof shown, message, size);
    ck_assert_str_eq(shown, "NOERROR aa\nanswer a.example. 60 IN SOA ns.a.example. h.a.example. "
                            "7 2 3 4 5\n");
}
END_TEST

START_TEST(every_server_and_zone_for_itself)
{
    add(0, "192.0.2.1", false);
    add(0, "192.0.2.1:54", false);
    add(1, "192.0.2.1", false);
    dns_notifier_begin(&notifier);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
        ck_assert_int_eq(answer(NULL, i == 1 ? DNS_REFUSED : DNS_NOERROR),
                         i == 1 ? DNS_NOTIFY_REJECTED : DNS_NOTIFY_HEARD);
        ck_assert_uint_eq(rcode, i == 1 ? DNS_REFUSED : DNS_NOERROR);
    }
    ck_assert_int_eq(next(1000), DNS_NOTIFY_NOTHING);
    dns_notifier_begin(&notifier); /* one has not acknowledged */
    ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
    ck_assert_uint_eq(keel_addr_port(&notice->target.addr), 54);
    ck_assert_int_eq(next(1), DNS_NOTIFY_NOTHING);
}
END_TEST

START_TEST(strange_answers)
{
    add(0, "192.0.2.1", false);
    dns_notifier_begin(&notifier);
    ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
    struct keel_addr from = notice->target.addr, other = from;
    uint8_t good[64];
    size_t n = DNS_HEADER_SIZE + 11 + 4;
    memcpy(good, message, n);
    keel_put_u16(good + 6, 0);
    good[2] |= 0x80;
    keel_addr_set_port(&other, 54);
#define TAKE(bytes, length, peer)                                                                  \
    dns_notifier_answer(&notifier, peer, bytes, length, NOW, &notice, &rcode)
    ck_assert_int_eq(TAKE(good, n, &other), DNS_NOTIFY_STRANGE);
    for (size_t cut = 0; cut < n - 4; cut++)
        ck_assert_int_eq(TAKE(good, cut, &from), DNS_NOTIFY_STRANGE);
    static const size_t changed[] = {0, 1, 2, 5, 13};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        good[changed[i]] ^= 0x80;
        ck_assert_int_eq(TAKE(good, n, &from), DNS_NOTIFY_STRANGE);
        good[changed[i]] ^= 0x80;
    }
    good[13] ^= 0x20; /* the case of the name is nobody's business */
    ck_assert_int_eq(TAKE(good, n, &from), DNS_NOTIFY_HEARD);
}
END_TEST

START_TEST(signed_ones)
{
    struct dns_tsig_session server;
    size_t at;
    add(0, "192.0.2.1", true);
    dns_notifier_begin(&notifier);
    ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
    ck_assert_int_eq(dns_tsig_find(message, size, &at), 0);
    ck_assert_int_eq(dns_tsig_accept(&server, &keys, message, size, at, NOW), DNS_NOERROR);
    ck_assert_int_eq(answer(NULL, 0), DNS_NOTIFY_STRANGE); /* unsigned */
    ck_assert_int_eq(answer(NULL, DNS_REFUSED), DNS_NOTIFY_STRANGE);
    ck_assert_int_eq(answer(&server, 0), DNS_NOTIFY_HEARD);
}
END_TEST

START_TEST(remembers)
{
    struct dns_notifier again;
    struct keel_buf text;
    struct dns_notify_target one = target(0, "192.0.2.1", false),
                             two = target(1, "[::1]:54", false);
    keel_buf_init(&text, 0);
    add(0, "192.0.2.1", false);
    add(1, "[::1]:54", false);
    add(1, "192.0.2.1", false);
    dns_notifier_begin(&notifier);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(next(1), DNS_NOTIFY_SEND);
        if (i < 2)
            ck_assert_int_eq(answer(NULL, 0), DNS_NOTIFY_HEARD);
    }
    ck_assert_int_eq(dns_notifier_save(&notifier, &text), 0);
    ck_assert(!notifier.changed);
    ck_assert_str_eq(keel_buf_text(&text), "a.example. 192.0.2.1:53 7\nb.example. [::1]:54 7\n");
    dns_notifier_init(&again, (struct keel_hash_key){5, 6});
    ck_assert_int_eq(dns_notifier_add(&again, &one), 0);
    ck_assert_int_eq(dns_notifier_add(&again, &two), 0);
    dns_notifier_load(&again, KEEL_STR("\n\nrubbish\na.example.\na.example. 192.0.2.1:53\n"
                                       "a.example. 192.0.2.1:53 x\na.example. 192.0.2.1 6\n"
                                       "gone.example. 192.0.2.1:53 7\nb.example. [::1]:54 6"));
    dns_notifier_load(&again, keel_str(keel_buf_text(&text)));
    dns_notifier_load(&again, KEEL_STR("B.Example. [::1]:54 4294967295"));
    dns_notifier_begin(&again);
    ck_assert_int_eq(dns_notifier_next(&again, 0, NOW, 1, message, &size, &notice),
                     DNS_NOTIFY_SEND);
    ck_assert_ptr_eq(notice->target.zone, zones.items[1]);
    ck_assert_int_eq(dns_notifier_next(&again, 0, NOW, 1, message, &size, &notice),
                     DNS_NOTIFY_NOTHING);
    dns_notifier_fini(&again);
    keel_buf_fini(&text);
}
END_TEST

static int sweep(void *arg)
{
    struct dns_notifier all;
    struct dns_notify_target t = target(0, "192.0.2.1", false);
    int err = 0;
    dns_notifier_init(&all, (struct keel_hash_key){7, 8});
    for (uint16_t i = 1; i < 40 && err == 0; i++) {
        keel_addr_set_port(&t.addr, i);
        err = dns_notifier_add(&all, &t);
    }
    dns_notifier_fini(&all);
    return err;
}

START_TEST(memory_runs_out)
{
    ck_assert_uint_gt(allocfail_sweep(sweep, NULL), 40);
}
END_TEST

Suite *notify_suite(void)
{
    Suite *s = suite_create("dnsd/transfer/notify");
    TCase *t = tcase_create("notify");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, tells_of_each_version);
    tcase_add_test(t, forgets_a_zone);
    tcase_add_test(t, says_nothing_of_a_zone_without_data);
    tcase_add_test(t, tells_until_it_is_heard);
    tcase_add_test(t, says_what_is_new);
    tcase_add_test(t, every_server_and_zone_for_itself);
    tcase_add_test(t, strange_answers);
    tcase_add_test(t, signed_ones);
    tcase_add_test(t, remembers);
    tcase_add_test(t, memory_runs_out);
    suite_add_tcase(s, t);
    return s;
}
