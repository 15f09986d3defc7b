#include "dnsd/answer/reply.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n"

static const struct dns_node *find(const struct dns_image *image, const char *text)
{
    struct dns_name name = support_name(text);
    return dns_image_find(image, dns_image_hash(image, name.bytes, name.size), name.bytes,
                          name.size);
}

struct message {
    struct dns_reply reply;
    uint8_t bytes[UINT16_MAX];
};

static void begin(struct message *m, const struct dns_image *image, const char *qname, size_t room)
{
    struct dns_name name = support_name(qname);
    m->reply = (struct dns_reply){.view = {.base = image}, .qname_size = name.size};
    keel_writer_init(&m->reply.out, m->bytes, room);
    uint8_t *head = keel_write_skip(&m->reply.out, DNS_HEADER_SIZE);
    memset(head, 0, DNS_HEADER_SIZE);
    keel_put_u16(head + 2, DNS_FLAG_QR);
    keel_put_u16(head + 4, 1);
    keel_write_bytes(&m->reply.out, name.bytes, name.size);
    keel_write_u16(&m->reply.out, DNS_TYPE_A);
    keel_write_u16(&m->reply.out, DNS_CLASS_IN);
}

static void show(struct message *m, char *out, size_t room)
{
    for (unsigned i = 0; i < 3; i++)
        keel_put_u16(m->bytes + 6 + 2 * i, m->reply.counts[i]);
    support_show(out, room, m->bytes, keel_writer_offset(&m->reply.out));
}

/* The same set, with its own and foreign suffixes, wherever it may come to stand. */
START_TEST(moves_pointers_to_any_place)
{
    struct dns_image *image = support_image(
        "a.z", HEAD "mx MX 1 m.a.z.\nmx MX 2 one.other.\nmx MX 3 two.other.\nmx MX 4 z.\n");
    const struct dns_node *node = find(image, "mx.a.z");
    const struct dns_set *set = dns_node_set(image, node, DNS_TYPE_MX);
    static const char expected[] = "1 m.a.z.\n;2 one.other.\n;3 two.other.\n;4 z.\n";
    static const char *const questions[] = {"mx.a.z", "much.longer.name.a.z", "a.z"};
    /* bytes between the question and the set; the last two lie behind what pointers reach */
    static const size_t gaps[] = {0, 1, 500, 16000, 16500, 40000};

    for (size_t q = 0; q < 3; q++)
        for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++)
            for (int owned = 0; owned < 2; owned++) {
                struct message *m = malloc(sizeof *m);
                char text[1024], wanted[16];
                begin(m, image, questions[q], sizeof m->bytes);
                if (gaps[g] > 0) { /* an opaque record fills the gap */
                    keel_write_bytes(&m->reply.out, "\0\377\172\0\1\0\0\0\0", 9);
                    keel_write_u16(&m->reply.out, (uint16_t)gaps[g]);
                    memset(keel_write_skip(&m->reply.out, gaps[g]), 0, gaps[g]);
                    m->reply.counts[DNS_ANSWER]++;
                }
                size_t owner = owned ? DNS_OWNER_QUESTION : DNS_OWNER_NONE;
                ck_assert_uint_ne(dns_reply_set(&m->reply, DNS_AUTHORITY, node, set, owner), 0);
                size_t big = 200000;
                char *out = malloc(big);
                show(m, out, big);
                const char *at = strstr(out, "authority");
                for (unsigned i = 0; i < 4; i++) {
                    const char *name = owned ? questions[q] : "mx.a.z";
                    int preference;
                    char owner_text[64];
                    ck_assert_ptr_nonnull(at);
                    ck_assert_int_eq(sscanf(at, "authority %63s 60 IN MX %d %1023s", owner_text,
                                            &preference, text),
                                     3);
                    ck_assert_int_eq(preference, (int)i + 1);
                    snprintf(wanted, sizeof wanted, "%u ", i + 1);
                    ck_assert_ptr_nonnull(strstr(expected, wanted));
                    ck_assert_int_eq(strncmp(strstr(expected, wanted) + 2, text, strlen(text)), 0);
                    ck_assert_int_eq(strncmp(owner_text, name, strlen(name)), 0);
                    at = strstr(at + 1, "authority");
                }
                free(out);
                free(m);
            }
    keel_free(image);
}
END_TEST

/* whatever the room, a set is there whole or not at all */
START_TEST(writes_whole_sets_or_nothing)
{
    struct dns_image *image = support_image("z", HEAD "a A 192.0.2.1\na A 192.0.2.2\n");
    const struct dns_node *node = find(image, "a.z");
    const struct dns_set *set = dns_node_set(image, node, DNS_TYPE_A);
    struct message *m = malloc(sizeof *m);
    for (size_t room = 21; room < 80; room++) {
        begin(m, image, "a.z", room);
        size_t before = keel_writer_offset(&m->reply.out);
        size_t at = dns_reply_set(&m->reply, DNS_ANSWER, node, set, DNS_OWNER_QUESTION);
        ck_assert(!m->reply.out.bad);
        ck_assert_uint_eq(m->reply.counts[DNS_ANSWER], at ? 2 : 0);
        ck_assert_uint_eq(keel_writer_offset(&m->reply.out), before + (at ? 32 : 0));
        ck_assert_int_eq(at != 0, room >= before + 32);
    }
    free(m);
    keel_free(image);
}
END_TEST

START_TEST(adds_addresses)
{
    struct dns_image *image = support_image(
        "z", HEAD "m1 A 192.0.2.1\nm1 AAAA ::1\nm2 A 192.0.2.2\n@ MX 1 m1\n@ MX 2 m2\n@ MX 3 m1\n");
    const struct dns_node *apex = dns_image_apex(image);
    const struct dns_set *set = dns_node_set(image, apex, DNS_TYPE_MX);
    struct message *m = malloc(sizeof *m);
    char out[2048];
    begin(m, image, "z", sizeof m->bytes);
    size_t at = dns_reply_set(&m->reply, DNS_ANSWER, apex, set, DNS_OWNER_QUESTION);
    dns_reply_links(&m->reply, apex, set, at, false);
    show(m, out, sizeof out);
    ck_assert_str_eq(out, "NOERROR qr\nanswer z. 60 IN MX 1 m1.z.\nanswer z. 60 IN MX 2 m2.z.\n"
                          "answer z. 60 IN MX 3 m1.z.\nadditional m1.z. 60 IN A 192.0.2.1\n"
                          "additional m1.z. 60 IN AAAA ::1\nadditional m2.z. 60 IN A 192.0.2.2\n");
    /* too little room: left out, or the reply is cut when they are needed */
    for (int required = 0; required < 2; required++) {
        begin(m, image, "z", 80);
        at = dns_reply_set(&m->reply, DNS_ANSWER, apex, set, DNS_OWNER_QUESTION);
        ck_assert_uint_ne(at, 0);
        dns_reply_links(&m->reply, apex, set, at, required);
        ck_assert_int_eq(m->reply.truncated, required);
    }
    free(m);
    keel_free(image);
}
END_TEST

Suite *reply_suite(void)
{
    Suite *s = suite_create("dnsd/answer/reply");
    TCase *t = tcase_create("reply");
    tcase_add_test(t, moves_pointers_to_any_place);
    tcase_add_test(t, writes_whole_sets_or_nothing);
    tcase_add_test(t, adds_addresses);
    suite_add_tcase(s, t);
    return s;
}
