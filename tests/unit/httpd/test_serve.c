/* Connections through the core's host, over socket pairs: pipelining, bodies, limits, deadlines,
 * backpressure, draining; and what configurations are refused. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/service/host.h"
#include "common/service/options.h"
#include "httpd/options.h"
#include "httpd/serve/metrics.h"
#include "httpd/serve/serve.h"
#include "httpd/serve/settings.h"
#include "httpd/serve/worker.h"
#include "tests/support/h2_client.h"
#include "tests/support/http_server.h"
#include "tests/support/unit.h"

static bool drained;

static void set_up(void)
{
    static char large[1000001], middle[40001];
    server_folder();
    server_file("a.txt", "hello");
    for (unsigned i = 0; i < 100000; i++)
        sprintf(large + 10 * i, "%09u\n", i);
    server_file("large", large);
    memcpy(middle, large, 40000);
    server_file("middle", middle);
    server_start("listen = \"127.0.0.1:0\"\nheader-timeout = 1s\nbody-timeout = 1s\n"
                 "keepalive-timeout = 2s\nsend-timeout = 1s\nmax-discarded-body = 1k\n"
                 "site \"a\" { root = \"%s\"\n location \"/old/\" { redirect = \"302 /new/\" } }\n",
                 NULL);
}

static void tear_down(void)
{
    server_stop();
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

START_TEST(test_keep_alive)
{
    int fd = client();
    for (unsigned i = 0; i < 3; i++) {
        const char *text = exchange(fd, GET("/a.txt"));
        ck_assert(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0 && !closed);
        ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nhello"));
        ck_assert_ptr_null(strstr(text, "Connection:"));
    }
    ck_assert_uint_eq(keel_host_connections(host), 1);
    exchange(fd, "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ck_assert(closed && strstr(received, "Connection: close\r\n\r\nhello"));
    close(fd);
    fd = client();
    exchange(fd, "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert(!closed && strstr(received, "Connection: keep-alive\r\n\r\nhello"));
    exchange(fd, "GET /a.txt HTTP/1.0\r\n\r\n");
    ck_assert(closed && strstr(received, "Connection: close\r\n\r\nhello"));
    close(fd);
}
END_TEST

START_TEST(test_pipeline)
{
    int fd = client();
    const char *text = exchange(fd, GET("/a.txt") GET("/none") GET("/a.txt") GET("/old/x?y"));
    ck_assert_uint_eq(count(text, "HTTP/1.1 200 OK"), 2);
    ck_assert_uint_eq(count(text, "HTTP/1.1 404 Not Found"), 1);
    ck_assert_uint_eq(count(text, "Location: /new/x?y\r\n"), 1);
    ck_assert(strstr(text, " 200 ") < strstr(text, " 404 "));
    /* behind "close" nothing is answered */
    text =
        exchange(fd, "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/a.txt"));
    ck_assert_uint_eq(count(text, "HTTP/1.1 "), 1);
    ck_assert(closed);
    close(fd);
}
END_TEST

START_TEST(test_byte_by_byte)
{
    int fd = client();
    static const char text[] = GET("/a.txt") "POST /a.txt HTTP/1.1\r\nHost: a\r\n"
                                             "Content-Length: 3\r\n\r\nabc" GET("/a.txt");
    for (size_t i = 0; i < sizeof text - 1; i++) {
        send_text(fd, text + i, 1);
        turns(1);
    }
    answer(fd);
    ck_assert_uint_eq(count(received, "HTTP/1.1 200 OK"), 2);
    ck_assert_uint_eq(count(received, "HTTP/1.1 405 "), 1);
    close(fd);
}
END_TEST

START_TEST(test_bodies)
{
    int fd = client();
    const char *text = exchange(fd, "POST /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
                                    "\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET("/a.txt"));
    ck_assert_uint_eq(count(text, "HTTP/1.1 405 "), 1);
    ck_assert_uint_eq(count(text, "HTTP/1.1 200 "), 1);
    ck_assert(!closed);
    /* longer than what is dropped: answered, then closed */
    exchange(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    ck_assert(closed && strstr(received, " 405 ") && strstr(received, "Connection: close\r\n"));
    close(fd);
    fd = client();
    static char chunk[3000] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t head = strlen(chunk);
    memset(chunk + head, 'x', sizeof chunk - head);
    memcpy(chunk + head, "ffff\r\n", 6);
    send_text(fd, chunk, sizeof chunk);
    answer(fd);
    ck_assert(closed && strstr(received, " 405 "));
    close(fd);
    /* nobody waits for 100 in vain */
    fd = client();
    exchange(fd, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    ck_assert(closed && strstr(received, " 405 ") && strstr(received, "Connection: close\r\n"));
    close(fd);
}
END_TEST

START_TEST(test_bad)
{
    static const struct {
        const char *text;
        const char *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {"\x16\x03\x01", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 "},
        {"GET /../x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "},
        {GET("/a.txt") "garbage\r\n\r\n", "HTTP/1.1 400 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        const char *text = exchange(fd, rows[i].text);
        ck_assert_msg(strstr(text, rows[i].status) && closed, "row %zu: %s", i, text);
        ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
        close(fd);
    }
    /* a long line, and garbage without end */
    static char junk[100000];
    memset(junk, 'a', sizeof junk);
    int fd = client();
    (void)!write(fd, junk, sizeof junk);
    answer(fd);
    ck_assert(closed && strstr(received, "HTTP/1.1 414 "));
    close(fd);
}
END_TEST

/* Turns until the server closes; returns how long that took, in tenths of a second. */
static unsigned time_until_closed(int fd, int drip)
{
    uint64_t start = keel_clock_monotonic(), last = start;
    received_size = 0;
    for (closed = false; !closed && keel_clock_monotonic() - start < 8 * KEEL_NS_PER_S;) {
        turns(1);
        if (drip && keel_clock_monotonic() - last > KEEL_NS_PER_S / 10) {
            last = keel_clock_monotonic();
            (void)!send(fd, "x", 1, MSG_NOSIGNAL);
        }
        ssize_t n = read(fd, received + received_size, sizeof received - 1 - received_size);
        closed = n == 0;
        received_size += n > 0 ? (size_t)n : 0;
    }
    received[received_size] = '\0';
    ck_assert(closed);
    return (unsigned)((keel_clock_monotonic() - start) / (KEEL_NS_PER_S / 10));
}

/* The rules and pages of the site for hosts that no site has are for what is malformed, too; those
 * of the site asked for when only the path is. */
START_TEST(test_bad_rules)
{
    static const struct {
        const char *text;
        bool first;
    } rows[] = {
        {"garbage\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false},
        {"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET /../x HTTP/1.1\r\nHost: b\r\n\r\n", false},
        {"GET /../x HTTP/1.1\r\nHost: none\r\n\r\n", false},
    };
    server_folder();
    server_file("page", "a page\n");
    server_start(
        "listen = \"127.0.0.1:0\"\nsite \"a\" { headers = { \"X-Site: a\" } }\n"
        "site \"b\" { default = true headers = { \"X-Site: b\", \"-Server\" } root = \"%s\"\n"
        "error-pages = { \"400 page\" } location \"/\" { headers = { \"X-More: c\" } } }\n",
        NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        const char *text = exchange(fd, rows[i].text);
        ck_assert(strncmp(text, "HTTP/1.1 400 ", 13) == 0);
        ck_assert_msg(count(text, rows[i].first ? "X-Site: a\r\n" : "X-Site: b\r\n") == 1, "%s",
                      text);
        ck_assert(count(text, "Server: ") == rows[i].first && !strstr(text, "X-More"));
        ck_assert(!rows[i].first == (strstr(text, "\r\n\r\na page\n") != NULL));
        close(fd);
    }
    server_stop();
}
END_TEST

START_TEST(test_deadlines)
{
    int fd = client(); /* says nothing */
    ck_assert_uint_le(time_until_closed(fd, 0), 25);
    ck_assert_str_eq(received, "");
    close(fd);
    fd = client(); /* a byte now and then does not help */
    send_text(fd, "GET /", 5);
    ck_assert_uint_le(time_until_closed(fd, 1), 25);
    ck_assert_ptr_nonnull(strstr(received, "HTTP/1.1 408 "));
    close(fd);
    fd = client();
    exchange(fd, "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n");
    ck_assert(!closed && strstr(received, " 405 "));
    ck_assert_uint_le(time_until_closed(fd, 1), 25);
    close(fd);
    fd = client();
    exchange(fd, GET("/a.txt"));
    unsigned idle = time_until_closed(fd, 0);
    ck_assert(idle >= 19 && idle <= 35);
    ck_assert_str_eq(received, "");
    close(fd);
}
END_TEST

START_TEST(test_large)
{
    int fd = client();
    exchange(fd, GET("/large"));
    ck_assert_ptr_nonnull(strstr(received, "Content-Length: 1000000\r\n"));
    const char *body = strstr(received, "\r\n\r\n") + 4;
    ck_assert_uint_eq(received_size - (size_t)(body - received), 1000000);
    ck_assert(memcmp(body + 999990, "000099999\n", 10) == 0);
    /* two at once: the second is read when the first has left */
    exchange(fd, GET("/large") GET("/large"));
    ck_assert_uint_eq(count(received, "\n000099999\n"), 2);
    ck_assert(received_size > 2000000 && !closed);
    /* borrowed from the cache, alone and with Connection */
    exchange(fd, GET("/middle") GET("/middle"));
    ck_assert_uint_eq(count(received, "\n000003999\n"), 2);
    exchange(fd, "GET /middle HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ck_assert(closed && count(received, "\n000003999\n") == 1);
    close(fd);
}
END_TEST

/* A client that asks and asks and does not read: the server stops reading it, and ends it. */
START_TEST(test_backpressure)
{
    static const char ask[] = GET("/large");
    int fd = client();
    unsigned sent = 0;
    for (unsigned quiet = 0; quiet < 50;) {
        ssize_t n = write(fd, ask, sizeof ask - 1);
        quiet = n == (ssize_t)sizeof ask - 1 ? 0 : quiet + 1;
        sent += n == (ssize_t)sizeof ask - 1;
        turns(1);
    }
    ck_assert_uint_gt(sent, 10);
    uint64_t requests = metrics.cells[metrics.offsets[0]];
    ck_assert_uint_lt(requests, sent);
    for (unsigned i = 0; i < 8000 && keel_host_connections(host) > 0; i++)
        turns(1);
    ck_assert_uint_eq(keel_host_connections(host), 0);
    close(fd);
}
END_TEST

static void on_drained(void *arg)
{
    drained = true;
}

START_TEST(test_drain)
{
    int idle = client(), busy = client();
    exchange(idle, GET("/a.txt"));
    exchange(busy, "GET /a.txt HT");
    drained = false;
    keel_host_drain(host, 10 * KEEL_NS_PER_S, on_drained, NULL);
    turns(3);
    /* what comes during the drain is answered, and told that it is the last */
    exchange(busy, "TP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(closed && strstr(received, " 200 OK") && strstr(received, "Connection: close\r\n"));
    close(busy);
    ck_assert(!drained);
    ck_assert_uint_le(time_until_closed(idle, 0), 20);
    close(idle);
    for (unsigned i = 0; i < 1000 && !drained; i++)
        turns(1);
    ck_assert(drained);
}
END_TEST

START_TEST(test_metrics)
{
    int fd = client();
    exchange(fd, GET("/a.txt") GET("/none"));
    struct keel_buf out = {0};
    ck_assert_int_eq(keel_metric_print(http_metrics, metrics.offsets, metrics.cells, false, &out),
                     0);
    const char *text = keel_buf_text(&out);
    ck_assert_ptr_nonnull(strstr(text, "httpd_requests_total 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "httpd_responses_total{class=\"2xx\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "httpd_responses_total{class=\"4xx\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "httpd_request_seconds_count 2\n"));
    keel_buf_fini(&out);
    close(fd);
}
END_TEST

START_TEST(test_configurations)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"listen = \"127.0.0.1:0\"", "no site"},
        {"site \"a\" { root = \"/\" }", "no address"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"/nonexistent\" }",
         "httpd.conf:2: site \"a\": root: cannot open \"/nonexistent\": No such file"},
        {"listen = \"127.0.0.1:0 tls\"\nsite \"a\" { root = \"/\" }", "tls needs a site"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { certificate = \"/nonexistent\" }", "certificate"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { key = \"/etc/passwd\" }", "key without"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { default = true }\nsite \"b\" { default = true }",
         "httpd.conf:3: site \"b\": default: site \"a\" is the default"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { location \"x\" { } }", "must begin with \"/\""},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { index = { \"a/b\" } }", "without \"/\""},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { location \"/\" { redirect = \"/x\" } }", "STATUS"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { location \"/\" { redirect = \"300 /x\" } }",
         "STATUS"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { location \"/\" { redirect = \"301 /x y\" } }",
         "URI reference"},
        {"listen = \"127.0.0.1:0\"\nsite \"a\" { location \"/\" { proxy = \"x\" } }", "support"},
        {"upstream \"a\" { }", "support"},
#define SITE(text) "listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"/\"\n" text " }"
#define LOCATION(text) SITE("location \"/\" { " text " }")
        {SITE("compress = { \"deflate\" }"), "\"gzip\" expected, not \"deflate\""},
        {SITE("compress = { \"br\", \"br\" }"), "twice"},
        {SITE("charset = \"a b\""), "a name"},
        {SITE("error-pages = { \"404\" }"), "STATUS FILE"},
        {SITE("error-pages = { \"399 /x\" }"), "STATUS FILE"},
        {SITE("error-pages = { \"404 /none\" }"), "cannot read \"///none\": No such file"},
        {SITE("error-pages = { \"404 /etc/passwd\", \"404 /etc/passwd\" }"), "twice"},
        {LOCATION("headers = { \"X\" }"), "Name: value"},
        {LOCATION("headers = { \"X: a\\nb\" }"), "Name: value"},
        {LOCATION("headers = { \"X y: a\" }"), "Name: value"},
        {LOCATION("headers = { \"Content-Length: 1\" }"), "set by httpd"},
        {LOCATION("request-rate = \"10\""), "NUMBER/s"},
        {LOCATION("request-rate = \"0/s\""), "NUMBER/s"},
        {LOCATION("request-rate = \"10/h\""), "NUMBER/s"},
        {LOCATION("deny = { \"192.0.2.1/24\" }"), "deny"},
        {LOCATION("cache-control = \"\""), "field value"},
        {LOCATION("try-files = { \"index.html\" }"), "$path or a path"},
        {LOCATION("try-files = { \"/../x\" }"), "$path or a path"},
        {"listen = \"127.0.0.1:0\"\naccess-log { }\nsite \"a\" { root = \"/\" }", "file"},
        {"listen = \"127.0.0.1:0\"\naccess-log { file = \"x\" format = \"%{x}\" }\n"
         "site \"a\" { root = \"/\" }",
         "unknown value"},
        {"listen = \"127.0.0.1:0\"\nmax-header = 1g\nsite \"a\" { root = \"/\" }", "max-header"},
    };
    struct keel_diag diag;
    void *before = settings;
    size_t size = sizeof rows / sizeof *rows;
    for (size_t i = 0; i < size; i++) {
        settings = NULL;
        diag.text[0] = '\0';
        int err = configure(rows[i].text, &diag);
        ck_assert_msg(err == KEEL_ECONF && strstr(diag.text, rows[i].error), "row %zu: %d \"%s\"",
                      i, err, diag.text);
        ck_assert_ptr_null(settings);
    }
    settings = before;
}
END_TEST

/* A configuration is made of memory that may run out at any point. */
START_TEST(test_configure_no_memory)
{
    char text[512];
    struct keel_diag diag;
    void *before = settings;
    bool done = false;
    snprintf(text, sizeof text,
             "listen = \"127.0.0.1:0\"\nsite \"a\" { root = \"%s\" names = { \"b\", \"c\" }\n"
             "location \"/x/\" { autoindex = true headers = { \"X: y\" } cache-control = \"no\"\n"
             "allow = { \"::/0\" } deny = { \"192.0.2.1\" } request-rate = \"5/s\"\n"
             "try-files = { \"$path\", \"/a\" } } error-pages = { \"404 /a.txt\" }\n"
             "compress = { \"br\" } location \"/y/\" { redirect = \"301 /z\" } }\n",
             folder);
    for (unsigned n = 1; !done && n < 1000; n++) {
        settings = NULL;
        keel_mem_fail_at(n);
        int err = configure(text, &diag);
        keel_mem_fail_at(0);
        done = err == 0;
        ck_assert(err == 0 || err == KEEL_ENOMEM);
        http_settings_free(settings);
    }
    ck_assert(done);
    settings = before;
}
END_TEST

/* --- HTTP/2 --- */

START_TEST(test_h2)
{
    struct h2_client h2;
    uint8_t hello[512];
    int fd = client();
    h2_client_init(&h2, 0, false);
    const uint8_t *bytes;
    ssize_t n = nghttp2_session_mem_send(h2.session, &bytes);
    ck_assert(n > 0 && n < (ssize_t)sizeof hello);
    memcpy(hello, bytes, (size_t)n);
    for (ssize_t i = 0; i < n; i++) { /* the preface byte by byte */
        send_text(fd, (char *)hello + i, 1);
        turns(1);
    }
    struct h2_answer *small = h2_client_ask(&h2, "GET", "/a.txt", NULL, NULL, 0);
    struct h2_answer *large = h2_client_ask(&h2, "GET", "/large", NULL, NULL, 0);
    struct h2_answer *middle = h2_client_ask(&h2, "HEAD", "/middle", NULL, NULL, 0);
    struct h2_answer *part = h2_client_ask(&h2, "GET", "/middle", "range: bytes=10-19", NULL, 0);
    struct h2_answer *none = h2_client_ask(&h2, "GET", "/none", NULL, NULL, 0);
    struct h2_answer *moved = h2_client_ask(&h2, "GET", "/old/x?y", NULL, NULL, 0);
    struct h2_answer *escape = h2_client_ask(&h2, "GET", "/../a.txt", NULL, NULL, 0);
    struct h2_answer *post = h2_client_ask(&h2, "POST", "/a.txt", NULL, "body", 4);
    talk(&h2, fd);
    ck_assert(small->status == 200 && strcmp(small->text, "hello") == 0);
    ck_assert(large->status == 200 && large->size == 1000000 && large->ended);
    ck_assert(middle->status == 200 && middle->size == 0 && middle->ended);
    ck_assert_ptr_nonnull(strstr(middle->head, "content-length: 40000\n"));
    ck_assert(part->status == 206 && strcmp(part->text, "000000001\n") == 0);
    ck_assert_uint_eq(none->status, 404);
    ck_assert(moved->status == 302 && strstr(moved->head, "location: /new/x?y\n"));
    ck_assert_uint_eq(escape->status, 400);
    ck_assert(post->status == 405 && post->closed);
    struct h2_answer *again = h2_client_ask(&h2, "GET", "/a.txt", "x: y", NULL, 0);
    talk(&h2, fd);
    ck_assert(again->status == 200 && !closed);
    /* a client that says goodbye is let go */
    nghttp2_session_terminate_session(h2.session, NGHTTP2_NO_ERROR);
    talk(&h2, fd);
    ck_assert(closed);
    h2_client_fini(&h2);
    close(fd);
    /* not in the middle of HTTP/1 */
    fd = client();
    exchange(fd, GET("/a.txt"));
    exchange(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ck_assert(closed && strstr(received, "HTTP/1.1 505 "));
    close(fd);
    fd = client();
    exchange(fd, GET("/a.txt") "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ck_assert(closed && strstr(received, "HTTP/1.1 505 "));
    close(fd);
}
END_TEST

static int most_pending(void *arg, struct keel_connection *connection)
{
    size_t pending = keel_stream_pending(&connection->stream);
    if (pending > *(size_t *)arg)
        *(size_t *)arg = pending;
    return 0;
}

/* Windows as wide as they go, and a client that does not read: what waits for it is bounded, and so
 * is the time. */
START_TEST(test_h2_backpressure)
{
    static uint8_t bytes[1 << 16];
    struct h2_client h2;
    size_t most = 0;
    int fd = client();
    h2_client_init(&h2, INT32_MAX, false);
    nghttp2_submit_window_update(h2.session, 0, 0, INT32_MAX - 65535);
    for (unsigned i = 0; i < 50; i++)
        h2_client_ask(&h2, "GET", i % 2 ? "/large" : "/middle", NULL, NULL, 0);
    send_text(fd, (char *)bytes, h2_client_output(&h2, bytes, sizeof bytes));
    for (unsigned i = 0; i < 8000 && keel_host_connections(host) > 0; i++) {
        turns(1);
        keel_instance_each_connection(keel_host_instance(host), most_pending, &most);
    }
    ck_assert_uint_eq(keel_host_connections(host), 0);
    ck_assert(most > 100000 && most < 256 * 1024 + 20000);
    h2_client_fini(&h2);
    close(fd);
}
END_TEST

/* A window that stays shut, whatever else the client says. */
START_TEST(test_h2_shut_window)
{
    static uint8_t bytes[1 << 16];
    struct h2_client h2;
    int fd = client();
    h2_client_init(&h2, 100, true);
    struct h2_answer *answer = h2_client_ask(&h2, "GET", "/large", NULL, NULL, 0);
    talk(&h2, fd);
    ck_assert(answer->size == 100 && !closed);
    uint64_t start = keel_clock_monotonic(), last = start;
    while (keel_host_connections(host) > 0 && keel_clock_monotonic() - start < 8 * KEEL_NS_PER_S) {
        if (keel_clock_monotonic() - last > KEEL_NS_PER_S / 10) {
            last = keel_clock_monotonic();
            nghttp2_submit_ping(h2.session, 0, NULL);
            size_t n = h2_client_output(&h2, bytes, sizeof bytes);
            (void)!send(fd, bytes, n, MSG_NOSIGNAL);
        }
        turns(1);
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n > 0)
            h2_client_input(&h2, bytes, (size_t)n);
    }
    ck_assert_uint_eq(keel_host_connections(host), 0);
    ck_assert_uint_gt(h2.pings, 3);
    h2_client_fini(&h2);
    close(fd);
}
END_TEST

START_TEST(test_h2_idle)
{
    static uint8_t bytes[1 << 16];
    struct h2_client h2;
    int fd = client();
    h2_client_init(&h2, 0, false);
    h2_client_ask(&h2, "GET", "/a.txt", NULL, NULL, 0);
    talk(&h2, fd);
    unsigned idle = time_until_closed(fd, 0);
    ck_assert(idle >= 19 && idle <= 40);
    memcpy(bytes, received, received_size);
    h2_client_input(&h2, bytes, received_size);
    ck_assert(h2.goaways == 1 && h2.goaway_error == NGHTTP2_NO_ERROR);
    h2_client_fini(&h2);
    close(fd);
}
END_TEST

START_TEST(test_h2_drain)
{
    struct h2_client idle, busy, late;
    int idle_fd = client(), busy_fd = client(), late_fd = client();
    h2_client_init(&idle, 0, false);
    h2_client_init(&busy, 1000, true);
    h2_client_init(&late, 0, false);
    h2_client_ask(&idle, "GET", "/a.txt", NULL, NULL, 0);
    talk(&idle, idle_fd);
    struct h2_answer *answer = h2_client_ask(&busy, "GET", "/middle", NULL, NULL, 0);
    talk(&busy, busy_fd);
    drained = false;
    keel_host_drain(host, 10 * KEEL_NS_PER_S, on_drained, NULL);
    talk(&idle, idle_fd);
    ck_assert_uint_eq(idle.goaways, 1); /* nghttp2 hears nothing more then */
    talk(&busy, busy_fd);
    ck_assert(!closed && busy.goaways == 2 && busy.goaway_last == answer->id);
    nghttp2_submit_window_update(busy.session, 0, answer->id, 100000);
    talk(&busy, busy_fd);
    ck_assert(closed && answer->ended && answer->size == 40000);
    /* one that begins during the drain is served, too */
    answer = h2_client_ask(&late, "GET", "/a.txt", NULL, NULL, 0);
    talk(&late, late_fd);
    ck_assert(answer->ended && answer->status == 200);
    ck_assert_uint_le(time_until_closed(idle_fd, 0), 25);
    ck_assert_uint_le(time_until_closed(late_fd, 0), 25);
    h2_client_fini(&idle);
    h2_client_fini(&busy);
    h2_client_fini(&late);
    close(idle_fd);
    close(busy_fd);
    close(late_fd);
    for (unsigned i = 0; i < 1000 && !drained; i++)
        turns(1);
    ck_assert(drained);
}
END_TEST

Suite *serve_suite(void);
Suite *serve_suite(void)
{
    Suite *s = suite_create("httpd/serve");
    TCase *t = tcase_create("serve");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_keep_alive);
    tcase_add_test(t, test_pipeline);
    tcase_add_test(t, test_byte_by_byte);
    tcase_add_test(t, test_bodies);
    tcase_add_test(t, test_bad);
    tcase_add_test(t, test_deadlines);
    tcase_add_test(t, test_large);
    tcase_add_test(t, test_backpressure);
    tcase_add_test(t, test_drain);
    tcase_add_test(t, test_h2);
    tcase_add_test(t, test_h2_backpressure);
    tcase_add_test(t, test_h2_shut_window);
    tcase_add_test(t, test_h2_idle);
    tcase_add_test(t, test_h2_drain);
    tcase_add_test(t, test_metrics);
    tcase_add_test(t, test_configurations);
    tcase_add_test(t, test_configure_no_memory);
    suite_add_tcase(s, t);
    t = tcase_create("sites");
    tcase_add_test(t, test_bad_rules);
    suite_add_tcase(s, t);
    return s;
}
