/* An HTTP/2 connection in memory against nghttp2's client, and against frames that no client sends:
 * bodies, flow control, every split of the input, floods, draining, memory that runs out. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "httpd/conn/h2.h"
#include "tests/support/allocfail.h"
#include "tests/support/h2_client.h"
#include "tests/support/unit.h"

#define BODY_MAX (1 << 20)

static const struct http_h2_limits limits = {
    .head = {.line = 1024, .head = 8192, .fields = 32}, .streams = 100, .discard = 1000};

static struct http_h2_shared shared;
static struct http_h2 servers[2], *server = servers;
static bool closed; /* the server said so */
static uint64_t now = KEEL_NS_PER_S;
static int file = -1;
static char body[BODY_MAX];
static int held; /* holds of responses less releases */
static char trace[1 << 16];
static size_t trace_size;
static unsigned requests;

static void note(const char *format, uint32_t stream, const char *text, size_t size, unsigned n)
{
    trace_size += (size_t)snprintf(trace + trace_size, sizeof trace - trace_size, format, stream,
                                   (int)size, text, n);
    ck_assert_uint_lt(trace_size, sizeof trace);
}

static void hold(void *owner)
{
    held++;
}
static void let_go(void *owner)
{
    held--;
}

static void set_up(void)
{
    ck_assert_int_eq(http_h2_shared_init(&shared, &limits), 0);
    for (size_t i = 0; i < BODY_MAX; i++)
        body[i] = (char)h2_byte(i);
    file = memfd_create("body", MFD_CLOEXEC);
    ck_assert_int_eq(write(file, body, BODY_MAX), BODY_MAX);
}

static void tear_down(void)
{
    http_h2_shared_fini(&shared);
    close(file);
    ck_assert_int_eq(held, 0);
}

static int start(void)
{
    trace_size = 0;
    trace[0] = '\0';
    requests = 0;
    closed = false;
    return http_h2_init(server, &shared, now);
}

/* "/m5" is 5 bytes of memory, "/f5" of the file, "/c5" to be copied, "/s5" of a file that is too
 * short for that. */
static void answer(uint32_t stream, const struct http_head *head)
{
    char text[128];
    struct keel_str path = http_span_str(head, head->path);
    size_t size = (size_t)strtoul(path.p + 2, NULL, 10);
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nServer: test\r\nConnection: keep-alive\r\n"
             "Content-Length: %zu\r\n\r\n",
             size);
    struct http_response response = {.status = 200, .head = {text, strlen(text) - 2}};
    if (path.p[1] == 'f' || path.p[1] == 's') {
        response.file = file;
        response.file_size = size;
        response.file_at = path.p[1] == 's' ? BODY_MAX - 20000 : 0;
    } else {
        response.body = (struct keel_str){body, size};
    }
    if (path.p[1] != 'c') {
        response.hold = hold;
        response.release = let_go;
        response.owner = &held;
    }
    http_h2_respond(server, stream, head, &response);
}

static void give(const uint8_t *bytes, size_t size)
{
    static struct http_head head;
    size_t at = 0, used;
    enum http_h2_event event;
    uint8_t *copy = malloc(size ? size : 1); /* exactly sized: the sanitizer sees a byte too far */
    if (size > 0)
        memcpy(copy, bytes, size);
    do {
        uint32_t stream;
        unsigned status;
        event = http_h2_read(server, now, &head, copy + at, size - at, &used, &stream, &status);
        ck_assert_uint_le(used, size - at);
        at += used;
        if (event == HTTP_H2_REQUEST) {
            struct keel_str path = http_span_str(&head, head.path);
            requests++;
            if (requests < 1000)
                note("R%u%.*s body=%u ", stream, path.p, path.n, head.body);
            answer(stream, &head);
        } else if (event == HTTP_H2_BAD) {
            struct http_response response = {.status = status,
                                             .head = KEEL_STR("HTTP/1.1 400 Bad\r\nX: y\r\n")};
            note("B%u %.*s%u ", stream, "", 0, status);
            http_h2_respond(server, stream, &head, &response);
        } else if (event == HTTP_H2_CLOSED) {
            closed = true;
        }
    } while (event == HTTP_H2_REQUEST || event == HTTP_H2_BAD);
    ck_assert_uint_eq(at, size);
    free(copy);
}

/* All that the server has to send, to the client if there is one. Returns the bytes. */
static size_t take(struct h2_client *client)
{
    const uint8_t *bytes;
    size_t total = 0;
    ssize_t n;
    while ((n = http_h2_send(server, &bytes)) > 0) {
        total += (size_t)n;
        if (client)
            h2_client_input(client, bytes, (size_t)n);
    }
    return total;
}

/* Both talk until neither has anything to say. */
static void talk(struct h2_client *client)
{
    static uint8_t out[1 << 18];
    size_t n, taken;
    do {
        n = h2_client_output(client, out, sizeof out);
        if (n > 0)
            give(out, n);
        taken = take(client);
    } while (n > 0 || taken > 0);
    ck_assert(!client->failed);
}

static void expect_body(const struct h2_answer *answer, size_t size)
{
    ck_assert_uint_eq(answer->status, 200);
    ck_assert_uint_eq(answer->size, size);
    ck_assert_uint_eq(answer->sum, h2_sum(size));
    ck_assert(answer->ended && answer->closed && answer->error == NGHTTP2_NO_ERROR);
}

START_TEST(test_bodies)
{
    static const size_t sizes[] = {0, 1, 1000, 16383, 16384, 16385, 65535, 65536, 200000, 1 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct h2_client client;
        struct h2_answer *answers[3];
        char path[32];
        h2_client_init(&client, 0, false);
        ck_assert_int_eq(start(), 0);
        for (unsigned k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "/%c%zu", "mfc"[k], sizes[i]);
            answers[k] = h2_client_ask(&client, "GET", path, NULL, NULL, 0);
        }
        talk(&client);
        for (unsigned k = 0; k < 3; k++)
            expect_body(answers[k], sizes[i]);
        ck_assert_ptr_nonnull(strstr(answers[0]->head, "server: test\n"));
        ck_assert_ptr_null(strstr(answers[0]->head, "connection"));
        ck_assert_uint_eq(server->open, 0);
        ck_assert_uint_eq(server->sending, 0);
        http_h2_fini(server);
        h2_client_fini(&client);
    }
}
END_TEST

START_TEST(test_many_streams)
{
    static struct h2_client client;
    h2_client_init(&client, 0, false);
    ck_assert_int_eq(start(), 0);
    talk(&client);
    for (unsigned i = 0; i < 150; i++) /* the client keeps to 100 at once */
        h2_client_ask(&client, "GET", i % 2 ? "/m30000" : "/f30000", NULL, NULL, 0);
    talk(&client);
    for (unsigned i = 0; i < 150; i++)
        expect_body(&client.answers[i], 30000);
    ck_assert(!closed);
    http_h2_fini(server);
    h2_client_fini(&client);
}
END_TEST

/* Frames of several sessions are built in the same memory. */
START_TEST(test_in_turns)
{
    struct h2_client clients[2];
    struct h2_answer *answers[2];
    const uint8_t *bytes;
    ssize_t n[2] = {1, 1};
    for (unsigned i = 0; i < 2; i++) {
        server = &servers[i];
        h2_client_init(&clients[i], 0, false);
        ck_assert_int_eq(start(), 0);
        talk(&clients[i]);
        answers[i] = h2_client_ask(&clients[i], "GET", i ? "/m60000" : "/f50000", NULL, NULL, 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        static uint8_t out[1 << 18];
        server = &servers[i];
        give(out, h2_client_output(&clients[i], out, sizeof out));
    }
    for (unsigned i = 0; n[0] > 0 || n[1] > 0; i = !i) {
        server = &servers[i];
        n[i] = http_h2_send(server, &bytes);
        if (n[i] > 0)
            h2_client_input(&clients[i], bytes, (size_t)n[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        server = &servers[i];
        expect_body(answers[i], i ? 60000 : 50000);
        http_h2_fini(server);
        h2_client_fini(&clients[i]);
    }
    server = servers;
}
END_TEST

START_TEST(test_window)
{
    struct h2_client client;
    h2_client_init(&client, 1000, true);
    ck_assert_int_eq(start(), 0);
    struct h2_answer *answer = h2_client_ask(&client, "GET", "/f50000", NULL, NULL, 0);
    talk(&client);
    ck_assert_uint_eq(answer->size, 1000);
    ck_assert_uint_eq(server->sent, 1000);
    ck_assert_uint_eq(server->sending, 1);
    ck_assert(!http_h2_is_done(server));
    nghttp2_submit_window_update(client.session, 0, answer->id, 500);
    talk(&client);
    ck_assert_uint_eq(answer->size, 1500);
    nghttp2_submit_window_update(client.session, 0, answer->id, 100000);
    talk(&client);
    expect_body(answer, 50000);
    /* let go when the client leaves in the middle */
    answer = h2_client_ask(&client, "GET", "/m50000", NULL, NULL, 0);
    talk(&client);
    ck_assert_int_eq(held, 1);
    nghttp2_submit_rst_stream(client.session, 0, answer->id, NGHTTP2_CANCEL);
    talk(&client);
    ck_assert_int_eq(held, 0);
    h2_client_ask(&client, "GET", "/m50000", NULL, NULL, 0);
    talk(&client);
    ck_assert_int_eq(held, 1);
    http_h2_fini(server);
    ck_assert_int_eq(held, 0);
    h2_client_fini(&client);
}
END_TEST

START_TEST(test_file_too_short)
{
    struct h2_client client;
    h2_client_init(&client, 0, false);
    ck_assert_int_eq(start(), 0);
    struct h2_answer *cut = h2_client_ask(&client, "GET", "/s30000", NULL, NULL, 0);
    struct h2_answer *whole = h2_client_ask(&client, "GET", "/f30000", NULL, NULL, 0);
    talk(&client);
    ck_assert(!cut->ended && cut->closed && cut->error == NGHTTP2_INTERNAL_ERROR);
    expect_body(whole, 30000);
    http_h2_fini(server);
    h2_client_fini(&client);
}
END_TEST

static void ask_unread(struct h2_client *client, struct h2_answer *asked[3])
{
    asked[0] = h2_client_ask(client, "POST", "/m5", NULL, body, 300000);
    asked[1] = h2_client_ask(client, "POST", "/m30000", "content-length: 90000", body, 90000);
    asked[2] = h2_client_ask(client, "POST", "/f5", "expect: 100-continue", body, 300000);
}

static void expect_unread(struct h2_answer *const asked[3])
{
    expect_body(asked[0], 5);
    expect_body(asked[1], 30000);
    expect_body(asked[2], 5);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(asked[i]->closed && asked[i]->error == NGHTTP2_NO_ERROR);
}

START_TEST(test_request_bodies)
{
    struct h2_client client;
    h2_client_init(&client, 0, false);
    ck_assert_int_eq(start(), 0);
    struct h2_answer *small = h2_client_ask(&client, "POST", "/m5", NULL, body, 1000);
    talk(&client);
    expect_body(small, 5);
    ck_assert_str_eq(trace, "R1/m5 body=2 ");
    /* more than is dropped: the answer comes whole, no more is let in, and when the client has seen
     * the answer the stream is reset without error */
    struct h2_answer *asked[3];
    for (unsigned round = 0; round < 2; round++) {
        ask_unread(&client, asked);
        /* the connection's window is not theirs */
        struct h2_answer *small_too = h2_client_ask(&client, "POST", "/f7", NULL, body, 900);
        talk(&client);
        expect_unread(asked);
        expect_body(small_too, 7);
        ck_assert_uint_eq(server->open, 0);
    }
    /* one that does not say so: when the time of the body is over */
    static uint8_t bytes[1 << 20];
    ask_unread(&client, asked);
    give(bytes, h2_client_output(&client, bytes, sizeof bytes));
    take(&client);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!asked[i]->closed);
    ck_assert_uint_eq(http_h2_body_since(server), now);
    http_h2_expire_bodies(server, now + 1, now + 1);
    take(&client);
    expect_unread(asked);
    talk(&client);
    ck_assert_uint_eq(server->open, 0);
    ck_assert_uint_eq(http_h2_body_since(server), 0);
    ck_assert(!closed);
    http_h2_fini(server);
    h2_client_fini(&client);
}
END_TEST

/* --- raw frames --- */

static uint8_t raw[1 << 20];
static size_t raw_size;

static void put(const void *bytes, size_t size)
{
    memcpy(raw + raw_size, bytes, size);
    raw_size += size;
}

static void put_frame(unsigned type, unsigned flags, uint32_t stream, const void *payload,
                      size_t size)
{
    const uint8_t head[9] = {
        (uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    put(head, sizeof head);
    if (size > 0)
        put(payload, size);
}

static void put_preface(void)
{
    raw_size = 0;
    put("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    put_frame(NGHTTP2_SETTINGS, 1, 0, NULL, 0);
}

/* GET http://a/m5 out of the static table and literals (RFC 7541, B). */
static const uint8_t get_block[] = {0x82, 0x86, 0x04, 3, '/', 'm', '5', 0x01, 1, 'a'};

static void put_get(uint32_t stream)
{
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, stream,
              get_block, sizeof get_block);
}

/* A conversation with everything in it that a client may say. */
static void put_everything(void)
{
    static const uint8_t padded[] = {3, 0x82, 0x86, 0x04, 3, '/', 'm', '6', 0x01, 1, 'a', 0, 0, 0};
    static const uint8_t post[] = {0x83, 0x86, 0x04, 4, '/', 'f', '2', '0', 0x01, 1, 'a'};
    static const uint8_t trailer[] = {0x00, 1, 'x', 1, 'y'};
    static const uint8_t bad[] = {0x82, 0x86, 0x04, 1, 'x', 0x01, 1, 'a', 0x00, 1, 'b', 1, 'c'};
    put_preface();
    put_get(1);
    put_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
    put_frame(NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\3u=1", 7);
    put_frame(0xbe, 0x55, 0, "greasegrease", 12);
    put_frame(NGHTTP2_HEADERS,
              NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED, 3, padded,
              sizeof padded);
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_NONE, 5, post, 4);
    put_frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_NONE, 5, post + 4, 0);
    put_frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 5, post + 4, sizeof post - 4);
    put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_NONE, 5, "hello", 5);
    put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 5, "\2hello\0\0", 8);
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 5, trailer,
              sizeof trailer);
    put_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\1\0", 4);
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 7, bad,
              sizeof bad);
    put_get(9);
    put_frame(NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
}

/* What the server says in a run over these cuts of `raw`: its trace and its output. */
static uint64_t run_cut(size_t first, size_t step)
{
    uint64_t digest = 0;
    const uint8_t *bytes;
    ssize_t n;
    ck_assert_int_eq(start(), 0);
    give(raw, first);
    for (size_t at = first; at < raw_size; at += step)
        give(raw + at, raw_size - at < step ? raw_size - at : step);
    while ((n = http_h2_send(server, &bytes)) > 0)
        for (ssize_t i = 0; i < n; i++)
            digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    http_h2_fini(server);
    return digest;
}

START_TEST(test_every_split)
{
    put_everything();
    uint64_t whole = run_cut(raw_size, 1);
    char expected[256] = "R1/m5 body=0 R3/m6 body=0 R5/f20 body=2 ";
    /* nghttp2 itself refuses a path that does not begin with '/' */
    strcat(expected, "R9/m5 body=0 ");
    ck_assert_str_eq(trace, expected);
    for (size_t first = 0; first <= raw_size; first++) {
        ck_assert_msg(run_cut(first, raw_size) == whole, "cut at %zu", first);
        ck_assert_str_eq(trace, expected);
    }
    ck_assert(run_cut(0, 1) == whole);
    ck_assert_str_eq(trace, expected);
    ck_assert_int_eq(held, 0);
}
END_TEST

/* Frames of one kind, again and again: a budget ends it. */
static const struct {
    const char *name;
    unsigned type, flags;
    uint32_t stream; /* 1: as it is; 0: connection; -1: a new one each */
    const char *payload;
    size_t size;
    unsigned bound;
} floods[] = {
    {"ping", NGHTTP2_PING, 0, 0, "12345678", 8, 1000},
    {"ping ack", NGHTTP2_PING, 1, 0, "12345678", 8, 1000},
    {"settings", NGHTTP2_SETTINGS, 0, 0, NULL, 0, 1000},
    {"settings with values", NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\1\0\0\1\0\0\0\0", 12, 1000},
    {"unknown", 0xbe, 0, 0, "x", 1, 1000},
    {"priority update", NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=1", 7, 1000},
    {"priority", NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5, 1000},
    {"window update", NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4, 1000},
    {"window update of the stream", NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4, 1000},
    {"empty data", NGHTTP2_DATA, 0, 1, NULL, 0, 1000},
    {"reset of a closed stream", NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x8", 4, 1000},
};

static void begin_raw(void)
{
    ck_assert_int_eq(start(), 0);
    put_preface();
    give(raw, raw_size);
    take(NULL);
    raw_size = 0;
}

/* Gives the frames in raw until the server has enough; returns how often. */
static unsigned flood(unsigned most)
{
    unsigned n = 0;
    for (; n < most && !closed; n++) {
        give(raw, raw_size);
        take(NULL);
    }
    return n;
}

START_TEST(test_floods)
{
    static const uint8_t post[] = {0x83, 0x86, 0x04, 3, '/', 'm', '5', 0x01, 1, 'a'};
    struct h2_client client;
    begin_raw();
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, post, sizeof post);
    give(raw, raw_size);
    take(NULL);
    raw_size = 0;
    put_frame(floods[_i].type, floods[_i].flags, floods[_i].stream, floods[_i].payload,
              floods[_i].size);
    unsigned n = flood(100000);
    ck_assert_msg(closed && server->frames.cut && n < floods[_i].bound, "%s: cut after %u",
                  floods[_i].name, n);
    ck_assert(http_h2_is_done(server));
    http_h2_fini(server);
    /* and again, to see what the client is told */
    h2_client_init(&client, 0, false);
    ck_assert_int_eq(start(), 0);
    talk(&client);
    for (unsigned i = 0; i < 2000 && !closed; i++)
        give(raw, raw_size);
    if (floods[_i].stream == 0) {
        take(&client);
        ck_assert_uint_eq(client.goaways, 1);
        ck_assert_uint_eq(client.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    http_h2_fini(server);
    h2_client_fini(&client);
}
END_TEST

START_TEST(test_budget_refills)
{
    begin_raw();
    put_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
    uint64_t before = now;
    for (unsigned i = 0; i < 20000 && !closed; i++) { /* a hundred a second */
        now += 10 * KEEL_NS_PER_MS;
        give(raw, raw_size);
        take(NULL);
    }
    ck_assert(!closed);
    now = before;
    http_h2_fini(server);
}
END_TEST

START_TEST(test_rapid_reset)
{
    ck_assert_int_eq(start(), 0);
    put_preface();
    give(raw, raw_size);
    take(NULL);
    unsigned n = 0;
    for (uint32_t id = 1; id < 200000 && !closed; id += 2, n++) {
        raw_size = 0;
        put_get(id);
        put_frame(NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x8", 4);
        give(raw, raw_size);
        take(NULL);
    }
    ck_assert(closed && server->frames.cut && n < 400);
    http_h2_fini(server);
}
END_TEST

/* CVE-2025-8671: streams that we must reset because of what the client sends on them. */
START_TEST(test_made_to_reset)
{
    ck_assert_int_eq(start(), 0);
    put_preface();
    give(raw, raw_size);
    take(NULL);
    unsigned n = 0;
    for (uint32_t id = 1; id < 200000 && !closed; id += 2, n++) {
        raw_size = 0;
        put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get_block, sizeof get_block);
        put_frame(NGHTTP2_WINDOW_UPDATE, 0, id, "\x7f\xff\xff\xff", 4);
        give(raw, raw_size);
        take(NULL);
    }
    ck_assert(closed && server->frames.cut && n < 600);
    http_h2_fini(server);
}
END_TEST

START_TEST(test_continuations)
{
    begin_raw();
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, get_block, sizeof get_block);
    give(raw, raw_size);
    ck_assert_uint_ne(http_h2_since(server), 0);
    raw_size = 0;
    put_frame(NGHTTP2_CONTINUATION, 0, 1, "\0\1x\1y", 5);
    ck_assert_uint_lt(flood(1000), 20);
    ck_assert(closed && requests == 0);
    http_h2_fini(server);
}
END_TEST

/* A field of 3000 bytes put into the table, then named by one byte again and again. */
START_TEST(test_compression_bomb)
{
    static uint8_t block[16000];
    size_t n = sizeof get_block;
    memcpy(block, get_block, n);
    memcpy(block + n, "\x40\1x\x7f\xb9\x16", 6); /* 127 + 2873 bytes */
    n += 6;
    memset(block + n, 'v', 3000);
    n += 3000;
    memset(block + n, 0xbe, sizeof block - n);
    begin_raw();
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block,
              sizeof block);
    give(raw, raw_size);
    ck_assert(closed && server->frames.cut && requests == 0);
    ck_assert_uint_lt(shared.spare.text.capacity + server->head.text.capacity, 32768);
    http_h2_fini(server);
    /* not less so when it trickles in behind a path that is too long to be kept */
    begin_raw();
    static uint8_t slow[16000] = {0x04, 0x7f, 0xcd, 0x07, '/'}; /* 127 + 973 bytes */
    memset(slow + 5, 'p', 1099);
    memcpy(slow + 1104, "\x82\x86\x01\1a", 5);
    memcpy(slow + 1109, block + sizeof get_block, sizeof slow - 1109);
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, slow,
              sizeof slow);
    for (size_t at = 0; at < raw_size && !closed; at += 10)
        give(raw + at, raw_size - at < 10 ? raw_size - at : 10);
    ck_assert(closed && server->frames.cut);
    http_h2_fini(server);
    /* a head that is only too large is answered */
    begin_raw();
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block,
              sizeof get_block + 3006 + 2);
    put_get(3);
    give(raw, raw_size);
    ck_assert(!closed);
    ck_assert_str_eq(trace, "B1 431 R3/m5 body=0 ");
    http_h2_fini(server);
}
END_TEST

START_TEST(test_garbage)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n"};
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(start(), 0);
        give((const uint8_t *)texts[i], strlen(texts[i]));
        ck_assert(closed && http_h2_is_done(server));
        http_h2_fini(server);
    }
    /* a frame on stream 0 that must not be there: GOAWAY PROTOCOL_ERROR */
    struct h2_client client;
    h2_client_init(&client, 0, false);
    ck_assert_int_eq(start(), 0);
    talk(&client);
    raw_size = 0;
    put_frame(NGHTTP2_DATA, 0, 0, "x", 1);
    give(raw, raw_size);
    take(&client);
    ck_assert(http_h2_is_done(server));
    ck_assert_uint_eq(client.goaway_error, NGHTTP2_PROTOCOL_ERROR);
    http_h2_fini(server);
    h2_client_fini(&client);
}
END_TEST

START_TEST(test_drain)
{
    struct h2_client client;
    h2_client_init(&client, 1000, true);
    ck_assert_int_eq(start(), 0);
    struct h2_answer *slow = h2_client_ask(&client, "GET", "/m5000", NULL, NULL, 0);
    talk(&client);
    http_h2_drain(server);
    /* on its way when the client learns: it is answered */
    struct h2_answer *late = h2_client_ask(&client, "GET", "/m5", NULL, NULL, 0);
    static uint8_t out[1 << 18];
    give(out, h2_client_output(&client, out, sizeof out));
    take(&client);
    ck_assert_uint_eq(client.goaways, 1);
    ck_assert_int_eq(client.goaway_last, INT32_MAX);
    ck_assert(!http_h2_is_done(server));
    talk(&client); /* the ping comes back */
    ck_assert_uint_eq(client.goaways, 2);
    ck_assert_int_eq(client.goaway_last, late->id);
    ck_assert_uint_eq(client.goaway_error, NGHTTP2_NO_ERROR);
    expect_body(late, 5);
    ck_assert(!http_h2_is_done(server));
    nghttp2_submit_window_update(client.session, 0, slow->id, 100000);
    talk(&client);
    expect_body(slow, 5000);
    ck_assert(http_h2_is_done(server));
    http_h2_fini(server);
    h2_client_fini(&client);
    /* a client that does not answer the ping */
    begin_raw();
    http_h2_drain(server);
    take(NULL);
    ck_assert(!http_h2_is_done(server));
    http_h2_drain(server);
    take(NULL);
    ck_assert(http_h2_is_done(server));
    http_h2_fini(server);
}
END_TEST

START_TEST(test_deadlines)
{
    static const uint8_t post[] = {0x83, 0x86, 0x04, 3, '/', 'm', '5', 0x01, 1, 'a'};
    ck_assert_int_eq(start(), 0);
    put_preface();
    give(raw, 5);
    now += KEEL_NS_PER_S;
    give(raw + 5, raw_size - 5);
    ck_assert_uint_eq(http_h2_since(server), 0);
    raw_size = 0;
    put_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, post, sizeof post);
    give(raw, 3);
    ck_assert_uint_eq(http_h2_since(server), now);
    uint64_t began = now;
    now += KEEL_NS_PER_S;
    give(raw + 3, 9);
    ck_assert_uint_eq(http_h2_since(server), began);
    ck_assert_uint_eq(http_h2_body_since(server), now);
    give(raw + 12, raw_size - 12);
    ck_assert_uint_eq(http_h2_since(server), 0);
    /* within a frame of content it is the body's time that runs */
    raw_size = 0;
    put_frame(NGHTTP2_DATA, 0, 1, "hello", 5);
    give(raw, 11);
    ck_assert_uint_eq(http_h2_since(server), 0);
    take(NULL);
    http_h2_expire_bodies(server, now + 1, now);
    ck_assert_uint_eq(server->open, 1);
    http_h2_expire_bodies(server, now + 1, now + 1);
    ck_assert_uint_gt(take(NULL), 0);
    ck_assert_uint_eq(server->open, 0);
    ck_assert_uint_eq(http_h2_body_since(server), 0);
    http_h2_fini(server);
}
END_TEST

/* --- memory --- */

static int sweep(void *arg)
{
    struct http_h2_shared kept = shared;
    int err = http_h2_shared_init(&shared, &limits);
    if (err == 0)
        err = start();
    if (err == 0) {
        give(raw, raw_size);
        take(NULL);
    }
    bool whole = requests == 4 && !server->broken && !closed && server->open == 0;
    if (server->session)
        http_h2_fini(server);
    http_h2_shared_fini(&shared);
    shared = kept;
    ck_assert_int_eq(held, 0);
    return err == 0 && !whole ? KEEL_ENOMEM : err;
}

START_TEST(test_no_memory)
{
    put_everything();
    server->session = NULL;
    ck_assert_uint_gt(allocfail_sweep(sweep, NULL), 15);
}
END_TEST

START_TEST(test_allocations)
{
    begin_raw();
    for (uint32_t id = 1; id < 201; id += 2) {
        put_get(id);
        give(raw, raw_size);
        take(NULL);
        raw_size = 0;
        if (id == 99)
            keel_mem_fail_at(0);
    }
    /* none of ours, and nghttp2's come from slabs */
    ck_assert_uint_eq(keel_mem_count(), 0);
    http_h2_fini(server);
}
END_TEST

Suite *h2_suite(void);
Suite *h2_suite(void)
{
    Suite *s = suite_create("httpd/conn/h2");
    TCase *t = tcase_create("h2");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_bodies);
    tcase_add_test(t, test_many_streams);
    tcase_add_test(t, test_in_turns);
    tcase_add_test(t, test_window);
    tcase_add_test(t, test_file_too_short);
    tcase_add_test(t, test_request_bodies);
    tcase_add_test(t, test_every_split);
    tcase_add_loop_test(t, test_floods, 0, sizeof floods / sizeof *floods);
    tcase_add_test(t, test_budget_refills);
    tcase_add_test(t, test_rapid_reset);
    tcase_add_test(t, test_made_to_reset);
    tcase_add_test(t, test_continuations);
    tcase_add_test(t, test_compression_bomb);
    tcase_add_test(t, test_garbage);
    tcase_add_test(t, test_drain);
    tcase_add_test(t, test_deadlines);
    tcase_add_test(t, test_no_memory);
    tcase_add_test(t, test_allocations);
    suite_add_tcase(s, t);
    return s;
}
