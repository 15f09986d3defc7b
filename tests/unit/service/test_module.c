#include "common/service/module.h"

#include "common/base/mem.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *module_suite(void);

static struct keel_diag diag;

/* --- the record ------------------------------------------------------------------------------ */

static const struct keel_option no_options[] = {{.type = KEEL_OPT_END}};

static int configure(const struct keel_conf *conf, void **settings,
                     struct keel_endpoints *endpoints, struct keel_access *access,
                     struct keel_diag *d)
{
    return 0;
}

static void free_settings(void *settings)
{
}

static int start(struct keel_instance *instance, struct keel_diag *d)
{
    return 0;
}

static void stop(struct keel_instance *instance)
{
}

static size_t on_data(struct keel_stream *s, const uint8_t *bytes, size_t size)
{
    return size;
}

static const struct keel_stream_ops ops = {.name = "test", .on_data = on_data};
static const struct keel_stream_ops deaf = {.name = "test"};

static struct keel_protocol record(void)
{
    return (struct keel_protocol){KEEL_PROTOCOL,
                                  .name = "test-1",
                                  .version = "1",
                                  .summary = "A test.",
                                  .options = no_options,
                                  .configure = configure,
                                  .free_settings = free_settings,
                                  .start = start,
                                  .stop = stop,
                                  .connection_size = sizeof(struct keel_connection),
                                  .stream = &ops};
}

static void refused(const struct keel_protocol *r, const char *expected)
{
    diag.text[0] = '\0';
    ck_assert_int_eq(keel_module_check(r, &diag), KEEL_ENOTSUP);
    ck_assert_msg(strstr(diag.text, expected) != NULL, "%s", diag.text);
}

#if UINTPTR_MAX == UINT64_MAX
/* What modules that were compiled before go by: a member that moves is another KEEL_ABI_MAJOR. */
START_TEST(members_keep_their_places)
{
    static const struct {
        const char *name;
        size_t place, was;
    } members[] = {
        {"protocol.configure", offsetof(struct keel_protocol, configure), 72},
        {"protocol.connection_size", offsetof(struct keel_protocol, connection_size), 136},
        {"protocol.dgram", offsetof(struct keel_protocol, dgram), 176},
        {"dgram_options.packet_info", offsetof(struct keel_dgram_options, packet_info), 8},
        {"protocol.on_descriptor", offsetof(struct keel_protocol, on_descriptor), 192},
        {"protocol.on_log_file", offsetof(struct keel_protocol, on_log_file), 224},
        {"protocol.check", offsetof(struct keel_protocol, check), 232},
        {"protocol.series", offsetof(struct keel_protocol, series), 248},
        {"instance.metrics", offsetof(struct keel_instance, metrics), 32},
        {"instance.replaces", offsetof(struct keel_instance, replaces), 96},
        {"instance.board", offsetof(struct keel_instance, board), 104},
        {"option.def", offsetof(struct keel_option, def), 16},
        {"option, the next", sizeof(struct keel_option), 72},
        {"connection, behind it", sizeof(struct keel_connection), 312},
    };
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++)
        ck_assert_msg(members[i].place == members[i].was, "%s is at %zu, not at %zu",
                      members[i].name, members[i].place, members[i].was);
}
END_TEST
#endif

START_TEST(a_record_that_fits)
{
    struct keel_protocol r = record();
    ck_assert_int_eq(keel_module_check(&r, &diag), 0);
    r.connection_size = 0;
    r.stream = NULL;
    ck_assert_int_eq(keel_module_check(&r, NULL), 0);
    r.size += 64; /* made for a host whose record is longer, but of the same version */
    ck_assert_int_eq(keel_module_check(&r, &diag), 0);
}
END_TEST

START_TEST(a_refusal_names_the_field)
{
    struct keel_protocol r = record();
    char expected[64];
#define REFUSED(change, text)                                                                      \
    do {                                                                                           \
        r = record();                                                                              \
        change;                                                                                    \
        refused(&r, text);                                                                         \
    } while (0)
    snprintf(expected, sizeof expected, "abi_major is %d, this host has %d", KEEL_ABI_MAJOR + 1,
             KEEL_ABI_MAJOR);
    REFUSED(r.abi_major++, expected);
    snprintf(expected, sizeof expected, "abi_minor is %d, this host has %d", KEEL_ABI_MINOR + 1,
             KEEL_ABI_MINOR);
    REFUSED(r.abi_minor++, expected);
    /* version 1.0 ended with on_helper_message */
    size_t least = offsetof(struct keel_protocol, on_helper_message) + sizeof r.on_helper_message;
    snprintf(expected, sizeof expected, "size is %zu, this host needs at least %zu", least - 8,
             least);
    REFUSED(r.size = (uint32_t)least - 8, expected);
    REFUSED(r.size = 0, "size is 0");
    REFUSED(r.name = NULL, "name is missing");
    REFUSED(r.name = "", "name is missing");
    REFUSED(r.name = "../x", "name is not");
    REFUSED(r.name = "abcdefghijklmnopqrstuvwxyz0123456", "name is not");
    REFUSED(r.version = NULL, "version is missing");
    REFUSED(r.summary = NULL, "summary is missing");
    REFUSED(r.configure = NULL, "configure is missing");
    REFUSED(r.schedule = 9, "schedule is 9");
    REFUSED(r.connection_size--, "connection_size is");
    REFUSED(r.stream = NULL, "stream is missing");
    REFUSED(r.stream = &deaf, "stream.on_data is missing");
}
END_TEST

START_TEST(a_short_record_is_not_read_beyond_its_size)
{
    /* exactly sized, so that the sanitizer sees it */
    for (uint32_t size = 4; size <= 24; size += 4) {
        struct keel_protocol *r = malloc(size), whole = record();
        ck_assert_ptr_nonnull(r);
        memcpy(r, &whole, size);
        memcpy(r, &size, sizeof size);
        refused(r, "size is");
        free(r);
    }
}
END_TEST

/* --- shared objects -------------------------------------------------------------------------- */

static char dir[64], path[128];

static void setup(void)
{
    strcpy(dir, "/tmp/keel-module-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

/* Copies a module of the build into the test's directory, with this mode. */
static const char *module(const char *name, mode_t mode)
{
    const char *build = getenv("KEEL_BUILDDIR");
    char from[512], bytes[65536];
    size_t n;
    unlink(path);
    snprintf(from, sizeof from, "%s/tests/unit/service/modules/.libs/%s.so", build ? build : ".",
             name);
    snprintf(path, sizeof path, "%s/%s.so", dir, name);
    FILE *in = fopen(from, "rb"), *out = fopen(path, "wb");
    ck_assert_msg(in && out, "%s", from);
    while ((n = fread(bytes, 1, sizeof bytes, in)) > 0)
        ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    fclose(in);
    fclose(out);
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

START_TEST(a_module_that_fits_is_loaded)
{
    const struct keel_protocol *r = NULL;
    int err = keel_module_load(module("good", 0644), &r, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    ck_assert_str_eq(r->name, "good");
    ck_assert_int_eq(r->start(NULL, NULL), 0);
}
END_TEST

static void not_loaded(const char *file, int expected, const char *text)
{
    const struct keel_protocol *r = NULL;
    ck_assert_int_eq(keel_module_load(file, &r, &diag), expected);
    ck_assert_msg(strstr(diag.text, text) != NULL, "%s", diag.text);
    ck_assert_ptr_null(r);
}

START_TEST(a_module_that_does_not_fit_is_not)
{
    char expected[256];
    snprintf(expected, sizeof expected, "abi_major is %d, this host has %d", KEEL_ABI_MAJOR + 1,
             KEEL_ABI_MAJOR);
    not_loaded(module("major", 0644), KEEL_ENOTSUP, expected);
    snprintf(expected, sizeof expected, "module \"%s\" does not fit: ", path);
    ck_assert_int_eq(strncmp(diag.text, expected, strlen(expected)), 0);
    not_loaded(module("small", 0644), KEEL_ENOTSUP, "size is 64");
    not_loaded(module("empty", 0644), KEEL_ENOTSUP, "exports no keel_module");
    not_loaded("/no/such/module.so", KEEL_ENOENT, "No such file");
    FILE *f = fopen(module("good", 0644), "wb");
    ck_assert_ptr_nonnull(f);
    fputs("not an object", f);
    fclose(f);
    not_loaded(path, KEEL_EINVAL, "cannot load module");
    not_loaded("/", KEEL_EINVAL, "not a regular file");
}
END_TEST

START_TEST(a_module_that_others_can_write_is_not)
{
    not_loaded(module("good", 0664), KEEL_EACCES, "writable by others (mode 0664)");
    not_loaded(module("good", 0646), KEEL_EACCES, "writable by others");
    module("good", 0644);
    ck_assert_int_eq(chmod(dir, 0777), 0);
    not_loaded(path, KEEL_EACCES, "writable by others (mode 0777)");
    ck_assert_int_eq(chmod(dir, 0755), 0);
    /* a link from a good directory does not hide a bad one */
    char link[128];
    snprintf(link, sizeof link, "/tmp/keel-module-link-%ld.so", (long)getpid());
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(chmod(path, 0666), 0);
    not_loaded(link, KEEL_EACCES, path);
    unlink(link);
    if (geteuid() == 0) {
        chmod(path, 0644);
        ck_assert_int_eq(chown(path, 12345, 12345), 0);
        not_loaded(path, KEEL_EACCES, "belongs to user 12345");
    }
}
END_TEST

/* --- endpoints and access -------------------------------------------------------------------- */

static const struct keel_option listen_rows[] = {
    {.name = "listen", .type = KEEL_OPT_LISTEN, .flags = KEEL_OPT_LIST, .min = 53},
    {.type = KEEL_OPT_END},
};

static int add_listen(const char *text, bool tcp, bool udp, struct keel_endpoints *list)
{
    struct keel_conf_source source = {.file = "x.conf", .text = text};
    struct keel_conf *conf;
    int err = keel_conf_load(listen_rows, &source, &conf, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    err = keel_endpoints_add_listen(list, conf, "listen", tcp, udp, &diag);
    keel_conf_free(conf);
    return err;
}

START_TEST(addresses_become_endpoints)
{
    struct keel_endpoints list = {0};
    ck_assert_int_eq(
        add_listen("listen = { \"127.0.0.1:5300\", \"[::1]:853 tls\" }", true, true, &list), 0);
    ck_assert_uint_eq(list.count, 3);
    ck_assert_int_eq(list.items[0].kind, KEEL_ENDPOINT_TCP);
    ck_assert_int_eq(list.items[1].kind, KEEL_ENDPOINT_UDP);
    ck_assert_uint_eq(keel_addr_port(&list.items[1].addr), 5300);
    ck_assert(list.items[1].packet_info && !list.items[1].tls);
    ck_assert_int_eq(list.items[2].kind, KEEL_ENDPOINT_TCP); /* TLS has no UDP beside it */
    ck_assert(list.items[2].tls);
    keel_free(list.items);
}
END_TEST

static const struct {
    const char *text;
    bool tcp, udp;
    const char *expected;
} wrong[] = {
    {"listen = { \"127.0.0.1:1 quic\" }", true, false, "x.conf:1"},
    {"listen = { \"127.0.0.1:1 quic\" }", true, false, "unknown word \"quic\""},
    {"listen = { \"127.0.0.1:1 tls tls2\" }", true, false, "unknown word \"tls2\""},
    {"listen = { \"127.0.0.1:1 tls\" }", false, true, "tls needs TCP"},
    {"listen = { \"127.0.0.1:1\",\n\"127.0.0.1:1\" }", true, true, "twice"},
};

START_TEST(wrong_addresses_are_named)
{
    struct keel_endpoints list = {0};
    ck_assert_int_eq(add_listen(wrong[_i].text, wrong[_i].tcp, wrong[_i].udp, &list), KEEL_ECONF);
    ck_assert_msg(strstr(diag.text, wrong[_i].expected) != NULL, "%s", diag.text);
    keel_free(list.items);
}
END_TEST

START_TEST(any_free_port_may_be_asked_for_twice)
{
    struct keel_endpoints list = {0};
    ck_assert_int_eq(
        add_listen("listen = { \"127.0.0.1:0\", \"127.0.0.1:0\" }", false, true, &list), 0);
    ck_assert_uint_eq(list.count, 2);
    keel_free(list.items);
}
END_TEST

START_TEST(watched_files)
{
    struct keel_access access = {0};
    keel_mem_fail_at(1);
    ck_assert_int_eq(keel_access_add_watch(&access, "/a.pem"), KEEL_ENOMEM);
    keel_mem_fail_at(2);
    ck_assert_int_eq(keel_access_add_watch(&access, "/a.pem"), KEEL_ENOMEM);
    keel_mem_fail_at(0);
    ck_assert_int_eq(keel_access_add_live(&access, "/a.der"), 0);
    ck_assert_int_eq(keel_access_add_watch(&access, "/a.pem"), 0);
    ck_assert_int_eq(keel_access_add_watch(&access, "/a.pem"), 0);
    ck_assert_int_eq(keel_access_add_live(&access, "/a.der"), 0);
    ck_assert_int_eq(keel_access_add_live(&access, "/a.pem"), 0);
    ck_assert_uint_eq(access.watch_count, 2);
    ck_assert(access.watched[0].live && !access.watched[1].live);
    ck_assert_uint_eq(access.watched[0].seen, 0); /* it does not exist */
    ck_assert_int_eq(keel_access_add_watch(&access, "/a.der"), 0);
    ck_assert(!access.watched[0].live);
    ck_assert_str_eq(keel_access_where(&access, "/a.der"), "/a.der");
    ck_assert_str_eq(keel_access_where(NULL, "/a.der"), "/a.der");
    access.watched[0].copy = dup(1);
    strcpy(access.watched[0].where, "/proc/self/fd/9");
    ck_assert_str_eq(keel_access_where(&access, "/a.der"), "/proc/self/fd/9");
    keel_access_close_copies(&access);
    ck_assert_str_eq(keel_access_where(&access, "/a.der"), "/a.der");
    keel_access_fini(&access);
}
END_TEST

START_TEST(lists_grow_and_survive_no_memory)
{
    struct keel_endpoints list = {0};
    struct keel_access access = {0};
    struct keel_endpoint e = {.kind = KEEL_ENDPOINT_UDP};
    for (int i = 0; i < 100; i++) {
        e.tag = i;
        ck_assert_int_eq(keel_endpoints_add(&list, &e), 0);
    }
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(list.items[i].tag, i);
    list.count = 64;
    keel_mem_fail_at(1);
    ck_assert_int_eq(keel_endpoints_add(&list, &e), KEEL_ENOMEM);
    ck_assert_uint_eq(list.count, 64);
    for (uint64_t n = 1; n <= 2; n++) {
        keel_mem_fail_at(n);
        ck_assert_int_eq(keel_access_add(&access, "/etc", false), KEEL_ENOMEM);
        keel_mem_fail_at(n);
        ck_assert_int_eq(keel_access_add_log(&access, "/a.log"), KEEL_ENOMEM);
    }
    keel_mem_fail_at(0);
    ck_assert_int_eq(keel_access_add(&access, "/etc", false), 0);
    ck_assert_int_eq(keel_access_add(&access, "/etc", false), 0);
    ck_assert_int_eq(keel_access_add(&access, "/etc", true), 0);
    ck_assert_uint_eq(access.reads, 1);
    ck_assert_uint_eq(access.writes, 1);
    ck_assert_str_eq(access.write[0], "/etc");
    ck_assert_int_eq(keel_access_add_log(&access, "/a.log"), 0);
    ck_assert_int_eq(keel_access_add_log(&access, "/a.log"), 0); /* numbered, so not joined */
    ck_assert_uint_eq(access.log_count, 2);
    ck_assert_str_eq(access.logs[1], "/a.log");
    keel_access_fini(&access);
    ck_assert_uint_eq(access.reads + access.writes + access.log_count, 0);
    keel_free(list.items);
}
END_TEST

Suite *module_suite(void)
{
    Suite *suite = suite_create("module");
    TCase *tc = tcase_create("record");
#if UINTPTR_MAX == UINT64_MAX
    tcase_add_test(tc, members_keep_their_places);
#endif
    tcase_add_test(tc, a_record_that_fits);
    tcase_add_test(tc, a_refusal_names_the_field);
    tcase_add_test(tc, a_short_record_is_not_read_beyond_its_size);
    tcase_add_test(tc, addresses_become_endpoints);
    tcase_add_loop_test(tc, wrong_addresses_are_named, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, any_free_port_may_be_asked_for_twice);
    tcase_add_test(tc, watched_files);
    tcase_add_test(tc, lists_grow_and_survive_no_memory);
    suite_add_tcase(suite, tc);
    tc = tcase_create("object");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_module_that_fits_is_loaded);
    tcase_add_test(tc, a_module_that_does_not_fit_is_not);
    tcase_add_test(tc, a_module_that_others_can_write_is_not);
    suite_add_tcase(suite, tc);
    return suite;
}
