/* Files: what paths name, out of a folder made for the test; what the cache keeps and forgets. */
#include <zlib.h>

#include "common/base/rand.h"
#include "tests/unit/httpd/files.h"

START_TEST(test_plain)
{
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(body_is("hello") && response.joined);
    ck_assert_ptr_eq(response.body.p, response.head.p + response.head.n + 2);
    ck_assert_str_eq(field("Content-Length"), "5");
    ck_assert_str_eq(field("Content-Type"), "text/plain; charset=utf-8");
    ck_assert_str_eq(field("Date"), "Thu, 09 Oct 2025 08:53:20 GMT");
    ck_assert_uint_eq(ask("HEAD", "/a.txt", ""), 200);
    ck_assert(response.body.n == 0 && response.file_size == 0);
    ck_assert_str_eq(field("Content-Length"), "5");
    ck_assert_uint_eq(get("/empty"), 200);
    ck_assert_str_eq(field("Content-Length"), "0");
    ck_assert_uint_eq(get("/a%20b&c.html"), 200);
    ck_assert(body_is("<p>"));
    ck_assert_uint_eq(get("/inside"), 200);
    ck_assert_uint_eq(get("/.well-known/a"), 200);
}
END_TEST

START_TEST(test_not_there)
{
    static const struct {
        const char *target;
        unsigned status;
    } rows[] = {
        {"/none", 404},      {"/a.txt/", 404},    {"/a.txt/x", 404}, {"/absolute", 404},
        {"/above", 404},     {"/loop", 404},      {"/fifo", 403},    {"/.hidden", 404},
        {"/bare/", 403},     {"/list/.dot", 404}, {"/.", 403},       {"/dir/../none", 404},
        {"/%2ehidden", 404}, {"/list/none", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(get(rows[i].target) == rows[i].status, "%s: %u", rows[i].target,
                      response.status);
    site.hidden = true;
    http_cache_flush(&cache);
    ck_assert_uint_eq(get("/.hidden"), 200);
    static char target[1000] = "/";
    memset(target + 1, 'x', 900);
    ck_assert_uint_eq(get(target), 404); /* longer than a name may be */
}
END_TEST

START_TEST(test_directories)
{
    ck_assert_uint_eq(get("/dir/"), 200);
    ck_assert(body_is("in dir"));
    ck_assert_str_eq(field("Content-Type"), "text/html; charset=utf-8");
    ck_assert_uint_eq(get("/dir"), 301);
    ck_assert_str_eq(field("Location"), "/dir/");
    ck_assert_uint_eq(get("/dir?a=b"), 301);
    ck_assert_str_eq(field("Location"), "/dir/?a=b");
    /* an index that comes first appears */
    put("dir/index.html", "first", 5);
    passed_ns += 2 * SECOND;
    ck_assert_uint_eq(get("/dir/"), 200);
    ck_assert(body_is("first"));
}
END_TEST

START_TEST(test_listing)
{
    ck_assert_uint_eq(get("/list/"), 200);
    struct keel_str page = response.body;
    ck_assert_ptr_nonnull(memmem(page.p, page.n, "href=\"./sub/\">sub/<", 19));
    ck_assert_ptr_nonnull(memmem(page.p, page.n, "./%3Cx%3E&%22y.txt\"", 19));
    ck_assert_ptr_nonnull(memmem(page.p, page.n, "&lt;x&gt;&amp;&quot;y.txt<", 26));
    ck_assert_ptr_null(memmem(page.p, page.n, ".dot", 4));
    ck_assert_ptr_null(memmem(response.head.p, response.head.n, "ETag", 4));
    put("list/new", "", 0);
    passed_ns += 2 * SECOND;
    ck_assert_uint_eq(get("/list/"), 200);
    ck_assert_ptr_nonnull(memmem(response.body.p, response.body.n, ">new<", 5));
}
END_TEST

START_TEST(test_methods)
{
    static const struct {
        const char *method;
        unsigned status;
    } rows[] = {{"POST", 405},  {"PUT", 405},  {"DELETE", 405}, {"PATCH", 405},
                {"TRACE", 405}, {"BREW", 501}, {"OPTIONS", 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_uint_eq(ask(rows[i].method, "/a.txt", ""), rows[i].status);
        ck_assert(rows[i].status == 501 || head_has("Allow: GET, HEAD, OPTIONS\r\n"));
    }
    ck_assert_uint_eq(ask("OPTIONS", "*", ""), 200);
    ck_assert_uint_eq(ask("CONNECT", "a:1", ""), 405);
}
END_TEST

START_TEST(test_conditional)
{
    char fields[256], etag[128], modified[128];
    get("/a.txt");
    strcpy(etag, field("ETag"));
    strcpy(modified, field("Last-Modified"));
    snprintf(fields, sizeof fields, "If-None-Match: \"x\", %s\r\n", etag);
    ck_assert_uint_eq(ask("GET", "/a.txt", fields), 304);
    ck_assert(response.body.n == 0 && !head_has("Content-Length"));
    ck_assert_str_eq(field("ETag"), etag);
    ck_assert_str_eq(field("Date"), "Thu, 09 Oct 2025 08:53:20 GMT");
    snprintf(fields, sizeof fields, "If-Modified-Since: %s\r\n", modified);
    ck_assert_uint_eq(ask("HEAD", "/a.txt", fields), 304);
    ck_assert_uint_eq(ask("GET", "/a.txt", "If-None-Match: \"x\"\r\n"), 200);
    ck_assert_uint_eq(ask("GET", "/a.txt", "If-Match: \"x\"\r\n"), 412);
    /* what is not there has no conditions */
    ck_assert_uint_eq(ask("GET", "/none", "If-None-Match: *\r\n"), 404);
}
END_TEST

START_TEST(test_ranges)
{
    char fields[256];
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=1-3\r\n"), 206);
    ck_assert(body_is("ell"));
    ck_assert_str_eq(field("Content-Range"), "bytes 1-3/5");
    ck_assert_str_eq(field("Content-Length"), "3");
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=9-\r\n"), 416);
    ck_assert_str_eq(field("Content-Range"), "bytes */5");
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=0-1, 3-4, 9-\r\n"), 206);
    char mark[64], expected[512];
    ck_assert_int_eq(sscanf(field("Content-Type"), "multipart/byteranges; boundary=%40s", mark), 1);
    snprintf(expected, sizeof expected,
             "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/5"
             "\r\n\r\nhe\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Range: bytes 3-4/5\r\n\r\nlo\r\n--%s--\r\n",
             mark, mark, mark);
    ck_assert(body_is(expected));
    ck_assert_uint_eq((unsigned)atoi(field("Content-Length")), response.body.n);
    ck_assert(!response.hold); /* it is not the entry's */
    ck_assert_uint_eq(ask("GET", "/large", "Range: bytes=0-1,69998-\r\n"), 206);
    ck_assert_ptr_nonnull(
        memmem(response.body.p, response.body.n, "69998-69999/70000\r\n\r\nLL", 23));
    ck_assert_uint_eq(ask("GET", "/large", "Range: bytes=0-,0-\r\n"), 206);
    ck_assert_str_eq(field("Content-Range"), "bytes 0-69999/70000");
    ck_assert_uint_eq(ask("GET", "/large", "Range: bytes=0-59999,60002-\r\n"), 200);
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=7-,8-\r\n"), 416);
    ck_assert_uint_eq(ask("HEAD", "/a.txt", "Range: bytes=1-3\r\n"), 200);
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=1-3\r\nIf-Range: \"x\"\r\n"), 200);
    snprintf(fields, sizeof fields, "Range: bytes=4-\r\nIf-Range: %s\r\n", field("ETag"));
    ck_assert_uint_eq(ask("GET", "/a.txt", fields), 206);
    ck_assert(body_is("o"));
    ck_assert_uint_eq(ask("GET", "/large", "Range: bytes=-10\r\n"), 206);
    ck_assert(response.file_at == 69990 && response.file_size == 10 && response.body.n == 0);
}
END_TEST

START_TEST(test_large)
{
    ck_assert_uint_eq(get("/large"), 200);
    ck_assert(response.body.n == 0 && response.file_at == 0 && response.file_size == 70000);
    char byte;
    response.hold(response.owner);
    int fd = response.file;
    http_cache_flush(&cache); /* the response under way keeps its file */
    ck_assert_int_eq(pread(fd, &byte, 1, 69999), 1);
    ck_assert_int_eq(byte, 'L');
    response.release(response.owner);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(test_cache)
{
    get("/a.txt");
    ck_assert_uint_eq(cache.misses, 1);
    const char *head = response.head.p;
    get("/a.txt");
    get("/./a.txt");
    get("/%61.txt");
    ck_assert_uint_eq(cache.hits, 3);
    ck_assert_ptr_eq(response.head.p, head);
    /* a change is seen once the entry is too old, the Date at once */
    put("a.txt", "changed", 7);
    passed_ns += SECOND;
    get("/a.txt");
    ck_assert(body_is("hello"));
    ck_assert_str_eq(field("Date"), "Thu, 09 Oct 2025 08:53:21 GMT");
    passed_ns += 1;
    get("/a.txt");
    ck_assert(body_is("changed"));
    ck_assert_str_eq(field("Content-Length"), "7");
    /* what was not there appears, what was there goes */
    ck_assert_uint_eq(get("/later"), 404);
    put("later", "x", 1);
    ck_assert_uint_eq(get("/later"), 404);
    passed_ns += SECOND + 1;
    ck_assert_uint_eq(get("/later"), 200);
    unlinkat(site.root_fd, "later", 0);
    passed_ns += SECOND + 1;
    ck_assert_uint_eq(get("/later"), 404);
    /* unchanged for a while: asked again, but not made again */
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    ck_assert_int_eq(utimensat(site.root_fd, "a.txt", old, 0), 0);
    passed_ns += SECOND + 1;
    get("/a.txt");
    head = response.head.p;
    passed_ns += SECOND + 1;
    get("/a.txt");
    ck_assert_ptr_eq(response.head.p, head);
}
END_TEST

START_TEST(test_cache_limits)
{
    char target[16], name[16];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "f%u", i);
        put(name, name, strlen(name));
    }
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 20; i++) {
            snprintf(target, sizeof target, "/f%u", i);
            ck_assert_uint_eq(get(target), 200);
            ck_assert(body_is(target + 1));
            ck_assert_uint_le(cache.entries, limits.entries);
            ck_assert_uint_le(cache.memory, limits.memory);
        }
    /* descriptors of large files are few */
    static char large[70000];
    for (unsigned i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "large%u", i);
        put(name, large, sizeof large);
        snprintf(target, sizeof target, "/large%u", i);
        ck_assert_uint_eq(get(target), 200);
        ck_assert_uint_le(cache.files, limits.files);
    }
    /* the most recently used ones stay */
    http_cache_flush(&cache);
    ck_assert_uint_eq(cache.memory, 0);
    get("/a.txt");
    for (unsigned i = 0; i < 20; i++) {
        snprintf(target, sizeof target, "/f%u", i);
        get(target);
        uint64_t misses = cache.misses;
        get("/a.txt");
        ck_assert_uint_eq(cache.misses, misses);
    }
}
END_TEST

static const char *gzip_of(struct keel_str body)
{
    static char out[65536];
    z_stream z = {.next_in = (void *)(uintptr_t)body.p,
                  .avail_in = (uInt)body.n,
                  .next_out = (void *)out,
                  .avail_out = sizeof out - 1};
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    out[z.total_out] = '\0';
    inflateEnd(&z);
    return out;
}

static void compress_with(unsigned count, enum http_coding first, enum http_coding second)
{
    static struct keel_str types[] = {{"text/", 5}};
    site.coding_count = count;
    site.codings[0] = (uint8_t)first;
    site.codings[1] = (uint8_t)second;
    site.compress_types = types;
    site.compress_type_count = 1;
    site.compress_min = 100;
}

START_TEST(test_compress)
{
    static char text[20001];
    char fields[256], etag[128], plain[128];
    memset(text, 'a', sizeof text - 1);
    put("t.txt", text, sizeof text - 1);
    put("t.bin", text, sizeof text - 1);
    compress_with(2, HTTP_BR, HTTP_GZIP);
    ck_assert_uint_eq(get("/t.txt"), 200);
    ck_assert(body_is(text) && !head_has("Content-Encoding"));
    ck_assert(head_has("Vary: Accept-Encoding\r\n"));
    strcpy(plain, field("ETag"));
    /* each coding has a tag, a length and conditions of its own */
    static const char *const names[] = {"gzip", "br"};
    for (unsigned i = 0; i < 2; i++) {
        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\n", names[i]);
        ck_assert_uint_eq(ask("GET", "/t.txt", fields), 200);
        ck_assert_str_eq(field("Content-Encoding"), names[i]);
        ck_assert(head_has("Vary: Accept-Encoding\r\n") && response.body.n < 1000);
        ck_assert_uint_eq((unsigned)atoi(field("Content-Length")), response.body.n);
        strcpy(etag, field("ETag"));
        ck_assert_str_ne(etag, plain);
        ck_assert_ptr_nonnull(strstr(etag, names[i]));
        ck_assert(i == 1 || strcmp(gzip_of(response.body), text) == 0);
        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\nIf-None-Match: %s\r\n", names[i],
                 etag);
        ck_assert_uint_eq(ask("GET", "/t.txt", fields), 304);
        ck_assert_str_eq(field("ETag"), etag);
        ck_assert(head_has("Vary: Accept-Encoding\r\n") && !head_has("Content-Encoding"));
        ck_assert_uint_eq(ask("GET", "/t.txt", fields + 17 + strlen(names[i]) + 2), 200);
        /* a range is one of the representation that is sent */
        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\nRange: bytes=0-1\r\n", names[i]);
        ck_assert_uint_eq(ask("GET", "/t.txt", fields), 206);
        ck_assert_str_eq(field("Content-Encoding"), names[i]);
        ck_assert_str_eq(field("ETag"), etag);
        ck_assert(response.body.n == 2 && (i == 1 || memcmp(response.body.p, "\x1f\x8b", 2) == 0));
    }
    ask("GET", "/t.txt", "Accept-Encoding: gzip, br\r\n"); /* ours decides between equals */
    ck_assert_str_eq(field("Content-Encoding"), "br");
    ask("GET", "/t.txt", "Accept-Encoding: gzip, br;q=0.9\r\n");
    ck_assert_str_eq(field("Content-Encoding"), "gzip");
    ask("GET", "/t.txt", "Accept-Encoding: identity, gzip;q=0.9\r\n");
    ck_assert(!head_has("Content-Encoding"));
    ask("GET", "/t.txt", "Accept-Encoding: gzip;q=0\r\nAccept-Encoding: br\r\n");
    ck_assert_str_eq(field("Content-Encoding"), "br");
    ask("GET", "/t.txt", "Accept-Encoding: br\r\nAccept-Encoding: gzip;q=2\r\n");
    ck_assert(!head_has("Content-Encoding"));
    ask("GET", "/t.txt", "Accept-Encoding: br\r\n");
    ck_assert_str_eq(field("Content-Encoding"), "br");
    ask("GET", "/t.txt", "Accept-Encoding: zstd\r\n");
    ck_assert(!head_has("Content-Encoding"));
    ask("HEAD", "/t.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(head_has("Content-Encoding") && response.body.n == 0);
    /* made once */
    ask("GET", "/t.txt", "Accept-Encoding: gzip\r\n");
    const char *body = response.body.p;
    ask("GET", "/t.txt", "Accept-Encoding: gzip\r\n");
    ck_assert_ptr_eq(response.body.p, body);
    /* another type, a file too small or too large, one that does not shrink */
    ask("GET", "/t.bin", "Accept-Encoding: gzip\r\n");
    ck_assert(!head_has("Content-Encoding") && !head_has("Vary"));
    ask("GET", "/a.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(!head_has("Content-Encoding") && head_has("Vary"));
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)keel_rand_u64();
    put("random.txt", text, sizeof text);
    ask("GET", "/random.txt", "Accept-Encoding: br\r\n");
    ck_assert(!head_has("Content-Encoding"));
    ck_assert_uint_le(cache.memory, limits.memory);
    http_cache_flush(&cache);
    ck_assert_uint_eq(cache.memory, 0);
}
END_TEST

/* A cache that is too small for the one file that it holds: it is sent all the same. */
START_TEST(test_compress_when_full)
{
    static char text[20001];
    memset(text, 'a', sizeof text - 1);
    put("t.txt", text, sizeof text - 1);
    compress_with(2, HTTP_BR, HTTP_GZIP);
    cache.limits.memory = 1000;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(ask("GET", "/t.txt", "Accept-Encoding: gzip\r\n"), 200);
        ck_assert_str_eq(field("Content-Encoding"), "gzip");
        ck_assert_str_eq(gzip_of(response.body), text);
    }
}
END_TEST

START_TEST(test_siblings)
{
    static char large[70000];
    compress_with(2, HTTP_GZIP, HTTP_ZSTD);
    put("s.txt", "plain", 5);
    put("s.txt.gz", "squeezed", 8);
    put("s.txt.zst", large, sizeof large);
    ask("GET", "/s.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("squeezed"));
    ck_assert_str_eq(field("Content-Encoding"), "gzip");
    ck_assert_str_eq(field("Content-Type"), "text/plain; charset=utf-8");
    ask("GET", "/s.txt", "Accept-Encoding: zstd\r\n");
    ck_assert(response.file_size == sizeof large && cache.files == 1);
    ask("GET", "/s.txt", "Accept-Encoding: zstd\r\nRange: bytes=60000-\r\n");
    ck_assert(response.file_at == 60000 && response.file_size == 10000);
    ask("GET", "/s.txt", "Accept-Encoding: br\r\n");
    ck_assert(body_is("plain"));
    ask("GET", "/s.txt.gz", "Accept-Encoding: gzip\r\n"); /* by its own name it is a file */
    ck_assert(body_is("squeezed") && !head_has("Content-Encoding"));
    /* changes beside the file are seen; one that is older than the file is not it */
    put("s.txt.gz", "again", 5);
    passed_ns += 2 * SECOND;
    ask("GET", "/s.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("again"));
    unlinkat(site.root_fd, "s.txt.zst", 0);
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    ck_assert_int_eq(utimensat(site.root_fd, "s.txt.gz", old, 0), 0);
    passed_ns += 2 * SECOND;
    ask("GET", "/s.txt", "Accept-Encoding: gzip, zstd\r\n");
    ck_assert(body_is("plain") && cache.files == 0);
    /* an index file has siblings too */
    put("dir/index.htm.gz", "squeezed dir", 12);
    ask("GET", "/dir/", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("squeezed dir"));
}
END_TEST

START_TEST(test_tries)
{
    static struct http_try tries[] = {
        {true, {"", 0}}, {true, {".html", 5}}, {true, {"/../../a.txt", 12}}, {false, {"/dir/", 5}}};
    struct http_location saved = locations[0];
    put("page.html", "page", 4);
    locations[0] = (struct http_location){
        .prefix = {"/", 1}, .parent = HTTP_NO_LOCATION, .tries = tries, .try_count = 4};
    ck_assert_uint_eq(get("/page"), 200);
    ck_assert(body_is("page"));
    ck_assert_str_eq(field("Content-Type"), "text/html; charset=utf-8");
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(body_is("hello"));
    ck_assert_uint_eq(get("/none/at/all"), 200);
    ck_assert(body_is("in dir")); /* the last one, and its index; nothing above the root */
    ck_assert_uint_eq(get("/.hidden"), 200);
    ck_assert(body_is("in dir"));
    ck_assert_uint_eq(get("/fifo"), 403); /* it exists */
    ck_assert_uint_eq(get("/dir"), 301);
    locations[0].try_count = 2;
    ck_assert_uint_eq(get("/none/here"), 404);
    locations[0] = saved;
}
END_TEST

START_TEST(test_cache_rules)
{
    static struct http_cache_rule rules[] = {
        {true, {".txt", 4}, {"Cache-Control: a\r\n", 18}},
        {false, {"text/html", 9}, {"Cache-Control: b\r\n", 18}}};
    struct http_location saved = locations[0];
    locations[0] = (struct http_location){.prefix = {"/", 1},
                                          .parent = HTTP_NO_LOCATION,
                                          .cache_rules = rules,
                                          .cache_rule_count = 2,
                                          .fields = {"X: y\r\nCache-Control: no\r\n", 25},
                                          .always = {"X: y\r\n", 6}};
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(head_has("\r\nX: y\r\nCache-Control: a\r\n"));
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=0-0\r\n"), 206);
    ck_assert(head_has("\r\nX: y\r\nCache-Control: a\r\n") && !head_has("no\r\n"));
    get("/dir/"); /* by the name of the file that is sent */
    ck_assert(head_has("Cache-Control: b\r\n"));
    get("/large");
    ck_assert(head_has("Cache-Control: no\r\n"));
    get("/none");
    ck_assert(!head_has("Cache-Control"));
    locations[0] = saved;
}
END_TEST

START_TEST(test_future)
{
    const struct timespec future[2] = {{4000000000, 0}, {4000000000, 0}};
    char tag[128];
    ck_assert_int_eq(utimensat(site.root_fd, "a.txt", future, 0), 0);
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(!head_has(" 2096 ")); /* RFC 9110, 8.8.2.1 */
    snprintf(tag, sizeof tag, "If-Modified-Since: %s\r\n", field("Last-Modified"));
    ck_assert_uint_eq(ask("GET", "/a.txt", tag), 304);
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=0-0\r\n"), 206);
    ck_assert(!head_has(" 2096 "));
}
END_TEST

START_TEST(test_fields)
{
    static const struct keel_str gone = {"<p>gone", 7};
    static const struct http_error_page pages[] = {{404, {"text/html", 9}, &gone}};
    struct http_location saved = locations[0];
    locations[0] = (struct http_location){.prefix = {"/", 1},
                                          .parent = HTTP_NO_LOCATION,
                                          .autoindex = true,
                                          .fields = {"X: y\r\nCache-Control: no\r\n", 25},
                                          .always = {"X: y\r\n", 6}};
    site.error_pages = (struct http_error_page *)(uintptr_t)pages;
    site.error_page_count = 1;
    site.charset = "koi8-r";
    char fields[256];
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(head_has("\r\nX: y\r\nCache-Control: no\r\n"));
    ck_assert_str_eq(field("Content-Type"), "text/plain; charset=koi8-r");
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", field("ETag"));
    ck_assert_uint_eq(ask("GET", "/a.txt", fields), 304);
    ck_assert(head_has("\r\nX: y\r\nCache-Control: no\r\n"));
    ck_assert_uint_eq(ask("GET", "/a.txt", "Range: bytes=0-0\r\n"), 206);
    ck_assert(head_has("\r\nX: y\r\nCache-Control: no\r\n"));
    ck_assert_uint_eq(get("/none"), 404);
    ck_assert(head_has("\r\nX: y\r\n") && !head_has("Cache-Control") && body_is("<p>gone"));
    ck_assert_str_eq(field("Content-Length"), "7");
    ck_assert_str_eq(field("Content-Type"), "text/html");
    ck_assert_uint_eq(ask("HEAD", "/none", ""), 404);
    ck_assert(body_is("") && head_has("Content-Length: 7\r\n"));
    ck_assert_uint_eq(ask("POST", "/a.txt", ""), 405);
    ck_assert(body_is("405 Method Not Allowed\n") && head_has("Allow: ") && head_has("X: y\r\n"));
    site.charset = "";
    http_cache_flush(&cache);
    get("/a.txt");
    ck_assert_str_eq(field("Content-Type"), "text/plain");
    site.charset = NULL;
    site.error_page_count = 0;
    locations[0] = saved;
}
END_TEST

START_TEST(test_listing_json)
{
    static const char *const accepts[] = {"Accept: application/json\r\n",
                                          "Accept: text/html;q=0.5, */*\r\n"};
    put("list/\"\xff", "four", 4);
    ck_assert_uint_eq(get("/list/?format=json"), 200);
    ck_assert_str_eq(field("Content-Type"), "application/json");
    ck_assert_str_eq(field("Vary"), "Accept");
    struct keel_str page = response.body;
    ck_assert(memcmp(page.p, "[\n{\"name\":\"sub\",\"type\":\"directory\",\"modified\":", 46) == 0);
    ck_assert_ptr_nonnull(
        memmem(page.p, page.n, "{\"name\":\"\\\"\\u00ff\",\"type\":\"file\",\"size\":4,", 42));
    for (unsigned i = 0; i < 2; i++) {
        ask("GET", "/list/", accepts[i]);
        ck_assert_str_eq(field("Content-Type"), "application/json");
    }
    ask("GET", "/list/", "Accept: text/html, */*;q=0.5\r\n");
    ck_assert_str_eq(field("Content-Type"), "text/html; charset=utf-8");
    ask("GET", "/list/", "");
    ck_assert_str_eq(field("Content-Type"), "text/html; charset=utf-8");
}
END_TEST

/* Fails the n-th allocation, every n: an answer comes, and nothing is lost or left. */
START_TEST(test_no_memory)
{
    static const char *const targets[] = {"/a.txt", "/dir", "/list/", "/none", "/large"};
    put("a.txt.gz", "x", 1);
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
        unsigned status = get(targets[i]);
        for (unsigned n = 1; n < 200; n++) {
            compress_with(2, HTTP_GZIP, HTTP_ZSTD);
            http_cache_fini(&cache);
            http_cache_init(&cache, &limits, NULL, NULL);
            keel_arena_fini(&request.arena);
            keel_arena_init(&request.arena, 0);
            keel_mem_fail_at(n);
            unsigned got = get(targets[i]);
            keel_mem_fail_at(0);
            ck_assert_msg(got == status || got == 503, "%s: %u", targets[i], got);
            if (got == status && keel_mem_count() == 0)
                break;
        }
        ck_assert_uint_eq(get(targets[i]), status);
    }
}
END_TEST

Suite *file_suite(void);
Suite *file_suite(void)
{
    Suite *s = suite_create("httpd/handlers/file");
    TCase *t = tcase_create("file");
    tcase_add_checked_fixture(t, files_set_up, files_tear_down);
    tcase_add_test(t, test_plain);
    tcase_add_test(t, test_not_there);
    tcase_add_test(t, test_directories);
    tcase_add_test(t, test_listing);
    tcase_add_test(t, test_methods);
    tcase_add_test(t, test_conditional);
    tcase_add_test(t, test_ranges);
    tcase_add_test(t, test_large);
    tcase_add_test(t, test_cache);
    tcase_add_test(t, test_cache_limits);
    tcase_add_test(t, test_tries);
    tcase_add_test(t, test_fields);
    tcase_add_test(t, test_cache_rules);
    tcase_add_test(t, test_future);
    tcase_add_test(t, test_listing_json);
    tcase_add_test(t, test_compress);
    tcase_add_test(t, test_compress_when_full);
    tcase_add_test(t, test_siblings);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
