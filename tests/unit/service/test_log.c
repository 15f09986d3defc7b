#include "common/service/log.h"
#include "common/base/clock.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

Suite *log_suite(void);

/* Each test runs in a process of its own (Check forks), so the log's state is fresh. */
static char folder[] = "/tmp/keel-test-log-XXXXXX", path[64], rotated[64];
static struct keel_diag diag;
static char text[1 << 16];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(rotated, sizeof rotated, "%s/log.1", folder);
}

static void teardown(void)
{
    unlink(path);
    unlink(rotated);
    rmdir(folder);
}

static void open_log(enum keel_log_target target, enum keel_log_format format, const char *file)
{
    struct keel_log_options options = {
        .level = KEEL_LOG_INFO,
        .format = format,
        .target = target,
        .file = file,
        .fd = -1,
        .daemon = "dnsd",
        .process = "0",
    };
    ck_assert_msg(keel_log_open(&options, &diag) == 0, "%s", diag.text);
}

/* The whole log file. */
static const char *read_log(const char *file)
{
    FILE *f = fopen(file, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* Behind the level and the time. */
static const char *body_of(const char *line)
{
    const char *body = strstr(line, "Z ");
    ck_assert_msg(body != NULL, "%s", line);
    return body + 2;
}

static unsigned count(const char *in, const char *what)
{
    unsigned n = 0;
    for (const char *p = in; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

START_TEST(text_line)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    keel_info("zone", "loaded", "zone=%s records=%u serial=%lu", "example.org", 12u, 2026ul);
    const char *line = read_log(path);
    ck_assert_int_eq(strncmp(line, "INFO    20", 10), 0);
    ck_assert_int_eq(line[8 + 10], 'T');
    ck_assert_int_eq(line[8 + 23], 'Z');
    ck_assert_str_eq(body_of(line),
                     "dnsd[0] zone: loaded zone=example.org records=12 serial=2026\n");
}
END_TEST

START_TEST(conversions)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    errno = ENOENT;
    keel_info("a", "one", "s=%s d=%d u=%u ld=%ld lu=%lu lld=%lld llu=%llu zu=%zu zd=%zd x=%x", "t",
              -1, 2u, -3l, 4ul, -5ll, 6ull, (size_t)7, (ssize_t)-8, 0xabu);
    ck_assert_int_eq(errno, ENOENT);
    keel_info("a", "two", "c=%c f=%.2f m=%m cut=%.*s pad=%04d half=%.3s pair=%d/%d", 'q', 1.5, 3,
              "abcdef", 7, "xyzw", 1, 2);
    const char *volatile nothing = NULL; /* hidden from the compiler's own check */
    keel_info("a", "three", "null=%s", nothing);
    keel_info("a", "four", "%s", "bare");
    keel_info("a", "five", "percent=100%% last=%d", 1);
    keel_log(KEEL_LOG_INFO, "a", "six", NULL);
    const char *all = read_log(path);
    ck_assert_ptr_nonnull(
        strstr(all, "a: one s=t d=-1 u=2 ld=-3 lu=4 lld=-5 llu=6 zu=7 zd=-8 x=ab\n"));
    ck_assert_ptr_nonnull(strstr(all, "a: two c=q f=1.50 m=\"No such file or directory\" cut=abc "
                                      "pad=0007 half=xyz pair=1/2\n"));
    ck_assert_ptr_nonnull(strstr(all, "a: three null=-\n"));
    ck_assert_ptr_nonnull(strstr(all, "a: four detail=bare\n"));
    ck_assert_ptr_nonnull(strstr(all, "a: five percent=100% last=1\n"));
    ck_assert_ptr_nonnull(strstr(all, "a: six\n"));
}
END_TEST

START_TEST(untrusted_bytes)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    keel_info("a", "m", "v=%s w=%s e=%s n=%d", "x\nERROR fake \"q\"\x1b[2J\xff", "a=b", "", 1);
    const char *all = read_log(path);
    ck_assert_uint_eq(count(all, "\n"), 1);
    ck_assert_ptr_nonnull(
        strstr(all, "v=\"x\\nERROR fake \\\"q\\\"\\x1b[2J\\xff\" w=\"a=b\" e=\"\" n=1\n"));
}
END_TEST

START_TEST(json_line)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_JSON, path);
    keel_warning("zone", "odd", "s=%s n=%d f=%.1f hex=%x nan=%f pad=%03d two=%d-%d big=%llu",
                 "q\"\n\xff", -5, 2.5, 255u, NAN, 7, 1, 2, ULLONG_MAX >> 1);
    json_error_t why;
    json_t *line = json_loads(read_log(path), 0, &why);
    ck_assert_msg(line != NULL, "%s: %s", why.text, text);
    ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "warning");
    ck_assert_str_eq(json_string_value(json_object_get(line, "daemon")), "dnsd");
    ck_assert_str_eq(json_string_value(json_object_get(line, "process")), "0");
    ck_assert_str_eq(json_string_value(json_object_get(line, "area")), "zone");
    ck_assert_str_eq(json_string_value(json_object_get(line, "message")), "odd");
    ck_assert_str_eq(json_string_value(json_object_get(line, "s")), "q\"\n\xc3\xbf");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "n")), -5);
    ck_assert(json_real_value(json_object_get(line, "f")) == 2.5);
    ck_assert_str_eq(json_string_value(json_object_get(line, "hex")), "ff");
    ck_assert(json_is_string(json_object_get(line, "nan")));
    ck_assert_str_eq(json_string_value(json_object_get(line, "pad")), "007");
    ck_assert_str_eq(json_string_value(json_object_get(line, "two")), "1-2");
    ck_assert(json_integer_value(json_object_get(line, "big")) == LLONG_MAX);
    json_decref(line);
}
END_TEST

START_TEST(long_values_are_cut)
{
    static char value[10000];
    memset(value, '\x01', sizeof value - 1);
    for (int format = KEEL_LOG_TEXT; format <= KEEL_LOG_JSON; format++) {
        open_log(KEEL_LOG_FILE, (enum keel_log_format)format, path);
        keel_info("a", "m", "first=%d v=%s w=%s", 1, value, value);
    }
    const char *all = read_log(path);
    const char *second = strchr(all, '\n') + 1;
    ck_assert_uint_eq(count(all, "\n"), 2);
    ck_assert_ptr_nonnull(strstr(all, "m first=1 "));
    ck_assert_ptr_nonnull(strstr(all, " ...\n"));
    ck_assert_uint_le((size_t)(second - all), 4096);
    json_t *line = json_loads(second, 0, NULL);
    ck_assert_ptr_nonnull(line);
    ck_assert(json_is_true(json_object_get(line, "truncated")));
    ck_assert_int_eq(json_integer_value(json_object_get(line, "first")), 1);
    json_decref(line);
}
END_TEST

START_TEST(levels)
{
    enum keel_log_level level;
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    keel_debug("a", "hidden", "n=%d", 1);
    keel_log_set_level(KEEL_LOG_DEBUG);
    keel_debug("a", "shown", "n=%d", 1);
    keel_log_set_level(KEEL_LOG_ERROR);
    keel_warning("a", "hidden", "n=%d", 1);
    ck_assert(!keel_log_enabled(KEEL_LOG_WARNING));
    ck_assert_uint_eq(count(read_log(path), "hidden"), 0);
    ck_assert_uint_eq(count(text, "DEBUG   "), 1);
    for (int i = KEEL_LOG_ERROR; i <= KEEL_LOG_DEBUG; i++) {
        ck_assert_int_eq(keel_log_level_parse(keel_log_level_name((enum keel_log_level)i), &level),
                         0);
        ck_assert_int_eq((int)level, i);
    }
    ck_assert_int_eq(keel_log_level_parse("loud", &level), KEEL_EINVAL);
}
END_TEST

static void often(int n)
{
    for (int i = 0; i < n; i++)
        keel_warning("net", "refused", "n=%d", i);
}

START_TEST(rate_limit)
{
    uint64_t written, suppressed, lost;
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    often(500);
    keel_log_counts(&written, &suppressed, &lost);
    ck_assert_uint_eq(written, 10);
    ck_assert_uint_eq(suppressed, 490);
    ck_assert_uint_eq(lost, 0);
    keel_warning("net", "something else", "n=%d", 1);
    usleep(1100 * 1000);
    often(1); /* the same again names the number */
    ck_assert_ptr_nonnull(strstr(read_log(path), "net: refused n=0 suppressed=490\n"));
    often(14);
    usleep(1100 * 1000);
    keel_log_tick(); /* or the timer does */
    ck_assert_ptr_nonnull(strstr(read_log(path), "net: refused suppressed=5\n"));
    ck_assert_uint_eq(count(text, "something else"), 1);
}
END_TEST

/* Who would have to work for its values asks first. */
START_TEST(held_back_before_it_costs)
{
    static const char said[] = "flood";
    uint64_t written, suppressed, lost;
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    for (int i = 0; i < 500; i++)
        if (!keel_log_holds_back(KEEL_LOG_WARNING, said))
            keel_warning("net", said, "n=%d", i);
    keel_log_counts(&written, &suppressed, &lost);
    ck_assert_uint_eq(written, 10);
    ck_assert_uint_eq(suppressed, 490);
    usleep(1100 * 1000);
    ck_assert(!keel_log_holds_back(KEEL_LOG_WARNING, said));
    keel_warning("net", said, "n=%d", 1);
    ck_assert_ptr_nonnull(strstr(read_log(path), "net: flood n=1 suppressed=490\n"));
    ck_assert(keel_log_holds_back(KEEL_LOG_DEBUG, said)); /* not at this level */
}
END_TEST

START_TEST(rotation)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    keel_info("a", "before", "n=%d", 1);
    ck_assert_int_eq(rename(path, rotated), 0);
    keel_info("a", "between", "n=%d", 1);
    ck_assert_int_eq(keel_log_reopen(&diag), 0);
    keel_info("a", "after", "n=%d", 1);
    ck_assert_uint_eq(count(read_log(path), "after"), 1);
    ck_assert_uint_eq(count(text, "before"), 0);
    ck_assert_uint_eq(count(read_log(rotated), "between"), 1);
    /* a worker is handed the new descriptor */
    int fd = open(rotated, O_WRONLY | O_APPEND);
    keel_log_use_fd(fd);
    ck_assert_int_eq(keel_log_fd(), fd);
    keel_info("a", "by descriptor", "n=%d", 1);
    ck_assert_uint_eq(count(read_log(rotated), "by descriptor"), 1);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0640 & ~(umask(022) & 0777));
}
END_TEST

START_TEST(bad_target_changes_nothing)
{
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, path);
    struct keel_log_options options = {
        .target = KEEL_LOG_FILE, .file = "/nowhere/at/all", .fd = -1, .daemon = "x"};
    ck_assert_int_eq(keel_log_open(&options, &diag), KEEL_ESYS);
    ck_assert_ptr_nonnull(strstr(diag.text, "cannot open log file \"/nowhere/at/all\": No such"));
    options.file = NULL;
    ck_assert_int_eq(keel_log_open(&options, &diag), KEEL_EINVAL);
    options.target = KEEL_LOG_JOURNAL;
    options.file = "/nowhere";
    ck_assert_int_eq(keel_log_open(&options, &diag), KEEL_ESYS);
    keel_info("a", "still here", "n=%d", 1);
    ck_assert_uint_eq(count(read_log(path), "dnsd[0] a: still here"), 1);
}
END_TEST

START_TEST(disk_full)
{
    uint64_t written, suppressed, lost;
    open_log(KEEL_LOG_FILE, KEEL_LOG_TEXT, "/dev/full");
    keel_info("a", "one", "n=%d", 1);
    keel_info("a", "two", "n=%d", 1);
    keel_log_counts(&written, &suppressed, &lost);
    ck_assert_uint_eq(lost, 2);
    ck_assert_uint_eq(written, 0);
    keel_log_use_fd(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
    keel_info("a", "three", "n=%d", 1);
    keel_info("a", "four", "n=%d", 1);
    ck_assert_uint_eq(count(read_log(path), "lines could not be written and are lost lost=2\n"), 1);
    ck_assert_uint_eq(count(text, "\n"), 3);
}
END_TEST

START_TEST(reader_of_stderr_sleeps)
{
    uint64_t written, suppressed, lost, begin = keel_clock_monotonic();
    int ends[2], saved = dup(2);
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], 2);
    open_log(KEEL_LOG_STDERR, KEEL_LOG_TEXT, NULL);
    static char value[2000];
    memset(value, 'v', sizeof value - 1);
    static const char *const messages[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (size_t i = 0; i < 8 * 10; i++)
        keel_log(KEEL_LOG_INFO, "area", messages[i % 8], "v=%s", value);
    keel_log_counts(&written, &suppressed, &lost);
    ck_assert_uint_gt(written, 10);
    ck_assert_uint_gt(lost, 10);
    ck_assert_uint_lt(keel_clock_monotonic() - begin, KEEL_NS_PER_S / 2);
    ck_assert_int_gt(read(ends[0], text, sizeof text), 0); /* it wakes up */
    keel_log(KEEL_LOG_INFO, "area", "z", "n=%d", 1);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_uint_eq(count(text, "area: z n=1\n"), 1);
    ck_assert_uint_eq(count(text, " lost="), 1);
    dup2(saved, 2);
}
END_TEST

static int listen_dgram(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static ssize_t receive(int fd)
{
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n < 0 ? 0 : n] = '\0';
    return n;
}

START_TEST(syslog_line)
{
    int fd = listen_dgram();
    char pid[32];
    open_log(KEEL_LOG_SYSLOG, KEEL_LOG_TEXT, path);
    keel_error("zone", "bad", "n=%d v=%s", 1, "a b");
    ck_assert_int_gt(receive(fd), 0);
    ck_assert_int_eq(strncmp(text, "<27>", 4), 0); /* daemon.err */
    snprintf(pid, sizeof pid, " dnsd[%ld]: ", (long)getpid());
    ck_assert_ptr_nonnull(strstr(text, pid));
    ck_assert_ptr_nonnull(strstr(text, ": [0] zone: bad n=1 v=\"a b\""));
    ck_assert_ptr_null(strchr(text, '\n'));
    /* the receiver is restarted */
    close(fd);
    unlink(path);
    keel_error("zone", "lost", "n=%d", 1);
    fd = listen_dgram();
    keel_error("zone", "again", "n=%d", 1);
    ck_assert_int_gt(receive(fd), 0);
    ck_assert_ptr_nonnull(strstr(text, "again"));
    ck_assert_int_gt(receive(fd), 0);
    ck_assert_ptr_nonnull(strstr(text, "lost=1"));
    close(fd);
    fd = -1;
    unlink(path);
    fd = listen_dgram();
    open_log(KEEL_LOG_SYSLOG, KEEL_LOG_JSON, path);
    keel_notice("zone", "json", "n=%d", 1);
    ck_assert_int_gt(receive(fd), 0);
    json_t *line = json_loads(strchr(text, '{'), 0, NULL);
    ck_assert_ptr_nonnull(line);
    json_decref(line);
    close(fd);
}
END_TEST

START_TEST(journal_fields)
{
    int fd = listen_dgram();
    open_log(KEEL_LOG_JOURNAL, KEEL_LOG_TEXT, path);
    keel_notice("zone", "loaded", "zone-name=%s text=%s", "a.example", "x\ny");
    ssize_t n = receive(fd);
    ck_assert_int_gt(n, 0);
    ck_assert_ptr_nonnull(strstr(text, "MESSAGE=zone: loaded zone-name=a.example text=\"x\\ny\"\n"
                                       "PRIORITY=5\nSYSLOG_FACILITY=3\n"
                                       "SYSLOG_IDENTIFIER=dnsd\nKEEL_PROCESS=0\nKEEL_AREA=zone\n"
                                       "KEEL_ZONE_NAME=a.example\nKEEL_TEXT\n"));
    ck_assert_mem_eq(text + n - 12, "\3\0\0\0\0\0\0\0x\ny\n", 12);
    close(fd);
}
END_TEST

Suite *log_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *c = tcase_create("log");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 20);
    tcase_add_test(c, text_line);
    tcase_add_test(c, conversions);
    tcase_add_test(c, untrusted_bytes);
    tcase_add_test(c, json_line);
    tcase_add_test(c, long_values_are_cut);
    tcase_add_test(c, levels);
    tcase_add_test(c, rate_limit);
    tcase_add_test(c, held_back_before_it_costs);
    tcase_add_test(c, rotation);
    tcase_add_test(c, bad_target_changes_nothing);
    tcase_add_test(c, disk_full);
    tcase_add_test(c, reader_of_stderr_sleeps);
    tcase_add_test(c, syslog_line);
    tcase_add_test(c, journal_fields);
    suite_add_tcase(suite, c);
    return suite;
}
