#include "dnsd/zone/check.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 100 5\n@ NS ns\nns A 192.0.2.1\n"
#define ADDRESS ": the name server has no address in the zone"

/* text: lines from 5 on; what: all that is told, a line each ("": nothing) */
static const struct {
    const char *text, *what;
} rows[] = {
    {HEAD, ""},
    /* TTLs */
    {HEAD "a 5 A 10.0.0.1\na 6 A 10.0.0.2\n",
     "z:6: a.z. A: the TTLs of an RRset differ: the lowest is served\n"},
    {HEAD "a 5 A 10.0.0.1\na 6 AAAA ::1\na 5 A 10.0.0.2\n", ""},
    /* SOA */
    {"$TTL 60\n@ SOA ns h 7 20 30 49 5\n@ NS ns.other.\n",
     "z:2: z. SOA: a secondary gives the zone up before it has tried to refresh it twice: expire "
     "is "
     "less than refresh and retry\n"},
    /* name servers */
    {"$TTL 60\n@ SOA ns h 7 2 3 100 5\n@ NS ns\n", "z:3: z. NS ns.z." ADDRESS "\n"},
    {"$TTL 60\n@ SOA ns h 7 2 3 100 5\n@ NS NS\n* A 10.0.0.1\n", ""},
    {"$TTL 60\n@ SOA ns h 7 2 3 100 5\n@ NS ns\n* TXT x\n", "z:3: z. NS ns.z." ADDRESS "\n"},
    {HEAD "a NS ns.a\n", "z:5: a.z. NS ns.a.z." ADDRESS "\n"},
    {HEAD "a NS ns.a\nns.a AAAA ::1\n", ""},
    {HEAD "a NS a\na A 10.0.0.1\n", ""},
    {HEAD "a NS ns.b\nb NS ns.b\nns.b A 10.0.0.1\n", ""},
    {HEAD "a NS ns.b\nb NS other.\n", ""}, /* a sibling's: found without us */
    {HEAD "a NS ns.other.\n", ""},
    {HEAD "a NS missing\n", "z:5: a.z. NS missing.z." ADDRESS "\n"},
    {HEAD "a NS alias\nalias CNAME ns\n",
     "z:5: a.z. NS alias.z.: the name server is an alias (RFC 2181, 10.3)\n"},
    /* MX and SRV */
    {HEAD "@ MX 1 ns\n@ MX 2 .\n_x._tcp SRV 0 0 0 .\n", ""},
    {HEAD "@ MX 1 alias\nalias CNAME ns\n",
     "z:5: z. MX alias.z.: the target is an alias (RFC 2181, 10.3)\n"},
    {HEAD "_x._tcp SRV 1 2 3 Alias\nalias CNAME ns\n",
     "z:5: _x._tcp.z. SRV alias.z.: the target is an alias (RFC 2181, 10.3)\n"},
    {HEAD "@ MX 1 missing\n",
     "z:5: z. MX missing.z.: the target is no name of the zone that it would be in\n"},
    {HEAD "@ MX 1 mail.sub\nsub NS other.\n", ""},
    {HEAD "@ MX 1 mail.d\nd DNAME other.\n", ""},
    {HEAD "@ MX 1 any.w\n*.w A 10.0.0.1\n", ""},
    /* hidden */
    {HEAD "sub NS other.\nsub TXT x\n", "z:6: sub.z. TXT: the record is hidden by a delegation\n"},
    {HEAD "sub NS other.\na.b.sub MX 1 c\n",
     "z:6: a.b.sub.z. MX: the record is hidden by a delegation\n"},
    {HEAD "sub NS other.\nsub DS 1 13 2 aabb\nsub NSEC z. NS DS\n", ""},
    /* DS */
    {HEAD "a DS 1 13 2 aabb\n", "z:5: a.z. DS: DS where there is no delegation\n"},
    /* aliases */
    {HEAD "a CNAME b\nb CNAME c\nc CNAME other.\n", ""},
    {HEAD "a CNAME a\n",
     "z:5: a.z. CNAME: aliases lead in a circle, or there are too many behind each other\n"},
    {HEAD "$GENERATE 1-16 c$ CNAME c${1}\nc17 A 10.0.0.1\n", ""},
    {HEAD "$GENERATE 1-17 c$ CNAME c${1}\nc18 A 10.0.0.1\n",
     "z:5: c1.z. CNAME: aliases lead in a circle, or there are too many behind each other\n"},
    /* many */
    {HEAD "$GENERATE 1-3 a MX $ none$\n$GENERATE 1-13 b$ DS 1 13 2 aabb\n", NULL},
};

static void collect(void *arg, const char *text)
{
    char *told = arg;
    size_t n = strlen(told);
    snprintf(told + n, 8192 - n, "%s\n", text);
}

static void compile(const char *text, char told[8192])
{
    struct dns_name apex = support_name("z");
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {support_no_files, dns_compiler_add, compiler};
    struct keel_diag diag = {""};
    struct dns_image *image = NULL;
    told[0] = '\0';
    dns_compiler_on_warning(compiler, collect, told);
    ck_assert_msg(dns_scan_text(keel_str(text), "z", &apex, &io, &diag) == 0 &&
                      dns_compiler_finish(compiler, &image, &diag) == 0,
                  "%s", diag.text);
    keel_free(image);
    dns_compiler_free(compiler);
}

START_TEST(tells_what_is_odd)
{
    char told[8192];
    compile(rows[_i].text, told);
    if (rows[_i].what) {
        ck_assert_str_eq(told, rows[_i].what);
        return;
    }
    unsigned lines = 0;
    for (const char *p = told; *p; p++)
        lines += *p == '\n';
    ck_assert_uint_eq(lines, 3 + DNS_CHECK_TOLD + 1);
    ck_assert(strstr(told, "\n3 more: DS where there is no delegation\n"));
}
END_TEST

Suite *check_suite(void)
{
    Suite *suite = suite_create("check");
    TCase *tests = tcase_create("check");
    tcase_add_loop_test(tests, tells_what_is_odd, 0, sizeof rows / sizeof rows[0]);
    suite_add_tcase(suite, tests);
    return suite;
}
