#include "dnsd/serve/load.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "dnsd/zone/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)4 << 30) /* an image is no larger either */

static int cannot(struct keel_diag *diag, const char *what, const char *path)
{
    return keel_diag_set(diag, errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS, "cannot %s \"%s\": %s",
                         what, path, strerror(errno));
}

/* A change of the file later than `begin` gets a later time, unless the two are within a tick of
 * the clock that the file system has: 10 ms at most, or a whole second where it keeps only those.
 */
static bool is_settled(const struct stat *st, uint64_t begin)
{
    const struct timespec *m = &st->st_mtim, *c = &st->st_ctim;
    uint64_t modified = (uint64_t)m->tv_sec * KEEL_NS_PER_S + (uint64_t)m->tv_nsec;
    uint64_t changed = (uint64_t)c->tv_sec * KEEL_NS_PER_S + (uint64_t)c->tv_nsec;
    uint64_t latest = modified > changed ? modified : changed;
    uint64_t tick = m->tv_nsec == 0 && c->tv_nsec == 0 ? 2 * KEEL_NS_PER_S : 20 * KEEL_NS_PER_MS;
    return latest + tick < begin;
}

static bool same_times(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim) == 0 &&
           memcmp(&a->st_ctim, &b->st_ctim, sizeof a->st_ctim) == 0;
}

static int read_bytes(int fd, const char *path, const struct stat *st, char **text, size_t *size,
                      struct keel_diag *diag)
{
    char *bytes = keel_malloc((size_t)st->st_size + 1);
    if (!bytes)
        return keel_diag_memory(diag);
    size_t got = 0;
    while (got < (size_t)st->st_size) {
        ssize_t n = read(fd, bytes + got, (size_t)st->st_size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            keel_free(bytes);
            return cannot(diag, "read", path);
        }
        if (n == 0) /* it became shorter meanwhile */
            break;
        got += (size_t)n;
    }
    *text = bytes;
    *size = got;
    return 0;
}

/* source (its path is left alone): the file as it was before the first byte was read. */
static int read_all(int fd, const char *path, char **text, size_t *size, struct dns_source *source,
                    struct keel_diag *diag)
{
    struct stat st, after;
    uint64_t begin = keel_clock_realtime();
    if (fstat(fd, &st) != 0)
        return cannot(diag, "read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return keel_diag_set(diag, KEEL_EINVAL, "cannot read \"%s\": %s", path,
                             S_ISREG(st.st_mode) ? "it is too large" : "it is not a file");
    int err = read_bytes(fd, path, &st, text, size, diag);
    if (err)
        return err;
    dns_source_set(source, &st);
    source->settled = is_settled(&st, begin) && fstat(fd, &after) == 0 && same_times(&st, &after);
    return 0;
}

/* A relative path is beside the file that names it; NULL when memory is out. */
static char *resolve(const char *path, const char *from)
{
    const char *slash = from ? strrchr(from, '/') : NULL;
    if (path[0] == '/' || !slash)
        return keel_strdup(path);
    size_t folder = (size_t)(slash - from) + 1, n = strlen(path);
    char *joined = keel_malloc(folder + n + 1);
    if (joined) {
        memcpy(joined, from, folder);
        memcpy(joined + folder, path, n + 1);
    }
    return joined;
}

/* Copies source, unless its path is there already. 0 or KEEL_ENOMEM. */
static int add_source(struct dns_sources *list, const struct dns_source *source)
{
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->items[i].path, source->path) == 0)
            return 0;
    struct dns_source *items = keel_realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return KEEL_ENOMEM;
    list->items = items;
    list->items[list->count] = *source;
    list->items[list->count].path = keel_strdup(source->path);
    if (!list->items[list->count].path)
        return KEEL_ENOMEM;
    list->count++;
    return 0;
}

void dns_sources_fini(struct dns_sources *sources)
{
    for (unsigned i = 0; i < sources->count; i++)
        keel_free((char *)sources->items[i].path);
    keel_free(sources->items);
    *sources = (struct dns_sources){0};
}

void dns_source_set(struct dns_source *source, const struct stat *st)
{
    source->size = (uint64_t)st->st_size;
    source->inode = (uint64_t)st->st_ino;
    source->device = (uint64_t)st->st_dev;
    source->modified_ns =
        (int64_t)st->st_mtim.tv_sec * (int64_t)KEEL_NS_PER_S + st->st_mtim.tv_nsec;
    source->changed_ns = (int64_t)st->st_ctim.tv_sec * (int64_t)KEEL_NS_PER_S + st->st_ctim.tv_nsec;
}

bool dns_source_is(const struct dns_source *source)
{
    struct stat st;
    struct dns_source now;
    if (stat(source->path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    dns_source_set(&now, &st);
    return now.size == source->size && now.inode == source->inode && now.device == source->device &&
           now.modified_ns == source->modified_ns && now.changed_ns == source->changed_ns;
}

struct loading {
    struct dns_compiler *compiler;
    struct dns_sources sources;
};

static int take_record(void *arg, const struct dns_scanned *record, struct keel_diag *diag)
{
    return dns_compiler_add(((struct loading *)arg)->compiler, record, diag);
}

static int read_file(void *arg, const char *path, const char *from, char **text, size_t *size,
                     char **opened, struct keel_diag *diag)
{
    struct loading *loading = arg;
    char *name = resolve(path, from);
    if (!name)
        return keel_diag_memory(diag);
    struct dns_source source = {.path = name};
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? cannot(diag, "open", name) : read_all(fd, name, text, size, &source, diag);
    if (fd >= 0)
        close(fd);
    if (err == 0 && add_source(&loading->sources, &source) != 0) {
        keel_free(*text);
        err = keel_diag_memory(diag);
    }
    if (err)
        keel_free(name);
    else
        *opened = name;
    return err;
}

int dns_load_zone(const char *file, const struct dns_name *apex, dns_zone_warning warn, void *arg,
                  struct dns_image **image, struct dns_sources *sources, struct keel_diag *diag)
{
    /* nobody outside knows where names fall in the hash */
    struct keel_hash_key key = {keel_rand_u64(), keel_rand_u64()};
    struct loading loading = {.compiler = dns_compiler_new(apex, key)};
    if (!loading.compiler)
        return keel_diag_memory(diag);
    dns_compiler_on_warning(loading.compiler, warn, arg);
    struct dns_scan_io io = {read_file, take_record, &loading};
    int err = dns_scan_file(file, apex, &io, diag);
    if (err == 0)
        err = dns_compiler_finish(loading.compiler, image, diag);
    dns_compiler_free(loading.compiler);
    if (err == 0 && sources)
        *sources = loading.sources;
    else
        dns_sources_fini(&loading.sources);
    return err;
}
