#include "tests/unit/httpd/files.h"

static char folder[] = "/tmp/keel-test-XXXXXX";
static struct keel_str index_names[] = {{"index.html", 10}, {"index.htm", 9}};
struct http_location locations[1] = {
    {.prefix = {"/list/", 6}, .parent = HTTP_NO_LOCATION, .autoindex = true}};
struct http_site site = {.name = {"a", 1},
                         .index = index_names,
                         .index_count = 2,
                         .locations = locations,
                         .location_count = 1,
                         .prefix_count = 1};
static struct http_sites sites = {.items = &site, .count = 1};
struct http_cache_limits limits = {.memory = 1 << 20, .entries = 8, .files = 2, .valid_ns = SECOND};

struct http_cache cache;
struct http_request request;
struct http_response response;
static struct http_clock now;
uint64_t passed_ns;

void put(const char *name, const char *bytes, size_t size)
{
    int fd = openat(site.root_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

void files_set_up(void)
{
    static char large[70000];
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    site.root_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(site.root_fd, 0);
    put("a.txt", "hello", 5);
    put("empty", "", 0);
    memset(large, 'L', sizeof large);
    put("large", large, sizeof large);
    put("a b&c.html", "<p>", 3);
    put(".hidden", "secret", 6);
    mkdirat(site.root_fd, "dir", 0755);
    put("dir/index.htm", "in dir", 6);
    mkdirat(site.root_fd, "bare", 0755);
    mkdirat(site.root_fd, "list", 0755);
    mkdirat(site.root_fd, "list/sub", 0755);
    put("list/<x>&\"y.txt", "x", 1);
    put("list/.dot", "x", 1);
    mkdirat(site.root_fd, ".well-known", 0755);
    put(".well-known/a", "known", 5);
    mkfifoat(site.root_fd, "fifo", 0644);
    ck_assert_int_eq(symlinkat("a.txt", site.root_fd, "inside"), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", site.root_fd, "absolute"), 0);
    ck_assert_int_eq(symlinkat("../../etc/passwd", site.root_fd, "above"), 0);
    ck_assert_int_eq(symlinkat("loop", site.root_fd, "loop"), 0);
    site.hidden = false;
    site.coding_count = 0;
    passed_ns = 0;
    now = (struct http_clock){0};
    http_cache_init(&cache, &limits, NULL, NULL);
    http_request_init(&request);
}

void files_tear_down(void)
{
    char command[64];
    http_request_fini(&request);
    http_cache_fini(&cache);
    close(site.root_fd);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

unsigned ask(const char *method, const char *target, const char *fields)
{
    static char text[1024];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, fields);
    ck_assert_int_eq(http_head_parse(&request.head, (uint8_t *)text, strlen(text)), 0);
    http_clock_set(&now, NOW + passed_ns, passed_ns + SECOND * 100);
    ck_assert_int_eq(http_request_prepare(&request, &sites, &(struct http_origin){0}, &now), 0);
    response = (struct http_response){0};
    ck_assert(http_file_respond(&cache, &request, &response));
    ck_assert(memcmp(response.head.p + response.head.n - 2, "\r\n\r\n", 4) == 0);
    char status[16];
    snprintf(status, sizeof status, "HTTP/1.1 %u ", response.status);
    ck_assert(memcmp(response.head.p, status, strlen(status)) == 0);
    return response.status;
}
unsigned get(const char *target)
{
    return ask("GET", target, "");
}
bool head_has(const char *text)
{
    return memmem(response.head.p, response.head.n, text, strlen(text)) != NULL;
}
bool body_is(const char *text)
{
    return keel_str_equal(response.body, keel_str(text));
}
char *field(const char *name)
{
    static char value[128];
    const char *at = memmem(response.head.p, response.head.n, name, strlen(name));
    ck_assert_ptr_nonnull(at);
    sscanf(at + strlen(name), ": %100[^\r]", value);
    return value;
}
