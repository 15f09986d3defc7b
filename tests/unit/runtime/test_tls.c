#include "harness.h"
#include "suites.h"

#include "common/base/mem.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Both ends are streams of ours on one loop; the context of each is set by the test. */
static struct keel_loop *loop;
static struct owner server, client;
static struct keel_tls_context *server_context, *client_context;
static char *dir;
static int listener;
static struct keel_addr address;
static int released;
static enum keel_tls_verify verify_clients;

static const char *const alpha_names[] = {"alpha.test", "*.wild.test", NULL};
static const char *const beta_names[] = {"beta.test", NULL};
static const char *const ip_names[] = {"127.0.0.1", "plain.test", NULL};
static const char *const alpn_both[] = {"h2", "http/1.1"};
static const char *const alpn_old[] = {"http/1.1"};
static const char *const alpn_other[] = {"dot"};

static const char *file(const char *name)
{
    static char paths[32][128];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void setup(void)
{
    loop = keel_loop_new();
    dir = test_directory();
    certificate_make(dir, "ca", NULL, NULL);
    certificate_make(dir, "alpha", alpha_names, "ca");
    certificate_make(dir, "beta", beta_names, "ca");
    certificate_make(dir, "ip", ip_names, "ca");
    listener = listen_any(AF_INET, &address);
    owner_init(&server);
    owner_init(&client);
    released = 0;
    verify_clients = KEEL_TLS_VERIFY_NONE;
}

static void teardown(void)
{
    keel_tls_context_free(server_context);
    keel_tls_context_free(client_context);
    server_context = client_context = NULL;
    owner_fini(&server);
    owner_fini(&client);
    close(listener);
    test_directory_remove(dir);
    keel_loop_free(loop);
}

static void make_server(struct keel_tls_options *options)
{
    struct keel_diag diag;
    struct keel_tls_certificate pairs[3] = {
        {.certificate = file("alpha.crt"), .key = file("alpha.key")},
        {.certificate = file("beta.crt"), .key = file("beta.key")},
        {.certificate = file("ip.crt"), .key = file("ip.key")}};
    for (unsigned i = 0; i < 3; i++) {
        pairs[i].verify = verify_clients;
        pairs[i].ca_file = file("ca.crt");
    }
    options->certificates = pairs;
    options->certificate_count = 3;
    keel_tls_context_free(server_context);
    ck_assert_msg(keel_tls_context_new(options, &server_context, &diag) == 0, "%s", diag.text);
}

static void make_client(struct keel_tls_options *options)
{
    struct keel_diag diag;
    options->client = true;
    if (!options->ca_file && !options->insecure)
        options->ca_file = file("ca.crt");
    keel_tls_context_free(client_context);
    ck_assert_msg(keel_tls_context_new(options, &client_context, &diag) == 0, "%s", diag.text);
}

/* Connects and turns until both ends are open or closed. */
static void join(const char *name)
{
    owner_fini(&server);
    owner_fini(&client);
    owner_init(&server);
    owner_init(&client);
    ck_assert_int_eq(keel_stream_connect(&client.s, loop, &address, NULL, &owner_ops,
                                         5 * KEEL_NS_PER_S, client_context, name),
                     0);
    int fd = accept_one(listener);
    ck_assert_int_eq(keel_stream_start(&server.s, loop, fd, &owner_ops, &address, server_context),
                     0);
    uint64_t limit = keel_clock_monotonic() + 5 * KEEL_NS_PER_S;
    while ((!client.opened && !client.closed) || (!server.opened && !server.closed)) {
        ck_assert(keel_clock_monotonic() < limit);
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    }
}

static void part(void)
{
    uint64_t limit = keel_clock_monotonic() + 5 * KEEL_NS_PER_S;
    if (!client.closed)
        keel_stream_close(&client.s);
    while (!server.closed && !server.eofs) {
        ck_assert(keel_clock_monotonic() < limit);
        keel_loop_turn(loop, 10 * KEEL_NS_PER_MS);
    }
    if (!server.closed)
        keel_stream_close(&server.s);
}

static bool text_is(struct keel_str s, const char *text)
{
    return keel_str_equal(s, keel_str(text));
}

START_TEST(echo)
{
    struct keel_tls_options s = {0}, c = {0};
    make_server(&s);
    make_client(&c);
    join("alpha.test");
    ck_assert_int_eq(client.opened, 1);
    ck_assert_int_eq(server.opened, 1);
    ck_assert(keel_stream_is_tls(&server.s));
    ck_assert(text_is(keel_stream_server_name(&server.s), "alpha.test"));
    ck_assert_uint_eq(keel_stream_alpn(&server.s).n, 0);
    server.echo = true;
    for (int i = 0; i < 10; i++) {
        keel_buf_clear(&client.in);
        client.data_calls = 0;
        keel_stream_write(&client.s, "hello ", 6);
        keel_stream_write_borrowed(&client.s, "world", 5, NULL, NULL);
        turn_until(loop, &client.data_calls, 1);
        ck_assert_uint_eq(keel_buf_size(&client.in), 11);
        ck_assert_mem_eq(keel_buf_bytes(&client.in), "hello world", 11);
    }
    /* The orderly end: close_notify, FIN, and the other way round. */
    keel_stream_write(&client.s, "last", 4);
    keel_stream_finish(&client.s, KEEL_NS_PER_S);
    turn_until(loop, &server.eofs, 1);
    keel_stream_finish(&server.s, KEEL_NS_PER_S);
    turn_until(loop, &server.closed, 1);
    turn_until(loop, &client.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_PEER);
    ck_assert_int_eq(client.why, KEEL_END_PEER);
}
END_TEST

static void release(void *arg)
{
    released++;
}

static void fill_bytes(uint8_t *p, size_t n)
{
    uint32_t seed = 11;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        p[i] = (uint8_t)(seed >> 24);
    }
}

START_TEST(much_in_both_directions)
{
    static uint8_t bytes[3 << 20];
    struct keel_tls_options s = {0}, c = {0};
    fill_bytes(bytes, sizeof bytes);
    FILE *f = tmpfile();
    ck_assert_uint_eq(fwrite(bytes, 1, sizeof bytes, f), sizeof bytes);
    fflush(f);
    make_server(&s);
    make_client(&c);
    join("alpha.test");
    /* Pieces of all kinds one way, the echo of copies the other. */
    keel_stream_write(&server.s, bytes, 100);
    keel_stream_write_file(&server.s, fileno(f), 100, 1 << 20, release, NULL);
    keel_stream_write_borrowed(&server.s, bytes + 100 + (1 << 20), (1 << 20) + 50000, release,
                               NULL);
    for (size_t at = 100 + (2 << 20) + 50000; at < sizeof bytes; at += 997)
        keel_stream_write(&server.s, bytes + at, sizeof bytes - at < 997 ? sizeof bytes - at : 997);
    for (size_t at = 0; at < sizeof bytes; at += 65536)
        keel_stream_write(&client.s, bytes + at, 65536);
    uint64_t limit = keel_clock_monotonic() + 20 * KEEL_NS_PER_S;
    client.take = 5000; /* leaves remainders */
    while (keel_buf_size(&client.in) < sizeof bytes || keel_buf_size(&server.in) < sizeof bytes) {
        ck_assert(keel_clock_monotonic() < limit);
        ck_assert_int_eq(client.closed + server.closed, 0);
        keel_stream_pause(&client.s);
        keel_loop_turn(loop, KEEL_NS_PER_MS);
        keel_stream_resume(&client.s);
        keel_loop_turn(loop, 0);
        if (keel_buf_size(&client.in) > (1 << 20))
            client.take = SIZE_MAX;
    }
    ck_assert_mem_eq(keel_buf_bytes(&client.in), bytes, sizeof bytes);
    ck_assert_mem_eq(keel_buf_bytes(&server.in), bytes, sizeof bytes);
    ck_assert_int_eq(released, 2);
    ck_assert_uint_eq(keel_stream_pending(&server.s), 0);
    ck_assert_ptr_null(server.s.output);
    /* A file that is too short. */
    keel_stream_write_file(&server.s, fileno(f), sizeof bytes - 5, 6, release, NULL);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_RESET);
    ck_assert_int_eq(server.s.error, ENODATA);
    ck_assert_int_eq(released, 3);
    keel_stream_close(&client.s);
    fclose(f);
}
END_TEST

START_TEST(the_name_chooses_the_certificate)
{
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"alpha.test", true},  {"ALPHA.test", true},     {"beta.test", true},
        {"x.wild.test", true}, {"x.y.wild.test", false}, {"wild.test", false},
        {"gamma.test", false}, {"plain.test", true},
    };
    struct keel_tls_options s = {0}, c = {0};
    make_server(&s);
    make_client(&c);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        join(cases[i].name);
        ck_assert_msg(client.opened == cases[i].good, "%s", cases[i].name);
        if (!cases[i].good)
            ck_assert_int_eq(client.why, KEEL_END_TLS);
        part();
    }
    /* Without a name the address counts: the first certificate is not for it. */
    join(NULL);
    ck_assert_int_eq(client.opened, 0);
    part();
    c = (struct keel_tls_options){.insecure = true};
    make_client(&c);
    join("gamma.test");
    ck_assert_int_eq(client.opened, 1);
    ck_assert(text_is(keel_stream_server_name(&server.s), "gamma.test"));
    part();
}
END_TEST

/* Names as people write them; the tag says which certificate it was. */
START_TEST(names_in_any_spelling)
{
    static const char *const names[] = {"Named.Test.", "*.Deep.Test", "*.dotted.test."};
    static const struct {
        const char *name;
        int tag;
    } cases[] = {
        {"named.test", 2},        {"NAMED.TEST.", 2},  {"named.test..", 1},  {"x.named.test", 1},
        {"a.deep.test", 2},       {"A.DEEP.TEST.", 2}, {"a.b.deep.test", 1}, {"deep.test", 1},
        {"xn--a.dotted.test", 2}, {"beta.test.", 2},   {"test", 1},
    };
    struct keel_diag diag;
    const struct keel_tls_certificate pairs[] = {
        {.certificate = file("alpha.crt"), .key = file("alpha.key"), .tag = 1},
        {.certificate = file("beta.crt"),
         .key = file("beta.key"),
         .names = names,
         .name_count = 3,
         .tag = 2}};
    struct keel_tls_options s = {.certificates = pairs, .certificate_count = 2},
                            c = {.insecure = true};
    ck_assert_msg(keel_tls_context_new(&s, &server_context, &diag) == 0, "%s", diag.text);
    make_client(&c);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        join(cases[i].name);
        ck_assert(server.opened);
        ck_assert_msg(keel_stream_tls_tag(&server.s) == cases[i].tag, "%s", cases[i].name);
        part();
    }
}
END_TEST

START_TEST(an_address_can_be_verified)
{
    struct keel_tls_options s = {0}, c = {0};
    struct keel_tls_certificate only = {.certificate = file("ip.crt"), .key = file("ip.key")};
    s.certificates = &only;
    s.certificate_count = 1;
    ck_assert_int_eq(keel_tls_context_new(&s, &server_context, NULL), 0);
    make_client(&c);
    join(NULL);
    ck_assert_int_eq(client.opened, 1);
    part();
    join("127.0.0.1");
    ck_assert_int_eq(client.opened, 1);
    ck_assert_uint_eq(keel_stream_server_name(&server.s).n, 0);
    part();
}
END_TEST

START_TEST(protocols)
{
    static const struct {
        const char *const *asks;
        unsigned count;
        const char *result; /* NULL: refused */
    } cases[] = {
        {alpn_both, 2, "h2"}, {alpn_old, 1, "http/1.1"}, {NULL, 0, ""}, {alpn_other, 1, NULL}};
    struct keel_tls_options s = {.alpn = alpn_both, .alpn_count = 2};
    make_server(&s);
    for (unsigned i = 0; i < 4; i++) {
        struct keel_tls_options c = {.alpn = cases[i].asks, .alpn_count = cases[i].count};
        make_client(&c);
        join("beta.test");
        if (cases[i].result) {
            ck_assert(text_is(keel_stream_alpn(&server.s), cases[i].result));
            ck_assert(text_is(keel_stream_alpn(&client.s), cases[i].result));
        } else {
            ck_assert_int_eq(client.why, KEEL_END_TLS);
            ck_assert_int_eq(server.why, KEEL_END_TLS);
        }
        part();
    }
}
END_TEST

START_TEST(clients_are_verified)
{
    struct keel_tls_options s = {0};
    struct keel_tls_options c = {.minimum = KEEL_TLS_1_3}, with = {.minimum = KEEL_TLS_1_3};
    struct keel_tls_certificate own = {.certificate = file("beta.crt"), .key = file("beta.key")};
    verify_clients = KEEL_TLS_VERIFY_REQUIRED;
    make_server(&s);
    make_client(&c);
    join("alpha.test");
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TLS);
    ck_assert_int_eq(server.opened, 0);
    part();
    with.certificates = &own;
    with.certificate_count = 1;
    make_client(&with);
    join("alpha.test");
    ck_assert_int_eq(server.opened, 1);
    part();
    /* One of another house. */
    certificate_make(dir, "stranger", beta_names, NULL);
    own = (struct keel_tls_certificate){.certificate = file("stranger.crt"),
                                        .key = file("stranger.key")};
    make_client(&with);
    join("alpha.test");
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TLS);
    part();
}
END_TEST

START_TEST(versions)
{
    struct keel_tls_options s = {.minimum = KEEL_TLS_1_3}, c = {0};
    make_server(&s);
    make_client(&c);
    join("alpha.test");
    ck_assert_int_eq(client.opened, 1);
    part();
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
    owner_init(&server);
    int fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    int accepted = accept_one(listener);
    ck_assert_int_eq(keel_stream_start(&server.s, loop, accepted, &owner_ops, NULL, server_context),
                     0);
    SSL *ssl = SSL_new(old);
    SSL_set_fd(ssl, fd);
    SSL_connect(ssl);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TLS);
    SSL_free(ssl);
    SSL_CTX_free(old);
    close(fd);
}
END_TEST

START_TEST(garbage_and_silence)
{
    struct keel_tls_options s = {0};
    char text[64];
    make_server(&s);
    /* A record of no handshake: an alert, then the end. */
    int fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    ck_assert_int_eq(
        keel_stream_start(&server.s, loop, accept_one(listener), &owner_ops, NULL, server_context),
        0);
    send(fd, "\x16\x03\x01\x00\x05hello", 10, 0);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TLS);
    ck_assert_int_eq(recv(fd, text, sizeof text, 0), 7);
    close(fd);
    /* Not TLS at all. */
    owner_init(&server);
    fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    ck_assert_int_eq(
        keel_stream_start(&server.s, loop, accept_one(listener), &owner_ops, NULL, server_context),
        0);
    send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TLS);
    close(fd);
    /* Nothing: the deadline. */
    owner_init(&server);
    fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    ck_assert_int_eq(
        keel_stream_start(&server.s, loop, accept_one(listener), &owner_ops, NULL, server_context),
        0);
    keel_stream_deadline(&server.s, KEEL_NS_PER_MS);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_TIMEOUT);
    ck_assert_int_eq(server.deadlines, 0);
    close(fd);
    /* Gone in the middle of it. */
    owner_init(&server);
    fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    ck_assert_int_eq(
        keel_stream_start(&server.s, loop, accept_one(listener), &owner_ops, NULL, server_context),
        0);
    send(fd, "\x16\x03\x01", 3, 0);
    keel_loop_turn(loop, KEEL_NS_PER_MS);
    close(fd);
    turn_until(loop, &server.closed, 1);
    ck_assert_int_eq(server.why, KEEL_END_PEER);
    ck_assert_int_eq(server.opened, 0);
}
END_TEST

/* A peer that asks for new keys again and again, which we have to answer, and does not read. */
START_TEST(answers_nobody_reads_have_an_end)
{
    struct keel_tls_options s = {0};
    int pair[2];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    make_server(&s);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(keel_stream_start(&server.s, loop, pair[0], &owner_ops, NULL, server_context),
                     0);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, pair[1]);
    for (int i = 0; i < 200 && SSL_connect(ssl) != 1; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    size_t most = 0;
    for (unsigned i = 0; i < 100000 && !server.closed; i++) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        bool sent;
        do {
            sent = SSL_write(ssl, "x", 1) == 1;
            if (!sent || i % 100 == 0)
                keel_loop_turn(loop, KEEL_NS_PER_MS);
        } while (!sent && !server.closed);
        if (!server.closed && keel_stream_pending(&server.s) > most)
            most = keel_stream_pending(&server.s);
    }
    ck_assert(server.closed && server.why == KEEL_END_RESET);
    ck_assert(most > 100000 && most <= 1 << 20);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(pair[1]);
}
END_TEST

/* A handshake with OpenSSL on the other end, in steps; returns whether the session was resumed. */
static bool resume_at(struct keel_tls_context *context, SSL_CTX *ctx, SSL_SESSION **session)
{
    char text[8];
    owner_init(&server);
    int fd = keel_sock_connect(&address, NULL, SOCK_STREAM, NULL);
    ck_assert_int_eq(
        keel_stream_start(&server.s, loop, accept_one(listener), &owner_ops, NULL, context), 0);
    server.echo = true;
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "beta.test");
    if (*session)
        SSL_set_session(ssl, *session);
    for (int i = 0; i < 200 && SSL_connect(ssl) != 1; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_int_eq(SSL_write(ssl, "x", 1), 1);
    for (int i = 0; i < 200 && SSL_read(ssl, text, sizeof text) != 1; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    bool resumed = SSL_session_reused(ssl);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    keel_stream_close(&server.s);
    owner_fini(&server);
    return resumed;
}

static void set_keys(unsigned newest, unsigned count)
{
    uint8_t keys[KEEL_TLS_TICKET_KEYS + 1][KEEL_TLS_TICKET_SECRET];
    for (unsigned i = 0; i < count; i++)
        memset(keys[i], (int)(newest - i), sizeof keys[i]);
    ck_assert_int_eq(keel_tls_context_set_ticket_keys(
                         server_context, (const uint8_t(*)[KEEL_TLS_TICKET_SECRET])keys, count),
                     0);
}

START_TEST(tickets_work_at_every_worker)
{
    struct keel_tls_options s = {0};
    static const uint8_t keys[KEEL_TLS_TICKET_KEYS + 1][KEEL_TLS_TICKET_SECRET] = {{1, 2, 3}};
    SSL_SESSION *session = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, _i ? TLS1_2_VERSION : TLS1_3_VERSION);
    make_server(&s);
    ck_assert_int_eq(keel_tls_context_set_ticket_keys(server_context, keys, 0), KEEL_EINVAL);
    ck_assert_int_eq(
        keel_tls_context_set_ticket_keys(server_context, keys, KEEL_TLS_TICKET_KEYS + 1),
        KEEL_EINVAL);
    ck_assert(!resume_at(server_context, ctx, &session));
    ck_assert(resume_at(server_context, ctx, &session));
    make_server(&s); /* another worker, or generation, with keys of its own */
    ck_assert(!resume_at(server_context, ctx, &session));
    make_server(&s);
    set_keys(1, 1);
    ck_assert(!resume_at(server_context, ctx, &session));
    make_server(&s);
    set_keys(1, 1);
    ck_assert(resume_at(server_context, ctx, &session));
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(tickets_outlive_their_key)
{
    struct keel_tls_options s = {0};
    SSL_SESSION *session = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, _i ? TLS1_2_VERSION : TLS1_3_VERSION);
    make_server(&s);
    set_keys(1, 1);
    ck_assert(!resume_at(server_context, ctx, &session));
    for (unsigned newest = 2; newest < 10; newest++) { /* renewed each time */
        set_keys(newest, newest % 2 ? 2 : KEEL_TLS_TICKET_KEYS - 1);
        ck_assert(resume_at(server_context, ctx, &session));
    }
    set_keys(12, 3);
    ck_assert(!resume_at(server_context, ctx, &session));
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_context_outlives_its_owner)
{
    struct keel_tls_options s = {0}, c = {0};
    make_server(&s);
    make_client(&c);
    join("alpha.test");
    keel_tls_context_free(server_context);
    keel_tls_context_free(client_context);
    server_context = client_context = NULL;
    server.echo = true;
    keel_stream_write(&client.s, "still", 5);
    turn_until(loop, &client.data_calls, 1);
    part();
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    struct keel_diag diag;
    struct keel_tls_context *context;
    struct keel_tls_certificate pair = {.certificate = file("none.crt")};
    struct keel_tls_options o = {0};
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_EINVAL);
    o.certificates = &pair;
    o.certificate_count = 1;
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_ETLS);
    ck_assert_ptr_nonnull(strstr(diag.text, "none.crt"));
    ck_assert_ptr_null(context);
    pair = (struct keel_tls_certificate){.certificate = file("alpha.crt"), .key = file("beta.key")};
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_ETLS);
    ck_assert_ptr_nonnull(strstr(diag.text, "beta.key"));
    pair = (struct keel_tls_certificate){.certificate = file("alpha.crt")};
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_ETLS);
    ck_assert_ptr_nonnull(strstr(diag.text, "alpha.crt"));
    pair.key = file("alpha.key");
    pair.ca_file = file("nowhere.pem");
    pair.verify = KEEL_TLS_VERIFY_REQUIRED;
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_ETLS);
    ck_assert_ptr_nonnull(strstr(diag.text, "nowhere.pem"));
    pair.ca_file = NULL;
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_EINVAL);
    pair.verify = KEEL_TLS_VERIFY_NONE;
    o.ciphers = "NO-SUCH-CIPHER";
    ck_assert_int_eq(keel_tls_context_new(&o, &context, &diag), KEEL_ETLS);
    for (uint64_t n = 1; n < 20; n++) {
        o.ciphers = NULL;
        keel_mem_fail_at(n);
        int err = keel_tls_context_new(&o, &context, NULL);
        keel_mem_fail_at(0);
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        keel_tls_context_free(context);
        if (err == 0)
            return;
    }
    ck_abort_msg("a context takes too many allocations");
}
END_TEST

Suite *tls_suite(void)
{
    Suite *suite = suite_create("tls");
    TCase *tc = tcase_create("tls");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, echo);
    tcase_add_test(tc, much_in_both_directions);
    tcase_add_test(tc, the_name_chooses_the_certificate);
    tcase_add_test(tc, names_in_any_spelling);
    tcase_add_test(tc, an_address_can_be_verified);
    tcase_add_test(tc, protocols);
    tcase_add_test(tc, clients_are_verified);
    tcase_add_test(tc, versions);
    tcase_add_test(tc, garbage_and_silence);
    tcase_add_test(tc, answers_nobody_reads_have_an_end);
    tcase_add_loop_test(tc, tickets_work_at_every_worker, 0, 2);
    tcase_add_loop_test(tc, tickets_outlive_their_key, 0, 2);
    tcase_add_test(tc, a_context_outlives_its_owner);
    tcase_add_test(tc, what_is_wrong_is_named);
    suite_add_tcase(suite, tc);
    return suite;
}
