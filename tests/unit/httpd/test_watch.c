/* Files that change: the cache hears of it, and looks at nothing that did not change. */
#include <sys/stat.h>

#include "tests/unit/httpd/files.h"

static struct keel_loop *loop;

static void set_up(void)
{
    files_set_up();
    limits.watches = 100;
    limits.entries = 1000;
    http_cache_fini(&cache);
    http_cache_init(&cache, &limits, NULL, NULL);
    loop = keel_loop_new();
    http_cache_watch(&cache, loop);
    ck_assert_ptr_nonnull(cache.watch);
    site.symlinks = HTTP_SYMLINKS_INSIDE;
}

static void tear_down(void)
{
    limits.watches = 0;
    limits.entries = 8;
    limits.memory = 1 << 20;
    files_tear_down();
    keel_loop_free(loop);
}

static bool make_link(const char *target, const char *name)
{
    return symlinkat(target, site.root_fd, name) == 0;
}

/* What has happened so far is heard of. */
static void hear(void)
{
    for (unsigned i = 0; i < 20; i++)
        keel_loop_turn(loop, 0);
}

/* The file system is asked, or not. */
static unsigned get_asking(const char *target, unsigned asks)
{
    uint64_t misses = cache.misses;
    hear();
    unsigned status = get(target);
    ck_assert_msg(cache.misses - misses == asks, "%s: %llu looks", target,
                  (unsigned long long)(cache.misses - misses));
    return status;
}

static unsigned folders(void)
{
    struct http_watch_figures figures;
    http_watch_figures(cache.watch, &figures);
    return figures.folders;
}

START_TEST(test_change)
{
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200);
    passed_ns += 1000 * SECOND; /* long after it would be looked at without a watch */
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200);
    put("a.txt", "other", 5);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("other"));
    put("new", "new one", 7);
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200); /* another file's business */
    ck_assert_int_eq(renameat(site.root_fd, "new", site.root_fd, "a.txt"), 0);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("new one"));
    unlinkat(site.root_fd, "a.txt", 0);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 404);
    passed_ns += 1000 * SECOND;
    ck_assert_uint_eq(get_asking("/a.txt", 0), 404); /* that it is not there, too */
    put("a.txt", "back", 4);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("back"));
    /* a file that somebody keeps open */
    int fd = openat(site.root_fd, "a.txt", O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(fd, "!", 1), 1);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("back!"));
    close(fd);
    /* large ones */
    ck_assert_uint_eq(get_asking("/large", 1), 200);
    ck_assert_uint_eq(get_asking("/large", 0), 200);
    put("large", "small", 5);
    ck_assert_uint_eq(get_asking("/large", 1), 200);
    ck_assert(body_is("small"));
}
END_TEST

START_TEST(test_written_within_a_tick)
{
    char text[4] = "000";
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "%03u", i);
        put("a.txt", text, 3);
        hear();
        get("/a.txt");
        ck_assert(body_is(text));
        char tag[128];
        snprintf(tag, sizeof tag, "If-None-Match: %s\r\n", field("ETag"));
        ck_assert_uint_eq(ask("GET", "/a.txt", tag), 304);
        snprintf(text, sizeof text, "%03u", i + 500); /* of the same size */
        put("a.txt", text, 3);
        hear();
        ck_assert_uint_eq(ask("GET", "/a.txt", tag), 200);
        ck_assert(body_is(text));
    }
}
END_TEST

START_TEST(test_folders)
{
    ck_assert_uint_eq(get("/none/at/all"), 404);
    ck_assert_uint_eq(get_asking("/none/at/all", 0), 404);
    mkdirat(site.root_fd, "none", 0755);
    mkdirat(site.root_fd, "none/at", 0755);
    put("none/at/all", "here", 4);
    ck_assert_uint_eq(get_asking("/none/at/all", 1), 200);
    ck_assert_uint_eq(get_asking("/none/at/all", 0), 200);
    ck_assert_uint_eq(folders(), 3);
    /* a folder that is moved away, and another that takes its place */
    mkdirat(site.root_fd, "next", 0755);
    mkdirat(site.root_fd, "next/at", 0755);
    put("next/at/all", "next", 4);
    ck_assert_int_eq(renameat(site.root_fd, "none", site.root_fd, "old"), 0);
    ck_assert_int_eq(renameat(site.root_fd, "next", site.root_fd, "none"), 0);
    ck_assert_uint_eq(get_asking("/none/at/all", 1), 200);
    ck_assert(body_is("next"));
    put("none/at/all", "more", 4);
    ck_assert_uint_eq(get_asking("/none/at/all", 1), 200);
    ck_assert(body_is("more"));
    /* the redirection to a folder */
    ck_assert_uint_eq(get("/none"), 301);
    ck_assert_uint_eq(get("/none/"), 403);
    ck_assert_uint_eq(get_asking("/none/", 0), 403);
    put("none/index.htm", "index", 5);
    ck_assert_uint_eq(get_asking("/none/", 1), 200);
    put("none/index.html", "first", 5);
    ck_assert_uint_eq(get_asking("/none/", 1), 200);
    ck_assert(body_is("first"));
    unlinkat(site.root_fd, "none/index.html", 0);
    ck_assert_uint_eq(get_asking("/none/", 1), 200);
    ck_assert(body_is("index"));
    unlinkat(site.root_fd, "none/index.htm", 0);
    unlinkat(site.root_fd, "none/at/all", 0);
    unlinkat(site.root_fd, "none/at", AT_REMOVEDIR);
    unlinkat(site.root_fd, "none", AT_REMOVEDIR);
    ck_assert_uint_eq(get_asking("/none", 1), 404);
    ck_assert_uint_eq(get_asking("/none/", 1), 404);
    put("none", "a file", 6);
    ck_assert_uint_eq(get_asking("/none", 1), 200);
    ck_assert_uint_eq(get_asking("/none/", 1), 404);
    /* nobody needs them */
    http_cache_flush(&cache);
    ck_assert_uint_eq(folders(), 1);
}
END_TEST

START_TEST(test_links)
{
    mkdirat(site.root_fd, "v1", 0755);
    mkdirat(site.root_fd, "v2", 0755);
    put("v1/f", "one", 3);
    put("v2/f", "two", 3);
    ck_assert_int_eq(symlinkat("v1", site.root_fd, "current"), 0);
    ck_assert_int_eq(symlinkat("../current/f", site.root_fd, "v2/link"), 0);
    for (unsigned i = 0; i < 2; i++) {
        static const char *const paths[] = {"/current/f", "/v2/link"};
        ck_assert_uint_eq(get(paths[i]), 200);
        ck_assert(body_is("one"));
        ck_assert_uint_eq(get_asking(paths[i], 0), 200);
    }
    ck_assert_int_eq(symlinkat("v2", site.root_fd, "next"), 0);
    ck_assert_int_eq(renameat(site.root_fd, "next", site.root_fd, "current"), 0);
    ck_assert_uint_eq(get_asking("/current/f", 1), 200);
    ck_assert(body_is("two"));
    ck_assert_uint_eq(get_asking("/v2/link", 1), 200);
    ck_assert(body_is("two"));
    put("v2/f", "three", 5); /* where the link leads */
    ck_assert_uint_eq(get_asking("/v2/link", 1), 200);
    ck_assert(body_is("three"));
    ck_assert_uint_eq(get_asking("/v2/link", 0), 200);
    unlinkat(site.root_fd, "v2/f", 0);
    ck_assert_uint_eq(get_asking("/current/f", 1), 404);
    ck_assert_uint_eq(get_asking("/current/f", 0), 404);
    /* out of the root, in a circle */
    ck_assert_uint_eq(get("/above"), 404);
    ck_assert_uint_eq(get_asking("/above", 0), 404);
    ck_assert_uint_eq(get("/loop"), 404);
    ck_assert_uint_eq(get_asking("/loop", 0), 404);
    put("dir/x", "x", 1);
    ck_assert_int_eq(symlinkat(".", site.root_fd, "dir/self"), 0);
    ck_assert_int_eq(symlinkat("./self/./self//../dir/x", site.root_fd, "dir/y"), 0);
    ck_assert_uint_eq(get("/dir/self/self/y"), 200);
    ck_assert_uint_eq(get_asking("/dir/self/self/y", 0), 200);
    put("dir/x", "y", 1);
    ck_assert_uint_eq(get_asking("/dir/self/self/y", 1), 200);
    ck_assert(body_is("y"));
}
END_TEST

START_TEST(test_symlink_policy)
{
    static const struct {
        const char *target;
        unsigned inside, owner, no;
    } cases[] = {
        {"/a.txt", 200, 200, 200},
        {"/inside", 200, 200, 403},
        {"/linked/index.htm", 200, 200, 403},
        {"/linked/", 200, 200, 403},
        {"/up", 200, 200, 403},
        {"/foreign", 200, 403, 403},
        {"/by-foreign/index.htm", 200, 403, 403},
        {"/to-foreign", 200, 403, 403},
        {"/slash/index.htm", 200, 200, 403},
        {"/above", 404, 404, 403},
        {"/absolute", 404, 404, 403},
        {"/loop", 404, 404, 403},
        {"/nowhere", 404, 404, 403},
        {"/a.txt/", 404, 404, 404},
        {"/inside/", 404, 404, 403},
    };
    make_link("dir", "linked");
    make_link("dir//", "slash");
    make_link("./dir/../dir/./index.htm", "up");
    make_link("a.txt", "foreign");
    make_link("dir/", "by-foreign");
    make_link("foreign", "to-foreign");
    make_link("none", "nowhere");
    bool root = geteuid() == 0;
    if (root) {
        ck_assert_int_eq(fchownat(site.root_fd, "foreign", 12345, 0, AT_SYMLINK_NOFOLLOW), 0);
        ck_assert_int_eq(fchownat(site.root_fd, "by-foreign", 12345, 0, AT_SYMLINK_NOFOLLOW), 0);
    }
    for (unsigned watched = 0; watched < 2; watched++) {
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            const unsigned expected[] = {cases[i].inside, cases[i].owner, cases[i].no};
            for (unsigned policy = 0; policy < 3; policy++) {
                if (!root && policy == HTTP_SYMLINKS_OWNER && strstr(cases[i].target, "foreign"))
                    continue;
                site.symlinks = (enum http_symlinks)policy;
                http_cache_flush(&cache);
                unsigned status = get(cases[i].target);
                ck_assert_msg(status == expected[policy], "%s policy %u: %u", cases[i].target,
                              policy, status);
            }
        }
        http_cache_fini(&cache);
        limits.watches = 0;
        http_cache_init(&cache, &limits, NULL, NULL);
    }
}
END_TEST

START_TEST(test_siblings_and_tries)
{
    static struct http_try tries[] = {{true, {"", 0}}, {true, {".html", 5}}, {false, {"/f", 2}}};
    static struct keel_str types[] = {{"text/", 5}};
    site.coding_count = 1;
    site.codings[0] = HTTP_GZIP;
    site.compress_types = types;
    site.compress_type_count = 1;
    site.compress_min = 1000;
    get("/a.txt");
    put("a.txt.gz", "squeezed", 8);
    hear();
    ask("GET", "/a.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("squeezed"));
    put("a.txt.gz", "again", 5);
    hear();
    ask("GET", "/a.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("again"));
    unlinkat(site.root_fd, "a.txt.gz", 0);
    hear();
    ask("GET", "/a.txt", "Accept-Encoding: gzip\r\n");
    ck_assert(body_is("hello"));
    struct http_location saved = locations[0];
    locations[0] = (struct http_location){
        .prefix = {"/", 1}, .parent = HTTP_NO_LOCATION, .tries = tries, .try_count = 3};
    put("f", "fallback", 8);
    http_cache_flush(&cache);
    ck_assert_uint_eq(get("/page"), 200);
    ck_assert(body_is("fallback"));
    put("page.html", "page", 4);
    ck_assert_uint_eq(get_asking("/page", 1), 200);
    ck_assert(body_is("page"));
    put("page", "first", 5);
    ck_assert_uint_eq(get_asking("/page", 1), 200);
    ck_assert(body_is("first"));
    unlinkat(site.root_fd, "page", 0);
    unlinkat(site.root_fd, "page.html", 0);
    ck_assert_uint_eq(get_asking("/page", 1), 200);
    ck_assert(body_is("fallback"));
    put("f", "new fallback", 12);
    ck_assert_uint_eq(get_asking("/page", 1), 200);
    ck_assert(body_is("new fallback"));
    locations[0] = saved;
}
END_TEST

START_TEST(test_listing)
{
    ck_assert_uint_eq(get("/list/"), 200);
    ck_assert_uint_eq(get_asking("/list/", 0), 200);
    put("list/new.txt", "x", 1);
    ck_assert_uint_eq(get_asking("/list/", 1), 200);
    ck_assert_ptr_nonnull(memmem(response.body.p, response.body.n, "new.txt", 7));
    put("list/index.html", "index", 5);
    ck_assert_uint_eq(get_asking("/list/", 1), 200);
    ck_assert(body_is("index"));
}
END_TEST

/* A path that leads through a folder and asks for nothing in it. */
START_TEST(test_through_folders)
{
    site.index_count = 0;
    ck_assert_uint_eq(get("/bare/"), 403);
    make_link("bare/../a.txt", "one");
    make_link("bare/../a.txt", "two");
    hear();
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(get("/one"), 200);
        ck_assert_uint_eq(get("/two"), 200);
    }
    ck_assert_uint_eq(get_asking("/bare/", 0), 403);
    unlinkat(site.root_fd, "bare", AT_REMOVEDIR);
    ck_assert_uint_eq(get_asking("/one", 1), 404);
    ck_assert_uint_eq(get_asking("/two", 1), 404);
    ck_assert_uint_eq(get_asking("/bare/", 1), 404);
    mkdirat(site.root_fd, "bare", 0755);
    ck_assert_uint_eq(get_asking("/one", 1), 200);
    ck_assert_uint_eq(get_asking("/bare/", 1), 403);
    site.index_count = 2;
    http_cache_flush(&cache);
    ck_assert_uint_eq(folders(), 1);
}
END_TEST

/* The system has more to tell than it can keep: all is looked at again, and watched again. */
START_TEST(test_lost)
{
    unsigned most = 0;
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    ck_assert(f && fscanf(f, "%u", &most) == 1);
    fclose(f);
    if (most > 100000)
        return;
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert_uint_eq(get("/dir/"), 200);
    hear();
    for (unsigned i = 0; i <= most / 2; i++) { /* two at a time: the same twice would be one */
        ck_assert_int_eq(fchmodat(site.root_fd, "empty", 0644, 0), 0);
        ck_assert_int_eq(fchmodat(site.root_fd, "large", 0644, 0), 0);
    }
    put("a.txt", "unheard", 7);
    put("dir/index.html", "unheard too", 11);
    for (unsigned i = 0; i < most / 100; i++)
        hear();
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("unheard"));
    ck_assert_uint_eq(get_asking("/dir/", 1), 200);
    ck_assert(body_is("unheard too"));
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200);
    put("a.txt", "heard", 5);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("heard"));
    ck_assert_uint_eq(folders(), 2);
}
END_TEST

/* What cannot be watched is looked at again after a while. */
START_TEST(test_unwatched)
{
    ck_assert_int_eq(linkat(site.root_fd, "a.txt", site.root_fd, "dir/other name", 0), 0);
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200);
    put("dir/other name", "changed", 7);
    ck_assert_uint_eq(get_asking("/a.txt", 0), 200);
    passed_ns += SECOND + 1;
    ck_assert_uint_eq(get_asking("/a.txt", 1), 200);
    ck_assert(body_is("changed"));
    /* more folders than may be watched */
    http_cache_fini(&cache);
    limits.watches = 2;
    http_cache_init(&cache, &limits, NULL, NULL);
    http_cache_watch(&cache, loop);
    put("list/x", "x", 1);
    put("dir/x", "x", 1);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(get("/dir/x"), 200);
        ck_assert_uint_eq(get("/list/x"), 200);
        passed_ns += SECOND + 1;
        ck_assert_uint_eq(get_asking("/dir/x", 0), 200);
        ck_assert_uint_eq(get_asking("/list/x", 1), 200);
        ck_assert_uint_eq(folders(), 2);
    }
    put("dir/x", "y", 1);
    ck_assert_uint_eq(get_asking("/dir/x", 1), 200);
    ck_assert(body_is("y"));
}
END_TEST

/* Entries come and go; what they were watched with goes with them. */
START_TEST(test_bounded)
{
    char name[64];
    limits.entries = 10;
    cache.limits = limits;
    struct http_watch_figures figures;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d%u", i);
        mkdirat(site.root_fd, name, 0755);
        snprintf(name, sizeof name, "/d%u/none", i);
        ck_assert_uint_eq(get(name), 404);
        ck_assert_uint_le(folders(), 11);
    }
    http_watch_figures(cache.watch, &figures);
    ck_assert_uint_lt(figures.memory, 8192);
    limits.memory = cache.limits.memory = cache.memory / 2 + figures.memory / 2;
    get("/a.txt");
    http_watch_figures(cache.watch, &figures);
    ck_assert_uint_le(cache.memory + figures.memory, limits.memory);
    http_cache_flush(&cache);
    http_watch_figures(cache.watch, &figures);
    ck_assert_uint_eq(figures.folders, 1);
}
END_TEST

/* Fails the n-th allocation, every n: an answer comes, and a change after it is seen. */
START_TEST(test_no_memory)
{
    static const char *const targets[] = {"/a.txt", "/dir/", "/list/", "/none/x", "/dir/self/x"};
    make_link(".", "dir/self");
    for (unsigned i = 0; i < sizeof targets / sizeof *targets; i++) {
        unsigned status = get(targets[i]);
        for (unsigned n = 1; n < 200; n++) {
            http_cache_fini(&cache);
            http_cache_init(&cache, &limits, NULL, NULL);
            keel_mem_fail_at(n);
            http_cache_watch(&cache, loop);
            unsigned got = get(targets[i]);
            uint64_t count = keel_mem_count();
            keel_mem_fail_at(0);
            ck_assert_msg(got == status || got == 503, "%s: %u", targets[i], got);
            if (count < n)
                break;
        }
    }
    put("a.txt", "changed", 7);
    hear();
    ck_assert_uint_eq(get("/a.txt"), 200);
    ck_assert(body_is("changed"));
}
END_TEST

/* Anything may happen to the tree, in any order: what is served is what is there. */
START_TEST(test_any_order)
{
    static const char *const names[] = {"p", "q", "p/p", "p/q", "q/p", "q/q", "p/p/p", "q/q/p"};
    enum { COUNT = sizeof names / sizeof *names };
    unsigned seed = 1;
    char target[32], text[32], expected[32];
    for (unsigned round = 0; round < 4000; round++) {
        const char *name = names[(seed = seed * 1103515245 + 12345) >> 16 & (COUNT - 1)];
        const char *other = names[(seed = seed * 1103515245 + 12345) >> 16 & (COUNT - 1)];
        switch ((seed = seed * 1103515245 + 12345) >> 16 & 7) {
        case 0:
        case 1:
            mkdirat(site.root_fd, name, 0755);
            break;
        case 2: {
            int fd = openat(site.root_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
            snprintf(text, sizeof text, "%u", round);
            if (fd >= 0) {
                ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
                close(fd);
            }
            break;
        }
        case 3:
            unlinkat(site.root_fd, name, 0);
            break;
        case 4:
            unlinkat(site.root_fd, name, AT_REMOVEDIR);
            break;
        case 5:
            make_link(other[0] == 'p' ? "q" : "./q/p", name);
            break;
        default:
            renameat(site.root_fd, name, site.root_fd, other);
        }
        hear();
        for (unsigned i = 0; i < COUNT; i++) {
            struct stat st;
            ssize_t n = -1;
            bool there = fstatat(site.root_fd, names[i], &st, 0) == 0;
            if (there && S_ISREG(st.st_mode)) {
                int fd = openat(site.root_fd, names[i], O_RDONLY);
                n = read(fd, expected, sizeof expected - 1);
                expected[n] = '\0';
                close(fd);
            }
            snprintf(target, sizeof target, "/%s", names[i]);
            unsigned status = get(target);
            ck_assert_msg(status == (n >= 0  ? 200
                                     : there ? 301
                                             : 404),
                          "round %u: %s is %u", round, target, status);
            ck_assert_msg(n < 0 || body_is(expected), "round %u: %s is not %s", round, target,
                          expected);
        }
    }
    ck_assert_uint_lt(cache.misses, 4000 * COUNT / 2);
}
END_TEST

START_TEST(test_mountinfo)
{
    static const char text[] = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
                               "36 21 0:30 / /mnt rw master:1 - nfs4 server:/x rw\n"
                               "37 21 0:31 / /a\\040b rw - tmpfs tmpfs rw\n"
                               "38 21 0:32 / /f rw - fuse.sshfs x rw\n"
                               "39 21 0:33 / /g rw -\n"
                               "40 21 0:33 / /g rw";
    static const struct {
        uint64_t id;
        enum http_mount_kind kind;
    } cases[] = {{21, HTTP_MOUNT_LOCAL}, {36, HTTP_MOUNT_OTHER}, {37, HTTP_MOUNT_MEMORY},
                 {38, HTTP_MOUNT_OTHER}, {39, HTTP_MOUNT_OTHER}, {40, HTTP_MOUNT_OTHER},
                 {2, HTTP_MOUNT_ABSENT}, {1, HTTP_MOUNT_ABSENT}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_int_eq(http_mount_in_text(text, sizeof text - 1, cases[i].id), cases[i].kind);
    ck_assert_int_eq(http_mount_in_text("", 0, 0), HTTP_MOUNT_ABSENT);
}
END_TEST

Suite *http_watch_suite(void);
Suite *http_watch_suite(void)
{
    Suite *s = suite_create("httpd/handlers/watch");
    TCase *t = tcase_create("watch");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_change);
    tcase_add_test(t, test_written_within_a_tick);
    tcase_add_test(t, test_folders);
    tcase_add_test(t, test_links);
    tcase_add_test(t, test_symlink_policy);
    tcase_add_test(t, test_siblings_and_tries);
    tcase_add_test(t, test_listing);
    tcase_add_test(t, test_through_folders);
    tcase_add_test(t, test_lost);
    tcase_add_test(t, test_unwatched);
    tcase_add_test(t, test_bounded);
    tcase_add_test(t, test_no_memory);
    tcase_add_test(t, test_any_order);
    tcase_add_test(t, test_mountinfo);
    suite_add_tcase(s, t);
    return s;
}
