#include "dnsd/wire/type.h"
#include "dnsd/zone/scan.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"
#include "tests/support/allocfail.h"

#include <stdio.h>

struct seen {
    char text[4096];
};

/* Files of the tests: "sub" and "loop". */
static int read_file(void *arg, const char *path, const char *from, char **text, size_t *size,
                     char **opened, struct keel_diag *diag)
{
    const char *content = strcmp(path, "sub") == 0    ? "@ A 192.0.2.1\nx A 192.0.2.2\n"
                          : strcmp(path, "loop") == 0 ? "$INCLUDE loop\n"
                          : strcmp(path, "bad") == 0  ? "\n\nx A nonsense\n"
                                                      : NULL;
    if (!content)
        return support_no_files(arg, path, from, text, size, opened, diag);
    *size = strlen(content);
    *text = keel_strdup(content);
    *opened = *text ? keel_strdup(path) : NULL;
    if (!*opened) {
        keel_free(*text);
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    }
    return 0;
}

static int record(void *arg, const struct dns_scanned *r, struct keel_diag *diag)
{
    struct seen *seen = arg;
    char owner[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
    size_t n = strlen(seen->text);
    dns_name_to_text(owner, r->owner->bytes);
    snprintf(seen->text + n, sizeof seen->text - n, "%s:%u %s %u %s %u\n", r->file, r->line, owner,
             r->ttl, dns_type_format(type, r->type), r->rdata_size);
    return 0;
}

static int scan(const char *text, struct seen *seen, struct keel_diag *diag)
{
    struct dns_name origin = support_name("o");
    struct dns_scan_io io = {read_file, record, seen};
    seen->text[0] = diag->text[0] = '\0';
    return dns_scan_text(keel_str(text), "z", &origin, &io, diag);
}

static const struct {
    const char *text, *records;
} good[] = {
    {"@ 5 A 192.0.2.1\n", "z:1 o. 5 A 4\n"},
    {"a 5 IN A 192.0.2.1\nb IN 6 A 192.0.2.1\nc A 192.0.2.1\n",
     "z:1 a.o. 5 A 4\nz:2 b.o. 6 A 4\nz:3 c.o. 6 A 4\n"},
    {"$TTL 1h\na 5 A 192.0.2.1\n  A 192.0.2.2\n\tTXT x\n",
     "z:2 a.o. 5 A 4\nz:3 a.o. 3600 A 4\nz:4 a.o. 3600 TXT 2\n"},
    {"$TTL 1\n$ORIGIN p\na A 192.0.2.1\n$ORIGIN q.\na A 192.0.2.1\n",
     "z:3 a.p.o. 1 A 4\nz:5 a.q. 1 A 4\n"},
    {"$TTL 1\na A 192.0.2.1\n$INCLUDE sub s\n A 192.0.2.3\n$INCLUDE \"sub\"\n",
     "z:2 a.o. 1 A 4\nsub:1 s.o. 1 A 4\nsub:2 x.s.o. 1 A 4\nz:4 a.o. 1 A 4\n"
     "sub:1 o. 1 A 4\nsub:2 x.o. 1 A 4\n"},
    {"$TTL 1\n$GENERATE 1-3/2 g$ A 192.0.2.$\n", "z:2 g1.o. 1 A 4\nz:2 g3.o. 1 A 4\n"},
    {"$generate 0-0 $ 7 CNAME ( t${1,2} ) ; x", "z:1 0.o. 7 CNAME 7\n"},
    {"@ SOA n h 1 2 3 4 77\nx A 192.0.2.1\n", "z:1 o. 77 SOA 30\nz:2 x.o. 77 A 4\n"},
    {"a TYPE65400 \\# 0\n", NULL},
    {"a 1 CLASS1 TYPE65400 \\# 2 abcd", "z:1 a.o. 1 TYPE65400 2\n"},
    {"in 1 in a 192.0.2.1\n", "z:1 in.o. 1 A 4\n"},
    {"a ( 1\n IN\n A ) 192.0.2.1 ; c\n\n\nb A 192.0.2.1", "z:1 a.o. 1 A 4\nz:6 b.o. 1 A 4\n"},
};

START_TEST(reads_records)
{
    struct seen seen;
    struct keel_diag diag;
    int err = scan(good[_i].text, &seen, &diag);
    if (!good[_i].records)
        ck_assert_int_eq(err, KEEL_EINVAL);
    else
        ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert_str_eq(seen.text, good[_i].records ? good[_i].records : "");
}
END_TEST

static const struct {
    const char *text, *what;
} bad[] = {
    {" A 192.0.2.1", "z:1: the first record has no owner"},
    {"a A 192.0.2.1", "z:1: no TTL: put a $TTL line before the first record"},
    {"$TTL 1\n\na A x", "z:3: A: \"x\" is not an IPv4 address"},
    {"$TTL 1\na", "z:2: the type is missing"},
    {"$TTL 1\na 5", "z:2: the type is missing"},
    {"$TTL 1\na BOGUS x", "z:2: \"BOGUS\" is not a record type"},
    {"$TTL 1\na CH A 192.0.2.1", "z:2: \"CH\" is not the class IN"},
    {"$TTL 1\na IN IN A 192.0.2.1", "z:2: \"IN\" is not a record type"},
    {"$TTL 1\na 1 2 A 192.0.2.1", "z:2: \"2\" is not a record type"},
    {"$TTL 1\na ANY 192.0.2.1", "z:2: \"ANY\" is not a type that a zone can hold"},
    {"$TTL 1\na OPT 192.0.2.1", "z:2: \"OPT\" is not a type that a zone can hold"},
    {"$TTL 4294967296", "z:1: \"4294967296\" is not a TTL"},
    {"$TTL", "z:1: $TTL: a time is missing"},
    {"$TTL 1 2", "z:1: \"2\" is more than the directive takes"},
    {"$ORIGIN", "z:1: $ORIGIN: a name is missing"},
    {"$ORIGIN a..b", "z:1: \"a..b\" is not a domain name"},
    {"$BOGUS", "z:1: \"$BOGUS\" is not a directive"},
    {"a..b 1 A 192.0.2.1", "z:1: \"a..b\" is not a domain name"},
    {"a 1 TXT \"x\nb 1 A 192.0.2.1", "z:1: TXT: '\"' is never closed"},
    {"a 1 TXT (x\nb 1 A 192.0.2.1", "z:1: TXT: '(' is never closed"},
    {"a 1 TXT )", "z:1: TXT: ')' without '('"},
    {")", "z:1: ')' without '('"},
    {"$INCLUDE", "z:1: $INCLUDE: a file is missing"},
    {"\n$INCLUDE nofile", "z:2: cannot open \"nofile\": No such file or directory"},
    {"$TTL 1\n$INCLUDE bad", "bad:3: A: \"nonsense\" is not an IPv4 address"},
    {"$INCLUDE loop", "loop:1: $INCLUDE: too many files inside each other"},
    {"$GENERATE 1-2", "z:1: $GENERATE: the record is missing"},
    {"$GENERATE x a A 1", "z:1: \"x\" is not a range like 1-10 or 1-10/2"},
    {"$GENERATE 0-99999999 a A 1", "z:1: \"0-99999999\" makes too many records"},
    {"$GENERATE 1-2 a${ 1 A 192.0.2.1", "z:1: $GENERATE: ${offset,width,base} is malformed"},
    {"$GENERATE 1-2 a$ 1 A 192.0.2.", "z:1: A: \"192.0.2.\" is not an IPv4 address"},
    {"$GENERATE 1-2 \\$TTL$ 1", "z:1: the type is missing"},
};

START_TEST(says_file_line_and_what)
{
    struct seen seen;
    struct keel_diag diag;
    ck_assert_int_lt(scan(bad[_i].text, &seen, &diag), 0);
    ck_assert_str_eq(diag.text, bad[_i].what);
}
END_TEST

static int sweep(void *arg)
{
    struct seen seen;
    struct keel_diag diag;
    int err =
        scan("$TTL 1\n$INCLUDE sub\n$GENERATE 1-3 g$ A 192.0.2.$\na DS 1 5 1 ab\n", &seen, &diag);
    return err;
}

START_TEST(survives_every_failing_allocation)
{
    ck_assert_uint_gt(allocfail_sweep(sweep, NULL), 5);
}
END_TEST

Suite *scan_suite(void)
{
    Suite *s = suite_create("dnsd/zone/scan");
    TCase *t = tcase_create("scan");
    tcase_add_loop_test(t, reads_records, 0, sizeof good / sizeof good[0]);
    tcase_add_loop_test(t, says_file_line_and_what, 0, sizeof bad / sizeof bad[0]);
    tcase_add_test(t, survives_every_failing_allocation);
    suite_add_tcase(s, t);
    return s;
}
