/*
 * The manifest: what is written is read back; a damaged one is refused.
 */
#include "common/base/mem.h"
#include "common/service/manifest.h"
#include "common/service/segment.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

static void make(struct keel_manifest *m)
{
    struct keel_endpoint tcp = {.kind = KEEL_ENDPOINT_TCP, .tls = true, .tag = -3};
    struct keel_endpoint unix_socket = {.kind = KEEL_ENDPOINT_UNIX, .path = "/run/a b.sock"};
    struct keel_endpoint link = {
        .kind = KEEL_ENDPOINT_UDP, .interface = "lan0", .broadcast = true, .packet_info = true};
    keel_addr_parse(&tcp.addr, KEEL_STR("[2001:db8::1]:443"), 0, NULL);
    keel_addr_parse(&link.addr, KEEL_STR("0.0.0.0:67"), 0, NULL);
    keel_manifest_init(m);
    m->role = KEEL_ROLE_WORKER;
    m->generation = 12;
    m->worker = 3;
    m->workers = 4;
    m->slot = 17;
    m->active = true;
    m->channel = 5;
    m->segment = 6;
    m->log_level = 2;
    m->conf_file = keel_strdup("/etc/keel/x.conf");
    m->conf_text = keel_strdup("a = \"\xff\n\"\n{ not json");
    m->overrides = keel_strdup("");
    m->started_ns = 1795215707000000000ull;
    m->files = keel_calloc(2, sizeof *m->files);
    m->files[0] = (struct keel_input_file){.path = keel_strdup("/etc/a \"b\".pem"), .copy = 11};
    m->files[1] = (struct keel_input_file){.path = keel_strdup("/etc/none"), .copy = -1};
    m->file_count = 2;
    m->tickets.count = 2;
    m->tickets.made_ns[1] = 1ull << 62;
    for (unsigned i = 0; i < 2 * KEEL_TLS_TICKET_SECRET; i++)
        m->tickets.secrets[i / KEEL_TLS_TICKET_SECRET][i % KEEL_TLS_TICKET_SECRET] =
            (uint8_t)(i * 7);
    keel_endpoints_add(&m->endpoints, &tcp);
    keel_endpoints_add(&m->endpoints, &unix_socket);
    keel_endpoints_add(&m->endpoints, &link);
    keel_manifest_add_fd(m, 0, 0, 9, false);
    keel_manifest_add_fd(m, 2, 1, 10, true);
}

START_TEST(round_trip)
{
    struct keel_manifest m, back;
    struct keel_diag diag = {""};
    make(&m);
    int fd = keel_manifest_write(&m);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(keel_manifest_read(fd, &back, &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(back.role, KEEL_ROLE_WORKER);
    ck_assert_uint_eq(back.generation, 12);
    ck_assert_uint_eq(back.worker, 3);
    ck_assert_uint_eq(back.workers, 4);
    ck_assert_uint_eq(back.slot, 17);
    ck_assert(back.active);
    ck_assert_int_eq(back.channel, 5);
    ck_assert_int_eq(back.control, -1);
    ck_assert_str_eq(back.conf_file, m.conf_file);
    ck_assert_str_eq(back.conf_text, m.conf_text);
    ck_assert_str_eq(back.overrides, "");
    ck_assert_ptr_null(back.counters);
    ck_assert_uint_eq(back.started_ns, m.started_ns);
    ck_assert_uint_eq(back.file_count, 2);
    ck_assert_str_eq(back.files[0].path, "/etc/a \"b\".pem");
    ck_assert_int_eq(back.files[0].copy, 11);
    ck_assert_str_eq(back.files[0].where, "/proc/self/fd/11");
    ck_assert_str_eq(back.files[1].where, "");
    ck_assert_uint_eq(back.tickets.count, 2);
    ck_assert_uint_eq(back.tickets.made_ns[1], 1ull << 62);
    ck_assert_mem_eq(back.tickets.secrets, m.tickets.secrets, 2 * KEEL_TLS_TICKET_SECRET);
    ck_assert_uint_eq(back.endpoints.count, 3);
    ck_assert(keel_addr_equal(&back.endpoints.items[0].addr, &m.endpoints.items[0].addr));
    ck_assert(back.endpoints.items[0].tls);
    ck_assert_int_eq(back.endpoints.items[0].tag, -3);
    ck_assert_str_eq(back.endpoints.items[1].path, "/run/a b.sock");
    ck_assert_str_eq(back.endpoints.items[2].interface, "lan0");
    ck_assert(back.endpoints.items[2].broadcast && back.endpoints.items[2].packet_info);
    ck_assert_uint_eq(back.fd_count, 2);
    ck_assert_uint_eq(back.fds[1].endpoint, 2);
    ck_assert_int_eq(back.fds[1].fd, 10);
    close(fd);
    keel_manifest_fini(&m);
    keel_manifest_fini(&back);
}
END_TEST

START_TEST(damage)
{
    struct keel_manifest m, back;
    static char bytes[16384];
    make(&m);
    int fd = keel_manifest_write(&m);
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    ck_assert_int_gt(size, 0);
    ck_assert_int_eq(keel_manifest_parse(bytes, (size_t)size, &back, NULL), 0);
    keel_manifest_fini(&back);
    for (ssize_t cut = 0; cut < size; cut++) /* every truncation is seen */
        ck_assert_int_eq(keel_manifest_parse(bytes, (size_t)cut, &back, NULL), KEEL_EINVAL);
    for (ssize_t at = 0; at < size; at++) { /* a wrong byte is seen or harmless */
        bytes[at] ^= 0x10;
        if (keel_manifest_parse(bytes, (size_t)size, &back, NULL) == 0)
            keel_manifest_fini(&back);
        bytes[at] ^= 0x10;
    }
    close(fd);
    keel_manifest_fini(&m);
    int other = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(keel_manifest_read(other, &back, NULL), KEEL_EINVAL);
    close(other);
}
END_TEST

/* What another version wrote, before an upgrade: what it did not know is empty here, what it alone
 * knew is passed over, and how it told of tickets is no reason to refuse it. */
START_TEST(another_version)
{
    static const char *const tickets[] = {
        NULL, "7", "{\"a\":1}", "[\"00ff\"]", "[[\"00ff\",1]]", "[[\"zz\"]]", "[[1,2]]", "[]"};
    struct keel_manifest m, back;
    static char bytes[16384];
    make(&m);
    int fd = keel_manifest_write(&m);
    ck_assert_int_gt(pread(fd, bytes, sizeof bytes - 1, 0), 0);
    char *rest = strchr(bytes, '\n');
    *rest = '\0';
    for (unsigned i = 0; i < sizeof tickets / sizeof *tickets; i++) {
        struct keel_buf text = {0};
        json_t *head = json_loads(bytes, 0, NULL);
        json_object_del(head, "replaces");
        json_object_del(head, "files");
        json_object_del(head, "tickets");
        json_object_set_new(head, "ticket-key", json_string("00112233"));
        if (tickets[i])
            json_object_set_new(head, "tickets", json_loads(tickets[i], JSON_DECODE_ANY, NULL));
        char *line = json_dumps(head, 0);
        keel_buf_printf(&text, "%s\n%s", line, rest + 1);
        ck_assert_int_eq(
            keel_manifest_parse(keel_buf_bytes(&text), keel_buf_size(&text), &back, NULL), 0);
        ck_assert_str_eq(back.conf_text, m.conf_text);
        ck_assert(back.tickets.count == 0 && back.file_count == 0 && !back.replaces);
        keel_manifest_fini(&back);
        keel_buf_fini(&text);
        json_decref(head);
        free(line);
    }
    close(fd);
    keel_manifest_fini(&m);
}
END_TEST

START_TEST(segment)
{
    struct keel_segment ours, theirs;
    ck_assert_int_eq(keel_segment_new(&ours, 5), 0);
    ck_assert_int_eq(keel_segment_attach(&theirs, dup(ours.fd), 5), 0);
    ck_assert_uint_eq((uintptr_t)keel_segment_slot(&ours, 1) % 64, 0);
    keel_slot_set(&keel_segment_slot(&theirs, 3)->live, 42);
    keel_segment_cells(&theirs, 3)[4] = 7;
    ck_assert_uint_eq(keel_slot_get(&keel_segment_slot(&ours, 3)->live), 42);
    ck_assert_uint_eq(keel_segment_cells(&ours, 3)[4], 7);
    ck_assert_uint_eq(keel_segment_slot(&ours, 2)->live, 0);
    ck_assert_uint_eq(keel_segment_slot(&ours, 4)->heartbeat_ns, 0);
    keel_segment_clear(&ours, 3);
    ck_assert_uint_eq(keel_segment_cells(&theirs, 3)[4], 0);
    keel_segment_fini(&theirs);
    ck_assert_int_eq(keel_segment_attach(&theirs, dup(ours.fd), 50), KEEL_EINVAL);
    close(theirs.fd);
    keel_segment_fini(&ours);
}
END_TEST

Suite *manifest_suite(void);
Suite *manifest_suite(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tc = tcase_create("manifest");
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, damage);
    tcase_add_test(tc, another_version);
    tcase_add_test(tc, segment);
    suite_add_tcase(suite, tc);
    return suite;
}
