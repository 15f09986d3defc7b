/* RFC 2136: every prerequisite and every kind of change, on one zone. */
#include "dnsd/transfer/update.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#include <stdio.h>

#define REST                                                                                       \
    "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\ntext TXT a\n"           \
    "dn DNAME other.\nt2 60 TXT x\nt2 60 TXT y\n"
#define AT(serial) "$TTL 60\n@ SOA ns h " serial " 2 3 4 5\n"
#define ZONE AT("7") REST
#define CHANGED(more) AT("8") REST more

static struct dns_image *base;
static struct dns_edit *edit;
static uint8_t message[65535];
static struct keel_writer w;

static void begin(const char *zone, uint16_t type)
{
    struct dns_name name = support_name(zone);
    keel_writer_init(&w, message, sizeof message);
    keel_write_u16(&w, 1);
    keel_write_u16(&w, DNS_OPCODE_UPDATE << DNS_OPCODE_SHIFT);
    keel_write_u16(&w, 1);
    keel_write_u16(&w, 0);
    keel_write_u16(&w, 0);
    keel_write_u16(&w, 0);
    keel_write_bytes(&w, name.bytes, name.size);
    keel_write_u16(&w, type);
    keel_write_u16(&w, DNS_CLASS_IN);
}

static void setup(void)
{
    base = support_image("z", ZONE);
    edit = dns_edit_new(base);
    begin("z", DNS_TYPE_SOA);
}

static void teardown(void)
{
    dns_edit_free(edit);
    keel_free(base);
}

static int put(void *arg, const struct dns_scanned *r, struct keel_diag *diag)
{
    const uint16_t *class = arg;
    uint32_t ttl = *class == DNS_CLASS_IN ? r->ttl : 0;
    keel_write_bytes(&w, r->owner->bytes, r->owner->size);
    keel_write_u16(&w, r->type);
    keel_write_u16(&w, *class);
    keel_write_u32(&w, ttl);
    keel_write_u16(&w, r->rdata_size);
    keel_write_bytes(&w, r->rdata, r->rdata_size);
    return 0;
}

/* "OWNER TYPE RDATA" or, without rdata, "OWNER TYPE". `least`: prerequisites have a TTL of 0. */
static void put_record(uint16_t class, const char *text, bool prerequisite)
{
    struct dns_name apex = support_name("z"), owner;
    struct keel_diag diag;
    char entry[300];
    unsigned words = 1;
    for (const char *p = text; *p; p++)
        words += *p == ' ';
    if (words > 2) {
        snprintf(entry, sizeof entry, "$TTL %d\n%s\n", prerequisite ? 0 : 60, text);
        struct dns_scan_io io = {support_no_files, put, &class};
        ck_assert_msg(dns_scan_text(keel_str(entry), "x", &apex, &io, &diag) == 0, "%s", diag.text);
        return;
    }
    struct keel_str rest = keel_str(text), name;
    uint16_t type = DNS_TYPE_ANY;
    keel_str_split(&rest, ' ', &name);
    ck_assert_int_eq(dns_name_from_text(&owner, name, &apex), 0);
    if (!keel_str_equal(rest, keel_str("ANY")))
        ck_assert_int_eq(dns_type_parse(rest, &type), 0);
    keel_write_bytes(&w, owner.bytes, owner.size);
    keel_write_u16(&w, type);
    keel_write_u16(&w, class);
    keel_write_u32(&w, 0);
    keel_write_u16(&w, 0);
}

/* "? set", "! name" ...: see the tables. */
static void put_line(const char *line)
{
    static const struct {
        char kind;
        uint16_t class;
        unsigned count_at;
    } kinds[] = {
        {'?', DNS_CLASS_ANY, 6},  /* is in use */
        {'!', DNS_CLASS_NONE, 6}, /* is not */
        {'=', DNS_CLASS_IN, 6},   /* this very set */
        {'+', DNS_CLASS_IN, 8},   {'x', DNS_CLASS_ANY, 8}, {'-', DNS_CLASS_NONE, 8},
    };
    unsigned i = 0;
    while (kinds[i].kind != line[0])
        i++;
    unsigned at = kinds[i].count_at;
    keel_put_u16(message + at, (uint16_t)(keel_get_u16(message + at) + 1));
    put_record(kinds[i].class, line + 2, at == 6);
}

static enum dns_rcode process(bool *changed)
{
    struct keel_diag diag = {""};
    struct dns_name apex = support_name("z");
    struct dns_message m;
    ck_assert(!w.bad);
    ck_assert_int_eq(dns_message_parse_query(&m, message, keel_writer_offset(&w)), 0);
    return dns_update_process(edit, &apex, message, keel_writer_offset(&w), changed, &diag);
}

static const struct {
    const char *lines[6];
    enum dns_rcode rcode;
    const char *zone; /* NULL: unchanged */
} cases[] = {
    /* prerequisites, 3.2 */
    {{"? ns ANY", "+ new A 192.0.2.9"}, DNS_NOERROR, CHANGED("new A 192.0.2.9\n")},
    {{"? NS a", "+ new A 192.0.2.9"}, DNS_NOERROR, CHANGED("new A 192.0.2.9\n")},
    {{"? no ANY", "+ new A 192.0.2.9"}, DNS_NXDOMAIN, NULL},
    {{"? ns AAAA", "+ new A 192.0.2.9"}, DNS_NXRRSET, NULL},
    {{"! no ANY", "+ new A 192.0.2.9"}, DNS_NOERROR, CHANGED("new A 192.0.2.9\n")},
    {{"! ns ANY", "+ new A 192.0.2.9"}, DNS_YXDOMAIN, NULL},
    {{"! ns A", "+ new A 192.0.2.9"}, DNS_YXRRSET, NULL},
    {{"! ns AAAA", "+ new A 192.0.2.9"}, DNS_NOERROR, CHANGED("new A 192.0.2.9\n")},
    {{"= ns A 192.0.2.2", "= ns A 192.0.2.1", "+ new A 192.0.2.9"},
     DNS_NOERROR,
     CHANGED("new A 192.0.2.9\n")},
    {{"= ns A 192.0.2.2", "= ns A 192.0.2.1", "= NS A 192.0.2.2", "+ new A 192.0.2.9"},
     DNS_NOERROR,
     CHANGED("new A 192.0.2.9\n")},
    {{"= ns A 192.0.2.2", "+ new A 192.0.2.9"}, DNS_NXRRSET, NULL},
    {{"= ns A 192.0.2.2", "= ns A 192.0.2.1", "= ns A 192.0.2.3"}, DNS_NXRRSET, NULL},
    {{"= no A 192.0.2.2"}, DNS_NXRRSET, NULL},
    {{"= mail MX 10 NS.Z.", "= ns A 192.0.2.2", "= ns A 192.0.2.1", "+ new A 192.0.2.9"},
     DNS_NOERROR,
     CHANGED("new A 192.0.2.9\n")},
    {{"? ns.other. ANY"}, DNS_NOTZONE, NULL},
    {{"? ns ANY"}, DNS_NOERROR, NULL},
    /* additions, 3.4.2.2 */
    {{"+ ns A 192.0.2.1"}, DNS_NOERROR, NULL},
    {{"+ ns A 192.0.2.3"}, DNS_NOERROR, CHANGED("ns A 192.0.2.3\n")},
    {{"+ www A 192.0.2.3"}, DNS_NOERROR, NULL},
    {{"+ ns CNAME www"}, DNS_NOERROR, NULL},
    {{"+ @ CNAME www"}, DNS_NOERROR, NULL},
    {{"+ @ SOA ns h 7 2 3 4 5"}, DNS_NOERROR, NULL},
    {{"+ @ SOA ns h 6 2 3 4 5", "+ new A 192.0.2.9"}, DNS_NOERROR, CHANGED("new A 192.0.2.9\n")},
    {{"+ @ SOA ns h 9 2 3 4 5"}, DNS_NOERROR, AT("9") REST},
    {{"+ @ SOA ns h 2147483655 2 3 4 5", "+ a A 192.0.2.9"},
     DNS_NOERROR,
     CHANGED("a A 192.0.2.9\n")}, /* not newer: 2^31 away */
    {{"+ sub SOA ns h 9 2 3 4 5"}, DNS_NOERROR, NULL},
    {{"+ x.dn A 192.0.2.1"}, DNS_REFUSED, NULL},
    {{"+ text 99 TXT b"},
     DNS_NOERROR,
     AT("8") "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\n"
             "text 99 TXT a\ntext 99 TXT b\ndn DNAME other.\nt2 TXT x\nt2 TXT y\n"},
    {{"+ *.w A 192.0.2.1"}, DNS_NOERROR, CHANGED("*.w A 192.0.2.1\n")},
    {{"+ no.other. A 192.0.2.1"}, DNS_NOTZONE, NULL},
    {{"+ new A 192.0.2.9", "+ no.other. A 192.0.2.1"}, DNS_NOTZONE, NULL},
    {{"+ x TYPE65400 \\# 2 abcd"}, DNS_NOERROR, CHANGED("x TYPE65400 \\# 2 abcd\n")},
    /* removals, 3.4.2.3 and 3.4.2.4 */
    {{"x t2 TXT", "+ t2 TXT z"},
     DNS_NOERROR,
     AT("8") "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\ntext TXT a\n"
             "dn DNAME other.\nt2 TXT z\n"},
    {{"x t2 ANY"},
     DNS_NOERROR,
     AT("8") "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\ntext TXT a\n"
             "dn DNAME other.\n"},
    {{"- t2 TXT y", "- t2 TXT y"},
     DNS_NOERROR,
     AT("8") "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\ntext TXT a\n"
             "dn DNAME other.\nt2 TXT x\n"},
    {{"x no ANY", "x ns AAAA", "- ns A 192.0.2.77"}, DNS_NOERROR, NULL},
    {{"x @ NS", "x @ SOA", "- @ SOA ns h 7 2 3 4 5", "- @ NS ns"}, DNS_NOERROR, NULL},
    {{"+ @ NS two", "- @ NS ns", "- @ NS two"},
     DNS_NOERROR,
     AT("8") "@ NS two\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww CNAME ns\ntext TXT a\n"
             "dn DNAME other.\nt2 TXT x\nt2 TXT y\n"},
    {{"+ @ TXT a", "+ @ MX 1 ns", "x @ ANY"}, DNS_NOERROR, NULL},
    {{"x www CNAME", "+ www A 192.0.2.9"},
     DNS_NOERROR,
     AT("8") "@ NS ns\nns A 192.0.2.1\nns A 192.0.2.2\nmail MX 10 ns\nwww A 192.0.2.9\ntext TXT a\n"
             "dn DNAME other.\nt2 TXT x\nt2 TXT y\n"},
    /* nothing at all */
    {{NULL}, DNS_NOERROR, NULL},
};

START_TEST(does_what_the_rules_say)
{
    struct keel_diag diag = {""};
    bool changed;
    for (const char *const *line = cases[_i].lines; *line; line++)
        put_line(*line);
    enum dns_rcode rcode = process(&changed);
    if (changed && dns_edit_commit(edit, &diag) != 0) {
        dns_edit_rollback(edit);
        rcode = DNS_REFUSED;
        changed = false;
    }
    ck_assert_int_eq(rcode, cases[_i].rcode);
    ck_assert_int_eq(changed, cases[_i].zone != NULL);
    support_expect(edit, cases[_i].zone ? cases[_i].zone : ZONE);
}
END_TEST

/* What has the wrong form is FORMERR, before anything has changed. */
START_TEST(refuses_bad_forms)
{
    static const struct {
        char section; /* p, u */
        uint16_t type, class;
        uint32_t ttl;
        uint16_t size;
    } bad[] = {
        {'p', DNS_TYPE_A, DNS_CLASS_ANY, 1, 0},    {'p', DNS_TYPE_A, DNS_CLASS_ANY, 0, 4},
        {'p', DNS_TYPE_A, DNS_CLASS_NONE, 0, 4},   {'p', DNS_TYPE_A, DNS_CLASS_NONE, 1, 0},
        {'p', DNS_TYPE_A, DNS_CLASS_CH, 0, 4},     {'p', DNS_TYPE_A, DNS_CLASS_IN, 1, 4},
        {'p', DNS_TYPE_A, DNS_CLASS_IN, 0, 3},     {'p', DNS_TYPE_ANY, DNS_CLASS_IN, 0, 4},
        {'u', DNS_TYPE_ANY, DNS_CLASS_IN, 1, 4},   {'u', DNS_TYPE_AXFR, DNS_CLASS_IN, 1, 4},
        {'u', DNS_TYPE_A, DNS_CLASS_IN, 1, 5},     {'u', DNS_TYPE_A, DNS_CLASS_IN, 1, 0},
        {'u', DNS_TYPE_A, DNS_CLASS_ANY, 1, 0},    {'u', DNS_TYPE_A, DNS_CLASS_ANY, 0, 4},
        {'u', DNS_TYPE_AXFR, DNS_CLASS_ANY, 0, 0}, {'u', DNS_TYPE_A, DNS_CLASS_NONE, 1, 4},
        {'u', DNS_TYPE_ANY, DNS_CLASS_NONE, 0, 0}, {'u', DNS_TYPE_A, DNS_CLASS_CH, 0, 4},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dns_name name = support_name("bad.z");
        bool changed;
        begin("z", DNS_TYPE_SOA);
        if (bad[i].section == 'u')
            put_line("+ good A 192.0.2.1");
        unsigned at = bad[i].section == 'u' ? 8 : 6;
        keel_put_u16(message + at, (uint16_t)(keel_get_u16(message + at) + 1));
        keel_write_bytes(&w, name.bytes, name.size);
        keel_write_u16(&w, bad[i].type);
        keel_write_u16(&w, bad[i].class);
        keel_write_u32(&w, bad[i].ttl);
        keel_write_u16(&w, bad[i].size);
        keel_write_bytes(&w, "\1\2\3\4\5", bad[i].size);
        ck_assert_msg(process(&changed) == DNS_FORMERR && !changed, "case %zu", i);
    }
    bool changed;
    begin("z", DNS_TYPE_A);
    ck_assert_int_eq(process(&changed), DNS_FORMERR);
    support_expect(edit, ZONE);
}
END_TEST

START_TEST(refuses_signed_zones)
{
    bool changed;
    dns_edit_free(edit);
    keel_free(base);
    base = support_image("z", ZONE "@ NSEC @ SOA NS NSEC\n");
    edit = dns_edit_new(base);
    put_line("+ new A 192.0.2.9");
    ck_assert_int_eq(process(&changed), DNS_REFUSED);
    ck_assert(!changed);
}
END_TEST

/* A message full of records of one set costs no more than one of many. */
START_TEST(takes_full_messages)
{
    struct keel_diag diag;
    struct dns_name name = support_name("full.z");
    bool changed;
    unsigned n = 0;
    for (; keel_writer_left(&w) > 60; n++) {
        keel_write_bytes(&w, name.bytes, name.size);
        keel_write_u16(&w, DNS_TYPE_A);
        keel_write_u16(&w, DNS_CLASS_IN);
        keel_write_u32(&w, 60);
        keel_write_u16(&w, 4);
        keel_write_u32(&w, n);
    }
    keel_put_u16(message + 8, (uint16_t)n);
    ck_assert_int_eq(process(&changed), DNS_NOERROR);
    ck_assert(changed);
    ck_assert_int_eq(dns_edit_commit(edit, &diag), 0);
    ck_assert_uint_eq(dns_edit_serial(edit), 8);
}
END_TEST

/* arg: says whether the zone is what it is to be, without an allocation. */
static int sweep(void *arg)
{
    bool (*is_done)(void) = *(bool (**)(void))arg;
    bool changed;
    enum dns_rcode rcode = process(&changed);
    if (rcode == DNS_SERVFAIL)
        return KEEL_ENOMEM;
    ck_assert_int_eq(rcode, DNS_NOERROR);
    ck_assert(changed && is_done());
    dns_edit_rollback(edit);
    return 0;
}

static bool has(const char *name, uint16_t type)
{
    struct dns_name owner = support_name(name);
    return dns_edit_has_set(edit, owner.bytes, owner.size, type);
}

static int count(void *arg, const struct dns_diff_record *record)
{
    ++*(unsigned *)arg;
    return 0;
}

static unsigned records(const char *name)
{
    struct dns_name owner = support_name(name);
    unsigned n = 0;
    ck_assert_int_eq(dns_edit_each_at(edit, owner.bytes, owner.size, 0, count, &n), 0);
    return n;
}

static bool is_changed(void)
{
    return !has("www.z", DNS_TYPE_CNAME) && has("new.below.z", DNS_TYPE_A) && records("ns.z") == 1;
}

static bool is_cleared(void)
{
    return records("z") == 2 && has("z", DNS_TYPE_NS) && !has("www.z", DNS_TYPE_A);
}

/* Without memory nothing is decided: not even that a prerequisite does not hold. */
START_TEST(survives_every_failing_allocation)
{
    put_line("= text TXT a");
    put_line("? mail MX");
    put_line("x www ANY");
    put_line("- ns A 192.0.2.1");
    put_line("+ new.below A 192.0.2.9");
    bool (*is_done)(void) = is_changed;
    ck_assert_uint_gt(allocfail_sweep(sweep, &is_done), 20);
}
END_TEST

/* What an apex has, whether an NS is the last one, whether an addition stands beside a CNAME. */
START_TEST(looks_closely_without_memory)
{
    bool (*is_done)(void) = is_cleared;
    teardown();
    base = support_image("z", ZONE "@ NS ns.other.\n@ TXT a\n@ MX 10 ns\n");
    edit = dns_edit_new(base);
    begin("z", DNS_TYPE_SOA);
    put_line("- @ NS ns");
    put_line("+ www A 192.0.2.9");
    put_line("x @ ANY");
    ck_assert_uint_gt(allocfail_sweep(sweep, &is_done), 20);
    begin("z", DNS_TYPE_SOA);
    put_line("x @ ANY");
    put_line("+ www A 192.0.2.9");
    put_line("- @ NS ns");
    ck_assert_uint_gt(allocfail_sweep(sweep, &is_done), 20);
}
END_TEST

Suite *update_suite(void)
{
    Suite *s = suite_create("dnsd/transfer/update");
    TCase *t = tcase_create("update");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, does_what_the_rules_say, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, refuses_bad_forms);
    tcase_add_test(t, refuses_signed_zones);
    tcase_add_test(t, takes_full_messages);
    tcase_add_test(t, survives_every_failing_allocation);
    tcase_add_test(t, looks_closely_without_memory);
    suite_add_tcase(s, t);
    return s;
}
