/*
 * The descriptors that the master keeps, and the small parts of the master that need no process:
 * options, paths, control requests.
 */
#include "common/base/mem.h"
#include "common/service/control_server.h"
#include "common/service/paths.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct keel_endpoint endpoint(enum keel_endpoint_kind kind, const char *addr)
{
    struct keel_endpoint e = {.kind = kind};
    ck_assert_int_eq(keel_addr_parse(&e.addr, keel_str(addr), 0, NULL), 0);
    return e;
}

START_TEST(kept_over_generations)
{
    struct keel_sockets sockets;
    struct keel_endpoints list = {0};
    struct keel_kept *one[2], *two[2], *three[2];
    struct keel_diag diag = {""};
    struct keel_endpoint tcp = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    struct keel_endpoint udp = endpoint(KEEL_ENDPOINT_UDP, "127.0.0.1:0");
    keel_sockets_init(&sockets);
    keel_endpoints_add(&list, &tcp);
    keel_endpoints_add(&list, &udp);
    ck_assert_msg(keel_sockets_acquire(&sockets, &list, KEEL_SCHEDULE_KERNEL, 2, one, &diag) == 0,
                  "%s", diag.text);
    ck_assert_uint_eq(one[0]->count, 2);
    ck_assert_uint_eq(keel_addr_port(&one[0]->bound), keel_addr_port(&one[1]->bound));
    /* more workers: the same descriptors and new ones */
    int first = one[0]->fds[0];
    ck_assert_int_eq(keel_sockets_acquire(&sockets, &list, KEEL_SCHEDULE_KERNEL, 4, two, &diag), 0);
    ck_assert_ptr_eq(two[0], one[0]);
    ck_assert_uint_eq(two[0]->count, 4);
    ck_assert_int_eq(two[0]->fds[0], first);
    keel_sockets_drop(&sockets, one, 2);
    /* fewer workers: none is closed while somebody serves */
    ck_assert_int_eq(keel_sockets_acquire(&sockets, &list, KEEL_SCHEDULE_KERNEL, 1, three, &diag),
                     0);
    keel_sockets_drop(&sockets, two, 2);
    ck_assert_uint_eq(three[0]->count, 4);
    keel_sockets_drop(&sockets, three, 2);
    ck_assert(keel_list_empty(&sockets.all));
    keel_free(list.items);
    keel_sockets_fini(&sockets);
}
END_TEST

START_TEST(an_address_in_use)
{
    struct keel_sockets a, b;
    struct keel_endpoints list = {0}, both = {0};
    struct keel_kept *kept[2], *other[2];
    struct keel_diag diag = {""};
    struct keel_endpoint tcp = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    keel_sockets_init(&a);
    keel_sockets_init(&b);
    keel_endpoints_add(&list, &tcp);
    ck_assert_int_eq(keel_sockets_acquire(&a, &list, KEEL_SCHEDULE_KERNEL, 2, kept, &diag), 0);
    /* a second daemon: SO_REUSEPORT must not let it in, and what it opened before is closed */
    keel_endpoints_add(&both, &tcp);
    tcp.addr = kept[0]->bound;
    keel_endpoints_add(&both, &tcp);
    ck_assert_int_lt(keel_sockets_acquire(&b, &both, KEEL_SCHEDULE_KERNEL, 2, other, &diag), 0);
    ck_assert_ptr_nonnull(strstr(diag.text, "127.0.0.1:"));
    ck_assert(keel_list_empty(&b.all));
    keel_sockets_drop(&a, kept, 1);
    keel_free(list.items);
    keel_free(both.items);
}
END_TEST

START_TEST(any_free_port_is_nobodys)
{
    struct keel_sockets sockets;
    struct keel_endpoints list = {0};
    struct keel_kept *kept[200];
    struct keel_endpoint tcp = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    keel_sockets_init(&sockets);
    for (int i = 0; i < 200; i++)
        keel_endpoints_add(&list, &tcp);
    ck_assert_int_eq(keel_sockets_acquire(&sockets, &list, KEEL_SCHEDULE_KERNEL, 2, kept, NULL), 0);
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < i; k++)
            ck_assert(!keel_addr_equal(&kept[i]->bound, &kept[k]->bound));
    }
    keel_sockets_drop(&sockets, kept, 200);
    keel_sockets_fini(&sockets);
    keel_free(list.items);
}
END_TEST

START_TEST(interface_that_is_not_there)
{
    struct keel_sockets sockets;
    struct keel_endpoints list = {0};
    struct keel_kept *kept[1];
    struct keel_endpoint udp = endpoint(KEEL_ENDPOINT_UDP, "0.0.0.0:0");
    strcpy(udp.interface, "keel-none0");
    keel_sockets_init(&sockets);
    keel_endpoints_add(&list, &udp);
    ck_assert_int_eq(keel_sockets_acquire(&sockets, &list, KEEL_SCHEDULE_SINGLE, 2, kept, NULL), 0);
    ck_assert_uint_eq(kept[0]->count, 0);
    ck_assert_int_eq(keel_sockets_open_late(kept[0], NULL), KEEL_ENOENT);
    keel_sockets_drop(&sockets, kept, 1);
    keel_free(list.items);
}
END_TEST

START_TEST(adopted_after_an_upgrade)
{
    struct keel_sockets old, new;
    struct keel_endpoints list = {0};
    struct keel_kept *kept[1], *taken[1];
    struct keel_endpoint tcp = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    keel_sockets_init(&old);
    keel_sockets_init(&new);
    keel_endpoints_add(&list, &tcp);
    ck_assert_int_eq(keel_sockets_acquire(&old, &list, KEEL_SCHEDULE_KERNEL, 3, kept, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(keel_sockets_adopt(&new, &tcp, i, dup(kept[0]->fds[i]), false), 0);
    ck_assert_int_eq(keel_sockets_acquire(&new, &list, KEEL_SCHEDULE_KERNEL, 3, taken, NULL), 0);
    ck_assert_uint_eq(taken[0]->count, 3);
    ck_assert(keel_addr_equal(&taken[0]->bound, &kept[0]->bound));
    keel_sockets_own(&new); /* what nobody wants goes; this one is wanted */
    ck_assert(!keel_list_empty(&new.all));
    keel_sockets_drop(&new, taken, 1);
    keel_sockets_drop(&old, kept, 1);
    keel_free(list.items);
}
END_TEST

/* A unix path stays the old master's until the new one serves, and is the new one's then. */
START_TEST(the_path_of_an_upgrade)
{
    struct keel_sockets old, failed, new;
    struct keel_endpoints list = {0};
    struct keel_kept *kept[1], *taken[1];
    struct keel_endpoint e = {.kind = KEEL_ENDPOINT_UNIX};
    char root[] = "/tmp/keel-unix-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(e.path, sizeof e.path, "%s/s", root);
    keel_sockets_init(&old);
    keel_sockets_init(&failed);
    keel_sockets_init(&new);
    keel_endpoints_add(&list, &e);
    ck_assert_int_eq(keel_sockets_acquire(&old, &list, KEEL_SCHEDULE_KERNEL, 2, kept, NULL), 0);
    ck_assert_uint_eq(kept[0]->count, 1);

    ck_assert_int_eq(keel_sockets_adopt(&failed, &e, 0, dup(kept[0]->fds[0]), false), 0);
    ck_assert_int_eq(keel_sockets_acquire(&failed, &list, KEEL_SCHEDULE_KERNEL, 2, taken, NULL), 0);
    keel_sockets_drop(&failed, taken, 1);
    keel_sockets_fini(&failed);
    ck_assert_int_eq(access(e.path, F_OK), 0);

    ck_assert_int_eq(keel_sockets_adopt(&new, &e, 0, dup(kept[0]->fds[0]), false), 0);
    ck_assert_int_eq(keel_sockets_acquire(&new, &list, KEEL_SCHEDULE_KERNEL, 2, taken, NULL), 0);
    keel_sockets_own(&new);
    old.left = true;
    keel_sockets_drop(&old, kept, 1);
    keel_sockets_fini(&old);
    ck_assert_int_eq(access(e.path, F_OK), 0);
    keel_sockets_drop(&new, taken, 1);
    ck_assert_int_ne(access(e.path, F_OK), 0);
    keel_sockets_fini(&new);
    keel_free(list.items);
    rmdir(root);
}
END_TEST

/* "127.0.0.1:P" to "0.0.0.0:P" and back, while both are open. */
START_TEST(an_address_that_includes_another)
{
    struct keel_sockets sockets;
    struct keel_endpoints one = {0}, all = {0};
    struct keel_kept *first[1], *second[1], *third[1];
    struct keel_endpoint narrow = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    struct keel_endpoint wide = endpoint(KEEL_ENDPOINT_TCP, "0.0.0.0:0");
    struct keel_diag diag = {""};
    keel_sockets_init(&sockets);
    keel_endpoints_add(&one, &narrow);
    keel_endpoints_add(&all, &wide);
    int err = -1;
    for (int tries = 0; tries < 50 && err; tries++) { /* another may have it at another address */
        ck_assert_int_eq(keel_sockets_acquire(&sockets, &one, KEEL_SCHEDULE_KERNEL, 2, first, NULL),
                         0);
        wide.addr.in4.sin_port = first[0]->bound.in4.sin_port;
        all.items[0] = wide;
        err = keel_sockets_acquire(&sockets, &all, KEEL_SCHEDULE_KERNEL, 2, second, &diag);
        if (err)
            keel_sockets_drop(&sockets, first, 1);
    }
    ck_assert_msg(err == 0, "%s", diag.text);
    keel_sockets_drop(&sockets, first, 1);
    one.items[0].addr.in4.sin_port = wide.addr.in4.sin_port;
    ck_assert_msg(keel_sockets_acquire(&sockets, &one, KEEL_SCHEDULE_KERNEL, 2, third, &diag) == 0,
                  "%s", diag.text);
    keel_sockets_drop(&sockets, second, 1);
    keel_sockets_drop(&sockets, third, 1);
    keel_sockets_fini(&sockets);
    keel_free(one.items);
    keel_free(all.items);
}
END_TEST

/* Everything that a configuration needs, and then one that needs more of it. */
static int acquire_twice(void *arg)
{
    struct keel_sockets sockets;
    struct keel_endpoints *list = arg;
    struct keel_kept *one[2] = {0}, *two[2] = {0};
    keel_sockets_init(&sockets);
    int err = keel_sockets_acquire(&sockets, list, KEEL_SCHEDULE_KERNEL, 2, one, NULL);
    if (!err) {
        err = keel_sockets_acquire(&sockets, list, KEEL_SCHEDULE_KERNEL, 4, two, NULL);
        if (!err)
            keel_sockets_drop(&sockets, two, 2);
        ck_assert_uint_ge(one[0]->count, 2); /* what is served stays */
        keel_sockets_drop(&sockets, one, 2);
    }
    ck_assert(keel_list_empty(&sockets.all));
    /* a descriptor of another master is closed when it cannot be kept */
    int fd = dup(0), adopted = keel_sockets_adopt(&sockets, &list->items[0], 0, fd, false);
    keel_sockets_fini(&sockets);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    return err ? err : adopted;
}

START_TEST(without_memory)
{
    struct keel_endpoints list = {0};
    struct keel_endpoint tcp = endpoint(KEEL_ENDPOINT_TCP, "127.0.0.1:0");
    struct keel_endpoint udp = endpoint(KEEL_ENDPOINT_UDP, "127.0.0.1:0");
    keel_endpoints_add(&list, &tcp);
    keel_endpoints_add(&list, &udp);
    allocfail_sweep(acquire_twice, &list);
    keel_free(list.items);
}
END_TEST

START_TEST(directories)
{
    char root[] = "/tmp/keel-paths-XXXXXX", path[128];
    struct stat st;
    struct keel_diag diag = {""};
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(path, sizeof path, "%s/a/b/c", root);
    ck_assert_int_eq(keel_path_make(path, 0750, (uid_t)-1, (gid_t)-1, &diag), 0);
    ck_assert_int_eq(keel_path_make(path, 0700, (uid_t)-1, (gid_t)-1, &diag), 0); /* again */
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0750);
    snprintf(path, sizeof path, "%s/file", root);
    fclose(fopen(path, "w"));
    ck_assert_int_eq(keel_path_make(path, 0700, (uid_t)-1, (gid_t)-1, &diag), KEEL_EEXIST);
    snprintf(path, sizeof path, "%s/file/x", root);
    ck_assert_int_lt(keel_path_make(path, 0700, (uid_t)-1, (gid_t)-1, &diag), 0);
    ck_assert_ptr_nonnull(strstr(diag.text, "file"));
    snprintf(path, sizeof path, "rm -rf %s", root);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

static const struct {
    const char *line;
    bool good;
} requests[] = {
    {"{\"command\":\"status\"}", true},
    {"{\"command\":\"x\",\"args\":[]}", true},
    {"{\"args\":[\"a\",\"b\"],\"command\":\"x\"}", true},
    {" {\"command\" : \"x\"} ", true},
    {"", false},
    {"status", false},
    {"[]", false},
    {"\"status\"", false},
    {"{}", false},
    {"{\"command\":1}", false},
    {"{\"command\":\"x\",\"args\":\"y\"}", false},
    {"{\"command\":\"x\",\"args\":[1]}", false},
    {"{\"command\":\"x\",\"args\":[\"a\",null]}", false},
    {"{\"command\":\"x\",\"more\":1}", false},
    {"{\"command\":\"x\",\"command\":\"y\"}", false},
    {"{\"command\":\"x\"} trailing", false},
    {"{\"command\":\"\xff\"}", false},
};

START_TEST(control_requests)
{
    struct keel_control_request request;
    struct keel_diag diag = {""};
    int err = keel_control_parse(requests[_i].line, strlen(requests[_i].line), &request, &diag);
    ck_assert_int_eq(err == 0, requests[_i].good);
    if (err == 0) {
        ck_assert_ptr_nonnull(request.command);
        ck_assert(json_is_array(request.args));
        keel_control_request_fini(&request);
    } else {
        ck_assert_str_ne(diag.text, "");
    }
}
END_TEST

static int no_configure(const struct keel_conf *conf, void **settings,
                        struct keel_endpoints *endpoints, struct keel_access *access,
                        struct keel_diag *diag)
{
    return 0;
}

static const struct {
    const char *text, *error; /* error NULL: fine */
} configurations[] = {
    {"balance = auto\nschedule = least\ndrain-timeout = 5s\n", NULL},
    {"balance = 3\nlog { level = debug\n format = json }\ncontrol-mode = 0600\n", NULL},
    {"balance = 0\n", "balance"},
    {"balance = many\n", "balance"},
    {"schedule = random\n", "schedule"},
    {"user = \"no-such-user-here\"\n", "no-such-user-here"},
    {"control-mode = 9\n", "control-mode"},
    {"log { target = file }\n", "file"},
    {"worker-timeout = 0s\n", "worker-timeout"},
    {"no-such-option = 1\n", "no-such-option"},
};

START_TEST(core_options)
{
    static const struct keel_protocol protocol = {
        KEEL_PROTOCOL, .name = "x", .configure = no_configure, .schedule = KEEL_SCHEDULE_SINGLE};
    const struct keel_conf_source source = {"x.conf", configurations[_i].text, NULL};
    struct keel_conf *conf = NULL;
    struct keel_core core;
    struct keel_diag diag = {""};
    struct keel_option *rows = keel_options_join(&protocol);
    int err = keel_conf_load(rows, &source, &conf, &diag);
    if (!err)
        err = keel_core_read(conf, &protocol, &core, &diag);
    if (configurations[_i].error) {
        ck_assert_int_eq(err, KEEL_ECONF);
        ck_assert_msg(strncmp(diag.text, "x.conf:1: ", 10) == 0, "%s", diag.text);
        ck_assert_msg(strstr(diag.text, configurations[_i].error) != NULL, "%s", diag.text);
    } else {
        ck_assert_msg(err == 0, "%s", diag.text);
        ck_assert_uint_ge(core.workers, 1);
        ck_assert_int_eq(core.schedule, _i == 0 ? KEEL_SCHEDULE_LEAST : KEEL_SCHEDULE_SINGLE);
    }
    keel_conf_free(conf);
    keel_free(rows);
}
END_TEST

Suite *sockets_suite(void);
Suite *sockets_suite(void)
{
    Suite *suite = suite_create("master");
    TCase *tc = tcase_create("master");
    tcase_add_test(tc, kept_over_generations);
    tcase_add_test(tc, an_address_in_use);
    tcase_add_test(tc, any_free_port_is_nobodys);
    tcase_add_test(tc, interface_that_is_not_there);
    tcase_add_test(tc, adopted_after_an_upgrade);
    tcase_add_test(tc, the_path_of_an_upgrade);
    tcase_add_test(tc, without_memory);
    tcase_add_test(tc, an_address_that_includes_another);
    tcase_add_test(tc, directories);
    tcase_add_loop_test(tc, control_requests, 0, sizeof requests / sizeof requests[0]);
    tcase_add_loop_test(tc, core_options, 0, sizeof configurations / sizeof configurations[0]);
    suite_add_tcase(suite, tc);
    return suite;
}
