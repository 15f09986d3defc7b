/* The cases of tests/corpus/http: each means what it shall, whole, cut in two at every byte, and
 * byte by byte. */
#include <glob.h>

#include "tests/support/http_corpus.h"
#include "tests/support/unit.h"

/* The daemon's defaults: cases near a limit go by them. */
static const struct http_head_limits limits = {.line = 8192, .head = 32768, .fields = 100};
enum { DISCARD = 65536 };

/* Longer cases are cut near their ends, and here and there. */
enum { EVERY_CUT_MAX = 3000, ENDS = 200, STEP = 509 };

static void check_expected(const struct http_case *c, const struct h1_trace *trace,
                           const struct http_h1 *h1)
{
    ck_assert_msg(trace->answers == c->count, "%s: %u answers", c->name, trace->answers);
    ck_assert_msg(trace->status == 0 || trace->status == c->statuses[c->count - 1], "%s: %u",
                  c->name, trace->status);
    char end = h1->state == HTTP_H1_CLOSED                        ? 'c'
               : h1->state == HTTP_H1_BODY || http_h1_in_head(h1) ? 'w'
                                                                  : 'k';
    ck_assert_msg(end == (c->end == 'd' ? 'c' : c->end), "%s: ends with %c", c->name, end);
}

/* The bytes in parts of `first`, then `step` bytes each. */
static void check_parts(const struct http_case *c, size_t first, size_t step, const char *expected)
{
    const uint8_t *bytes = keel_buf_bytes(&c->bytes);
    size_t size = keel_buf_size(&c->bytes);
    struct http_h1 h1 = {0};
    struct h1_trace trace = {.discard = DISCARD};
    size_t at = h1_trace_offer(&trace, &h1, &limits, bytes, first);
    for (size_t end = first; end < size;) {
        end = size - end < step ? size : end + step;
        at += h1_trace_offer(&trace, &h1, &limits, bytes + at, end - at);
    }
    const char *text = keel_buf_text(&trace.text);
    ck_assert_msg(!expected || strcmp(text, expected) == 0,
                  "%s, %zu bytes and %zu each: \"%.200s\", not \"%.200s\"", c->name, first, step,
                  text, expected);
    check_expected(c, &trace, &h1);
    h1_trace_fini(&trace);
}

static void check_case(const struct http_case *c, void *arg)
{
    size_t size = keel_buf_size(&c->bytes);
    unsigned *count = arg;
    ++*count;
    struct http_h1 h1 = {0};
    struct h1_trace whole = {.discard = DISCARD};
    h1_trace_offer(&whole, &h1, &limits, keel_buf_bytes(&c->bytes), size);
    check_expected(c, &whole, &h1);
    /* how much of what is too much comes depends on the cuts */
    const char *text = size > DISCARD ? NULL : keel_buf_text(&whole.text);
    for (size_t cut = 0; cut <= size; cut++) {
        if (size <= EVERY_CUT_MAX || cut < ENDS || cut + ENDS > size || cut % STEP == 0)
            check_parts(c, cut, size, text);
    }
    check_parts(c, 0, 1, text);
    check_parts(c, 0, 7, text);
    h1_trace_fini(&whole);
}

START_TEST(test_corpus)
{
    char pattern[4096];
    const char *top = getenv("KEEL_SRCDIR");
    glob_t found;
    unsigned count = 0;
    snprintf(pattern, sizeof pattern, "%s/tests/corpus/http/*.txt", top ? top : ".");
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        http_corpus_read(found.gl_pathv[i], check_case, &count);
    globfree(&found);
    ck_assert_uint_ge(count, 800);
}
END_TEST

Suite *corpus_suite(void);
Suite *corpus_suite(void)
{
    Suite *s = suite_create("httpd/corpus");
    TCase *t = tcase_create("corpus");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_corpus);
    suite_add_tcase(s, t);
    return s;
}
