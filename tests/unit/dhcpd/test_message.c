#include "dhcpd/wire/message.h"
#include "tests/unit/dhcpd/suites.h"

/* A DISCOVER with these octets as options. */
static size_t raw(uint8_t *out, const void *options, size_t n)
{
    memset(out, 0, DHCP_OPTIONS_AT);
    out[0] = 1;
    out[1] = 1;
    out[2] = 6;
    keel_put_u32(out + 4, 0x12345678);
    memcpy(out + 28, "\2\0\0\0\0\1\xff\xff", 8); /* behind hlen: to be ignored */
    keel_put_u32(out + 236, DHCP_MAGIC);
    memcpy(out + DHCP_OPTIONS_AT, options, n);
    return DHCP_OPTIONS_AT + n;
}
#define RAW(out, text) raw(out, text, sizeof(text) - 1)

START_TEST(test_parse)
{
    uint8_t b[1024];
    struct dhcp_message m;
    size_t n = RAW(b, "\x35\1\1\0\x32\4\xc0\0\2\x64\xff\x35");
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
    ck_assert_int_eq(m.type, DHCP_DISCOVER);
    ck_assert_uint_eq(m.xid, 0x12345678);
    ck_assert_uint_eq(dhcp_message_u32(&m, DHCP_OPTION_REQUESTED_ADDRESS), 0xc0000264);
    ck_assert_mem_eq(m.chaddr, "\2\0\0\0\0\1\0\0", 8);
    ck_assert(!dhcp_message_has(&m, DHCP_OPTION_SERVER_ID));
    ck_assert_uint_eq(dhcp_message_u32(&m, DHCP_OPTION_SERVER_ID), 0);
    ck_assert_ptr_null(dhcp_message_option(&m, 255).p);
}
END_TEST

static const struct {
    const char *options;
    size_t size;
    int result;
} malformed[] = {
#define ROW(text, result)                                                                          \
    {                                                                                              \
        text, sizeof(text) - 1, result                                                             \
    }
    ROW("", KEEL_ENOTSUP),
    ROW("\xff", KEEL_ENOTSUP),
    ROW("\x35", KEEL_ETRUNC),
    ROW("\x35\1", KEEL_ETRUNC),
    ROW("\x35\1\1", 0),
    ROW("\x35\1\0", KEEL_EINVAL),
    ROW("\x35\1\x0e", KEEL_EINVAL),
    ROW("\x35\2\1\1", KEEL_EINVAL),
    ROW("\x35\1\1\x35\1\1", KEEL_EINVAL), /* joined: two octets */
    ROW("\x35\1\1\x32\3\1\2\3", KEEL_EINVAL),
    ROW("\x35\1\1\x3d\1\1", KEEL_EINVAL), /* identifier of one octet */
    ROW("\x35\1\1\x34\1\0", KEEL_EINVAL), /* overload of nothing */
    ROW("\x35\1\1\x34\1\4", KEEL_EINVAL),
    ROW("\x35\1\1\x37\0", KEEL_EINVAL),
    ROW("\x35\1\1\xe0\0\xff", 0), /* unknown and empty */
    ROW("\x35\1\1\xe0\x0a\1", KEEL_ETRUNC),
#undef ROW
};

START_TEST(test_malformed)
{
    uint8_t b[1024];
    struct dhcp_message m;
    size_t n = raw(b, malformed[_i].options, malformed[_i].size);
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), malformed[_i].result);
}
END_TEST

START_TEST(test_header)
{
    uint8_t b[5000] = {0};
    struct dhcp_message m;
    size_t n = RAW(b, "\x35\1\1\xff");
    for (size_t cut = 0; cut < DHCP_OPTIONS_AT; cut++)
        ck_assert_int_eq(dhcp_message_parse(&m, b, cut), KEEL_ETRUNC);
    ck_assert_int_eq(dhcp_message_parse(&m, b, sizeof b), KEEL_EINVAL);
    b[2] = 17;
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), KEEL_EINVAL);
    b[2] = 16;
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
    b[0] = 3;
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), KEEL_EINVAL);
    b[0] = 1;
    b[239] ^= 1;
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), KEEL_ENOTSUP);
}
END_TEST

/* RFC 3396: options, then file, then sname. */
START_TEST(test_split_and_overload)
{
    uint8_t b[1024];
    struct dhcp_message m;
    size_t n = RAW(b, "\x35\1\1\x34\1\3\xe0\2ab\xe1\1x\xe0\1c\xff");
    memcpy(b + 108, "\xe0\2de\0\xff", 6); /* file */
    memcpy(b + 44, "\xe0\1f\x0c\1h", 6);  /* sname, ended by its edge after padding */
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
    ck_assert_uint_eq(dhcp_message_option(&m, 0xe0).n, 6);
    ck_assert_mem_eq(dhcp_message_option(&m, 0xe0).p, "abcdef", 6);
    ck_assert_mem_eq(dhcp_message_option(&m, 0xe1).p, "x", 1);
    ck_assert_mem_eq(dhcp_message_option(&m, 12).p, "h", 1);
    ck_assert_uint_eq(m.file.n, 0);
    ck_assert_uint_eq(m.sname.n, 0);
    b[44 + 1] = 63; /* one octet over the edge of sname */
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), KEEL_ETRUNC);
}
END_TEST

START_TEST(test_fields_without_overload)
{
    uint8_t b[1024];
    struct dhcp_message m;
    size_t n = RAW(b, "\x35\1\1\xff");
    memcpy(b + 108, "boot.img", 8);
    memset(b + 44, 'x', 64);
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
    ck_assert_uint_eq(m.file.n, 8);
    ck_assert_uint_eq(m.sname.n, 64);
}
END_TEST

static const struct dhcp_header header = {.op = DHCP_REPLY_OP,
                                          .htype = 1,
                                          .hlen = 6,
                                          .xid = 7,
                                          .flags = 0x8000,
                                          .ciaddr = 1,
                                          .yiaddr = 2,
                                          .siaddr = 3,
                                          .giaddr = 4,
                                          .chaddr = {1, 2, 3, 4, 5, 6}};

START_TEST(test_build)
{
    uint8_t b[548];
    struct dhcp_builder w;
    struct dhcp_message m;
    dhcp_builder_init(&w, b, sizeof b, &header, 3);
    ck_assert(dhcp_builder_u8(&w, DHCP_OPTION_MESSAGE_TYPE, DHCP_ACK));
    ck_assert(dhcp_builder_u32(&w, DHCP_OPTION_SERVER_ID, 0xc0000201));
    size_t n = dhcp_builder_finish(&w, "\1\1z", 3);
    ck_assert_uint_eq(n, DHCP_MESSAGE_MIN);
    ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
    ck_assert_int_eq(m.type, DHCP_ACK);
    ck_assert_uint_eq(m.xid, 7);
    ck_assert_uint_eq(m.ciaddr, 1);
    ck_assert_uint_eq(m.yiaddr, 2);
    ck_assert_uint_eq(m.siaddr, 3);
    ck_assert_uint_eq(m.giaddr, 4);
    ck_assert_uint_eq(m.flags, 0x8000);
    ck_assert_mem_eq(dhcp_message_option(&m, DHCP_OPTION_RELAY_INFO).p, "\1\1z", 3);
    /* relay information stands last, then END */
    ck_assert_mem_eq(b + 240 + 3 + 6, "\x52\3\1\1z\xff\0", 7);
}
END_TEST

/* Whatever is added, at any size: it parses, and what was said to be added is there, whole. */
START_TEST(test_build_overflow)
{
    uint8_t b[1500], value[700];
    struct dhcp_builder w;
    struct dhcp_message m;
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)i;
    for (size_t size = 300; size <= 1500; size += 7) {
        bool added[256] = {false};
        size_t lengths[256] = {0};
        dhcp_builder_init(&w, b, size, &header, 20);
        ck_assert(dhcp_builder_u8(&w, DHCP_OPTION_MESSAGE_TYPE, DHCP_ACK));
        for (unsigned code = 160; code < 200; code++) {
            lengths[code] = code % 5 == 0 ? 60 : code % 7 == 0 ? 300 : 10;
            added[code] = dhcp_builder_add(&w, (uint8_t)code, value, lengths[code]);
        }
        size_t n = dhcp_builder_finish(&w, value, 20);
        ck_assert_uint_le(n, size);
        ck_assert_int_eq(dhcp_message_parse(&m, b, n), 0);
        ck_assert_uint_eq(dhcp_message_option(&m, DHCP_OPTION_RELAY_INFO).n, 20);
        for (unsigned code = 160; code < 200; code++) {
            struct dhcp_bytes v = dhcp_message_option(&m, (uint8_t)code);
            ck_assert_uint_eq(v.n, added[code] ? lengths[code] : 0);
            if (added[code])
                ck_assert_mem_eq(v.p, value, v.n);
        }
    }
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(dhcp_type_name(DHCP_DISCOVER), "discover");
    ck_assert_str_eq(dhcp_type_name(DHCP_INFORM), "inform");
    ck_assert_str_eq(dhcp_type_name(DHCP_TYPES), "unknown");
}
END_TEST

Suite *message_suite(void)
{
    Suite *s = suite_create("dhcpd/wire/message");
    TCase *t = tcase_create("message");
    tcase_add_test(t, test_parse);
    tcase_add_loop_test(t, test_malformed, 0, sizeof malformed / sizeof malformed[0]);
    tcase_add_test(t, test_header);
    tcase_add_test(t, test_split_and_overload);
    tcase_add_test(t, test_fields_without_overload);
    tcase_add_test(t, test_build);
    tcase_add_test(t, test_build_overflow);
    tcase_add_test(t, test_names);
    suite_add_tcase(s, t);
    return s;
}
