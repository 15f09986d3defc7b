/* Exchanges that a handler keeps, over socket pairs: a handler that does what the request's path
 * says, with each split of the input, and with memory running out. */
#include <stdio.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/runtime/timer.h"
#include "httpd/handlers/file.h"
#include "httpd/request/handler.h"
#include "tests/support/http_server.h"
#include "tests/support/unit.h"

/* What the handler does, by the first letter of the file name:
 *   n  says NEXT at once               l  answers later
 *   e  reads the body, answers with it and the trailers
 *   p  the same, but pauses at each piece for a while
 *   x  says NEXT later                 r  reads the body and never answers
 *   s  answers in `respond`, by http_exchange_respond */
struct script {
    struct keel_timer timer;
    struct http_exchange *x;
    struct keel_buf body;
    char what;
};
static unsigned started, ended, gone;

static void end_script(struct script *script)
{
    keel_timer_stop(&script->timer);
    keel_buf_fini(&script->body);
    keel_free(script);
}

static void send_body(struct script *script)
{
    struct http_exchange *x = script->x;
    struct http_response response;
    keel_buf_append(&script->body, "|", 1);
    if (x->trailers.n > 0)
        keel_buf_append(&script->body, x->trailers.p, x->trailers.n);
    http_response_content(
        &response, &x->request, 200, KEEL_STR("Content-Type: text/plain\r\n"),
        (struct keel_str){(char *)keel_buf_bytes(&script->body), keel_buf_size(&script->body)});
    if (http_exchange_respond(x, &response) == 0) {
        ended++;
        end_script(script);
    }
}

static void on_timer(struct keel_timer *timer)
{
    struct script *script = KEEL_CONTAINER(timer, struct script, timer);
    struct http_exchange *x = script->x;
    switch (script->what) {
    case 'p':
        http_exchange_resume(x);
        break;
    case 'x':
        ended++;
        end_script(script);
        http_exchange_next(x);
        break;
    default:
        send_body(script);
    }
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *arg,
                                 struct http_response *response)
{
    struct keel_str path = x->request.path;
    const char *slash = memrchr(path.p, '/', path.n);
    char what = slash + 1 < path.p + path.n ? slash[1] : 'n';
    if (what == 'n')
        return HTTP_NEXT;
    struct script *script = keel_calloc(1, sizeof *script);
    if (!script) {
        http_response_plain(response, &x->request, 503, KEEL_STR(""));
        return HTTP_DONE;
    }
    started++;
    x->state = script;
    script->x = x;
    script->what = what;
    keel_timer_init(&script->timer, x->host->loop, "script", on_timer);
    if (what == 's')
        send_body(script);
    else if (what == 'e' || what == 'p' || what == 'r')
        http_exchange_read(x, 0);
    else
        keel_timer_start(&script->timer, 2 * KEEL_NS_PER_MS, 0);
    return HTTP_LATER;
}

static void on_content(struct http_exchange *x, const void *bytes, size_t n)
{
    struct script *script = x->state;
    if (n > 0) {
        keel_buf_append(&script->body, bytes, n);
        if (script->what == 'p') {
            http_exchange_pause(x);
            keel_timer_start(&script->timer, KEEL_NS_PER_MS, 0);
        }
    } else if (script->what != 'r') {
        send_body(script);
    }
}

static void on_gone(struct http_exchange *x)
{
    gone++;
    end_script(x->state);
}

static const struct http_handler scripted = {HTTP_HANDLER, .name = "scripted", .respond = respond,
                                             .on_content = on_content, .on_gone = on_gone};

static void prepare(struct http_settings *s)
{
    static struct http_step steps[] = {
        {.handler = &scripted}, {.handler = &http_file_handler}, {0}};
    steps[0].number = s->handlers.count;
    s->handlers.items[s->handlers.count++] = &scripted;
    s->sites.items[0].locations[0].steps = steps;
}

static void set_up(void)
{
    started = ended = gone = 0;
    server_folder();
    server_file("n", "hello");
    server_file("x", "later");
    server_start("listen = \"127.0.0.1:0\"\nbody-timeout = 1s\nmax-discarded-body = 1k\n"
                 "site \"a\" { root = \"%s\" max-body = 100 location \"/\" { } }\n",
                 prepare);
}

static void tear_down(void)
{
    server_stop();
    ck_assert_uint_eq(ended + gone, started); /* on_gone once, or the handler ended it */
}

#define HOST " HTTP/1.1\r\nHost: a\r\n"
#define GET(path) "GET " path HOST "\r\n"
#define POST(path, n, body) "POST " path HOST "Content-Length: " #n "\r\n\r\n" body
#define CHUNKED(path, body) "POST " path HOST "Transfer-Encoding: chunked\r\n\r\n" body

START_TEST(test_pipeline)
{
    int fd = client();
    /* in order, whoever takes his time */
    exchange(fd, GET("/n") GET("/l?1") GET("/n") GET("/x") GET("/s") POST("/e", 5, "12345")
                     POST("/p", 5, "abcde") GET("/n"));
    ck_assert_msg(count(received, "HTTP/1.1 200 OK\r\n") == 8 && !closed, "%s", received);
    ck_assert_uint_eq(count(received, "hello"), 3);
    ck_assert_ptr_nonnull(strstr(received, "\r\n\r\n12345|HTTP"));
    ck_assert_ptr_nonnull(strstr(received, "\r\n\r\nabcde|HTTP"));
    ck_assert(strstr(received, "later") < strstr(received, "12345"));
    close(fd);
    /* HTTP/1.0, HEAD, and the end of input behind a request */
    fd = client();
    exchange(fd, "HEAD /e" HOST "\r\nGET /l HTTP/1.0\r\n\r\n");
    ck_assert(closed && count(received, "Content-Length: 1\r\n") == 2);
    ck_assert_str_eq(strstr(received, "Connection: close\r\n"), "Connection: close\r\n\r\n|");
    close(fd);
}
END_TEST

START_TEST(test_bodies)
{
    static const struct {
        const char *text, *expect;
        bool close;
    } rows[] = {
        {CHUNKED("/e", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\nC:d\r\n\r\n") GET("/n"),
         "\r\n\r\nabcde|A: b\r\nC:d\r\nHTTP/1.1 200 OK\r\n", false},
        {CHUNKED("/p", "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n") GET("/n"), "\r\n\r\nabc|HTTP",
         false},
        {CHUNKED("/e", "0\r\n\r\n") GET("/n"), "\r\n\r\n|HTTP", false},
        {POST("/e", 0, "") GET("/n"), "\r\n\r\n|HTTP", false},
        /* nobody reads it */
        {POST("/s", 5, "12345") GET("/n"), "\r\n\r\n|HTTP", false},
        {POST("/l", 5, "12345") GET("/n"), "\r\n\r\n|HTTP", false},
        {POST("/l", 5000, "12345"), "\r\n\r\n|", true},
        /* too long: said, or found out; the rest is dropped if it is short */
        {POST("/e", 101, ""), "HTTP/1.1 413 ", false},
        {POST("/e", 10001, ""), "HTTP/1.1 413 ", true},
        {CHUNKED("/e", "60\r\n"
                       "0123456789012345678901234567890123456789012345678901234567890123456789"
                       "01234567890123456789012345\r\n"
                       "5\r\n12345\r\n0\r\n\r\n") GET("/n"),
         "HTTP/1.1 413 ", false},
        {"POST /e" HOST "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 413 ",
         true},
        /* 100 only for those who want it */
        {"POST /s" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 200 OK",
         true},
        {"POST /e" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n12345" GET("/n"),
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", false},
        /* broken */
        {CHUNKED("/e", "3\r\nabcx"), "HTTP/1.1 400 ", true},
        {CHUNKED("/r", "3\r\nabc\r\ng\r\n"), "HTTP/1.1 400 ", true},
        {CHUNKED("/e", "0\r\nA b\r\n\r\n"), "HTTP/1.1 400 ", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].text);
        for (size_t cut = 0; cut < size; cut += cut < 70 ? 23 : 1) {
            int fd = client();
            send_text(fd, rows[i].text, cut);
            turns(cut > 0);
            exchange(fd, rows[i].text + cut);
            ck_assert_msg(strstr(received, rows[i].expect) && closed == rows[i].close,
                          "row %zu, cut %zu: %s", i, cut, received);
            ck_assert_uint_eq(count(received, "\r\n\r\nhello"), count(rows[i].text, "GET"));
            close(fd);
            turns(2);
        }
    }
}
END_TEST

/* The client goes in any state; the handler hears of it once. */
START_TEST(test_gone)
{
    static const char *const rows[] = {
        POST("/r", 10, "12"), POST("/r", 2, "12"), GET("/l"),
        POST("/p", 3, "12"),  GET("/l") GET("/l"), CHUNKED("/e", "5\r\nab")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        send_text(fd, rows[i], strlen(rows[i]));
        turns(1);
        close(fd);
        turns(10);
        ck_assert_uint_le(ended + gone, started);
    }
    /* a body that does not come */
    int fd = client();
    send_text(fd, POST("/e", 10, "12"), strlen(POST("/e", 10, "12")));
    for (unsigned i = 0; i < 4000 && gone + ended < started; i++)
        turns(1);
    answer(fd);
    ck_assert(closed && strstr(received, "HTTP/1.1 408 "));
    close(fd);
    turns(3);
}
END_TEST

START_TEST(test_stop)
{
    int fd = client();
    send_text(fd, POST("/r", 2, "12"), strlen(POST("/r", 2, "12")));
    turns(3);
    ck_assert_uint_eq(started, 1);
    close(fd); /* the worker stops with it under way */
}
END_TEST

START_TEST(test_no_memory)
{
    static const char *const rows[] = {
        GET("/l") GET("/n"), POST("/e", 5, "12345") GET("/n"), GET("/x") GET("/s"),
        CHUNKED("/p", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n") GET("/n"),
        POST("/e", 101, "")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned n = 1; n < 40; n++) {
            int fd = client();
            turns(1);
            keel_mem_fail_at(n);
            send_text(fd, rows[i], strlen(rows[i]));
            turns(8);
            keel_mem_fail_at(0);
            answer(fd);
            close(fd);
            turns(2);
        }
    }
}
END_TEST

Suite *exchange_suite(void);
Suite *exchange_suite(void)
{
    Suite *s = suite_create("httpd/request/exchange");
    TCase *t = tcase_create("exchange");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_pipeline);
    tcase_add_test(t, test_bodies);
    tcase_add_test(t, test_gone);
    tcase_add_test(t, test_stop);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
