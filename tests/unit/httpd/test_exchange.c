/* Exchanges that a handler keeps, over socket pairs: a handler that does what the request's path
 * says, with each split of the input, and with memory running out. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/support/http_server.h"
#include "tests/support/script_module.h"
#include "tests/support/unit.h"

static void set_up(void)
{
    script_started = script_ended = script_gone = 0;
    server_folder();
    server_file("n", "hello");
    server_file("x", "later");
    char *large = keel_malloc(1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    large[(1 << 20) - 1] = 0;
    server_file("nlarge", large);
    keel_free(large);
    server_start("listen = \"127.0.0.1:0\"\nbody-timeout = 1s\nsend-timeout = 1s\nmin-rate = "
                 "10k\nmax-discarded-body = 1k\n"
                 "site \"a\" { root = \"%s\" max-body = 100 location \"/\" { } }\n",
                 server_use_script);
}

static void tear_down(void)
{
    server_stop();
    ck_assert_uint_eq(script_ended + script_gone,
                      script_started); /* on_gone once, or the handler script_ended it */
}

#define HOST " HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE "GET /t" HOST "Connection: keep-alive, Upgrade\r\nUpgrade: other, Echo\r\n\r\n"
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
        {POST("/p", 3, "abc"), "\r\n\r\nabc|", false}, /* nothing comes behind the last byte */
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

START_TEST(test_streaming)
{
#define CHUNKS "5\r\npiece\r\n5\r\npiece\r\n5\r\npiece\r\n0\r\nX-End: yes\r\nX-More:  no \r\n\r\n"
    static const struct {
        const char *text, *expect;
        bool close;
    } rows[] = {
        {GET("/c") GET("/n"),
         "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n" CHUNKS "HTTP/1.1 200 OK\r\n", false},
        {"GET /c HTTP/1.0\r\n\r\n", "X-A: b\r\nConnection: close\r\n\r\npiecepiecepiece", true},
        {"GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "X-A: b\r\nConnection: close\r\n\r\npiecepiecepiece", true},
        {"HEAD /c" HOST "\r\n" GET("/n"), "X-A: b\r\n\r\nHTTP/1.1 200 OK\r\n", false},
        {"HEAD /k" HOST "\r\n" GET("/n"), "Content-Length: 12\r\nX-A: b\r\n\r\nHTTP/1.1 200",
         false},
        {GET("/k") GET("/n"), "Content-Length: 12\r\nX-A: b\r\n\r\npiecpiecpiecHTTP/1.1 200",
         false},
        {"GET /k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/n"),
         "Connection: keep-alive\r\n\r\npiecpiecpiecHTTP/1.1 200", false},
        {"GET /c" HOST "Connection: close\r\n\r\n",
         "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" CHUNKS, true},
        {GET("/0") GET("/n"), "HTTP/1.1 204 No Content\r\n", false},
        {CHUNKED("/i", "3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n") GET("/n"),
         "0\r\nA: b\r\n\r\nHTTP/1.1 200", false},
        {"POST /i" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nab" GET("/n"),
         "\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 200", false},
        /* a body that nobody reads */
        {POST("/c", 5, "12345") GET("/n"), CHUNKS "HTTP/1.1 200 OK\r\n", false},
        {POST("/c", 5000, "12345"), "Connection: close\r\n\r\n" CHUNKS, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = strlen(rows[i].text);
        bool echo = strstr(rows[i].text, "/i") != NULL; /* comes back as it went */
        for (size_t cut = 0; cut < size && (cut == 0 || !echo); cut += cut < 60 ? 19 : 3) {
            int fd = client();
            send_text(fd, rows[i].text, cut);
            turns(cut > 0);
            exchange(fd, rows[i].text + cut);
            ck_assert_msg(strstr(received, rows[i].expect) && closed == rows[i].close,
                          "row %zu, cut %zu: %s", i, cut, received);
            ck_assert_uint_eq(count(received, "\r\n\r\nhello"), strstr(rows[i].text, "/n") != NULL);
            close(fd);
            turns(2);
        }
    }
}
END_TEST

START_TEST(test_streaming_large)
{
    int fd = client();
    exchange(fd, GET("/b") GET("/n"));
    ck_assert(!closed && received_size > PIECE * PIECES);
    ck_assert_str_eq(received + received_size - 5, "hello");
    exchange(fd, "GET /b HTTP/1.0\r\n\r\n");
    const char *body = strstr(received, "\r\n\r\n") + 4;
    ck_assert_uint_eq(received_size - (size_t)(body - received), PIECE * PIECES);
    for (size_t i = 0; i < PIECE * PIECES; i++)
        ck_assert_uint_eq((uint8_t)body[i], h2_byte(i));
    close(fd);
}
END_TEST

/* What cannot be completed never looks complete. */
START_TEST(test_abort)
{
    static const char *const rows[] = {GET("/a"), "GET /a HTTP/1.0\r\n\r\n", GET("/u")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        exchange(fd, rows[i]);
        ck_assert(!strstr(received, "0\r\n\r\n"));
        ck_assert_uint_eq(keel_host_connections(host), 0);
        close(fd);
    }
}
END_TEST

static char upload[300000];

/* A client's end of a new connection that speaks HTTP/2. */
static int h2_start(struct h2_client *h2)
{
    h2_client_init(h2, 0, false);
    for (size_t i = 0; i < sizeof upload; i++)
        upload[i] = (char)h2_byte(i);
    return client();
}

START_TEST(test_h2)
{
    struct h2_client h2;
    int fd = h2_start(&h2);
    struct h2_answer *later = h2_client_ask(&h2, "GET", "/l", NULL, NULL, 0);
    struct h2_answer *next = h2_client_ask(&h2, "GET", "/x", NULL, NULL, 0);
    struct h2_answer *file = h2_client_ask(&h2, "GET", "/n", NULL, NULL, 0);
    struct h2_answer *echo = h2_client_ask(&h2, "POST", "/e", NULL, "12345", 5);
    struct h2_answer *paused = h2_client_ask(&h2, "POST", "/p", NULL, "abcde", 5);
    struct h2_answer *empty = h2_client_ask(&h2, "POST", "/e", NULL, "", 0);
    struct h2_answer *stream = h2_client_ask(&h2, "POST", "/i", NULL, upload, sizeof upload);
    struct h2_answer *pieces = h2_client_ask(&h2, "GET", "/c", NULL, NULL, 0);
    struct h2_answer *head = h2_client_ask(&h2, "HEAD", "/c", NULL, NULL, 0);
    struct h2_answer *known = h2_client_ask(&h2, "GET", "/k", NULL, NULL, 0);
    struct h2_answer *big = h2_client_ask(&h2, "GET", "/b", NULL, NULL, 0);
    struct h2_answer *cut = h2_client_ask(&h2, "GET", "/a", NULL, NULL, 0);
    struct h2_answer *early = h2_client_ask(&h2, "GET", "/u", NULL, NULL, 0);
    struct h2_answer *none = h2_client_ask(&h2, "GET", "/0", NULL, NULL, 0);
    struct h2_answer *much = h2_client_ask(&h2, "POST", "/e", NULL, upload, 101);
    struct h2_answer *said =
        h2_client_ask(&h2, "POST", "/e", "content-length: 20000", upload, 20000);
    talk(&h2, fd);
    ck_assert(later->status == 200 && later->ended);
    ck_assert(next->status == 200 && strcmp(next->text, "later") == 0);
    ck_assert(file->status == 200 && strcmp(file->text, "hello") == 0);
    ck_assert(echo->status == 200 && strcmp(echo->text, "12345|") == 0);
    ck_assert(paused->status == 200 && strcmp(paused->text, "abcde|") == 0);
    ck_assert(empty->status == 200 && strcmp(empty->text, "|") == 0);
    ck_assert(stream->ended && stream->size == sizeof upload);
    ck_assert_uint_eq(stream->sum, h2_sum(sizeof upload));
    ck_assert(pieces->ended && strcmp(pieces->text, "piecepiecepiece") == 0);
    ck_assert_ptr_nonnull(strstr(pieces->head, "x-end: yes\nx-more: no\n"));
    ck_assert(head->status == 200 && head->size == 0 && head->ended);
    ck_assert(known->ended && strcmp(known->text, "piecpiecpiec") == 0);
    ck_assert(big->ended && big->size == PIECE * PIECES && big->sum == h2_sum(big->size));
    ck_assert(cut->status == 200 && cut->closed && !cut->ended && cut->error != 0);
    ck_assert(early->closed && !early->ended && early->error != 0);
    ck_assert(none->status == 204 && none->ended && none->size == 0);
    ck_assert_uint_eq(much->status, 413);
    ck_assert_uint_eq(said->status, 413);
    ck_assert(!closed);
    ck_assert_uint_eq(script_gone, 2);
    /* streams that are reset, and a connection that goes */
    struct h2_answer *read = h2_client_ask(&h2, "POST", "/r", NULL, "abc", 3);
    talk(&h2, fd);
    ck_assert_uint_eq(script_gone, 2);
    nghttp2_submit_rst_stream(h2.session, 0, read->id, NGHTTP2_CANCEL);
    talk(&h2, fd);
    ck_assert_uint_eq(script_gone, 3);
    h2_client_ask(&h2, "POST", "/r", NULL, "abc", 3);
    talk(&h2, fd);
    close(fd);
    turns(3);
    ck_assert_uint_eq(script_gone, 4);
    h2_client_fini(&h2);
}
END_TEST

/* The client goes in any state; the handler hears of it once. */
START_TEST(test_gone)
{
    static const char *const rows[] = {POST("/r", 10, "12"),
                                       POST("/r", 2, "12"),
                                       GET("/l"),
                                       POST("/p", 3, "12"),
                                       GET("/l") GET("/l"),
                                       CHUNKED("/e", "5\r\nab"),
                                       GET("/b"),
                                       GET("/c"),
                                       CHUNKED("/i", "5\r\nabcde\r\n"),
                                       UPGRADE "x"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        send_text(fd, rows[i], strlen(rows[i]));
        turns(1);
        close(fd);
        turns(10);
        ck_assert_uint_le(script_ended + script_gone, script_started);
    }
    /* it says that it sends no more, and the handler does not answer */
    int half = client();
    send_text(half, POST("/r", 2, "12"), strlen(POST("/r", 2, "12")));
    turns(2);
    shutdown(half, SHUT_WR);
    for (unsigned i = 0; i < 4000 && script_gone + script_ended < script_started; i++)
        turns(1);
    close(half);
    /* a body that does not come */
    int fd = client();
    send_text(fd, POST("/e", 10, "12"), strlen(POST("/e", 10, "12")));
    turns(2);
    for (unsigned i = 0; i < 4000 && script_gone + script_ended < script_started; i++)
        turns(1);
    answer(fd);
    ck_assert(closed && strstr(received, "HTTP/1.1 408 "));
    close(fd);
    turns(3);
}
END_TEST

START_TEST(test_tunnel)
{
    static const char early[] = GET("/n") UPGRADE "early";
    for (size_t cut = 30; cut < sizeof early; cut += 9) {
        int fd = client();
        send_text(fd, early, cut);
        turns(1);
        exchange(fd, early + cut);
        ck_assert_ptr_nonnull(strstr(received, "HTTP/1.1 101 Switching Protocols\r\n"));
        ck_assert(strstr(received, "Connection: Upgrade\r\n") &&
                  strstr(received, "Upgrade: echo\r\n"));
        ck_assert_ptr_null(strstr(strstr(received, " 101 "), "Content-Length"));
        const char *body = strstr(strstr(received, " 101 "), "\r\n\r\n") + 4;
        ck_assert_str_eq(body, "early");
        ck_assert_str_eq(exchange(fd, GET("/n")), GET("/n"));
        if (cut % 2) {
            exchange(fd, "stop");
        } else {
            shutdown(fd, SHUT_WR);
            answer(fd);
        }
        ck_assert(closed && received_size == 0);
        close(fd);
        turns(2);
    }
    int fd = client(); /* it stays as long as it likes; then it goes */
    exchange(fd, UPGRADE);
    turns(1500);
    ck_assert_str_eq(exchange(fd, "still"), "still");
    close(fd);
    /* no tunnel was asked for */
    fd = client();
    exchange(fd, GET("/t") "GET /t" HOST "Upgrade: echo\r\n\r\n" POST("/t", 0, ""));
    ck_assert_uint_eq(count(received, "HTTP/1.1 200 OK"), 3);
    close(fd);
    turns(2);
}
END_TEST

START_TEST(test_h2_tunnel)
{
    struct h2_client h2;
    int fd = h2_start(&h2);
    talk(&h2, fd); /* the server's settings allow it */
    struct h2_answer *tunnel = h2_client_ask(&h2, "CONNECT", "/t", ":protocol: echo", "abc", 3);
    struct h2_answer *large =
        h2_client_ask(&h2, "CONNECT", "/t", ":protocol: echo", upload, sizeof upload);
    struct h2_answer *stop = h2_client_ask(&h2, "CONNECT", "/t", ":protocol: echo", "stop", 4);
    struct h2_answer *other = h2_client_ask(&h2, "CONNECT", "/t", ":protocol: x", "", 0);
    struct h2_answer *file = h2_client_ask(&h2, "CONNECT", "/n", ":protocol: echo", "", 0);
    struct h2_answer *get = h2_client_ask(&h2, "GET", "/t", "upgrade-not: echo", NULL, 0);
    talk(&h2, fd);
    ck_assert(tunnel->status == 200 && strcmp(tunnel->text, "abc") == 0 && tunnel->ended);
    ck_assert_ptr_null(strstr(tunnel->head, "upgrade"));
    ck_assert(large->ended && large->size == sizeof upload && large->sum == h2_sum(large->size));
    ck_assert(stop->status == 200 && stop->size == 0 && stop->ended);
    ck_assert(other->status == 200 && strcmp(other->text, "|") == 0);
    ck_assert_uint_eq(file->status, 405);
    ck_assert_uint_eq(get->status, 200);
    ck_assert(!closed);
    h2_client_fini(&h2);
    close(fd);
    turns(2);
}
END_TEST

/* Nobody reads what these send, for as long as the handler thinks. */
START_TEST(test_h2_unread)
{
    struct h2_client h2;
    int fd = h2_start(&h2);
    talk(&h2, fd);
    /* the rest is worth the wait: the window opens when the answer is there */
    struct h2_answer *later = h2_client_ask(&h2, "POST", "/l", NULL, upload, 66000);
    struct h2_answer *refused = h2_client_ask(&h2, "POST", "/l", NULL, upload, sizeof upload);
    talk(&h2, fd);
    ck_assert(later->status == 200 && later->ended && later->closed && later->error == 0);
    ck_assert(refused->status == 200 && refused->ended && refused->closed && refused->error == 0);
    ck_assert_int_eq(nghttp2_session_get_outbound_queue_size(h2.session), 0);
    /* many at once: the others go on, until there is too much of it */
    struct h2_answer *thinking[20];
    for (unsigned i = 0; i < 6; i++)
        thinking[i] = h2_client_ask(&h2, "POST", "/z", NULL, upload, 65535);
    struct h2_answer *echo = h2_client_ask(&h2, "POST", "/e", NULL, "12345", 5);
    talk(&h2, fd);
    ck_assert(echo->ended && strcmp(echo->text, "12345|") == 0);
    ck_assert_int_gt(nghttp2_session_get_remote_window_size(h2.session), 30000);
    for (unsigned i = 6; i < 20; i++)
        thinking[i] = h2_client_ask(&h2, "POST", "/z", NULL, upload, 65535);
    struct h2_answer *get = h2_client_ask(&h2, "GET", "/n", NULL, NULL, 0);
    talk(&h2, fd);
    ck_assert(get->ended && strcmp(get->text, "hello") == 0);
    ck_assert_int_eq(nghttp2_session_get_remote_window_size(h2.session), 0);
    for (unsigned i = 0; i < 20; i++)
        nghttp2_submit_rst_stream(h2.session, 0, thinking[i]->id, NGHTTP2_CANCEL);
    talk(&h2, fd);
    ck_assert_uint_eq(script_gone, 20);
    ck_assert_int_gt(nghttp2_session_get_remote_window_size(h2.session), 30000);
    echo = h2_client_ask(&h2, "POST", "/i", NULL, upload, sizeof upload);
    talk(&h2, fd);
    ck_assert(echo->ended && echo->size == sizeof upload);
    ck_assert(!closed);
    h2_client_fini(&h2);
    close(fd);
    turns(2);
}
END_TEST

/* What a handler let wait turns out to be too long when it goes on; the answer ends the stream in
 * the middle of that. */
START_TEST(test_h2_too_much_later)
{
#define SIXTY "012345678901234567890123456789012345678901234567890123456789"
    static const char frames[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                 "\0\0\x9\1\4\0\0\0\1\x83\x86\4\2/p\1\1a" /* POST /p */
                                 "\0\0\x3c\0\0\0\0\0\1" SIXTY "\0\0\x3c\0\1\0\0\0\1" SIXTY;
    int fd = client();
    send_text(fd, frames, sizeof frames - 1);
    answer(fd);
    ck_assert_uint_eq(script_started, 1);
    ck_assert_uint_eq(script_gone, 1);
    ck_assert(!closed);
    close(fd);
    turns(2);
}
END_TEST

/* A client that sends, or takes, but hardly: it is ended after about the time of a window. */
START_TEST(test_slow)
{
    static const char *const rows[] = {POST("/i", 100000, ""), GET("/b"), GET("/nlarge")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        uint64_t start = keel_clock_monotonic(), last = start;
        send_text(fd, rows[i], strlen(rows[i]));
        while (keel_clock_monotonic() - start < 10 * KEEL_NS_PER_S) {
            turns(1);
            if (keel_host_connections(host) == 0)
                break;
            if (keel_clock_monotonic() - last < 100 * KEEL_NS_PER_MS)
                continue;
            last = keel_clock_monotonic();
            (void)!(i == 0 ? send(fd, "slow", 4, MSG_NOSIGNAL) : read(fd, received, 100));
            if (i == 0 && recv(fd, received, RECEIVED_MAX - 1, MSG_DONTWAIT) == 0)
                break;
        }
        ck_assert_msg(keel_clock_monotonic() - start < 10 * KEEL_NS_PER_S, "row %zu", i);
        close(fd);
        turns(5);
    }
}
END_TEST

START_TEST(test_stop)
{
    int fd = client();
    send_text(fd, POST("/r", 2, "12"), strlen(POST("/r", 2, "12")));
    turns(3);
    ck_assert_uint_eq(script_started, 1);
    close(fd); /* the worker stops with it under way */
}
END_TEST

START_TEST(test_no_memory)
{
    static const char *const rows[] = {GET("/l") GET("/n"),
                                       POST("/e", 5, "12345") GET("/n"),
                                       GET("/x") GET("/s"),
                                       CHUNKED("/p", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n")
                                           GET("/n"),
                                       POST("/e", 101, ""),
                                       GET("/c") GET("/b"),
                                       "GET /nlarge" HOST "Range: bytes=0-99999,200000-\r\n\r\n",
                                       UPGRADE "x"};
    server_starve(rows, sizeof rows / sizeof *rows, 40);
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
    tcase_add_test(t, test_streaming);
    tcase_add_test(t, test_streaming_large);
    tcase_add_test(t, test_abort);
    tcase_add_test(t, test_h2);
    tcase_add_test(t, test_h2_unread);
    tcase_add_test(t, test_h2_too_much_later);
    tcase_add_test(t, test_tunnel);
    tcase_add_test(t, test_h2_tunnel);
    tcase_add_test(t, test_slow);
    tcase_add_test(t, test_gone);
    tcase_add_test(t, test_stop);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
