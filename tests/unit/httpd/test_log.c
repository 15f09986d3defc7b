/* The access log: formats as a table, escaping, cutting; and the writer over a real file. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd/log/access.h"
#include "tests/support/unit.h"

static struct http_request request;
static struct http_response response;
static struct http_log_time when;
static struct keel_addr peer;
static char out[HTTP_LOG_LINE_MAX];

static void set_up(void)
{
    setenv("TZ", "KEEL-2:30", 1);
    tzset();
    http_request_init(&request);
    when = (struct http_log_time){0};
    http_log_time_set(&when, 1760000000);
    keel_addr_set4(&peer, 0xc0000201, 4711);
    response = (struct http_response){.status = 200, .head = {"x", 100}, .body = {"y", 23}};
}
static void tear_down(void)
{
    http_request_fini(&request);
    unsetenv("TZ");
    tzset();
}

static const char *line_of(const char *format, enum http_log_escape escape, const char *head,
                           size_t size)
{
    static struct http_site site = {.name = {"site", 4}, .root_fd = -1};
    static struct http_sites sites = {.items = &site, .count = 1};
    struct http_log_format compiled;
    struct http_clock clock = {.second = 1760000000};
    struct keel_diag diag;
    ck_assert_int_eq(http_log_format_compile(&compiled, keel_str(format), escape, &diag), 0);
    struct http_log_record record = {
        .response = &response, .peer = &peer, .time = &when, .duration_ns = 1234567890};
    if (head) {
        ck_assert_int_eq(http_head_parse(&request.head, (const uint8_t *)head, size), 0);
        ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &clock),
                         0);
        record.request = &request;
    }
    size_t n = http_log_line(&compiled, &record, out);
    ck_assert(n > 0 && n <= sizeof out && out[n - 1] == '\n' && !memchr(out, '\n', n - 1));
    out[n - 1] = '\0';
    return out;
}

#define HEAD                                                                                       \
    "GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nReferer: r\r\nUser-Agent: u \"a\\\t\xc3\xa9\xff\r\n"    \
    "X-One: first\r\n\r\n"

START_TEST(test_values)
{
    static const struct {
        const char *format, *text, *json, *without;
    } rows[] = {
        {"%{address} %{port}", "192.0.2.1 4711", "192.0.2.1 4711", "192.0.2.1 4711"},
        {"[%{time}]", "[09/Oct/2025:11:23:20 +0230]", "[09/Oct/2025:11:23:20 +0230]",
         "[09/Oct/2025:11:23:20 +0230]"},
        {"%{time-iso} %{seconds}", "2025-10-09T11:23:20+02:30 1760000000",
         "2025-10-09T11:23:20+02:30 1760000000", "2025-10-09T11:23:20+02:30 1760000000"},
        {"%{request}", "GET /a%20b?c=d HTTP/1.1", "GET /a%20b?c=d HTTP/1.1", "-"},
        {"%{method} %{target} %{protocol}", "GET /a%20b?c=d HTTP/1.1", "GET /a%20b?c=d HTTP/1.1",
         "- - -"},
        {"%{path}|%{query}", "/a b|c=d", "/a b|c=d", "-|-"},
        {"%{host} %{site} %{user}", "h site -", "h site ", "- - -"},
        {"%{status} %{bytes} %{sent}", "200 23 125", "200 23 125", "200 23 125"},
        {"%{duration} %{scheme}", "1.234567 http", "1.234567 http", "1.234567 http"},
        {"%{referer}", "r", "r", "-"},
        {"%{user-agent}", "u \\\"a\\\\\\x09\\xc3\\xa9\\xff", "u \\\"a\\\\\\u0009\xc3\xa9\\u00ff",
         "-"},
        {"%{header:x-ONE} %{header:Host} %{header:none}", "first h -", "first h ", "- - -"},
        {"100%%", "100%", "100%", "100%"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_str_eq(line_of(rows[i].format, HTTP_LOG_TEXT, HEAD, sizeof HEAD - 1),
                         rows[i].text);
        ck_assert_str_eq(line_of(rows[i].format, HTTP_LOG_AS_JSON, HEAD, sizeof HEAD - 1),
                         rows[i].json);
        ck_assert_str_eq(line_of(rows[i].format, HTTP_LOG_TEXT, NULL, 0), rows[i].without);
    }
    ck_assert_str_eq(line_of(HTTP_LOG_COMBINED, HTTP_LOG_TEXT, NULL, 0),
                     "192.0.2.1 - - [09/Oct/2025:11:23:20 +0230] \"-\" 200 23 \"-\" \"-\"");
    ck_assert_int_eq(keel_addr_parse(&peer, KEEL_STR("[2001:db8::1]:80"), 0, NULL), 0);
    ck_assert_str_eq(line_of("%{address}", HTTP_LOG_TEXT, NULL, 0), "2001:db8::1");
}
END_TEST

START_TEST(test_wrong_formats)
{
    static const char *const rows[] = {"",         "%",           "%x",  "%{",    "%{none}",
                                       "a\nb",     "%{header:}",  "%{}", "a %{b", "100%",
                                       "%{Status", "%{ address}", "\x7f"};
    struct http_log_format format;
    struct keel_diag diag;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(http_log_format_compile(&format, keel_str(rows[i]), HTTP_LOG_TEXT, &diag) ==
                          KEEL_EINVAL,
                      "%s", rows[i]);
    char many[HTTP_LOG_PARTS_MAX * 10 + 11] = "";
    for (unsigned i = 0; i <= HTTP_LOG_PARTS_MAX; i++)
        strcat(many, "%{status}");
    ck_assert_int_eq(http_log_format_compile(&format, keel_str(many), HTTP_LOG_TEXT, &diag),
                     KEEL_EINVAL);
}
END_TEST

/* A target of 8 KiB of bytes that are escaped: cut, but the line stays whole. */
START_TEST(test_long)
{
    static char head[9000];
    memset(head, '"', sizeof head);
    memcpy(head, "GET /", 5);
    strcpy(head + 8000, " HTTP/1.1\r\nHost: h\r\n\r\n");
    const char *text = line_of(HTTP_LOG_COMBINED, HTTP_LOG_TEXT, head, strlen(head));
    ck_assert_ptr_nonnull(strstr(text, "\" 200 23 \"-\" \"-\""));
    text = line_of(HTTP_LOG_JSON, HTTP_LOG_AS_JSON, head, strlen(head));
    ck_assert_str_eq(text + strlen(text) - 20, ",\"seconds\":1.234567}");
    ck_assert_ptr_nonnull(strstr(text, "\",\"protocol\":\"HTTP/1.1\",\"status\":200,"));
}
END_TEST

/* --- the writer --- */

static struct keel_loop *loop;
static struct keel_offload *pool;
static struct http_access_log log_;
static struct http_log_format format;
static struct keel_metrics metrics;
static const struct keel_metric table[] = {
    {"written", KEEL_COUNTER, NULL, ""}, {"lost", KEEL_COUNTER, NULL, ""}, {0}};
static char path[] = "/tmp/keel-test-XXXXXX";

static void start_log(const char *file)
{
    struct keel_diag diag;
    ck_assert_int_eq(http_log_format_compile(&format, KEEL_STR("%{status} 0123456789abcdef"),
                                             HTTP_LOG_TEXT, &diag),
                     0);
    ck_assert_int_eq(keel_metrics_new_private(table, &metrics), 0);
    loop = keel_loop_new();
    pool = keel_offload_new(loop, 1, 0);
    const struct http_access_log_options options = {.format = &format,
                                                    .buffer = 4096,
                                                    .loop = loop,
                                                    .pool = pool,
                                                    .metrics = &metrics,
                                                    .written = 0,
                                                    .lost = 1};
    ck_assert_int_eq(http_access_log_init(&log_, &options), 0);
    http_access_log_use(&log_, open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
}
static void end_log(void)
{
    keel_offload_free(pool);
    http_access_log_fini(&log_);
    keel_metrics_free_private(&metrics);
    keel_loop_free(loop);
}
static void add(unsigned status)
{
    struct http_log_record record = {.response = &response, .peer = &peer};
    response.status = status;
    http_access_log_add(&log_, &record, 1760000000);
}
static uint64_t cell(unsigned i)
{
    return metrics.cells[metrics.offsets[i]];
}
static off_t size_of(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 ? st.st_size : -1;
}
static void turn_until(uint64_t written)
{
    for (unsigned i = 0; i < 4000 && cell(0) < written; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_uint_ge(cell(0), written);
}

START_TEST(test_writer)
{
    char other[64];
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    snprintf(other, sizeof other, "%s.2", path);
    start_log(path);
    add(200);
    ck_assert_int_eq(size_of(path), 0); /* it waits for more, and for no longer than a second */
    turn_until(1);
    ck_assert_int_eq(size_of(path), 21);
    for (unsigned i = 0; i < 196; i++) /* fills one buffer; the next line sends it */
        add(201);
    turn_until(197);
    ck_assert_int_eq(size_of(path), 197 * 21);
    /* replaced while it is written, and twice: what is under way ends in the old one */
    for (unsigned i = 0; i < 196; i++)
        add(202);
    http_access_log_use(&log_, open(other, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    http_access_log_use(&log_, open(other, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
    add(203);
    turn_until(394);
    ck_assert_int_eq(size_of(path) + size_of(other), 394 * 21);
    add(204); /* the end writes what waits */
    end_log();
    ck_assert_int_eq(size_of(path) + size_of(other), 395 * 21);
    unlink(path);
    unlink(other);
}
END_TEST

/* More than both buffers hold, at once: the rest is lost and counted. */
START_TEST(test_too_fast)
{
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    start_log(path);
    for (unsigned i = 0; i < 1000; i++)
        add(200);
    ck_assert_uint_ge(cell(1), 600);
    turn_until(1000 - cell(1));
    ck_assert_int_eq(size_of(path), (off_t)(1000 - cell(1)) * 21);
    end_log();
    unlink(path);
}
END_TEST

START_TEST(test_full_disk)
{
    start_log("/dev/full");
    add(200);
    add(200);
    for (unsigned i = 0; i < 4000 && cell(1) < 2; i++)
        keel_loop_turn(loop, KEEL_NS_PER_MS);
    ck_assert_uint_eq(cell(0), 0);
    ck_assert_uint_eq(cell(1), 2);
    end_log();
}
END_TEST

/* The file ends inside a line: the next one begins on its own. */
START_TEST(test_torn)
{
    char text[64] = "";
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    start_log(path);
    (void)!write(log_.fd, "200 01", 6);
    log_.torn = true;
    add(200);
    turn_until(1);
    end_log();
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, text, sizeof text), 28);
    ck_assert_str_eq(text, "200 01\n200 0123456789abcdef\n");
    close(fd);
    unlink(path);
}
END_TEST

Suite *log_suite(void);
Suite *log_suite(void)
{
    Suite *s = suite_create("httpd/log");
    TCase *t = tcase_create("format");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, test_values);
    tcase_add_test(t, test_wrong_formats);
    tcase_add_test(t, test_long);
    tcase_add_test(t, test_writer);
    tcase_add_test(t, test_too_fast);
    tcase_add_test(t, test_full_disk);
    tcase_add_test(t, test_torn);
    tcase_set_timeout(t, 30);
    suite_add_tcase(s, t);
    return s;
}
