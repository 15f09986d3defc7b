/* Compression on the fly: each coding decoded back by its library, with each split of what is
 * written, and the filter over connections, with memory running out. */
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/mem.h"
#include "httpd/handlers/encode.h"
#include "httpd/handlers/encoder.h"
#include "tests/support/h2_client.h"
#include "tests/support/http_server.h"
#include "tests/support/script_module.h"
#include "tests/support/unit.h"

/* What a client that got these bytes of a gzip or zstd stream can read so far. */
static size_t decode(enum http_coding coding, const void *bytes, size_t n, char *out, size_t room)
{
    if (coding == HTTP_GZIP) {
        z_stream z = {.next_in = (void *)(uintptr_t)bytes,
                      .avail_in = (uInt)n,
                      .next_out = (uint8_t *)out,
                      .avail_out = (uInt)room};
        ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
        int err = inflate(&z, Z_SYNC_FLUSH);
        ck_assert_msg(err == Z_OK || err == Z_STREAM_END || err == Z_BUF_ERROR, "%d", err);
        inflateEnd(&z);
        return z.total_out;
    }
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {bytes, n, 0};
    ZSTD_outBuffer to = {out, room, 0};
    while (in.pos < n)
        ck_assert(!ZSTD_isError(ZSTD_decompressStream(z, &to, &in)));
    ZSTD_freeDStream(z);
    return to.pos;
}

START_TEST(test_splits)
{
    static const char text[] = "abcabcabcabc, and something else; abcabc";
    const size_t size = sizeof text - 1;
    char got[sizeof text];
    for (unsigned coding = 0; coding < HTTP_CODING_COUNT; coding++)
        for (size_t cut = 0; cut <= size; cut++) {
            struct keel_buf out = {0};
            struct http_encoder *e = http_encoder_new(coding);
            ck_assert_int_eq(http_encoder_put(e, text, cut, HTTP_PIECE_FLUSH, &out), 0);
            if (coding != HTTP_BR)
                ck_assert_uint_eq(
                    decode(coding, keel_buf_bytes(&out), keel_buf_size(&out), got, sizeof got),
                    cut);
            ck_assert_int_eq(http_encoder_put(e, text + cut, size - cut, HTTP_PIECE_MORE, &out), 0);
            ck_assert_int_eq(http_encoder_put(e, NULL, 0, HTTP_PIECE_END, &out), 0);
            if (coding != HTTP_BR) {
                ck_assert_uint_eq(
                    decode(coding, keel_buf_bytes(&out), keel_buf_size(&out), got, sizeof got),
                    size);
                ck_assert_mem_eq(got, text, size);
            }
            http_encoder_free(e);
            keel_buf_fini(&out);
        }
}
END_TEST

static void use_filter(struct http_settings *s)
{
    static const struct http_filter_use filters[] = {{.filter = &http_encode_filter},
                                                     {.filter = NULL}};
    server_use_filters(s, filters);
    s->sites.items[0].locations[0].filters_files = false;
}

static void set_up(void)
{
    script_started = script_ended = script_gone = 0;
    server_folder();
    server_file("n", "hello");
    server_start("listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"%s\" compress-min = 0 "
                 "compress = { \"gzip\", \"br\", \"zstd\" } location \"/\" { } }\n",
                 use_filter);
}

static void tear_down(void)
{
    server_stop();
    ck_assert_uint_eq(script_ended + script_gone, script_started);
}

/* Takes the chunks of the received body off. */
static size_t unchunk(const char *from, char *out)
{
    size_t n = 0, size;
    while ((size = strtoul(from, NULL, 16)) > 0) {
        from = strstr(from, "\r\n") + 2;
        memcpy(out + n, from, size);
        n += size;
        from += size + 2;
    }
    return n;
}

static void get(const char *path, const char *more)
{
    char text[256];
    int fd = client();
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, more);
    send_text(fd, text, strlen(text));
    for (unsigned i = 0; i < 400; i++) { /* a slice a turn */
        turns(1);
        if (script_ended + script_gone == script_started && i > 100)
            break;
    }
    answer(fd);
    close(fd);
}

START_TEST(test_stream)
{
    static const char *const names[] = {"gzip", "br", "zstd"};
    char *coded = keel_malloc(RECEIVED_MAX), *plain = keel_malloc(RECEIVED_MAX);
    for (unsigned i = 0; i < 3; i++) {
        char field[64];
        snprintf(field, sizeof field, "Accept-Encoding: %s\r\n", names[i]);
        get("/g", field);
        snprintf(field, sizeof field, "Content-Encoding: %s\r\n", names[i]);
        ck_assert_msg(strstr(received, field) != NULL, "%s", received);
        snprintf(field, sizeof field, "ETag: \"a-%s\"\r\n", names[i]);
        ck_assert_ptr_nonnull(strstr(received, field));
        ck_assert_ptr_nonnull(strstr(received, "Vary: Accept-Encoding\r\n"));
        ck_assert_ptr_null(strstr(received, "Content-Length"));
        ck_assert_ptr_null(strstr(received, "Accept-Ranges"));
        ck_assert(memcmp(received + received_size - 7, "\r\n0\r\n\r\n", 7) == 0);
        if (i == 1)
            continue; /* the system test decodes brotli */
        size_t n = unchunk(strstr(received, "\r\n\r\n") + 4, coded);
        n = decode(i == 0 ? HTTP_GZIP : HTTP_ZSTD, coded, n, plain, RECEIVED_MAX);
        ck_assert_uint_eq(n, PIECE * PIECES);
        for (size_t j = 0; j < n; j++)
            ck_assert_uint_eq((uint8_t)plain[j], h2_byte(j));
    }
    /* as it is, where the client wants that, but caches must know */
    get("/g", "");
    ck_assert_ptr_nonnull(strstr(received, "Vary: Accept-Encoding\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "Content-Length: 1049000\r\n"));
    ck_assert_ptr_null(strstr(received, "Content-Encoding"));
    keel_free(coded);
    keel_free(plain);
}
END_TEST

START_TEST(test_whole)
{
    char coded[256], plain[256];
    int fd = client();
    /* a whole answer; what has no type; a file; a HEAD */
    exchange(fd, "GET /s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    ck_assert_msg(strstr(received, "Content-Encoding: gzip\r\n") != NULL, "%s", received);
    size_t n = unchunk(strstr(received, "\r\n\r\n") + 4, coded);
    ck_assert_uint_eq(decode(HTTP_GZIP, coded, n, plain, sizeof plain), 1);
    ck_assert_int_eq(plain[0], '|');
    exchange(fd, "GET /c HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    ck_assert_ptr_null(strstr(received, "Content-Encoding"));
    exchange(fd, "HEAD /g HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(received, "Content-Encoding: gzip\r\n"));
    ck_assert_ptr_null(strstr(received, "Content-Length"));
    ck_assert_str_eq(strstr(received, "\r\n\r\n"), "\r\n\r\n");
    exchange(fd, "GET /n HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(received, "\r\n\r\nhello"));
    close(fd);
}
END_TEST

/* What a coding changes in a head, by what the handler said and the client asks for. */
START_TEST(test_heads)
{
#define TEXT "200+Content-Type:+text/plain"
#define GZIP "Accept-Encoding: gzip\r\n"
    static const struct {
        const char *answer, *more;
        unsigned status;
        bool coded;
        const char *has, *lacks; /* NULL: nothing */
    } rows[] = {
        {TEXT, GZIP, 200, true, "Vary: Accept-Encoding\r\n", "Content-Length"},
        {TEXT, "", 200, false, "Vary: Accept-Encoding\r\n", NULL},
        {TEXT, "Accept-Encoding: gzip;q=0\r\n", 200, false, "Vary: Accept-Encoding\r\n", NULL},
        {"404+Content-Type:+text/html", GZIP, 404, true, "Vary: Accept-Encoding\r\n", NULL},
        {"200+Content-Type:+image/png", GZIP, 200, false, "Content-Length: 26\r\n", "Vary"},
        {"200+X-A:+b", GZIP, 200, false, "X-A: b\r\n", "Vary"},
        /* parts, and none */
        {"206+Content-Type:+text/plain;Content-Range:+bytes+0-25/99;ETag:+'a'", GZIP, 206, false,
         "ETag: \"a\"\r\nVary: Accept-Encoding\r\n", NULL},
        {"206+Content-Type:+text/plain;Content-Range:+bytes+0-25/99", GZIP, 206, false,
         "Content-Length: 26\r\n", "Content-Encoding"},
        {"204+Content-Type:+text/plain", GZIP, 204, false, NULL, "Vary"},
        {"304+ETag:+'a'", GZIP, 304, false, "ETag: \"a\"\r\nVary: Accept-Encoding\r\n", NULL},
        {"304+Vary:+accept-encoding", GZIP, 304, false, "Vary: accept-encoding\r\n",
         "Vary: Accept-Encoding"},
        {"416+Content-Type:+text/plain;Content-Range:+bytes+*/26", GZIP, 416, false,
         "Content-Range: bytes */26\r\n", NULL},
        /* what is not to be touched */
        {TEXT ";Cache-Control:+no-transform", GZIP, 200, false, "Content-Length: 26\r\n", "Vary"},
        {TEXT ";Cache-Control:+public;Cache-Control:+max-age=1,+No-Transform", GZIP, 200, false,
         "Content-Length: 26\r\n", "Vary"},
        {TEXT ";Content-Encoding:+x", GZIP, 200, false, "Content-Encoding: x\r\n", "Vary"},
        {TEXT ";Content-Encoding:+gzip;ETag:+'a'", GZIP, 200, false, "ETag: \"a\"\r\n", "Vary"},
        /* tags */
        {TEXT ";ETag:+'a'", GZIP, 200, true, "ETag: \"a-gzip\"\r\n", "\"a\""},
        {TEXT ";ETag:+'a'", "", 200, false, "ETag: \"a\"\r\n", NULL},
        {TEXT ";ETag:+W/'a'", GZIP, 200, true, "ETag: W/\"a\"\r\n", NULL},
        {TEXT ";ETag:+'a'", GZIP "If-None-Match: \"a-gzip\"\r\n", 304, false,
         "ETag: \"a-gzip\"\r\n", "Content-"},
        {TEXT ";ETag:+'a'", GZIP "If-None-Match: \"x\", W/\"a-gzip\"\r\n", 304, false,
         "Vary: Accept-Encoding\r\n", "Content-"},
        {TEXT ";ETag:+W/'a'", GZIP "If-None-Match: W/\"a\"\r\n", 304, false, "ETag: W/\"a\"\r\n",
         "Content-"},
        {TEXT ";ETag:+'a'", GZIP "If-None-Match: \"a\"\r\n", 200, true, "\"a-gzip\"", NULL},
        {TEXT ";ETag:+'a'", GZIP "If-None-Match: \"a-br\"\r\n", 200, true, "\"a-gzip\"", NULL},
        {"404+Content-Type:+text/plain;ETag:+'a'", GZIP "If-None-Match: \"a-gzip\"\r\n", 404, true,
         NULL, NULL},
        /* other fields */
        {TEXT ";Vary:+Accept-Language", GZIP, 200, true, "Vary: Accept-Language\r\n", NULL},
        {TEXT ";Vary:+Accept-Language", GZIP, 200, true, "Vary: Accept-Encoding\r\n", NULL},
        {TEXT ";Vary:+*", GZIP, 200, true, "Vary: *\r\n", "Vary: Accept-Encoding"},
        {TEXT ";Vary:+Cookie;Vary:+accept-encoding", GZIP, 200, true, "accept-encoding\r\n",
         "Vary: Accept-Encoding"},
        {TEXT ";Accept-Ranges:+bytes", GZIP, 200, true, NULL, "Accept-Ranges"},
        {TEXT ";Content-Digest:+x;Repr-Digest:+y", GZIP, 200, true, NULL, "Digest"},
        {TEXT ";Content-Digest:+x;Repr-Digest:+y", "", 200, false, "Repr-Digest: y\r\n", NULL},
    };
    for (size_t i = 0; i < 4 * sizeof rows / sizeof *rows; i++) {
        size_t row = i / 4;
        bool get = i % 2;
        char text[512], status[16], plain[64], coded[256], *fields;
        snprintf(text, sizeof text, "%s /%c?%s HTTP/1.1\r\nHost: a\r\n%s\r\n", get ? "GET" : "HEAD",
                 i % 4 > 1 ? 'h' : 'w', rows[row].answer, rows[row].more);
        int fd = client();
        exchange(fd, text);
        close(fd);
        snprintf(status, sizeof status, "HTTP/1.1 %u ", rows[row].status);
        char *body = strstr(received, "\r\n\r\n");
        ck_assert_msg(body && strncmp(received, status, 13) == 0, "%s%s", text, received);
        body += 4;
        fields = strndup(received, (size_t)(body - received));
        ck_assert_msg(!rows[row].has || strstr(fields, rows[row].has), "%s%s", text, received);
        ck_assert_msg(!rows[row].lacks || !strstr(fields, rows[row].lacks), "%s%s", text, received);
        if (rows[row].coded)
            ck_assert_msg(count(fields, "Content-Encoding: gzip\r\n") == 1 &&
                              !strstr(fields, "Content-Length"),
                          "%s%s", text, received);
        bool empty = !get || rows[row].status == 304 || rows[row].status == 204;
        size_t n = empty || !rows[row].coded ? strlen(body) : unchunk(body, coded);
        if (!empty && rows[row].coded)
            n = decode(HTTP_GZIP, coded, n, plain, sizeof plain);
        ck_assert_msg(n == (empty ? 0 : 26), "%s%s", text, received);
        free(fields);
    }
}
END_TEST

START_TEST(test_gone)
{
    static const char text[] = "GET /g HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n";
    int fd = client();
    send_text(fd, text, sizeof text - 1);
    turns(5);
    close(fd);
    turns(5);
    ck_assert_uint_eq(script_started, 1);
}
END_TEST

START_TEST(test_no_memory)
{
    static const char *const rows[] = {
        "GET /g HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n",
        "GET /v HTTP/1.1\r\nHost: a\r\nAccept-Encoding: zstd\r\n\r\n"};
    server_starve(rows, sizeof rows / sizeof *rows, 60);
}
END_TEST

/* --- files that are compressed while they are sent --- */

#define LARGE 1000000 /* bytes that hardly shrink: more than a socket takes */
static char large[LARGE + 1];

static void set_up_file(void)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
    uint32_t seed = 1;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = letters[(seed = seed * 1103515245 + 12345) >> 27];
    server_folder();
    server_file("large.js", large);
    server_start("listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"%s\" "
                 "compress = { \"gzip\", \"zstd\" } }\n",
                 NULL);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

#define LARGE_BY(coding) "GET /large.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " coding "\r\n\r\n"

static int ask_for_file(unsigned n)
{
    int fd = client();
    send_text(fd, LARGE_BY("gzip"), sizeof LARGE_BY("gzip") - 1);
    turns(n);
    return fd;
}

static bool is_whole(void)
{
    return received_size > 7 && memcmp(received + received_size - 7, "\r\n0\r\n\r\n", 7) == 0;
}

/* What was received is all of the file, by this coding. */
static void check_file(enum http_coding coding)
{
    char *coded = keel_malloc(RECEIVED_MAX), *plain = keel_malloc(LARGE + 1);
    ck_assert_msg(is_whole(), "%zu: %.200s", received_size, received);
    size_t n = unchunk(strstr(received, "\r\n\r\n") + 4, coded);
    ck_assert_uint_eq(decode(coding, coded, n, plain, LARGE + 1), LARGE);
    ck_assert(memcmp(plain, large, LARGE) == 0);
    keel_free(coded);
    keel_free(plain);
}

static void check_request(void)
{
    int fd = client();
    exchange(fd, LARGE_BY("gzip"));
    check_file(HTTP_GZIP);
    exchange(fd, LARGE_BY("zstd"));
    check_file(HTTP_ZSTD);
    close(fd);
}

/* The client leaves, whatever is under way then. */
START_TEST(test_file_gone)
{
    for (unsigned n = 0; n < 40; n += 3) {
        int fd = ask_for_file(n);
        if (n % 2)
            ck_assert_int_gt(read(fd, received, sizeof received), -2);
        close(fd);
        turns(n % 4);
    }
    turns(5);
    ck_assert_uint_eq(keel_host_connections(host), 0);
    check_request();
}
END_TEST

/* What cannot be sent to its end does not look as if it had been. */
START_TEST(test_file_shrunk)
{
    int fd = ask_for_file(10);
    ck_assert_int_eq(truncate(path_of("large.js"), 100000), 0);
    answer(fd);
    ck_assert(closed && !is_whole());
    close(fd);
    struct h2_client h2;
    server_file("large.js", large);
    turns(3);
    h2_client_init(&h2, 0, true);
    struct h2_answer *got =
        h2_client_ask(&h2, "GET", "/large.js", "accept-encoding: gzip", NULL, 0);
    fd = client();
    talk(&h2, fd);
    ck_assert(got->status == 200 && strstr(got->head, "content-encoding: gzip\n") && !got->closed);
    ck_assert_int_eq(truncate(path_of("large.js"), 100000), 0);
    ck_assert_int_eq(nghttp2_submit_window_update(h2.session, 0, 0, 1 << 20), 0);
    ck_assert_int_eq(nghttp2_submit_window_update(h2.session, 0, got->id, 1 << 20), 0);
    talk(&h2, fd);
    ck_assert(got->closed && !got->ended && got->error == NGHTTP2_INTERNAL_ERROR);
    h2_client_fini(&h2);
    close(fd);
    server_file("large.js", large);
    turns(3);
    check_request();
}
END_TEST

/* Another file under its name: the answer goes on with the one that it began with. */
START_TEST(test_file_replaced)
{
    char other[256];
    server_file("other.js", "new");
    snprintf(other, sizeof other, "%s", path_of("other.js"));
    int fd = ask_for_file(10);
    ck_assert_int_eq(rename(other, path_of("large.js")), 0);
    answer(fd);
    check_file(HTTP_GZIP);
    exchange(fd, LARGE_BY("gzip"));
    ck_assert_ptr_nonnull(strstr(received, "\r\n\r\nnew"));
    close(fd);
}
END_TEST

/* The server ends while it reads and sends; tear_down waits for it. */
START_TEST(test_file_stopped)
{
    ask_for_file((unsigned)_i);
}
END_TEST

START_TEST(test_file_no_memory)
{
    static const char head[] =
        "HEAD /large.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    unsigned whole = 0, cut = 0;
    for (unsigned n = 1; n < 56; n++) {
        int fd = client();
        const char *text = n % 8 ? LARGE_BY("zstd") : head;
        turns(1);
        keel_mem_fail_at(n);
        send_text(fd, text, strlen(text));
        turns(8);
        keel_mem_fail_at(0);
        answer(fd);
        const char *body = strstr(received, "\r\n\r\n");
        if (text == head) {
            ck_assert(!body || received + received_size == body + 4);
        } else if (!closed) {
            check_file(HTTP_ZSTD);
            whole++;
        } else {
            ck_assert_msg(!is_whole(), "%u: %zu", n, received_size);
            cut++;
        }
        close(fd);
        turns(2);
    }
    ck_assert_msg(whole && cut, "%u %u", whole, cut);
    check_request();
}
END_TEST

Suite *encode_suite(void);
Suite *encode_suite(void)
{
    Suite *s = suite_create("httpd/handlers/encode");
    TCase *t = tcase_create("encoder");
    tcase_add_test(t, test_splits);
    suite_add_tcase(s, t);
    t = tcase_create("filter");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_stream);
    tcase_add_test(t, test_whole);
    tcase_add_test(t, test_heads);
    tcase_add_test(t, test_gone);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    t = tcase_create("files");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up_file, server_stop);
    tcase_add_test(t, test_file_gone);
    tcase_add_test(t, test_file_shrunk);
    tcase_add_test(t, test_file_replaced);
    tcase_add_loop_test(t, test_file_stopped, 0, 12);
    tcase_add_test(t, test_file_no_memory);
    suite_add_tcase(s, t);
    return s;
}
