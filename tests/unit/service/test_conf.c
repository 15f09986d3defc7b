#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/service/conf.h"
#include "tests/support/conf_rows.h"
#include "tests/support/unit.h"

#include <confuse.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char everything[] =
    "# a comment\n"
    "listen    = { \"127.0.0.1:5300\", \"[::1]:8443 tls\" }\n"
    "balance   = auto        // another\n"
    "schedule  = round-robin\n"
    "state-dir = \"state/dnsd\"\n"
    "lease-time = 12h\n"
    "authoritative = true\n"
    "max-upload = 1g\n"
    "network = 192.0.2.0/24 /* and\n"
    "   a third */\n"
    "server = \"127.0.0.1:5302\"\n"
    "\n"
    "log { level = debug format = json }\n"
    "key \"transfer.example.\" {\n"
    "  secret = \"MTIzNDU2\"\n"
    "}\n"
    "zone \"example.org\" {\n"
    "  file           = \"example.org.zone\"\n"
    "  allow-transfer = { \"key:transfer.example.\", \"127.0.0.0/8\" }\n"
    "  notify         = { \"127.0.0.1:5301\" }\n"
    "}\n"
    "zone \"b.example\" { file = /abs/b.zone }\n"
    "option-definition \"printer-queue\" {\n"
    "  code = 224\n"
    "  type = text\n"
    "}\n"
    "options {\n"
    "  domain-name = \"lan.example\"\n"
    "  search = { a.example, b.example, }\n"
    "}\n"
    "subnet \"192.0.2.0/24\" {\n"
    "  interface = \"lan0\"\n"
    "  pool \"192.0.2.100-192.0.2.199\" {\n"
    "  }\n"
    "  pool \"192.0.2.200-192.0.2.219\" { allow-class = { \"pxe-uefi\" } }\n"
    "  options {\n"
    "    routers       = { \"192.0.2.1\" }\n"
    "    printer-queue = \"lp0\"\n"
    "  }\n"
    "}\n";

Suite *conf_suite(void);

static struct keel_diag diag;

static struct keel_conf *load_from(const char *file, const char *text, const char *overrides)
{
    struct keel_conf *conf = NULL;
    struct keel_conf_source source = {.file = file, .text = text, .overrides = overrides};
    diag.text[0] = '\0';
    int err = keel_conf_load(rows, &source, &conf, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    return conf;
}

static struct keel_conf *load(const char *text)
{
    return load_from("conf/t.conf", text, NULL);
}

static void expect_error(const char *text, const char *overrides, const char *message)
{
    struct keel_conf *conf = NULL;
    struct keel_conf_source source = {.file = "conf/t.conf", .text = text, .overrides = overrides};
    int err = keel_conf_load(rows, &source, &conf, &diag);
    ck_assert_msg(err == KEEL_ECONF, "accepted: %s %s", text, overrides ? overrides : "");
    ck_assert_ptr_null(conf);
    ck_assert_str_eq(diag.text, message);
}

START_TEST(values)
{
    struct keel_conf *conf = load(everything);
    char text[KEEL_ADDR_TEXT];
    ck_assert_uint_eq(keel_conf_count(conf, "listen"), 2);
    const struct keel_value *v = keel_conf_at(conf, "listen", 1);
    keel_addr_format(text, sizeof text, &v->addr);
    ck_assert_str_eq(text, "[::1]:8443");
    ck_assert(keel_str_equal(v->words, KEEL_STR("tls")));
    ck_assert_int_eq(v->line, 2);
    ck_assert_uint_eq(keel_conf_at(conf, "listen", 0)->words.n, 0);
    ck_assert_ptr_null(keel_conf_at(conf, "listen", 2));
    ck_assert_str_eq(keel_conf_str(conf, "balance"), "auto");
    ck_assert_int_eq(keel_conf_int(conf, "schedule"), 1);
    ck_assert_str_eq(keel_conf_str(conf, "state-dir"), "conf/state/dnsd");
    ck_assert_int_eq(keel_conf_int(conf, "lease-time"), 12 * 3600 * INT64_C(1000000000));
    ck_assert(keel_conf_bool(conf, "authoritative"));
    ck_assert_int_eq(keel_conf_int(conf, "max-upload"), INT64_C(1) << 30);
    ck_assert_int_eq(keel_conf_at(conf, "network", 0)->prefix.length, 24);
    ck_assert_int_eq(keel_conf_at(conf, "server", 0)->line, 11); /* behind the long comment */
    ck_assert(!keel_conf_given(conf, "port-limit"));
    ck_assert_uint_eq(keel_conf_count(conf, "port-limit"), 0);
    ck_assert_int_eq(keel_conf_int(conf, "port-limit"), 0);
    ck_assert_str_eq(keel_conf_str(conf, "index"), "index.html");
    ck_assert(!keel_conf_given(conf, "index"));
    keel_conf_free(conf);
}
END_TEST

START_TEST(sections)
{
    struct keel_conf *conf = load(everything);
    const struct keel_conf *log = keel_conf_section(conf, "log");
    ck_assert_int_eq(keel_conf_int(log, "level"), 4);
    ck_assert_int_eq(keel_conf_line(log), 13);
    int n = 0;
    keel_conf_for (zone, conf, "zone") {
        ck_assert_str_eq(keel_conf_title(zone), n ? "b.example" : "example.org");
        ck_assert_str_eq(keel_conf_str(zone, "file"), n ? "/abs/b.zone" : "conf/example.org.zone");
        n++;
    }
    ck_assert_int_eq(n, 2);
    ck_assert_uint_eq(keel_conf_count(conf, "zone"), 2);
    const struct keel_conf *subnet = keel_conf_section(conf, "subnet");
    n = 0;
    keel_conf_for (pool, subnet, "pool")
        n++;
    ck_assert_int_eq(n, 2);
    const struct keel_conf *options = keel_conf_section(subnet, "options");
    ck_assert_str_eq(keel_conf_key(options, 0), "routers");
    ck_assert_str_eq(keel_conf_key(options, 1), "printer-queue");
    ck_assert_ptr_null(keel_conf_key(options, 2));
    ck_assert_str_eq(keel_conf_str(options, "printer-queue"), "lp0");
    ck_assert_int_eq(keel_addr_port(&keel_conf_at(options, "routers", 0)->addr), 67);
    ck_assert_uint_eq(keel_conf_count(options, "nothing"), 0);
    options = keel_conf_section(conf, "options");
    ck_assert_uint_eq(keel_conf_count(options, "search"), 2);
    keel_conf_free(conf);
}
END_TEST

START_TEST(nothing_given)
{
    struct keel_conf *conf = load("");
    ck_assert_uint_eq(keel_conf_count(conf, "listen"), 2);
    ck_assert_int_eq(keel_conf_at(conf, "listen", 0)->line, 0);
    ck_assert_ptr_null(keel_conf_section(conf, "log"));
    ck_assert_int_eq(keel_conf_int(keel_conf_section_or_default(conf, "log"), "level"), 3);
    ck_assert_ptr_null(keel_conf_section(conf, "zone"));
    ck_assert_ptr_null(keel_conf_section_or_default(conf, "zone"));
    ck_assert_int_eq(keel_conf_int(NULL, "level"), 0);
    ck_assert_ptr_null(keel_conf_str(NULL, "level"));
    ck_assert(!keel_conf_given(NULL, "level"));
    ck_assert_ptr_null(keel_conf_key(conf, 0));
    keel_conf_free(conf);
    conf = load_from(NULL, NULL, NULL);
    ck_assert_int_eq(keel_conf_int(conf, "schedule"), 0);
    keel_conf_free(conf);
    keel_conf_free(NULL);
}
END_TEST

static const struct {
    const char *text, *message;
} errors[] = {
    {"liste = x", "conf/t.conf:1: unknown option \"liste\"; did you mean \"listen\"?"},
    {"\n\nlisetn = x", "conf/t.conf:3: unknown option \"lisetn\"; did you mean \"listen\"?"},
    {"completely-else = x", "conf/t.conf:1: unknown option \"completely-else\""},
    {"/* a */ /* b */\nbad = 1", "conf/t.conf:2: unknown option \"bad\""},
    {"level = debug", "conf/t.conf:1: unknown option \"level\"; it stands in section \"log\""},
    {"log {\n schedule = single }",
     "conf/t.conf:2: log: unknown option \"schedule\"; it stands outside of all sections"},
    {"zone \"a\" {\n  fil = x\n}",
     "conf/t.conf:2: zone \"a\": unknown option \"fil\"; did you mean \"file\"?"},
    {"zone \"a\" {}\n\nzone \"a\" {}", "conf/t.conf:3: zone \"a\" is given twice, first in line 1"},
    {"log {}\nlog {}", "conf/t.conf:2: log is given twice, first in line 1"},
    {"balance = 1\n\nbalance = 2", "conf/t.conf:3: balance: is given twice, first in line 1"},
    {"index = { a }\nindex = { b }", "conf/t.conf:2: index: is given twice, first in line 1"},
    {"index = { }\nindex = { b }", "conf/t.conf:2: index: is given twice, first in line 1"},
    {"balance = { a }", "conf/t.conf:1: balance: takes one value, not a list in braces"},
    {"balance += a", "conf/t.conf:1: balance: \"+=\" is for lists; this option takes one value"},
    {"balance = \n}", "conf/t.conf:2: balance: a value expected, not \"}\""},
    {"balance auto", "conf/t.conf:1: balance: is an option: balance = VALUE"},
    {"balance", "conf/t.conf:1: balance: \"=\" expected, not the end of the text"},
    {"index = { a b }", "conf/t.conf:1: index: \",\" or \"}\" expected, not \"b\""},
    {"index = { a", "conf/t.conf:1: index: \",\" or \"}\" expected, not the end of the text"},
    {"log = debug", "conf/t.conf:1: log: is a section: log { ... }"},
    {"zone = a", "conf/t.conf:1: zone: is a section: zone \"NAME\" { ... }"},
    {"zone { }", "conf/t.conf:1: zone: this section needs a title: zone \"NAME\" { ... }"},
    {"zone \"\" { }", "conf/t.conf:1: zone: the title must not be empty"},
    {"log \"x\" { }", "conf/t.conf:1: log: this section has no title: log { ... }"},
    {"log level", "conf/t.conf:1: log: this section has no title: log { ... }"},
    {"zone \"a\" file", "conf/t.conf:1: zone: \"{\" expected, not \"file\""},
    {"zone \"a\" {\n file = x\n\n",
     "conf/t.conf:1: zone \"a\": the section that begins here has no \"}\""},
    {"}", "conf/t.conf:1: \"}\" without its \"{\""},
    {"= 3", "conf/t.conf:1: the name of an option expected, not \"=\""},
    {"\"listen\" = 3", "conf/t.conf:1: the name of an option expected, not \"listen\""},
    {"balance = 1;", "conf/t.conf:1: \";\" is not needed; remove it"},
    {"balance = (1)",
     "conf/t.conf:1: balance: unexpected \"(\"; a value with such characters stands in quotes"},
    {"balance = \"a\nb\"", "conf/t.conf:1: balance: the quoted text does not end on its line (\\n "
                           "is a line end inside)"},
    {"balance = \"a", "conf/t.conf:1: balance: the quoted text does not end on its line (\\n is a "
                      "line end inside)"},
    {"balance = \"\\q\"",
     "conf/t.conf:1: balance: there is no such escape; write \\\\ for a backslash"},
    {"balance = \"\\0\"", "conf/t.conf:1: balance: an octal escape must be \\1 to \\377"},
    {"balance = \"\\x00\"", "conf/t.conf:1: balance: \\x needs one or two hexadecimal digits that "
                            "are not zero"},
    {"\n/* never", "conf/t.conf:2: the comment that begins here does not end"},
    {"schedule = fast", "conf/t.conf:1: schedule: \"fast\" is not one of kernel, round-robin, "
                        "least, single"},
    {"port-limit = 0", "conf/t.conf:1: port-limit: \"0\" is out of range: 1 to 65535"},
    {"port-limit = 99999999999999999999",
     "conf/t.conf:1: port-limit: \"99999999999999999999\" is too large a number"},
    {"port-limit = many", "conf/t.conf:1: port-limit: \"many\" is not a whole number"},
    {"lease-time = 30d", "conf/t.conf:1: lease-time: \"30d\" is out of range: 1s to 1w"},
    {"lease-time = soon",
     "conf/t.conf:1: lease-time: \"soon\" is not a time; write it as 500ms, 90s, 5m, 12h, 7d"},
    {"max-upload = 1", "conf/t.conf:1: max-upload: \"1\" is out of range: at least 1k"},
    {"max-upload = big",
     "conf/t.conf:1: max-upload: \"big\" is not a size; write it as 4096, 64k, 10m, 4g"},
    {"authoritative = maybe", "conf/t.conf:1: authoritative: \"maybe\" is neither true nor false"},
    {"state-dir = \"\"", "conf/t.conf:1: state-dir: a path must not be empty"},
    {"zone \"a\" {\n  sign = yes\n}",
     "conf/t.conf:2: zone \"a\": sign: this version does not support it"},
    {"key \"k\" {\n}", "conf/t.conf:1: key \"k\": option \"secret\" is missing; it must be given"},
    {"options {\n  nothing = 1\n}", "conf/t.conf:2: options: unknown option \"nothing\""},
    {"options {\n  printer = 1\n}\noption-definition \"printer\" { code = 1 }",
     "conf/t.conf:2: options: unknown option \"printer\""},
    {"options {\n  domain-name = a\n domain-name = b\n}",
     "conf/t.conf:3: options: domain-name: is given twice, first in line 2"},
    {"subnet \"s\" {\n pool \"p\" {\n  x = 1\n }\n}",
     "conf/t.conf:3: subnet \"s\": pool \"p\": unknown option \"x\""},
};

START_TEST(wrong_texts)
{
    expect_error(errors[_i].text, NULL, errors[_i].message);
}
END_TEST

START_TEST(wrong_addresses)
{
    static const char *const texts[] = {
        "server = \"127.0.0.1\"", "server = \"localhost:53\"",
        "network = 192.0.2.1/24", "listen = { \"127.0.0.1:70000\" }",
        "listen = \"\"",          "listen = \"tls\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct keel_conf *conf = NULL;
        struct keel_conf_source source = {.file = "f", .text = texts[i]};
        ck_assert_int_eq(keel_conf_load(rows, &source, &conf, &diag), KEEL_ECONF);
        ck_assert_msg(strncmp(diag.text, "f:1: ", 5) == 0 && strlen(diag.text) > 16, "%s",
                      diag.text);
    }
}
END_TEST

START_TEST(errors_from_outside)
{
    struct keel_conf *conf = load_from("conf/dnsd.conf", everything, "balance = 4 index += x");
    const struct keel_conf *zone = keel_conf_section(conf, "zone");
    ck_assert_int_eq(keel_conf_error(zone, "file", &diag, "cannot open \"%s\": %s", "x.zone",
                                     "No such file or directory"),
                     KEEL_ECONF);
    ck_assert_str_eq(diag.text, "conf/dnsd.conf:18: zone \"example.org\": file: cannot open "
                                "\"x.zone\": No such file or directory");
    keel_conf_error(zone, NULL, &diag, "no source");
    ck_assert_str_eq(diag.text, "conf/dnsd.conf:17: zone \"example.org\": no source");
    keel_conf_error(conf, "balance", &diag, "too many");
    ck_assert_str_eq(diag.text, "command line: balance: too many");
    keel_conf_error(conf, NULL, &diag, "no zone");
    ck_assert_str_eq(diag.text, "conf/dnsd.conf: no zone");
    keel_conf_error(conf, "port-limit", &diag, "must be given");
    ck_assert_str_eq(diag.text, "conf/dnsd.conf: port-limit: must be given");
    keel_conf_error_at(conf, "listen", 1, &diag, "in use");
    ck_assert_str_eq(diag.text, "conf/dnsd.conf:2: listen: in use");
    keel_conf_error_at(conf, "index", 0, &diag, "bad");
    ck_assert_str_eq(diag.text, "conf/dnsd.conf: index: bad");
    keel_conf_error_at(conf, "index", 1, &diag, "bad");
    ck_assert_str_eq(diag.text, "command line: index: bad");
    /* the reason may stand in the same diag */
    keel_conf_error(conf, NULL, &diag, "again: %s", diag.text);
    ck_assert_str_eq(diag.text, "conf/dnsd.conf: again: command line: index: bad");
    keel_conf_free(conf);
}
END_TEST

START_TEST(overrides)
{
    struct keel_conf *conf =
        load_from("conf/t.conf", everything,
                  "listen = { \"0.0.0.0:53\" } listen += \"0.0.0.0:54\"\n"
                  "balance = 3 balance = 4 state-dir = here log { level = error }\n"
                  "zone \"example.org\" { file = there.zone } zone \"new\" { file = n.zone }");
    ck_assert_uint_eq(keel_conf_count(conf, "listen"), 2);
    ck_assert_str_eq(keel_conf_at(conf, "listen", 1)->text, "0.0.0.0:54");
    ck_assert_str_eq(keel_conf_str(conf, "balance"), "4");
    ck_assert_str_eq(keel_conf_str(conf, "state-dir"), "here");
    const struct keel_conf *log = keel_conf_section(conf, "log");
    ck_assert_int_eq(keel_conf_int(log, "level"), 0);
    ck_assert_int_eq(keel_conf_int(log, "format"), 1);
    ck_assert_uint_eq(keel_conf_count(conf, "zone"), 3);
    const struct keel_conf *zone = keel_conf_section(conf, "zone");
    ck_assert_str_eq(keel_conf_str(zone, "file"), "there.zone");
    ck_assert_uint_eq(keel_conf_count(zone, "allow-transfer"), 2);
    keel_conf_free(conf);

    conf = load_from("conf/t.conf", "index = { a }", "index += b");
    ck_assert_uint_eq(keel_conf_count(conf, "index"), 2);
    keel_conf_free(conf);
    conf = load_from("conf/t.conf", "index += a index += { b, c }", NULL);
    ck_assert_uint_eq(keel_conf_count(conf, "index"), 4); /* the default is the first */
    keel_conf_free(conf);
    conf = load_from("conf/t.conf", "index = { }", NULL);
    ck_assert_uint_eq(keel_conf_count(conf, "index"), 0);
    ck_assert(keel_conf_given(conf, "index"));
    keel_conf_free(conf);

    expect_error("", "shedule = x",
                 "command line: unknown option \"shedule\"; did you mean \"schedule\"?");
    expect_error("", "zone \"z\" { schedul = x }",
                 "command line: zone \"z\": unknown option \"schedul\"");
    struct keel_conf_source source = {.overrides = "key \"k\" { }"};
    ck_assert_int_eq(keel_conf_load(rows, &source, &conf, &diag), KEEL_ECONF);
    ck_assert_str_eq(diag.text,
                     "command line: key \"k\": option \"secret\" is missing; it must be given");
}
END_TEST

START_TEST(texts_and_quotes)
{
    static const struct {
        const char *written, *read;
    } table[] = {
        {"\"a b\"", "a b"},
        {"'a \\b \\' \\\\'", "a \\b ' \\"},
        {"\"\\\"\\\\\\n\\t\\x41\\101\\$\\e\"", "\"\\\n\tAA$\033"},
        {"\"one \\\n two\"", "one  two"},
        {"\"${HOME}\"", "${HOME}"},
        {"${HOME}", NULL},
        {"*:53", "*:53"},
        {"http://x/*y", "http://x/*y"},
        {"a+b", "a+b"},
        {"\"h\xc3\xa9\"", "h\xc3\xa9"},
        {"\"\"", ""},
        {"hmac-sha256 # why", "hmac-sha256"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "balance = %s\r\n", table[i].written);
        struct keel_conf *conf = NULL;
        struct keel_conf_source source = {.file = "f", .text = text};
        int err = keel_conf_load(rows, &source, &conf, &diag);
        if (!table[i].read) {
            ck_assert_int_eq(err, KEEL_ECONF);
            continue;
        }
        ck_assert_msg(err == 0, "%s: %s", text, diag.text);
        ck_assert_str_eq(keel_conf_str(conf, "balance"), table[i].read);
        keel_conf_free(conf);
    }
}
END_TEST

static struct keel_buf print(const struct keel_conf *conf)
{
    struct keel_buf out = {0};
    ck_assert_int_eq(keel_conf_print(conf, &out), 0);
    ck_assert_ptr_nonnull(keel_buf_text(&out));
    return out;
}

START_TEST(printed_text_loads_again)
{
    static const char *const texts[] = {
        everything,
        "",
        "balance = \"\\\"\\\\\\n\\x01\\x7f'\" index = {} zone \"a \\\"b\" { file = \"./x\" }",
        "lease-time = 1h30m max-upload = 1536 port-limit = 7 authoritative = yes",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct keel_conf *first = load(texts[i]);
        struct keel_buf a = print(first);
        struct keel_conf *second = load_from("/elsewhere/t.conf", keel_buf_text(&a), NULL);
        struct keel_buf b = print(second);
        ck_assert_str_eq(keel_buf_text(&a), keel_buf_text(&b));
        ck_assert_ptr_null(strstr(keel_buf_text(&a), "MTIzNDU2"));
        ck_assert_int_eq(keel_conf_int(first, "lease-time"), keel_conf_int(second, "lease-time"));
        ck_assert_str_eq(keel_conf_str(first, "balance"), keel_conf_str(second, "balance"));
        keel_buf_fini(&a);
        keel_buf_fini(&b);
        keel_conf_free(first);
        keel_conf_free(second);
    }
}
END_TEST

START_TEST(printed_manual)
{
    struct keel_buf out = {0};
    ck_assert_int_eq(keel_conf_print_man(rows, &out), 0);
    const char *text = keel_buf_text(&out);
    static const char *const parts[] = {
        ".It Cm listen No = { Ar address No , ... }\nWhere to listen.\n\\&.Dangerous\\-text\n",
        ".It Cm level No = Cm error | Cm warning",
        "1s to 1w.\nDefault: 12h.\n",
        "At least 1k.\n",
        ".It Cm zone Ar name No { ... }\nIt may stand more than once.\n.Bl -tag -width Ds\n",
        "It must be given.\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(text, parts[i]) != NULL, "missing: %s\nin: %s", parts[i], text);
    ck_assert_ptr_null(strstr(text, "sign")); /* unsupported: not in the manual */
    keel_buf_fini(&out);
}
END_TEST

/* libconfuse reads the same files to the same values (where it has no quirk). */
START_TEST(libconfuse_agrees)
{
    cfg_opt_t zone[] = {CFG_STR("file", NULL, 0), CFG_STR_LIST("allow-transfer", NULL, 0),
                        CFG_END()};
    cfg_opt_t top[] = {CFG_STR_LIST("listen", NULL, 0), CFG_STR("balance", NULL, 0),
                       CFG_STR("schedule", NULL, 0), CFG_SEC("zone", zone, CFGF_MULTI | CFGF_TITLE),
                       CFG_END()};
    static const char text[] =
        "listen = { \"127.0.0.1:53\", '[::1]:53', word-5 } # c\n"
        "listen += { \"more\\x21 \\101\\n\" , }\n"
        "// d\n/* e\n */ balance=\"a\\\"b\\\\c\\td\"\n"
        "schedule = least zone \"a.example\" { file = \"x y\" allow-transfer = one }\n"
        "zone b.example {\n}\n";
    cfg_t *cfg = cfg_init(top, 0);
    ck_assert_int_eq(cfg_parse_buf(cfg, text), CFG_SUCCESS);
    static const struct keel_option plain[] = {
        {.name = "listen", .type = KEEL_OPT_STRING, .flags = KEEL_OPT_LIST},
        {.name = "balance", .type = KEEL_OPT_STRING},
        {.name = "schedule", .type = KEEL_OPT_STRING},
        {.name = "zone",
         .type = KEEL_OPT_SECTION,
         .flags = KEEL_OPT_TITLE | KEEL_OPT_MULTI,
         .sub = zone_rows},
        {.type = KEEL_OPT_END},
    };
    struct keel_conf *conf = NULL;
    struct keel_conf_source source = {.text = text};
    ck_assert_int_eq(keel_conf_load(plain, &source, &conf, &diag), 0);
    ck_assert_uint_eq(cfg_size(cfg, "listen"), keel_conf_count(conf, "listen"));
    for (unsigned i = 0; i < cfg_size(cfg, "listen"); i++)
        ck_assert_str_eq(cfg_getnstr(cfg, "listen", i), keel_conf_at(conf, "listen", i)->text);
    ck_assert_str_eq(cfg_getstr(cfg, "balance"), keel_conf_str(conf, "balance"));
    ck_assert_str_eq(cfg_getstr(cfg, "schedule"), keel_conf_str(conf, "schedule"));
    ck_assert_uint_eq(cfg_size(cfg, "zone"), keel_conf_count(conf, "zone"));
    const struct keel_conf *section = keel_conf_section(conf, "zone");
    for (unsigned i = 0; i < cfg_size(cfg, "zone"); i++) {
        cfg_t *other = cfg_getnsec(cfg, "zone", i);
        ck_assert_str_eq(cfg_title(other), keel_conf_title(section));
        ck_assert_uint_eq(cfg_size(other, "allow-transfer"),
                          keel_conf_count(section, "allow-transfer"));
        section = keel_conf_next(conf, "zone", section);
    }
    keel_conf_free(conf);
    cfg_free(cfg);
}
END_TEST

START_TEST(memory_runs_out)
{
    struct keel_conf *conf = NULL;
    struct keel_conf_source source = {
        .file = "f", .text = everything, .overrides = "listen = { \"1.2.3.4:5\" }"};
    for (uint64_t n = 1; n < 10000; n++) {
        keel_mem_fail_at(n);
        int err = keel_conf_load(rows, &source, &conf, &diag);
        keel_mem_fail_at(0);
        if (err == 0)
            break;
        ck_assert_int_eq(err, KEEL_ENOMEM);
    }
    ck_assert_ptr_nonnull(conf);
    keel_conf_free(conf);
}
END_TEST

START_TEST(deep_and_large)
{
    static struct keel_option nested[] = {
        {.name = "n", .type = KEEL_OPT_SECTION},
        {.type = KEEL_OPT_END},
    };
    nested[0].sub = nested; /* a table that contains itself */
    char text[4 * 1000 + 1];
    for (int i = 0; i < 1000; i++)
        memcpy(text + (ptrdiff_t)4 * i, "n { ", 4);
    text[sizeof text - 1] = '\0';
    struct keel_conf *conf = NULL;
    struct keel_conf_source source = {.file = "f", .text = text};
    ck_assert_int_eq(keel_conf_load(nested, &source, &conf, &diag), KEEL_ECONF);
    ck_assert_ptr_nonnull(strstr(diag.text, "nested too deeply"));
    struct keel_buf out = {0};
    ck_assert_int_eq(keel_conf_print_man(nested, &out), 0);
    keel_buf_fini(&out);
}
END_TEST

/* 100,000 zones: loading is linear. */
START_TEST(many_zones)
{
    struct keel_buf text = {0};
    for (int i = 0; i < 100000; i++)
        keel_buf_printf(&text, "zone \"zone-%d.example\" {\n  file = \"file-%d.zone\"\n}\n", i, i);
    uint64_t begin = keel_clock_monotonic();
    struct keel_conf *conf = load(keel_buf_text(&text));
    uint64_t took = keel_clock_monotonic() - begin;
    ck_assert_uint_eq(keel_conf_count(conf, "zone"), 100000);
    ck_assert_msg(took < 5 * KEEL_NS_PER_S, "%llu ms", (unsigned long long)took / 1000000);
    if (getenv("KEEL_VERBOSE"))
        fprintf(stderr, "# 100,000 zones: %llu ms\n", (unsigned long long)took / 1000000);
    keel_conf_free(conf);
    keel_buf_fini(&text);
}
END_TEST

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

START_TEST(files)
{
    char folder[] = "/tmp/keel-test-conf-XXXXXX", path[64], *text = NULL;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x", folder);
    ck_assert_int_eq(keel_conf_read_file(path, &text, &diag), KEEL_ENOENT);
    ck_assert_ptr_nonnull(strstr(diag.text, "cannot open \""));
    ck_assert_ptr_nonnull(strstr(diag.text, ": No such file or directory"));
    ck_assert_int_eq(keel_conf_read_file(folder, &text, &diag), KEEL_ESYS);
    ck_assert_ptr_nonnull(strstr(diag.text, "Is a directory"));
    write_file(path, "a = 1\0b", 7);
    ck_assert_int_eq(keel_conf_read_file(path, &text, &diag), KEEL_EINVAL);
    ck_assert_ptr_nonnull(strstr(diag.text, "NUL"));
    write_file(path, "", 0);
    ck_assert_int_eq(keel_conf_read_file(path, &text, &diag), 0);
    ck_assert_str_eq(text, "");
    keel_free(text);
    text = NULL;
    write_file(path, everything, sizeof everything - 1);
    ck_assert_int_eq(keel_conf_read_file(path, &text, &diag), 0);
    ck_assert_str_eq(text, everything);
    keel_free(text);
    text = NULL;
    ck_assert_int_eq(truncate(path, KEEL_CONF_FILE_MAX + 1), 0); /* sparse */
    ck_assert_int_eq(keel_conf_read_file(path, &text, &diag), KEEL_ELIMIT);
    ck_assert_ptr_nonnull(strstr(diag.text, "larger than 64 MiB"));
    ck_assert_ptr_null(text);
    unlink(path);
    rmdir(folder);
}
END_TEST

Suite *conf_suite(void)
{
    Suite *suite = suite_create("conf");
    TCase *c = tcase_create("conf");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, values);
    tcase_add_test(c, sections);
    tcase_add_test(c, nothing_given);
    tcase_add_loop_test(c, wrong_texts, 0, (int)(sizeof errors / sizeof errors[0]));
    tcase_add_test(c, wrong_addresses);
    tcase_add_test(c, errors_from_outside);
    tcase_add_test(c, overrides);
    tcase_add_test(c, texts_and_quotes);
    tcase_add_test(c, printed_text_loads_again);
    tcase_add_test(c, printed_manual);
    tcase_add_test(c, libconfuse_agrees);
    tcase_add_test(c, memory_runs_out);
    tcase_add_test(c, deep_and_large);
    tcase_add_test(c, many_zones);
    tcase_add_test(c, files);
    suite_add_tcase(suite, c);
    return suite;
}
