#include "dnsd/serve/images.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/runtime/file.h"
#include "dnsd/serve/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SUFFIX ".img"
#define TEMPORARY ".tmp"
#define SHOWN_MAX 64 /* bytes of a zone's name in the file's */

struct dns_images {
    int folder;
    char *path;
    uint64_t next; /* number of a file; later ones are higher, also those of later processes */
};

static int fail(struct keel_diag *diag, const char *what, const char *path)
{
    int err = errno == ENOENT                      ? KEEL_ENOENT
              : errno == ENOSPC || errno == EDQUOT ? KEEL_ENOSPC
                                                   : KEEL_ESYS;
    return keel_diag_set(diag, err, "cannot %s \"%s\": %s", what, path, strerror(errno));
}

/* --- the folder --- */

int dns_images_open(struct dns_images **images, const char *state_dir, struct keel_diag *diag)
{
    struct dns_images *made = keel_calloc(1, sizeof *made);
    size_t size = strlen(state_dir) + sizeof "/zones";
    char *path = keel_malloc(size);
    int err = made && path ? 0 : keel_diag_memory(diag);
    if (err == 0) {
        snprintf(path, size, "%s/zones", state_dir);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            err = fail(diag, "make", path);
    }
    if (err == 0) {
        made->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (made->folder < 0)
            err = fail(diag, "open", path);
    }
    if (err) {
        keel_free(path);
        keel_free(made);
        return err;
    }
    made->path = path;
    made->next = keel_clock_realtime();
    *images = made;
    return 0;
}

void dns_images_close(struct dns_images *images)
{
    if (!images)
        return;
    close(images->folder);
    keel_free(images->path);
    keel_free(images);
}

/* --- writing --- */

/* Letters, digits, '-' and '_' of a zone's name as they are, '.' between labels; what else there
 * may be in a name has no business in a folder. */
static void show_apex(char out[SHOWN_MAX + 1], const uint8_t *apex)
{
    size_t n = 0;
    for (; apex[0] != 0 && n < SHOWN_MAX; apex += apex[0] + 1) {
        if (n > 0)
            out[n++] = '.';
        for (unsigned i = 1; i <= apex[0] && n < SHOWN_MAX; i++) {
            int c = apex[i];
            bool plain = keel_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
            out[n++] = plain ? (char)c : '_';
        }
    }
    if (n == 0)
        memcpy(out, "root", n = 4);
    out[n] = '\0';
}

static void choose_name(struct dns_images *images, const struct dns_image_part *parts,
                        unsigned count, char name[DNS_IMAGES_NAME])
{
    uint64_t number = __atomic_fetch_add(&images->next, 1, __ATOMIC_RELAXED);
    const struct dns_node *apex = dns_image_apex(parts[0].image);
    const uint8_t *flat = dns_node_name(parts[0].image, apex);
    char shown[SHOWN_MAX + 1];
    if (count > 1) {
        snprintf(name, DNS_IMAGES_NAME, "pack.%016llx" SUFFIX, (unsigned long long)number);
        return;
    }
    show_apex(shown, flat);
    snprintf(name, DNS_IMAGES_NAME, "%s-%016llx.%016llx" SUFFIX, shown,
             (unsigned long long)keel_checksum(flat, apex->name_size), (unsigned long long)number);
}

/* Small images one behind the other leave in few calls: their gaps are zeros. */
#define GATHER_MAX 512
static int write_parts(int fd, const struct dns_image_part *parts, unsigned count,
                       const uint64_t *offsets)
{
    static const uint8_t zeros[64];
    unsigned i = 0;
    while (i < count) {
        struct iovec pieces[2 * GATHER_MAX];
        uint64_t start = offsets[i], at = start;
        int n = 0;
        /* a large one alone, so that a short write is simple to go on with */
        if (parts[i].image->size >= DNS_PACK_IMAGE_MAX) {
            if (keel_file_write_at(fd, parts[i].image, parts[i].image->size, start) != 0)
                return KEEL_ESYS;
            i++;
            continue;
        }
        for (; i < count && n < 2 * GATHER_MAX - 1; i++) {
            if (parts[i].image->size >= DNS_PACK_IMAGE_MAX)
                break;
            if (offsets[i] > at)
                pieces[n++] = (struct iovec){(void *)zeros, (size_t)(offsets[i] - at)};
            pieces[n++] = (struct iovec){(void *)parts[i].image, parts[i].image->size};
            at = offsets[i] + parts[i].image->size;
        }
        for (struct iovec *piece = pieces; n > 0;) {
            ssize_t got = pwritev(fd, piece, n, (off_t)start);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return KEEL_ESYS;
            start += (uint64_t)got;
            for (; n > 0 && (size_t)got >= piece->iov_len; piece++, n--)
                got -= (ssize_t)piece->iov_len;
            if (n > 0) {
                piece->iov_base = (uint8_t *)piece->iov_base + got;
                piece->iov_len -= (size_t)got;
            }
        }
    }
    return 0;
}

/* All bytes of the file, on the disk. */
static int fill(int fd, const struct dns_image_part *parts, unsigned count,
                const struct keel_buf *head, const uint64_t *offsets, uint64_t size)
{
    /* a full disk is found out before the long part where the file system can tell */
    if (fallocate(fd, 0, 0, (off_t)size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return KEEL_ESYS;
    if (keel_file_write_at(fd, keel_buf_bytes(head), keel_buf_size(head), 0) != 0 ||
        write_parts(fd, parts, count, offsets) != 0)
        return KEEL_ESYS;
    return fsync(fd) == 0 ? 0 : KEEL_ESYS;
}

/* The temporary file becomes `name`, which must be new. */
static int give_name(const struct dns_images *images, const char *temporary, const char *name)
{
    int err = renameat2(images->folder, temporary, images->folder, name, RENAME_NOREPLACE);
    if (err != 0 && (errno == EINVAL || errno == ENOSYS)) /* not every file system can */
        err = renameat(images->folder, temporary, images->folder, name);
    if (err != 0)
        return KEEL_ESYS;
    if (fsync(images->folder) == 0)
        return 0;
    err = errno;
    unlinkat(images->folder, name, 0); /* it may not outlive the next crash */
    errno = err;
    return KEEL_ESYS;
}

int dns_images_write(struct dns_images *images, const struct dns_image_part *parts, unsigned count,
                     char name[DNS_IMAGES_NAME], struct keel_diag *diag)
{
    char temporary[DNS_IMAGES_NAME + sizeof TEMPORARY];
    struct keel_buf head = {0};
    uint64_t size, *offsets = keel_malloc(count * sizeof *offsets);
    int err = offsets ? dns_image_file_build(parts, count, &head, offsets, &size) : KEEL_ENOMEM;
    if (err) {
        keel_diag_set(diag, err, "%s", keel_strerror(err));
    } else {
        choose_name(images, parts, count, name);
        snprintf(temporary, sizeof temporary, "%s" TEMPORARY, name);
        int fd = openat(images->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            err = fail(diag, "create", temporary);
        else if (fill(fd, parts, count, &head, offsets, size) != 0 ||
                 give_name(images, temporary, name) != 0) {
            err = fail(diag, "write", name);
            unlinkat(images->folder, temporary, 0);
        }
        if (fd >= 0)
            close(fd);
    }
    keel_buf_fini(&head);
    keel_free(offsets);
    return err;
}

int dns_images_remove(struct dns_images *images, const char *name)
{
    return unlinkat(images->folder, name, 0) == 0 ? 0 : errno == ENOENT ? KEEL_ENOENT : KEEL_ESYS;
}

/* --- reading --- */

static int map_file(struct dns_image_map *map, const char *path, struct keel_diag *diag)
{
    struct stat st;
    if (fstat(map->fd, &st) != 0)
        return fail(diag, "read", path);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%s\": no file of images", path);
    /* populated: one call in place of a fault for each page */
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, map->fd, 0);
    if (bytes == MAP_FAILED)
        return fail(diag, "map", path);
    struct keel_diag inner = {""};
    int err = dns_image_file_open(&map->file, bytes, (uint64_t)st.st_size, &inner);
    if (err) {
        munmap(bytes, (size_t)st.st_size);
        return keel_diag_set(diag, err, "\"%s\": %s", path, inner.text);
    }
    return 0;
}

static int map_at(int folder, const char *path, struct dns_image_map **map, struct keel_diag *diag)
{
    struct dns_image_map *made = keel_calloc(1, sizeof *made);
    if (!made)
        return keel_diag_memory(diag);
    made->refs = 1;
    made->fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    int err = made->fd < 0 ? fail(diag, "open", path) : map_file(made, path, diag);
    if (err) {
        if (made->fd >= 0)
            close(made->fd);
        keel_free(made);
        return err;
    }
    const char *slash = strrchr(path, '/');
    snprintf(made->name, sizeof made->name, "%s", slash ? slash + 1 : path);
    *map = made;
    return 0;
}

int dns_images_map(struct dns_images *images, const char *name, struct dns_image_map **map,
                   struct keel_diag *diag)
{
    return map_at(images->folder, name, map, diag);
}

int dns_image_map_path(const char *path, struct dns_image_map **map, struct keel_diag *diag)
{
    return map_at(AT_FDCWD, path, map, diag);
}

bool dns_image_file_is_one(const char *path)
{
    char start[sizeof DNS_IMAGE_FILE_MAGIC - 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, start, sizeof start) == sizeof start &&
              memcmp(start, DNS_IMAGE_FILE_MAGIC, sizeof start) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

struct dns_image_map *dns_image_map_hold(struct dns_image_map *map)
{
    map->refs++;
    return map;
}

void dns_image_map_release(struct dns_image_map *map)
{
    if (!map || --map->refs > 0)
        return;
    munmap((void *)map->file.bytes, (size_t)map->file.size);
    close(map->fd);
    keel_free(map);
}

/* --- all of them --- */

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Visits the names that end so. */
static int each_entry(struct dns_images *images, int (*visit)(void *arg, const char *name),
                      void *arg, struct keel_diag *diag)
{
    int fd = openat(images->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), got = 0;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int err = fail(diag, "read", images->path);
        if (fd >= 0)
            close(fd);
        return err;
    }
    for (struct dirent *entry; got == 0 && (entry = readdir(folder));)
        got = visit(arg, entry->d_name);
    closedir(folder);
    return got;
}

struct listing {
    struct dns_images *images;
    int (*visit)(void *arg, const char *name);
    bool (*keep)(void *arg, const char *name);
    void *arg;
    int removed;
};

static int visit_whole(void *arg, const char *name)
{
    const struct listing *l = arg;
    return ends_with(name, SUFFIX) && strlen(name) < DNS_IMAGES_NAME ? l->visit(l->arg, name) : 0;
}

int dns_images_each(struct dns_images *images, int (*visit)(void *arg, const char *name), void *arg,
                    struct keel_diag *diag)
{
    struct listing l = {.images = images, .visit = visit, .arg = arg};
    return each_entry(images, visit_whole, &l, diag);
}

static int sweep_one(void *arg, const char *name)
{
    struct listing *l = arg;
    bool ours = ends_with(name, SUFFIX) || ends_with(name, SUFFIX TEMPORARY);
    if (ours && !(ends_with(name, SUFFIX) && l->keep(l->arg, name)) &&
        unlinkat(l->images->folder, name, 0) == 0)
        l->removed++;
    return 0;
}

int dns_images_sweep(struct dns_images *images, bool (*keep)(void *arg, const char *name),
                     void *arg, struct keel_diag *diag)
{
    struct listing l = {.images = images, .keep = keep, .arg = arg};
    int err = each_entry(images, sweep_one, &l, diag);
    return err ? err : l.removed;
}

/* --- fingerprints --- */

bool dns_images_fresh(const struct dns_image_file *file, const struct dns_image_zone *zone,
                      const char *first)
{
    struct dns_source source;
    for (unsigned i = 0; i < zone->source_count; i++) {
        dns_image_file_source(file, zone, i, &source);
        if ((i == 0 && strcmp(source.path, first) != 0) || !source.settled ||
            !dns_source_is(&source))
            return false;
    }
    return zone->source_count > 0;
}
