#include "dnsd/wire/message.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <stdlib.h>

#define HEAD(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define QUESTION "\1a\0\0\1\0\1"
#define OPT "\0\0\x29\4\xd0\0\0\x80\0\0\0"
#define OPT_WITH_OPTION "\0\0\x29\4\xd0\0\0\0\0\0\6\0\143\0\2xy"
#define RECORD "\0\0\1\0\1\0\0\0\0\0\0"
#define TSIG "\0\0\xfa\0\xff\0\0\0\0\0\0"

#define CASE(what, bytes, err)                                                                     \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1, err                                                        \
    }
static const struct {
    const char *what, *bytes;
    size_t size;
    int err;
} cases[] = {
    CASE("plain", HEAD("\1\0", "\1", "\0", "\0", "\0") QUESTION, 0),
    CASE("with OPT", HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT, 0),
    CASE("OPT with an option", HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION OPT_WITH_OPTION, 0),
    CASE("OPT, TSIG", HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT TSIG, 0),
    CASE("TSIG not last", HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION TSIG OPT, KEEL_EINVAL),
    CASE("two OPTs", HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT OPT, KEEL_EINVAL),
    CASE("OPT's owner",
         HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION "\1a\0\0\x29\4\xd0\0\0\0\0\0\0",
         KEEL_EINVAL),
    CASE("half an option",
         HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION "\0\0\x29\4\xd0\0\0\0\0\0\3\0\12\0",
         KEEL_EINVAL),
    CASE("bytes behind", HEAD("\1\0", "\1", "\0", "\0", "\0") QUESTION "x", KEEL_EINVAL),
    CASE("no question", HEAD("\1\0", "\0", "\0", "\0", "\0"), KEEL_EINVAL),
    CASE("two questions", HEAD("\1\0", "\2", "\0", "\0", "\0") QUESTION QUESTION, KEEL_EINVAL),
    CASE("an answer", HEAD("\1\0", "\1", "\1", "\0", "\0") QUESTION TSIG, KEEL_EINVAL),
    CASE("an authority", HEAD("\1\0", "\1", "\0", "\1", "\0") QUESTION TSIG, KEEL_EINVAL),
    CASE("IXFR with its SOA",
         HEAD("\1\0", "\1", "\0", "\1", "\0") "\1a\0\0\xfb\0\1"
                                              "\300\014\0\6\0\1\0\0\0\0\0\0",
         0),
    CASE("OPT in authority", HEAD("\1\0", "\1", "\0", "\1", "\0") "\1a\0\0\xfb\0\1" OPT,
         KEEL_EINVAL),
    CASE("pointer in the question", HEAD("\1\0", "\1", "\0", "\0", "\0") "\300\0\0\1\0\1",
         KEEL_EINVAL),
    CASE("OPT is missing", HEAD("\1\0", "\1", "\0", "\0", "\1") QUESTION, KEEL_EINVAL),
    CASE("only a header's half", "\x12\x34\1\0\0\1", KEEL_ETRUNC),
    CASE("NOTIFY with an answer", HEAD("\x24\0", "\1", "\1", "\0", "\0") QUESTION RECORD, 0),
    CASE("NOTIFY, TSIG", HEAD("\x24\0", "\1", "\1", "\0", "\1") QUESTION RECORD TSIG, 0),
    CASE("NOTIFY with less", HEAD("\x24\0", "\1", "\1", "\0", "\0") QUESTION "what", KEEL_EINVAL),
    CASE("UPDATE, TSIG", HEAD("\x28\0", "\1", "\0", "\1", "\1") QUESTION RECORD TSIG, 0),
    CASE("UPDATE, TSIG early", HEAD("\x28\0", "\1", "\0", "\2", "\0") QUESTION TSIG RECORD,
         KEEL_EINVAL),
    CASE("an unknown opcode", HEAD("\x18\0", "\1", "\1", "\0", "\0") QUESTION "what", 0),
};

START_TEST(is_strict)
{
    struct dns_message m;
    int err = dns_message_parse_query(&m, (const uint8_t *)cases[_i].bytes, cases[_i].size);
    ck_assert_msg(err == cases[_i].err, "%s: %d", cases[_i].what, err);
    if (err == KEEL_ETRUNC)
        return;
    ck_assert_uint_eq(m.id, 0x1234);
    if (err == 0) {
        ck_assert_uint_eq(m.question_size, 7);
        ck_assert_uint_eq(m.qclass, DNS_CLASS_IN);
    }
}
END_TEST

/* no prefix of a good message is good, and none is read past its end (exactly sized copies) */
START_TEST(refuses_every_cut)
{
    static const char whole[] = HEAD("\1\0", "\1", "\0", "\0", "\2") QUESTION OPT_WITH_OPTION TSIG;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct dns_message m;
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, whole, n);
        ck_assert_int_eq(dns_message_parse_query(&m, copy, n),
                         n < DNS_HEADER_SIZE ? KEEL_ETRUNC : KEEL_EINVAL);
        free(copy);
    }
}
END_TEST

#define HEADER_ONLY "\0\0\0\0\0\0\0\0\0\0\0\0"

START_TEST(reads_records)
{
    static const char message[] = HEADER_ONLY "\3org\0\1a\300\14\0\1\0\1\0\0\16\20\0\4\300\0\2\1";
    struct dns_record record;
    char text[DNS_NAME_TEXT];
    const size_t start = DNS_HEADER_SIZE + 5;
    size_t offset = start;
    ck_assert_int_eq(
        dns_record_parse(&record, (const uint8_t *)message, sizeof message - 1, &offset), 0);
    dns_name_to_text(text, record.owner.bytes);
    ck_assert_str_eq(text, "a.org.");
    ck_assert_uint_eq(record.type, DNS_TYPE_A);
    ck_assert_uint_eq(record.ttl, 3600);
    ck_assert_uint_eq(record.rdata_size, 4);
    ck_assert_uint_eq(offset, sizeof message - 1);
    for (size_t n = start; n < sizeof message - 1; n++) {
        offset = start;
        ck_assert_int_lt(dns_record_parse(&record, (const uint8_t *)message, n, &offset), 0);
    }
}
END_TEST

Suite *message_suite(void)
{
    Suite *s = suite_create("dnsd/wire/message");
    TCase *t = tcase_create("message");
    tcase_add_loop_test(t, is_strict, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(t, refuses_every_cut);
    tcase_add_test(t, reads_records);
    suite_add_tcase(s, t);
    return s;
}
