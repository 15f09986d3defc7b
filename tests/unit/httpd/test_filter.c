/* Filters of modules, over socket pairs: what handlers answer and what files are, whole and in
 * ranges, under conditions and compressed behind them; filters that fail; memory running out. */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "common/base/mem.h"
#include "httpd/handlers/encode.h"
#include "httpd/serve/modules.h"
#include "tests/support/http_server.h"
#include "tests/support/script_module.h"
#include "tests/support/unit.h"

#define LARGE 300000
static char kind[2]; /* what the filter does now */

static void use_change(struct http_settings *s)
{
    static const struct http_filter_use filters[] = {
        {&script_change, kind}, {&script_mark, NULL}, {&http_encode_filter, NULL}, {NULL, NULL}};
    server_use_filters(s, filters);
}

static void use_exact(struct http_settings *s)
{
    static const struct http_filter_use filters[] = {
        {&script_exact, kind}, {&http_encode_filter, NULL}, {NULL, NULL}};
    server_use_filters(s, filters);
}

static void start(void (*use)(struct http_settings *s))
{
    static char large[LARGE + 1];
    memset(large, 'X', LARGE);
    script_started = script_ended = script_gone = 0;
    server_folder();
    server_file("n.txt", "Hello");
    server_file("n.bin", "Bytes");
    server_file("nlarge.txt", large);
    server_file("nlarge.bin", large);
    server_start("listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"%s\" compress-min = 0 "
                 "compress = { \"gzip\" } location \"/\" { } }\n",
                 use);
}

static void set_up(void)
{
    start(use_change);
}
static void set_up_exact(void)
{
    start(use_exact);
    turns(50); /* the tag of a file that has just changed is for the moment */
}

static void tear_down(void)
{
    server_stop();
    ck_assert_uint_eq(script_ended + script_gone, script_started);
    ck_assert_uint_eq(script_changes, 0);
}

static void ask(const char *what, const char *method, const char *path, const char *more)
{
    char text[512];
    int fd = client();
    strcpy(kind, what);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, path, more);
    exchange(fd, text);
    close(fd);
    turns(2);
}

static const char *body(void)
{
    return strstr(received, "\r\n\r\n") + 4;
}
static bool has(const char *field)
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s", field);
    const char *found = strstr(received, line);
    return found && found < body();
}

/* Takes the chunks of the received body off, in place: how much it is. */
static size_t unchunk(void)
{
    char *out = (char *)(uintptr_t)body(), *from = out, *begin = out;
    size_t n;
    while ((n = strtoul(from, &from, 16)) > 0) {
        memmove(out, from + 2, n);
        out += n;
        from += n + 4;
    }
    return (size_t)(out - begin);
}

/* In each way that a handler answers, and from files. */
START_TEST(test_changes)
{
    static const struct {
        const char *what, *path, *length, *body;
    } rows[] = {
        {"u", "/k", "12", "piecpiecpiec"},
        {"h", "/k", "12", "piecpiecpiec"},
        {"d", "/k", NULL, "ppiieeccppiieeccppiieecc"},
        {"x", "/k", NULL, "piecpiecpiec!"},
        {"d", "/c", NULL, "ppiieecceeppiieecceeppiieeccee"},
        {"d", "/s", NULL, "||"},
        {"h", "/s", "1", "|"},
        {"d", "/n.txt", NULL, "hheelllloo"},
        {"u", "/n.txt", "5", "hello"},
        {"x", "/x", NULL, "404 Not Found\n!"}, /* NEXT, later */
        {"d", "/none.txt", NULL, "440044  nnoott  ffoouunndd\n\n"},
        {"d", "/n.bin", "5", "Bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool declined = strstr(rows[i].path, ".bin");
        char length[64];
        ask(rows[i].what, "HEAD", rows[i].path, "");
        bool counted = has("Content-Length: ");
        ck_assert_msg(*body() == '\0' && counted == (rows[i].length != NULL), "%s", received);
        ask(rows[i].what, "GET", rows[i].path, "");
        snprintf(length, sizeof length, "Content-Length: %s\r\n",
                 rows[i].length ? rows[i].length : "");
        ck_assert_msg(counted ? has(length) : has("Transfer-Encoding: chunked\r\n"), "row %zu: %s",
                      i, received);
        size_t n = counted ? strlen(body()) : unchunk();
        ck_assert_msg(n == strlen(rows[i].body) && memcmp(body(), rows[i].body, n) == 0,
                      "row %zu: %s", i, received);
        ck_assert(has("X-Mark: yes\r\n"));
        ck_assert(has("ETag: ") == declined && has("Last-Modified: ") == declined);
    }
}
END_TEST

START_TEST(test_large)
{
    for (unsigned i = 0; i < 2; i++) {
        ask("u", "GET", "/nlarge.txt", i ? "Range: bytes=5-9\r\n" : "");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0 && has("Content-Length: 300000\r\n"));
        ck_assert(!has("ETag: ") && !has("Accept-Ranges"));
        ck_assert_uint_eq(strspn(body(), "x"), LARGE);
        ck_assert_uint_eq(received_size - (size_t)(body() - received), LARGE);
    }
    ask("d", "GET", "/nlarge.txt", "");
    ck_assert_uint_eq(unchunk(), (size_t)2 * LARGE);
    ask("d", "HEAD", "/nlarge.txt", "");
    ck_assert(!has("Content-Length: ") && *body() == '\0');
    /* nothing for it: sent as ever */
    ask("d", "GET", "/nlarge.bin", "Range: bytes=5-9\r\n");
    ck_assert(has("Content-Range: bytes 5-9/300000\r\n") && has("X-Mark: yes\r\n"));
    ck_assert_str_eq(body(), "XXXXX");
    ask("d", "GET", "/nlarge.bin", "Range: bytes=0-99999,200000-\r\n");
    ck_assert(strncmp(received, "HTTP/1.1 206 ", 13) == 0 && has("X-Mark: yes\r\n"));
    ask("d", "GET", "/nlarge.bin", "");
    ck_assert(has("ETag: ") && received_size > LARGE);
    ask("g", "GET", "/g", "");
    ck_assert(received_size > PIECE * PIECES);
}
END_TEST

/* The value of the ETag in what was received. */
static void take_etag(char *out)
{
    const char *p = strstr(received, "\r\nETag: ");
    sscanf(p ? p + 8 : "", "%60[^\r]", out);
}

START_TEST(test_conditions)
{
    char etag[64] = "", line[128];
    ask("d", "GET", "/n.bin", "");
    take_etag(etag);
    snprintf(line, sizeof line, "If-None-Match: %s\r\n", etag);
    ask("d", "GET", "/n.bin", line);
    ck_assert(strncmp(received, "HTTP/1.1 304 ", 13) == 0 && has("X-Mark: yes\r\n"));
    /* nobody can have what the filter makes by the file's own tag */
    kind[0] = 'd';
    for (unsigned i = 0; i < 2; i++) {
        const char *path = i ? "/nlarge.txt" : "/n.txt";
        ask("d", "GET", path, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0);
        ask("d", "GET", path, "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0);
        ask("d", "GET", path, "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0);
        ask("d", "GET", path, "If-None-Match: \"x\"\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0);
        ask("d", "GET", path, "If-Match: \"x\"\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 412 ", 13) == 0);
        ask("d", "GET", path, "If-None-Match: *\r\n");
        ck_assert_msg(strncmp(received, "HTTP/1.1 304 ", 13) == 0, "%s", received);
        ck_assert(!has("ETag: ") && !has("Last-Modified: ") && *body() == '\0');
    }
}
END_TEST

/* A filter that has a tag of its own for what it makes. */
START_TEST(test_exact)
{
    for (unsigned i = 0; i < 4; i++) {
        const char *path = i % 2 ? "/nlarge.txt" : "/n.txt";
        char coding[64], etag[64] = "", line[128];
        snprintf(coding, sizeof coding, "Accept-Encoding: %s\r\n", i > 1 ? "gzip" : "identity");
        ask("x", "GET", path, coding);
        ck_assert(has("ETag: ") && has("Last-Modified: ") && has("Vary: Accept-Encoding\r\n"));
        ck_assert(has("Content-Encoding: gzip\r\n") == (i > 1) && !has("Content-Length: "));
        take_etag(etag);
        ck_assert_ptr_nonnull(strstr(etag, i > 1 ? "-x-gzip\"" : "-x\""));
        snprintf(line, sizeof line, "%sIf-None-Match: %s\r\n", coding, etag);
        ask("x", "GET", path, line);
        ck_assert_msg(strncmp(received, "HTTP/1.1 304 ", 13) == 0, "%s %s", line, received);
        snprintf(line, sizeof line, "ETag: %s\r\n", etag);
        ck_assert_msg(has(line) && *body() == '\0', "%s", received);
        ask("x", "GET", path, "Range: bytes=0-1\r\n");
        ck_assert(strncmp(received, "HTTP/1.1 200 ", 13) == 0);
    }
}
END_TEST

/* Compression comes behind: of what a cache holds compressed, too. */
START_TEST(test_compressed)
{
    static const char *const paths[] = {"/n.txt", "/nlarge.txt"};
    static uint8_t plain[2 * LARGE];
    for (unsigned i = 0; i < 4; i++) {
        ask("d", "GET", paths[i % 2], "Accept-Encoding: gzip\r\n");
        ck_assert(has("Content-Encoding: gzip\r\n") && has("Vary: Accept-Encoding\r\n"));
        ck_assert(!has("ETag: ") && !has("Content-Length: "));
        z_stream z = {.next_in = (void *)(uintptr_t)body(), .avail_in = (uInt)unchunk()};
        z.next_out = plain;
        z.avail_out = sizeof plain;
        ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
        ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        inflateEnd(&z);
        ck_assert_uint_eq(z.total_out, i % 2 ? 2 * LARGE : 10);
        ck_assert_mem_eq(plain, i % 2 ? "xxxx" : "hhee", 4);
    }
}
END_TEST

/* Whatever a filter does wrong, the answer does not look complete. */
START_TEST(test_failures)
{
    static const char *const paths[] = {"/nlarge.txt", "/g", "/k", "/n.txt", "/s"};
    static const char *const kinds[] = {"f", "e", "s", "l"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t j = 0; j < sizeof paths / sizeof *paths; j++) {
            if (*kinds[i] == 'f' && j >= 2)
                continue;
            ask(kinds[i], "GET", paths[j], "");
            const char *length = strstr(received, "Content-Length: ");
            const char *begin = strstr(received, "\r\n\r\n");
            ck_assert_msg(closed, "%s %s", kinds[i], paths[j]);
            ck_assert_ptr_null(strstr(received, "0\r\n\r\n"));
            if (length && begin)
                ck_assert_uint_lt(received_size - (size_t)(begin + 4 - received),
                                  strtoul(length + 16, NULL, 10) + (*kinds[i] == 'l'));
            turns(2);
        }
    ask("n", "GET", "/k", "");
    ck_assert(strncmp(received, "HTTP/1.1 503 ", 13) == 0);
    ask("n", "GET", "/n.txt", "");
    ck_assert(strncmp(received, "HTTP/1.1 503 ", 13) == 0);
}
END_TEST

START_TEST(test_h2)
{
    struct h2_client h2;
    int fd = client();
    h2_client_init(&h2, 0, false);
    strcpy(kind, "d");
    struct h2_answer *known = h2_client_ask(&h2, "GET", "/k", NULL, NULL, 0);
    struct h2_answer *file = h2_client_ask(&h2, "GET", "/n.txt", NULL, NULL, 0);
    struct h2_answer *large = h2_client_ask(&h2, "GET", "/nlarge.txt", "range: bytes=1-2", NULL, 0);
    struct h2_answer *head = h2_client_ask(&h2, "HEAD", "/nlarge.txt", NULL, NULL, 0);
    struct h2_answer *part = h2_client_ask(&h2, "GET", "/n.bin", "range: bytes=1-2", NULL, 0);
    struct h2_answer *none = h2_client_ask(&h2, "GET", "/0", NULL, NULL, 0);
    talk(&h2, fd);
    ck_assert(known->ended && strcmp(known->text, "ppiieeccppiieeccppiieecc") == 0);
    ck_assert(file->ended && strcmp(file->text, "hheelllloo") == 0);
    ck_assert(large->ended && large->status == 200 && large->size == (size_t)2 * LARGE);
    ck_assert(head->ended && head->size == 0 && !strstr(head->head, "content-length"));
    ck_assert(part->status == 206 && strcmp(part->text, "yt") == 0);
    ck_assert(none->ended && none->status == 204 && strstr(none->head, "x-mark: yes"));
    strcpy(kind, "f");
    struct h2_answer *cut = h2_client_ask(&h2, "GET", "/nlarge.txt", NULL, NULL, 0);
    talk(&h2, fd);
    strcpy(kind, "s");
    struct h2_answer *less = h2_client_ask(&h2, "GET", "/k", NULL, NULL, 0);
    talk(&h2, fd);
    ck_assert(cut->status == 200 && cut->closed && !cut->ended && cut->error != 0);
    ck_assert(less->closed && !less->ended && less->error != 0);
    ck_assert(!closed);
    h2_client_fini(&h2);
    close(fd);
    turns(2);
}
END_TEST

/* The client goes while the filter holds all that it got. */
START_TEST(test_gone)
{
    static const char *const rows[] = {"GET /g HTTP/1.1\r\nHost: a\r\n\r\n",
                                       "GET /nlarge.txt HTTP/1.1\r\nHost: a\r\n\r\n"};
    for (size_t i = 0; i < 4; i++) {
        int fd = client();
        strcpy(kind, i > 1 ? "h" : "d");
        send_text(fd, rows[i % 2], strlen(rows[i % 2]));
        turns(4);
        close(fd);
        turns(10);
        ck_assert_uint_eq(script_changes, 0);
    }
}
END_TEST

START_TEST(test_no_memory)
{
    static const char *const rows[] = {
        "GET /k HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /s HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /n.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nlarge.txt HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /n.txt HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n"};
    strcpy(kind, "x");
    server_starve(rows, sizeof rows / sizeof *rows, 24);
}
END_TEST

/* --- records of other versions --- */

START_TEST(test_records)
{
    static const struct http_filter *none[] = {NULL};
    struct http_filter filter = script_mark;
    const struct http_filter *filters[] = {&filter, NULL};
    struct http_handler handler = {HTTP_HANDLER, .name = "x", .respond = http_module.respond,
                                   .filters = filters};
    const uint32_t handler_1_0 = offsetof(struct http_handler, filters);
    const uint32_t filter_1_0 = offsetof(struct http_filter, configure);
    const struct {
        uint32_t size, minor, filter_size, filter_minor;
        uint16_t major;
        const char *words; /* NULL: it is taken */
    } rows[] = {
        {sizeof handler, HTTP_ABI_MINOR, sizeof filter, HTTP_ABI_MINOR, 1, NULL},
        {sizeof handler, HTTP_ABI_MINOR, filter_1_0, 0, 1, NULL},
        {handler_1_0, 0, sizeof filter, HTTP_ABI_MINOR, 1, NULL},
        {0, 0, 0, 0, 1, "0 bytes"},
        {4, 0, 0, 0, 1, "4 bytes, at least"},
        {handler_1_0 - 1, 0, 0, 0, 1, "compile the module with the headers of this httpd"},
        {handler_1_0, HTTP_ABI_MINOR, 0, 0, 1, "bytes, those of ABI 1.1 have"},
        {sizeof handler + 8, HTTP_ABI_MINOR, 0, 0, 1, "those of ABI 1.1"},
        {sizeof handler + 8, HTTP_ABI_MINOR + 1, 0, 0, 1, "newer than this httpd's"},
        {sizeof handler, HTTP_ABI_MINOR, 0, 0, 2, "of ABI 2.1, this httpd has 1.1"},
        {sizeof handler, HTTP_ABI_MINOR, filter_1_0 - 8, 0, 1, "its filter does not fit"},
        {sizeof handler, HTTP_ABI_MINOR, filter_1_0, HTTP_ABI_MINOR, 1, "its filter"},
        {sizeof handler, HTTP_ABI_MINOR, sizeof filter, HTTP_ABI_MINOR + 1, 1, "newer"},
        {sizeof handler, HTTP_ABI_MINOR, 2, 0, 1, "its filter does not fit: it has 2 bytes"},
    };
    struct http_module module;
    struct keel_arena arena;
    struct keel_diag diag;
    keel_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        handler.size = rows[i].size;
        handler.abi_major = rows[i].major;
        handler.abi_minor = (uint16_t)rows[i].minor;
        filter.size = rows[i].filter_size;
        filter.abi_minor = (uint16_t)rows[i].filter_minor;
        memset(&module, 0, sizeof module);
        int err = http_module_check(&arena, &handler, &module, &diag);
        ck_assert_msg(err == (rows[i].words ? KEEL_ENOTSUP : 0), "row %zu: %s", i, diag.text);
        ck_assert_msg(err == 0 || strstr(diag.text, rows[i].words), "row %zu: %s", i, diag.text);
        if (err)
            continue;
        ck_assert_uint_eq(module.filter_count, handler.size == handler_1_0 ? 0 : 1);
        if (rows[i].filter_minor == 0 && module.filter_count)
            ck_assert(!module.filters[0]->configure && !module.filters[0]->exact);
    }
    handler = (struct http_handler){HTTP_HANDLER, .name = "x", .filters = none};
    memset(&module, 0, sizeof module);
    ck_assert_int_eq(http_module_check(&arena, &handler, &module, &diag), KEEL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(diag.text, "respond is missing"));
    keel_arena_fini(&arena);
}
END_TEST

Suite *filter_suite(void);
Suite *filter_suite(void)
{
    Suite *s = suite_create("httpd/request/filter");
    TCase *t = tcase_create("filter");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_changes);
    tcase_add_test(t, test_large);
    tcase_add_test(t, test_conditions);
    tcase_add_test(t, test_compressed);
    tcase_add_test(t, test_failures);
    tcase_add_test(t, test_h2);
    tcase_add_test(t, test_gone);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    t = tcase_create("exact");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up_exact, tear_down);
    tcase_add_test(t, test_exact);
    suite_add_tcase(s, t);
    t = tcase_create("records");
    tcase_add_test(t, test_records);
    suite_add_tcase(s, t);
    return s;
}
