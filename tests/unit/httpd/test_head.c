/* Request heads: what is taken, what is refused and with which status; each one whole, and cut in
 * two at every byte. */
#include <stdio.h>

#include "httpd/wire/head.h"
#include "tests/support/unit.h"

#define OK 200
#define MORE 0
#define H "Host: a\r\n"

static const struct http_head_limits limits = {.line = 256, .head = 1024, .fields = 16};

static const struct {
    const char *bytes;
    int status;
    size_t size; /* 0: strlen */
} cases[] = {
    /* plain ones */
    {"GET / HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET / HTTP/1.0\r\n\r\n", OK, 0},
    {"GET / HTTP/1.0\r\n" H "\r\n", OK, 0},
    {"HEAD /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n", OK, 0},
    {"PUT /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"DELETE /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"PATCH /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"TRACE /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"OPTIONS /a HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"CONNECT a:443 HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"BREW /pot HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"get / HTTP/1.1\r\n" H "\r\n", OK, 0}, /* a method of its own: case counts */
    {"GET /a?b=c&d HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET /a?b?c HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET /%41%zz HTTP/1.1\r\n" H "\r\n", OK, 0}, /* the path's own rules come later */
    {"GET /{a}|b^c\\\"<>` HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET / HTTP/1.2\r\n" H "\r\n", OK, 0}, /* a later minor is read as ours: RFC 9110, 2.5 */
    {"\r\nGET / HTTP/1.1\r\n" H "\r\n", OK, 0},
    /* more to come */
    {"", MORE, 0},
    {"G", MORE, 0},
    {"GET / HTTP/1.1", MORE, 0},
    {"GET / HTTP/1.1\r", MORE, 0},
    {"GET / HTTP/1.1\r\n", MORE, 0},
    {"GET / HTTP/1.1\r\n" H, MORE, 0},
    {"GET / HTTP/1.1\r\n" H "\r", MORE, 0},
    {"\r\n", MORE, 0},
    {"\r", MORE, 0},
    /* line ends */
    {"\n", -400, 0},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"\nGET / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.1\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.1\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\n\n", -400, 0},
    {"GET / HTTP/1.1\r\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", -400, 0},
    {"GET /a\rb HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "\r\r\n\r\n", -400, 0},
    /* the request line */
    {" GET / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET  / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /  HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.1 \r\n" H "\r\n", -400, 0},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\tHTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /a b HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET / \r\n" H "\r\n", -400, 0},
    {"GET /\r\n\r\n", -400, 0}, /* HTTP/0.9 */
    {"GET\r\n\r\n", -400, 0},
    {"GET HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"G@T / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"G:T / HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"\x16\x03\x01\x02", -400, 0}, /* a TLS handshake */
    {"(GET", -400, 0},
    {"{\"json\": true}", -400, 0},
    {"PRI * HTTP/2.0\r\n\r\n", -505, 0},
    /* targets */
    {"GET a HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET * HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET ?a HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\x80 HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\x7f HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\x01 HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET /\0 HTTP/1.1\r\n" H "\r\n", -400, 15 + 11 + 2},
    {"GET http://b/ HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET HTTP://b/ HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET https://b:8443/x?y HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET http://b HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET http://b?q HTTP/1.1\r\n" H "\r\n", OK, 0},
    {"GET http://b/ HTTP/1.1\r\n\r\n", -400, 0}, /* Host is still a must */
    {"GET http:///x HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET http:/x HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET http: HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET ftp://b/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET http://u@b/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET http://b:x/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"GET http://b:65536/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"CONNECT a HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"CONNECT /a HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"CONNECT a:0 HTTP/1.1\r\n" H "\r\n", -400, 0},
    {"CONNECT http://a:1/ HTTP/1.1\r\n" H "\r\n", -400, 0},
    /* versions */
    {"GET / HTTP/2.0\r\n" H "\r\n", -505, 0},
    {"GET / HTTP/0.9\r\n" H "\r\n", -505, 0},
    {"GET / HTTP/3.0\r\n" H "\r\n", -505, 0},
    {"GET / HTTP/1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1.10\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/11.1\r\n" H "\r\n", -400, 0},
    {"GET / http/1.1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP 1.1\r\n" H "\r\n", -400, 0},
    {"GET / HTTP/1,1\r\n" H "\r\n", -400, 0},
    {"GET / HTTPS/1.1\r\n" H "\r\n", -400, 0},
    {"GET / ICY/1.1\r\n" H "\r\n", -400, 0},
    /* field lines */
    {"GET / HTTP/1.1\r\n" H "X:\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "X:  \t \r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "X:a\tb c\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "X: \xe4\xff\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~09: x\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\r\nX: b\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nhOsT: a\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X y: z\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X(y): z\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X\x80: z\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\x0b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "X: \0b\r\n\r\n", -400, 16 + 9 + 5 + 4},
    {"GET / HTTP/1.1\r\n" H "X\0: b\r\n\r\n", -400, 16 + 9 + 6 + 4},
    /* Host */
    {"GET / HTTP/1.1\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nX: y\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n", -400, 0},
    /* bodies */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 007\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1.0\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", -501, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\x0b"
     "chunked\r\n\r\n",
     -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", -400, 0},
    {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", -400, 0},
    {"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", OK, 0},
    {"POST / HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 1\r\n\r\n", -417, 0},
    {"POST / HTTP/1.0\r\n" H "Expect: tea\r\nContent-Length: 1\r\n\r\n", OK, 0},
    /* connection, and fields that must be alone */
    {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "Connection: , keep-alive ,, Upgrade\r\n\r\n", OK, 0},
    {"GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "Connection: \"close\"\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "Range: bytes=0-1\r\nRange: bytes=0-2\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n", -400, 0},
    {"GET / HTTP/1.1\r\n" H "Accept: a\r\nAccept: b\r\n\r\n", OK, 0},
};
#define CASES (sizeof cases / sizeof *cases)

/* Scan and parse over exactly sized memory, `first` bytes of it at first. */
static int run(struct http_head *head, const char *text, size_t size, size_t first)
{
    uint8_t *bytes = malloc(size ? size : 1), *part = malloc(first ? first : 1);
    struct http_head_scan scan = {0};
    memcpy(bytes, text, size);
    memcpy(part, text, first);
    int end = http_head_scan(&scan, &limits, part, first);
    if (end == 0)
        end = http_head_scan(&scan, &limits, bytes, size);
    int status = end;
    if (end > 0) {
        status = http_head_parse(head, bytes + scan.skip, (size_t)end - scan.skip);
        status = status == 0 ? OK : status;
    }
    free(part);
    free(bytes);
    return status;
}

START_TEST(test_table)
{
    struct http_head head;
    size_t size = cases[_i].size ? cases[_i].size : strlen(cases[_i].bytes);
    for (size_t first = 0; first <= size; first++) {
        int status = run(&head, cases[_i].bytes, size, first);
        ck_assert_msg(status == cases[_i].status, "case %d \"%s\" cut at %zu: %d, not %d", _i,
                      cases[_i].bytes, first, status, cases[_i].status);
    }
}
END_TEST

static int parse(struct http_head *head, const char *text)
{
    return http_head_parse(head, (const uint8_t *)text, strlen(text));
}
static void expect(const struct http_head *head, struct http_span span, const char *text)
{
    struct keel_str got = http_span_str(head, span);
    ck_assert_msg(keel_str_equal(got, keel_str(text)), "\"%.*s\" is not \"%s\"", (int)got.n, got.p,
                  text);
}

START_TEST(test_parts)
{
    struct http_head head;
    ck_assert_int_eq(parse(&head, "POST /a/b?c=d HTTP/1.1\r\nHost: X.example:81\r\n"
                                  "Content-Length:  12 \r\nX-Odd: a b \r\n\r\n"),
                     0);
    ck_assert_uint_eq(head.method, HTTP_POST);
    ck_assert_uint_eq(head.minor, 1);
    ck_assert(head.keep_alive);
    expect(&head, head.target, "/a/b?c=d");
    expect(&head, head.path, "/a/b");
    expect(&head, head.query, "c=d");
    expect(&head, head.host, "X.example");
    ck_assert_uint_eq(head.port, 81);
    ck_assert_uint_eq(head.body, HTTP_BODY_LENGTH);
    ck_assert_uint_eq(head.content_length, 12);
    ck_assert_uint_eq(head.count, 3);
    expect(&head, head.fields[2].name, "X-Odd");
    expect(&head, head.fields[2].value, "a b");
    ck_assert(head.known ==
              (HTTP_FIELD_BIT(HTTP_FIELD_HOST) | HTTP_FIELD_BIT(HTTP_FIELD_CONTENT_LENGTH)));
    ck_assert_ptr_null(http_head_value(&head, HTTP_FIELD_RANGE).p);
}
END_TEST

START_TEST(test_absolute)
{
    struct http_head head;
    ck_assert_int_eq(parse(&head, "GET http://b:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    expect(&head, head.host, "b");
    ck_assert_uint_eq(head.port, 8080);
    expect(&head, head.path, "/x");
    expect(&head, head.query, "y");
    ck_assert_int_eq(parse(&head, "GET http://b?y/z HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    expect(&head, head.host, "b");
    expect(&head, head.path, "/");
    expect(&head, head.query, "y/z");
}
END_TEST

START_TEST(test_keep_alive)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost:\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head;
        ck_assert_int_eq(parse(&head, rows[i].text), 0);
        ck_assert_msg(head.keep_alive == rows[i].keep, "row %zu", i);
    }
}
END_TEST

/* A head of lines of given lengths, with and without its end. */
static int scan_lines(size_t target, size_t value, unsigned fields, bool end)
{
    static char text[8192];
    size_t n = (size_t)sprintf(text, "GET /");
    memset(text + n, 'a', target);
    n += target;
    n += (size_t)sprintf(text + n, " HTTP/1.1\r\n");
    for (unsigned i = 0; i < fields; i++) {
        n += (size_t)sprintf(text + n, "X:");
        memset(text + n, 'b', value);
        n += value;
        n += (size_t)sprintf(text + n, "\r\n");
    }
    n += end ? (size_t)sprintf(text + n, "\r\n") : 0;
    struct http_head_scan scan = {0};
    int whole = http_head_scan(&scan, &limits, (uint8_t *)text, n);
    struct http_head_scan step = {0};
    int result = 0;
    for (size_t i = 1; i <= n && result == 0; i++)
        result = http_head_scan(&step, &limits, (uint8_t *)text, i);
    ck_assert_int_eq(result, whole);
    return whole;
}

START_TEST(test_limits)
{
    ck_assert_int_gt(scan_lines(256 - 14, 1, 1, true), 0);
    ck_assert_int_eq(scan_lines(256 - 13, 1, 1, true), -414);
    ck_assert_int_eq(scan_lines(2000, 1, 0, false), -414);
    ck_assert_int_gt(scan_lines(1, 254, 1, true), 0);
    ck_assert_int_eq(scan_lines(1, 255, 1, true), -431);
    ck_assert_int_eq(scan_lines(1, 2000, 1, false), -431);
    ck_assert_int_gt(scan_lines(1, 1, 16, true), 0);
    ck_assert_int_eq(scan_lines(1, 1, 17, true), -431);
    ck_assert_int_eq(scan_lines(1, 200, 6, true), -431); /* all lines together */
}
END_TEST

START_TEST(test_too_many_fields_for_parse)
{
    static char text[4096] = "GET / HTTP/1.1\r\nHost:\r\n";
    for (unsigned i = 1; i < HTTP_FIELDS_MAX; i++)
        strcat(text, "X:y\r\n");
    size_t n = strlen(text);
    struct http_head head;
    strcpy(text + n, "\r\n");
    ck_assert_int_eq(parse(&head, text), 0);
    strcpy(text + n, "X:y\r\n\r\n");
    ck_assert_int_eq(parse(&head, text), -431);
}
END_TEST

START_TEST(test_field_names)
{
    for (unsigned id = 1; id < HTTP_FIELD_COUNT; id++) {
        struct keel_str name = http_field_name(id);
        char upper[64];
        for (size_t i = 0; i < name.n; i++)
            upper[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] - 32) : name.p[i];
        ck_assert_uint_eq(http_field_find((const uint8_t *)name.p, name.n), id);
        ck_assert_uint_eq(http_field_find((const uint8_t *)upper, name.n), id);
        ck_assert_uint_ne(http_field_find((const uint8_t *)name.p, name.n - 1), id);
    }
    ck_assert_uint_eq(http_field_find((const uint8_t *)"hos\x14", 4), HTTP_FIELD_OTHER);
    ck_assert_uint_eq(http_field_find((const uint8_t *)"", 0), HTTP_FIELD_OTHER);
}
END_TEST

Suite *head_suite(void);
Suite *head_suite(void)
{
    Suite *s = suite_create("httpd/wire/head");
    TCase *t = tcase_create("head");
    tcase_add_loop_test(t, test_table, 0, CASES);
    tcase_add_test(t, test_parts);
    tcase_add_test(t, test_absolute);
    tcase_add_test(t, test_keep_alive);
    tcase_add_test(t, test_limits);
    tcase_add_test(t, test_too_many_fields_for_parse);
    tcase_add_test(t, test_field_names);
    suite_add_tcase(s, t);
    return s;
}
