#include "common/runtime/probe.h"

#include "tests/unit/runtime/suites.h"

#include <unistd.h>

START_TEST(questions_and_answers_of_arp)
{
    const struct keel_arp ask = {
        .hardware = {2, 0, 0, 0, 0, 1}, .sender = 0xc0000201, .target = 0xc0000264};
    static const uint8_t expected[KEEL_ARP_SIZE] =
        "\377\377\377\377\377\377\2\0\0\0\0\1\10\6\0\1\10\0\6\4\0\1\2\0\0\0\0\1\300\0\2\1"
        "\0\0\0\0\0\0\300\0\2\144";
    uint8_t frame[KEEL_ARP_SIZE];
    struct keel_arp got;
    keel_arp_build(&ask, frame);
    ck_assert_mem_eq(frame, expected, sizeof frame);
    ck_assert_int_eq(keel_arp_parse(&got, frame, sizeof frame), KEEL_ENOTSUP); /* a question */
    frame[21] = 2;
    ck_assert_int_eq(keel_arp_parse(&got, frame, sizeof frame), 0);
    ck_assert_uint_eq(got.sender, ask.sender);
    ck_assert_mem_eq(got.hardware, ask.hardware, KEEL_MAC_SIZE);
    for (size_t n = 0; n < sizeof frame; n++)
        ck_assert_int_eq(keel_arp_parse(&got, frame, n), KEEL_ETRUNC);
    const unsigned at[] = {12, 15, 16, 18, 19};
    for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
        frame[at[i]] ^= 1;
        ck_assert_int_eq(keel_arp_parse(&got, frame, sizeof frame), KEEL_ENOTSUP);
        frame[at[i]] ^= 1;
    }
}
END_TEST

START_TEST(echoes)
{
    uint8_t bytes[20 + KEEL_ECHO_SIZE] = {0x45};
    uint64_t cookie;
    keel_echo_build(0x1234, 1, 0x0102030405060708, bytes + 20);
    uint32_t sum = 0;
    for (unsigned i = 20; i < sizeof bytes; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    ck_assert_uint_eq(sum % 0xffff, 0);
    ck_assert_int_eq(keel_echo_parse(bytes, sizeof bytes, &cookie), KEEL_ENOTSUP); /* a question */
    ck_assert_uint_eq(bytes[20], 8);
    bytes[20] = 0;
    ck_assert_int_eq(keel_echo_parse(bytes, sizeof bytes, &cookie), 0);
    ck_assert_uint_eq(cookie, 0x0102030405060708);
    cookie = 0;
    ck_assert_int_eq(keel_echo_parse(bytes + 20, KEEL_ECHO_SIZE, &cookie), 0);
    ck_assert_uint_eq(cookie, 0x0102030405060708);
    for (size_t n = 0; n < sizeof bytes; n++)
        ck_assert_int_eq(keel_echo_parse(bytes, n, &cookie), KEEL_ETRUNC);
    bytes[0] = 0x41;
    ck_assert_int_eq(keel_echo_parse(bytes, sizeof bytes, &cookie), KEEL_ETRUNC);
}
END_TEST

/* Our own host answers. */
START_TEST(loopback_answers)
{
    struct keel_diag diag;
    uint32_t address;
    uint64_t cookie;
    int fd = keel_echo_open(&diag);
    if (fd < 0) {
        ck_assert_int_eq(fd, KEEL_EACCES);
        return;
    }
    ck_assert_int_eq(keel_echo_receive(fd, &address, &cookie), KEEL_EAGAIN);
    int err = keel_echo_ask(fd, 0x7f000001, 0xfeedfacecafebeef);
    for (unsigned i = 0; !err && i < 1000; i++) {
        err = keel_echo_receive(fd, &address, &cookie);
        if (err != KEEL_EAGAIN)
            break;
        err = 0;
        usleep(1000);
    }
    ck_assert_int_eq(err, 0);
    ck_assert_uint_eq(address, 0x7f000001);
    ck_assert_uint_eq(cookie, 0xfeedfacecafebeef);
    close(fd);
    fd = keel_arp_open(&diag);
    if (fd >= 0) {
        struct keel_arp arp;
        ck_assert_int_eq(keel_arp_receive(fd, &arp), KEEL_EAGAIN);
        close(fd);
    }
}
END_TEST

Suite *runtime_probe_suite(void)
{
    Suite *suite = suite_create("probe");
    TCase *tc = tcase_create("probe");
    tcase_add_test(tc, questions_and_answers_of_arp);
    tcase_add_test(tc, echoes);
    tcase_add_test(tc, loopback_answers);
    suite_add_tcase(suite, tc);
    return suite;
}
