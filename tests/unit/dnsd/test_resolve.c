#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Plays a file of questions and the answers they must get:
 *
 *     ? NAME TYPE [tcp] [edns=SIZE]
 *     RCODE flags
 *     answer|authority|additional RECORD
 *
 * "#" lines are comments. Every reply is read by ldns.
 */
static void play(const char *zone_file, const char *origin, const char *script_file)
{
    struct dns_zones zones;
    char *zone = support_data(zone_file), *script = support_data(script_file);
    static uint8_t query[512], reply[UINT16_MAX];
    static char shown[200000];
    unsigned asked = 0;

    support_zones_init(&zones);
    support_serve(&zones, origin, zone);
    struct dns_answer_context context = {.zones = &zones, .udp_size = DNS_UDP_SIZE};
    for (char *p = strstr(script, "\n? "); p;) {
        char name[512], type_text[32], options[64] = "";
        uint16_t type;
        unsigned edns = 0;
        char *line = p + 1, *expected = strchr(line, '\n') + 1;
        p = strstr(expected, "\n? ");
        size_t size = p ? (size_t)(p + 1 - expected) : strlen(expected);
        ck_assert_int_ge(sscanf(line, "? %511s %31s %63[^\n]", name, type_text, options), 2);
        ck_assert_int_eq(dns_type_parse(keel_str(type_text), &type), 0);
        if (strstr(options, "edns="))
            edns = (unsigned)atoi(strstr(options, "edns=") + 5);
        size_t asked_size = support_query(query, sizeof query, name, type, (uint16_t)edns);
        size_t n = dns_query_process(&context, query, asked_size, &support_peer,
                                     strstr(options, "tcp") != NULL, reply, sizeof reply);
        support_show(shown, sizeof shown, reply, n);
        ck_assert_msg(strlen(shown) == size && memcmp(shown, expected, size) == 0,
                      "? %s %s %s\n--- got\n%s--- expected\n%.*s", name, type_text, options, shown,
                      (int)size, expected);
        asked++;
    }
    ck_assert_uint_gt(asked, 10);
    dns_zones_fini(&zones);
    free(zone);
    free(script);
}

START_TEST(answers_for_the_example)
{
    play("example.org.zone", "example.org", "example.org.answers");
}
END_TEST

START_TEST(answers_for_odd_zones)
{
    play("odd.zone", "odd", "odd.answers");
}
END_TEST

Suite *resolve_suite(void)
{
    Suite *s = suite_create("dnsd/answer/resolve");
    TCase *t = tcase_create("resolve");
    tcase_add_test(t, answers_for_the_example);
    tcase_add_test(t, answers_for_odd_zones);
    suite_add_tcase(s, t);
    return s;
}
