#include "common/base/str.h"
#include "dhcpd/engine/ddns_window.h"
#include "dnsd/wire/message.h"
#include "tests/support/dhcp_lab.h"
#include "tests/unit/dhcpd/suites.h"

#define SECOND KEEL_NS_PER_S
enum { YXRRSET = 7, NXRRSET = 8, NOTZONE = 10 };

static struct dns_name reverse;
static struct dhcp_naming rules = {.reverse = &reverse, .reverse_count = 1};
static struct dhcp_ddns_window window;

static void set_name(struct dns_name *name, const char *text)
{
    ck_assert_int_eq(dns_name_from_text(name, keel_str(text), NULL), 0);
}
static void setup(void)
{
    set_name(&rules.forward, "lan.example.");
    set_name(&reverse, "2.0.192.in-addr.arpa.");
    dhcp_ddns_window_init(&window, 2 * SECOND);
}

static struct dhcp_ddns_op op(enum dhcp_ddns_kind kind, const char *name, uint8_t host)
{
    struct dhcp_ddns_op o = {
        .kind = kind,
        .forward = true,
        .reverse = true,
        .address = IP(192, 0, 2, host),
        .ttl = 600,
        .queued = 1700000000,
        .dhcid = {0, 1, 1, 7},
    };
    set_name(&o.name, name);
    return o;
}

/* The examples of RFC 4701, 3.6. */
static const struct {
    const char *identity;
    size_t n;
    const char *name, *rdata;
} dhcids[] = {
    {"\1\377\0\0\0\1\0\1\0\6\x41\x2d\xf1\x66\1\2\3\4\5\6", 20, "chi6.example.com",
     "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="},
    {"\1\1\7\10\11\12\13\14", 8, "chi.example.com",
     "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No="},
    {"\0\1\1\2\3\4\5\6", 8, "Client.Example.com",
     "AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY="},
};
START_TEST(test_dhcid)
{
    for (unsigned i = 0; i < sizeof dhcids / sizeof dhcids[0]; i++) {
        struct dns_name name;
        uint8_t out[DHCP_DHCID_SIZE];
        char text[64];
        set_name(&name, dhcids[i].name);
        struct dhcp_bytes identity = {(const uint8_t *)dhcids[i].identity, (uint16_t)dhcids[i].n};
        ck_assert_int_eq(dhcp_dhcid(identity, &name, out), 0);
        ck_assert_int_gt(keel_format_base64(text, sizeof text, out, sizeof out), 0);
        ck_assert_str_eq(text, dhcids[i].rdata);
    }
}
END_TEST

START_TEST(test_record)
{
    struct dhcp_ddns_op o = op(DHCP_DDNS_ADD, "box.lan.example", 100), back;
    uint8_t record[DHCP_DDNS_RECORD_MAX];
    size_t n = dhcp_ddns_encode(&o, record);
    ck_assert_int_eq(dhcp_ddns_decode(&back, record, n), 0);
    ck_assert(back.kind == o.kind && back.address == o.address && back.ttl == 600);
    ck_assert(back.forward && back.reverse && back.queued == o.queued);
    ck_assert_mem_eq(back.dhcid, o.dhcid, DHCP_DHCID_SIZE);
    ck_assert_mem_eq(back.name.bytes, o.name.bytes, o.name.size);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(dhcp_ddns_decode(&back, record, cut), KEEL_EINVAL);
    record[1] = 3;
    ck_assert_int_eq(dhcp_ddns_decode(&back, record, n), KEEL_EINVAL);
}
END_TEST

#define STEPS 6
static const struct {
    enum dhcp_ddns_kind kind;
    bool forward, reverse;
    unsigned answers[STEPS];
    enum dhcp_ddns_step steps[STEPS];
} courses[] = {
    {DHCP_DDNS_ADD, 1, 1, {0, 0}, {DHCP_DDNS_ADD_NEW, DHCP_DDNS_ADD_POINTER, DHCP_DDNS_DONE}},
    {DHCP_DDNS_ADD, 1, 0, {0}, {DHCP_DDNS_ADD_NEW, DHCP_DDNS_DONE}},
    {DHCP_DDNS_ADD, 0, 1, {0}, {DHCP_DDNS_ADD_POINTER, DHCP_DDNS_DONE}},
    {DHCP_DDNS_ADD, 0, 0, {0}, {DHCP_DDNS_DONE}},
    {DHCP_DDNS_ADD,
     1,
     1,
     {DNS_YXDOMAIN, 0, 0},
     {DHCP_DDNS_ADD_NEW, DHCP_DDNS_ADD_OWN, DHCP_DDNS_ADD_POINTER, DHCP_DDNS_DONE}},
    {DHCP_DDNS_ADD,
     1,
     1,
     {DNS_YXDOMAIN, NXRRSET},
     {DHCP_DDNS_ADD_NEW, DHCP_DDNS_ADD_OWN, DHCP_DDNS_CONFLICT}},
    {DHCP_DDNS_ADD,
     1,
     1,
     {DNS_YXDOMAIN, DNS_NXDOMAIN, 0},
     {DHCP_DDNS_ADD_NEW, DHCP_DDNS_ADD_OWN, DHCP_DDNS_ADD_NEW, DHCP_DDNS_ADD_POINTER}},
    {DHCP_DDNS_ADD, 1, 1, {DNS_FORMERR}, {DHCP_DDNS_ADD_NEW, DHCP_DDNS_FAILED}},
    {DHCP_DDNS_ADD, 1, 1, {NOTZONE}, {DHCP_DDNS_ADD_NEW, DHCP_DDNS_FAILED}},
    {DHCP_DDNS_REMOVE,
     1,
     1,
     {0, 0, 0},
     {DHCP_DDNS_DEL_ADDRESS, DHCP_DDNS_DEL_NAME, DHCP_DDNS_DEL_POINTER, DHCP_DDNS_DONE}},
    {DHCP_DDNS_REMOVE,
     1,
     1,
     {NXRRSET, NXRRSET},
     {DHCP_DDNS_DEL_ADDRESS, DHCP_DDNS_DEL_POINTER, DHCP_DDNS_DONE}},
    {DHCP_DDNS_REMOVE,
     1,
     0,
     {0, YXRRSET},
     {DHCP_DDNS_DEL_ADDRESS, DHCP_DDNS_DEL_NAME, DHCP_DDNS_DONE}},
    {DHCP_DDNS_REMOVE, 0, 1, {DNS_NXDOMAIN}, {DHCP_DDNS_DEL_POINTER, DHCP_DDNS_DONE}},
};
START_TEST(test_courses)
{
    for (unsigned i = 0; i < sizeof courses / sizeof courses[0]; i++) {
        struct dhcp_ddns_op o = op(courses[i].kind, "box.lan.example", 100);
        o.forward = courses[i].forward;
        o.reverse = courses[i].reverse;
        enum dhcp_ddns_step step = dhcp_ddns_first(&o);
        for (unsigned k = 0; k < STEPS; k++) {
            int err;
            ck_assert_msg(step == courses[i].steps[k], "course %u, step %u: %u", i, k, step);
            if (dhcp_ddns_is_over(step) || k + 1 == STEPS)
                break;
            if (k > 0 && courses[i].steps[k + 1] == 0)
                break;
            const unsigned later[] = {DNS_SERVFAIL, DNS_REFUSED, DNS_NOTAUTH};
            for (unsigned a = 0; a < 3; a++) {
                ck_assert_int_eq(dhcp_ddns_next(&o, step, later[a], &err), step);
                ck_assert_int_eq(err, KEEL_EAGAIN);
            }
            step = dhcp_ddns_next(&o, step, courses[i].answers[k], &err);
            ck_assert_int_eq(err, 0);
        }
    }
    ck_assert_str_eq(dhcp_ddns_step_name(DHCP_DDNS_CONFLICT), "conflict");
    ck_assert_str_eq(dhcp_ddns_step_name(DHCP_DDNS_DONE), "done");
    ck_assert_str_eq(dhcp_ddns_step_name(DHCP_DDNS_FAILED), "failed");
    ck_assert_str_eq(dhcp_ddns_step_name(DHCP_DDNS_ADD_NEW), "under way");
}
END_TEST

/* Every message is one that a strict reader takes, with as many records as it says. */
START_TEST(test_messages)
{
    static const unsigned records[][2] = {
        [DHCP_DDNS_ADD_NEW] = {1, 2},     [DHCP_DDNS_ADD_OWN] = {2, 2},
        [DHCP_DDNS_ADD_POINTER] = {0, 4}, [DHCP_DDNS_DEL_ADDRESS] = {1, 1},
        [DHCP_DDNS_DEL_NAME] = {3, 1},    [DHCP_DDNS_DEL_POINTER] = {1, 1},
    };
    struct dhcp_ddns_op o = op(DHCP_DDNS_ADD, "box.lan.example", 100);
    for (unsigned step = DHCP_DDNS_ADD_NEW; step < DHCP_DDNS_DONE; step++) {
        uint8_t bytes[DHCP_DDNS_MESSAGE_MAX];
        struct keel_writer w;
        struct dns_message m;
        struct dns_record record;
        keel_writer_init(&w, bytes, sizeof bytes);
        ck_assert_int_eq(dhcp_ddns_build(&o, step, &rules, 4711, &w), 0);
        size_t size = keel_writer_offset(&w);
        ck_assert_int_eq(dns_message_parse_query(&m, bytes, size), 0);
        ck_assert_uint_eq(m.id, 4711);
        ck_assert_uint_eq(dns_message_opcode(&m), DNS_OPCODE_UPDATE);
        ck_assert_uint_eq(keel_get_u16(bytes + 6), records[step][0]);
        ck_assert_uint_eq(keel_get_u16(bytes + 8), records[step][1]);
        size_t at = DNS_HEADER_SIZE + m.question_size;
        for (unsigned i = 0; i < records[step][0] + records[step][1]; i++)
            ck_assert_int_eq(dns_record_parse(&record, bytes, size, &at), 0);
        ck_assert_uint_eq(at, size);
        for (size_t room = 0; room < size; room += 7) {
            keel_writer_init(&w, bytes, room);
            ck_assert_int_eq(dhcp_ddns_build(&o, step, &rules, 1, &w), KEEL_ENOSPC);
        }
    }
    struct keel_writer w;
    uint8_t bytes[DHCP_DDNS_MESSAGE_MAX];
    keel_writer_init(&w, bytes, sizeof bytes);
    o.address = IP(10, 0, 0, 1);
    ck_assert_int_eq(dhcp_ddns_build(&o, DHCP_DDNS_ADD_POINTER, &rules, 1, &w), KEEL_ENOENT);
    set_name(&o.name, "box.elsewhere.example");
    ck_assert_int_eq(dhcp_ddns_build(&o, DHCP_DDNS_ADD_NEW, &rules, 1, &w), KEEL_ENOENT);
}
END_TEST

/* --- the window --- */

static struct dhcp_ddns_slot *add(uint64_t sequence, enum dhcp_ddns_kind kind, const char *name,
                                  uint8_t host)
{
    struct dhcp_ddns_op o = op(kind, name, host);
    o.reverse = false;
    struct dhcp_ddns_slot *slot = dhcp_ddns_window_room(&window);
    ck_assert_ptr_nonnull(slot);
    dhcp_ddns_window_add(slot, sequence, &o);
    return slot;
}

START_TEST(test_order)
{
    struct dhcp_ddns_slot *a = add(1, DHCP_DDNS_ADD, "a.lan.example", 1),
                          *b = add(2, DHCP_DDNS_REMOVE, "A.lan.example", 2),
                          *c = add(3, DHCP_DDNS_ADD, "c.lan.example", 1),
                          *d = add(4, DHCP_DDNS_ADD, "d.lan.example", 4);
    ck_assert_ptr_eq(dhcp_ddns_window_next(&window, 0), a);
    dhcp_ddns_window_sent(&window, a, 10, 0);
    /* b has a's name, c its address; d may go */
    ck_assert_ptr_eq(dhcp_ddns_window_next(&window, 0), d);
    dhcp_ddns_window_sent(&window, d, 11, 0);
    ck_assert_ptr_null(dhcp_ddns_window_next(&window, 0));
    ck_assert_ptr_null(dhcp_ddns_window_find(&window, 12));
    ck_assert_ptr_eq(dhcp_ddns_window_find(&window, 10), a);
    dhcp_ddns_window_answer(&window, a, DNS_NOERROR, 0);
    ck_assert_int_eq(a->state, DHCP_DDNS_OVER);
    ck_assert_ptr_eq(dhcp_ddns_window_next(&window, 0), b);
    dhcp_ddns_window_sent(&window, b, 12, 0);
    ck_assert_ptr_eq(dhcp_ddns_window_next(&window, 0), c);
    ck_assert_uint_eq(dhcp_ddns_window_wake(&window), 2 * SECOND);
    /* a removal has two steps */
    dhcp_ddns_window_answer(&window, b, DNS_NOERROR, 0);
    ck_assert_int_eq(b->state, DHCP_DDNS_READY);
    for (unsigned i = 5; dhcp_ddns_window_room(&window); i++)
        add(i, DHCP_DDNS_ADD, "x.lan.example", (uint8_t)i);
}
END_TEST

START_TEST(test_server_away)
{
    struct dhcp_ddns_slot *a = add(1, DHCP_DDNS_ADD, "a.lan.example", 1),
                          *b = add(2, DHCP_DDNS_ADD, "b.lan.example", 2);
    uint64_t now = 0, pauses[8];
    dhcp_ddns_window_sent(&window, a, 1, now);
    dhcp_ddns_window_sent(&window, b, 2, now);
    ck_assert_ptr_null(dhcp_ddns_window_late(&window, now + 2 * SECOND - 1));
    now += 2 * SECOND;
    dhcp_ddns_window_lost(&window, dhcp_ddns_window_late(&window, now), now);
    dhcp_ddns_window_lost(&window, dhcp_ddns_window_late(&window, now), now);
    ck_assert_ptr_null(dhcp_ddns_window_late(&window, now));
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_ptr_null(dhcp_ddns_window_next(&window, now));
        pauses[i] = (dhcp_ddns_window_wake(&window) - now) / SECOND;
        now = dhcp_ddns_window_wake(&window);
        ck_assert_ptr_eq(dhcp_ddns_window_next(&window, now), a);
        dhcp_ddns_window_sent(&window, a, 3, now);
        /* while it is away, one is enough to find out */
        ck_assert_ptr_null(dhcp_ddns_window_next(&window, now));
        now = dhcp_ddns_window_wake(&window);
        ck_assert_ptr_eq(dhcp_ddns_window_late(&window, now), a);
        dhcp_ddns_window_lost(&window, a, now);
    }
    const uint64_t expected[8] = {1, 2, 4, 8, 16, 32, 60, 60};
    ck_assert_mem_eq(pauses, expected, sizeof pauses);
    now = dhcp_ddns_window_wake(&window);
    dhcp_ddns_window_sent(&window, a, 4, now);
    dhcp_ddns_window_answer(&window, a, DNS_NOERROR, now);
    ck_assert_ptr_eq(dhcp_ddns_window_next(&window, now), b);
    dhcp_ddns_window_give_up(b);
    ck_assert_uint_eq(dhcp_ddns_window_wake(&window), UINT64_MAX);
}
END_TEST

START_TEST(test_refusals)
{
    struct dhcp_ddns_slot *a = add(1, DHCP_DDNS_ADD, "a.lan.example", 1);
    uint64_t now = 0;
    for (unsigned i = 0; i < DHCP_DDNS_REFUSALS; i++) {
        ck_assert_int_eq(a->state, DHCP_DDNS_READY);
        now += 60 * SECOND;
        dhcp_ddns_window_sent(&window, a, 1, now);
        dhcp_ddns_window_answer(&window, a, DNS_REFUSED, now);
    }
    ck_assert_int_eq(a->state, DHCP_DDNS_OVER);
    ck_assert_int_eq(a->step, DHCP_DDNS_FAILED);
    /* a name that comes and goes does not keep us for ever */
    struct dhcp_ddns_slot *b = add(2, DHCP_DDNS_ADD, "b.lan.example", 2);
    for (unsigned i = 0; i < 20 && b->state != DHCP_DDNS_OVER; i++)
        dhcp_ddns_window_answer(&window, b, i % 2 ? DNS_NXDOMAIN : DNS_YXDOMAIN, now);
    ck_assert_int_eq(b->step, DHCP_DDNS_CONFLICT);
}
END_TEST

Suite *ddns_suite(void)
{
    Suite *s = suite_create("dhcpd/engine/ddns");
    TCase *t = tcase_create("ddns");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_dhcid);
    tcase_add_test(t, test_record);
    tcase_add_test(t, test_courses);
    tcase_add_test(t, test_messages);
    tcase_add_test(t, test_order);
    tcase_add_test(t, test_server_away);
    tcase_add_test(t, test_refusals);
    suite_add_tcase(s, t);
    return s;
}
