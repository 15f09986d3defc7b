#include "dnsd/serve/dump.h"
#include "dnsd/serve/images.h"
#include "dnsd/serve/load.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

static char folder[] = "/tmp/keel-images-XXXXXX";
static struct dns_images *images;

static void open_folder(void)
{
    struct keel_diag diag = {""};
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert(mkdtemp(folder));
    ck_assert_msg(dns_images_open(&images, folder, &diag) == 0, "%s", diag.text);
}

static int remove_one(void *arg, const char *name)
{
    dns_images_remove(images, name);
    return 0;
}

static const char *at(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void close_folder(void)
{
    dns_images_each(images, remove_one, NULL, NULL);
    dns_images_close(images);
    unlink(at("a.zone"));
    unlink(at("b.zone"));
    ck_assert_int_eq(rmdir(at("zones")), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static int count_one(void *arg, const char *name)
{
    ++*(unsigned *)arg;
    return 0;
}

static unsigned count(void)
{
    unsigned n = 0;
    ck_assert_int_eq(dns_images_each(images, count_one, &n, NULL), 0);
    return n;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* An image of a.zone in the folder. old: since long ago. */
static void write_zone(char name[DNS_IMAGES_NAME])
{
    struct dns_sources sources;
    struct dns_image *image;
    struct keel_diag diag = {""};
    struct dns_name apex = support_name("z");
    ck_assert_msg(dns_load_zone(at("a.zone"), &apex, NULL, NULL, &image, &sources, &diag) == 0,
                  "%s", diag.text);
    struct dns_image_part part = {image, sources.items, sources.count};
    ck_assert_msg(dns_images_write(images, &part, 1, name, &diag) == 0, "%s", diag.text);
    keel_free(image);
    dns_sources_fini(&sources);
}

static bool is_fresh(const char *name)
{
    struct dns_image_map *map;
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    char path[512];
    ck_assert_msg(dns_images_map(images, name, &map, &diag) == 0, "%s", diag.text);
    dns_image_file_zone(&map->file, 0, &zone);
    ck_assert(dns_image_file_image(&map->file, &zone, &diag));
    snprintf(path, sizeof path, "%s", at("a.zone"));
    bool fresh = dns_images_fresh(&map->file, &zone, path);
    ck_assert(!dns_images_fresh(&map->file, &zone, "another.zone"));
    dns_image_map_release(map);
    return fresh;
}

START_TEST(knows_when_a_file_has_changed)
{
    char name[DNS_IMAGES_NAME];
    struct timespec tick = {0, 50 * 1000 * 1000};
    write_text(at("b.zone"), "b A 192.0.2.2\n");
    write_text(at("a.zone"), HEAD "$INCLUDE b.zone\n");
    write_zone(name);
    ck_assert_int_eq(strncmp(name, "z-", 2), 0);
    ck_assert_uint_eq(count(), 1);
    nanosleep(&tick, NULL); /* older than the clock of a file system can blur */
    write_zone(name);
    ck_assert(is_fresh(name));
    ck_assert_uint_eq(count(), 2);
    write_text(at("b.zone"), "b A 192.0.2.3\n"); /* of the same size */
    ck_assert(!is_fresh(name));
    nanosleep(&tick, NULL);
    write_zone(name);
    ck_assert(is_fresh(name));
    unlink(at("b.zone"));
    ck_assert(!is_fresh(name));
}
END_TEST

/* one that was written a moment before it was read may be written again in the same moment */
START_TEST(a_young_file_proves_nothing)
{
    char name[DNS_IMAGES_NAME];
    struct timespec later[2];
    write_text(at("a.zone"), HEAD);
    clock_gettime(CLOCK_REALTIME, &later[0]);
    later[0].tv_sec += 60;
    later[1] = later[0];
    ck_assert_int_eq(utimensat(AT_FDCWD, at("a.zone"), later, 0), 0);
    write_zone(name);
    ck_assert(!is_fresh(name));
}
END_TEST

static bool keep_second(void *arg, const char *name)
{
    return strcmp(name, arg) == 0;
}

START_TEST(sweeps_what_nobody_knows)
{
    char first[DNS_IMAGES_NAME], second[DNS_IMAGES_NAME];
    write_text(at("a.zone"), HEAD);
    write_zone(first);
    write_zone(second);
    ck_assert_str_ne(first, second);
    write_text(at("zones/z-0.1.img.tmp"), "half");
    write_text(at("zones/note"), "not ours");
    ck_assert_int_eq(dns_images_sweep(images, keep_second, second, NULL), 2);
    ck_assert_uint_eq(count(), 1);
    ck_assert_int_eq(access(at("zones/note"), F_OK), 0);
    unlink(at("zones/note"));
}
END_TEST

START_TEST(many_zones_share_a_file)
{
    enum { COUNT = 1500 };
    struct dns_image_part parts[COUNT];
    char name[DNS_IMAGES_NAME], origin[32];
    struct dns_image_map *map;
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(origin, sizeof origin, "z%u.", i);
        parts[i] = (struct dns_image_part){
            .image =
                support_image(origin, i == 700 ? HEAD "$GENERATE 1-2000 h$ A 10.0.0.1\n" : HEAD)};
    }
    ck_assert_int_eq(dns_images_write(images, parts, COUNT, name, &diag), 0);
    ck_assert_int_eq(strncmp(name, "pack.", 5), 0);
    ck_assert_int_eq(dns_images_map(images, name, &map, &diag), 0);
    ck_assert_uint_eq(map->file.count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        dns_image_file_zone(&map->file, i, &zone);
        const struct dns_image *image = dns_image_file_image(&map->file, &zone, &diag);
        ck_assert_msg(image, "%s", diag.text);
        ck_assert_mem_eq(image, parts[i].image, image->size);
        keel_free((void *)parts[i].image);
    }
    dns_image_map_release(dns_image_map_hold(map));
    dns_image_map_release(map);
}
END_TEST

START_TEST(refuses_what_is_damaged)
{
    char name[DNS_IMAGES_NAME], path[512];
    struct dns_image_map *map;
    struct keel_diag diag = {""};
    write_text(at("a.zone"), HEAD);
    write_zone(name);
    snprintf(path, sizeof path, "%s/zones/%s", folder, name);
    ck_assert_int_eq(truncate(path, 5000), 0);
    ck_assert_int_eq(dns_images_map(images, name, &map, &diag), KEEL_EINVAL);
    ck_assert(strstr(diag.text, "torn"));
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_int_eq(dns_images_map(images, name, &map, &diag), KEEL_EINVAL);
    ck_assert_int_eq(dns_images_remove(images, name), 0);
    ck_assert_int_eq(dns_images_map(images, name, &map, &diag), KEEL_ENOENT);
}
END_TEST

/* a full disk, by a limit on the size of files */
START_TEST(a_full_disk_leaves_nothing)
{
    struct dns_image *image = support_image("z", HEAD "$GENERATE 1-2000 h$ A 10.0.0.1\n");
    struct dns_image_part part = {.image = image};
    char name[DNS_IMAGES_NAME];
    struct keel_diag diag = {""};
    struct rlimit limit = {20000, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_lt(dns_images_write(images, &part, 1, name, &diag), 0);
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(strstr(diag.text, "cannot write \"z-"));
    ck_assert_uint_eq(count(), 0);
    ck_assert_int_eq(dns_images_sweep(images, keep_second, "", NULL), 0);
    ck_assert_int_eq(dns_images_write(images, &part, 1, name, &diag), 0);
    keel_free(image);
}
END_TEST

/* all of the new file or all of the old one, and it looks as the old one did */
START_TEST(a_zone_is_dumped_in_place)
{
    struct dns_image *image = support_image("z", HEAD "a A 192.0.2.9\n"), *again;
    struct dns_view view = {.base = image};
    struct dns_name apex = support_name("z");
    struct keel_diag diag = {""};
    struct stat st;
    write_text(at("a.zone"), HEAD);
    ck_assert_int_eq(chmod(at("a.zone"), 0640), 0);
    ck_assert_msg(dns_dump_zone(&view, at("a.zone"), &diag) == 0, "%s", diag.text);
    ck_assert_int_eq(stat(at("a.zone"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(dns_load_zone(at("a.zone"), &apex, NULL, NULL, &again, NULL, &diag), 0);
    ck_assert_uint_eq(again->records, image->records);
    struct rlimit limit = {40, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_lt(dns_dump_zone(&view, at("a.zone"), &diag), 0);
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(strstr(diag.text, "cannot write"));
    ck_assert_int_eq(stat(at("a.zone"), &st), 0);
    ck_assert_int_gt(st.st_size, 40);
    ck_assert_int_lt(dns_dump_zone(&view, at("none/a.zone"), &diag), 0);
    keel_free(again);
    keel_free(image);
}
END_TEST

/* one at a time, and what a killed one has left beside the file is in nobody's way */
START_TEST(dumps_leave_nothing)
{
    struct dns_image *image = support_image("z", HEAD "a A 192.0.2.9\n");
    struct dns_view view = {.base = image};
    struct keel_diag diag = {""};
    char temporary[512];
    snprintf(temporary, sizeof temporary, "%s", at("b.zone" DNS_DUMP_TEMPORARY));
    int fd = open(temporary, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 1000000), 0);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0); /* somebody else is at it */
    ck_assert_int_eq(dns_dump_zone(&view, at("b.zone"), &diag), KEEL_EBUSY);
    ck_assert_int_ne(access(at("b.zone"), F_OK), 0);
    ck_assert_int_eq(access(temporary, F_OK), 0);
    close(fd); /* and was killed */
    struct stat st;
    ck_assert_int_eq(dns_dump_zone(&view, at("b.zone"), &diag), 0);
    ck_assert_int_ne(access(temporary, F_OK), 0);
    ck_assert_int_eq(stat(at("b.zone"), &st), 0);
    ck_assert_int_lt(st.st_size, 1000);
    keel_free(image);
}
END_TEST

/* killed at any moment: what has its name is whole */
START_TEST(a_killed_writer_leaves_whole_files)
{
    struct dns_image *image = support_image("z", HEAD "$GENERATE 1-20000 h$ A 10.0.0.1\n");
    struct dns_image_part part = {.image = image};
    char name[DNS_IMAGES_NAME];
    for (unsigned i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                dns_images_write(images, &part, 1, name, NULL);
        struct timespec wait = {0, (long)(i * 700 + 100) * 1000};
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        /* the child's numbers are ours too: a new process would begin with later ones */
        dns_images_close(images);
        ck_assert_int_eq(dns_images_open(&images, folder, NULL), 0);
    }
    keel_free(image);
}
END_TEST

static int must_be_whole(void *arg, const char *name)
{
    struct dns_image_map *map;
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    ck_assert_msg(dns_images_map(images, name, &map, &diag) == 0, "%s", diag.text);
    dns_image_file_zone(&map->file, 0, &zone);
    ck_assert_msg(dns_image_file_image(&map->file, &zone, &diag), "%s", diag.text);
    dns_image_map_release(map);
    return 0;
}

static void check_and_close(void)
{
    ck_assert_int_eq(dns_images_each(images, must_be_whole, NULL, NULL), 0);
    dns_images_sweep(images, keep_second, "", NULL);
    close_folder();
}

Suite *images_suite(void)
{
    Suite *suite = suite_create("images");
    TCase *tests = tcase_create("images");
    tcase_add_checked_fixture(tests, open_folder, close_folder);
    tcase_add_test(tests, knows_when_a_file_has_changed);
    tcase_add_test(tests, a_young_file_proves_nothing);
    tcase_add_test(tests, sweeps_what_nobody_knows);
    tcase_add_test(tests, many_zones_share_a_file);
    tcase_add_test(tests, refuses_what_is_damaged);
    tcase_add_test(tests, a_full_disk_leaves_nothing);
    tcase_add_test(tests, a_zone_is_dumped_in_place);
    tcase_add_test(tests, dumps_leave_nothing);
    suite_add_tcase(suite, tests);
    TCase *kills = tcase_create("kills");
    tcase_add_checked_fixture(kills, open_folder, check_and_close);
    tcase_add_test(kills, a_killed_writer_leaves_whole_files);
    tcase_set_timeout(kills, 60);
    suite_add_tcase(suite, kills);
    return suite;
}
