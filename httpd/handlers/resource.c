#include "httpd/handlers/resource.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "httpd/handlers/link_owner.h"
#include "httpd/wire/path.h"

int http_open_beneath(int root, const char *path, int flags, unsigned resolve)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                           .resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    if (!(flags & O_PATH))
        how.flags |= O_NONBLOCK | O_NOCTTY;
    for (unsigned tries = 0; tries < 8; tries++) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || (resolve & RESOLVE_CACHED))
            return fd; /* EAGAIN: something was renamed while a ".." in a link was followed */
    }
    return -1;
}

int http_open_cached(struct http_mounts *mounts, int root, const char *path, int flags,
                     unsigned resolve)
{
    int fd = http_open_beneath(root, path, flags, resolve | RESOLVE_CACHED);
    if (fd >= 0 || errno != EAGAIN)
        return fd;
    if (http_mount_is_memory(mounts, root)) /* and without leaving it */
        return http_open_beneath(root, path, flags, resolve | RESOLVE_NO_XDEV);
    errno = EAGAIN;
    return -1;
}

static int open_below(const struct http_site *site, const char *path, struct http_looking *looking,
                      unsigned resolve)
{
    return looking->cached
               ? http_open_cached(looking->cached, site->root_fd, path, O_RDONLY, resolve)
               : http_open_beneath(site->root_fd, path, O_RDONLY, resolve);
}

/* With links, as the site allows them. */
static int open_links(const struct http_site *site, const char *path, struct http_looking *looking,
                      unsigned resolve)
{
    if (site->symlinks == HTTP_SYMLINKS_NO) {
        errno = EACCES;
        return -1;
    }
    if (looking->watch &&
        !http_watch_look(looking->watch, looking->subject, site, path, HTTP_LOOK_LINKS))
        looking->watched = false;
    if (site->symlinks == HTTP_SYMLINKS_INSIDE)
        return open_below(site, path, looking, resolve);
    if (!looking->cached)
        return http_link_owner_open(site->root_fd, path);
    errno = EAGAIN;
    return -1;
}

/* Opens relative path; what it depends on is watched first. A descriptor, or -1 with errno. */
static int open_path(const struct http_site *site, const char *path, struct http_looking *looking)
{
    bool known =
        looking->watch && http_watch_look(looking->watch, looking->subject, site, path, HTTP_LOOK);
    unsigned resolve = 0;
    /* the last step of opening a file may wait for a server, whatever the flags say: what is
     * watched is known to be local, as is the root's own file system */
    if (!known)
        resolve = looking->cached ? RESOLVE_NO_XDEV : 0;
    looking->watched = looking->watched && known;
    int fd = open_below(site, path, looking, resolve | RESOLVE_NO_SYMLINKS);
    if (fd < 0 && errno == ELOOP)
        fd = open_links(site, path, looking, resolve);
    if (fd < 0 && looking->cached && (errno == EAGAIN || errno == EXDEV))
        looking->blocks = true;
    return fd;
}

void http_resource_close(struct http_resource *resource)
{
    if (resource->fd >= 0)
        close(resource->fd);
    resource->fd = -1;
    for (unsigned i = 0; i < HTTP_CODING_COUNT; i++) {
        if (resource->siblings[i].fd >= 0)
            close(resource->siblings[i].fd);
        resource->siblings[i].fd = -1;
    }
}

static void set_none(struct http_resource *resource, unsigned status)
{
    if (resource->fd >= 0)
        close(resource->fd);
    resource->fd = -1;
    resource->kind = HTTP_RESOURCE_NONE;
    resource->status = status;
}

static unsigned status_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case ESTALE:
    case EAGAIN:
        return 503;
    default:
        return 404; /* ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP, EXDEV: a way out of the root, ... */
    }
}

/* Opens relative path; false with the resource's status set. */
static bool open_and_stat(struct http_resource *resource, const struct http_site *site,
                          const char *path, struct http_looking *looking)
{
    resource->fd = open_path(site, path, looking);
    if (resource->fd < 0) {
        set_none(resource, status_of(errno));
        return false;
    }
    if (fstat(resource->fd, &resource->st) != 0) {
        set_none(resource, 503);
        return false;
    }
    return true;
}

/* A directory that was asked for with its '/': an index file in it, or the listing. path has room
 * for PATH_MAX bytes and holds n. */
static void open_index(struct http_resource *resource, const struct http_wanted *wanted,
                       struct http_looking *looking, char *path, size_t n)
{
    const struct http_site *site = wanted->site;
    for (unsigned i = 0; i < site->index_count; i++) {
        struct http_resource file = *resource;
        if (n + site->index[i].n >= PATH_MAX)
            continue;
        memcpy(path + n, site->index[i].p, site->index[i].n + 1);
        if (!open_and_stat(&file, site, path, looking)) {
            if (file.status == 404 && !looking->blocks)
                continue;
        } else if (!S_ISREG(file.st.st_mode)) {
            close(file.fd);
            continue;
        }
        close(resource->fd);
        file.kind = file.fd >= 0 ? HTTP_RESOURCE_FILE : HTTP_RESOURCE_NONE;
        file.name = site->index[i];
        *resource = file;
        return;
    }
    path[n] = '\0';
    if (!wanted->location->autoindex) {
        set_none(resource, 403);
        return;
    }
    resource->kind = HTTP_RESOURCE_LISTING;
    if (looking->watch &&
        !http_watch_look(looking->watch, looking->subject, site, path, HTTP_LOOK_LIST))
        looking->watched = false;
}

/* The compressed forms that stand beside a file: a.css.br is a.css, unless it is older. */
static void open_siblings(struct http_resource *resource, const struct http_site *site, char *path,
                          struct http_looking *looking)
{
    size_t n = strlen(path);
    if (n + 5 > PATH_MAX ||
        !http_site_compresses(site, http_types_find(site->types, resource->name)))
        return;
    for (unsigned i = 0; i < site->coding_count; i++) {
        struct http_sibling *sibling = &resource->siblings[site->codings[i]];
        strcpy(path + n, http_coding_suffix(site->codings[i]));
        sibling->fd = open_path(site, path, looking);
        if (sibling->fd < 0)
            continue;
        const struct timespec *own = &resource->st.st_mtim, *its = &sibling->st.st_mtim;
        if (fstat(sibling->fd, &sibling->st) != 0 || !S_ISREG(sibling->st.st_mode) ||
            its->tv_sec < own->tv_sec ||
            (its->tv_sec == own->tv_sec && its->tv_nsec < own->tv_nsec)) {
            close(sibling->fd);
            sibling->fd = -1;
        }
    }
    path[n] = '\0';
}

/* The folder that the location's path stands for, without a '/' behind it. */
static void open_folder(struct http_resource *resource, const struct http_site *site,
                        struct http_looking *looking)
{
    if (!open_and_stat(resource, site, "./", looking))
        return;
    close(resource->fd);
    resource->fd = -1;
    resource->kind = HTTP_RESOURCE_DIRECTORY;
}

/* The request's path below its root: where the location's path stands for a folder, what follows
 * it. */
static struct keel_str path_below(const struct http_wanted *wanted)
{
    size_t strip = wanted->location->strip;
    if (strip > wanted->path.n) /* a plain location that stands in for it */
        strip = 0;
    return (struct keel_str){wanted->path.p + strip, wanted->path.n - strip};
}

/* Opens one file that may stand for the request's path. path has room for PATH_MAX bytes. */
static void open_try(struct http_resource *resource, const struct http_wanted *wanted,
                     struct http_looking *looking, const struct http_try *try, char path[PATH_MAX])
{
    const struct http_site *site = wanted->site;
    struct keel_str own = try->path ? path_below(wanted) : KEEL_STR("");
    size_t n = own.n + try->tail.n;
    resource->status = 404;
    resource->name = try->tail.n > 0 ? try->tail : wanted->path;
    if (n == 0 && wanted->location->strip > 0 && try->path) {
        open_folder(resource, wanted->site, looking);
        return;
    }
    if (n == 0 || n >= PATH_MAX - 1)
        return;
    memcpy(path, own.p, own.n);
    memcpy(path + own.n, try->tail.p, try->tail.n);
    if (!site->hidden && http_path_is_hidden((struct keel_str){path, n}))
        return;
    memmove(path, path + 1, --n);
    if (n == 0)
        memcpy(path, "./", n = 2);
    path[n] = '\0';
    if (!open_and_stat(resource, site, path, looking))
        return;
    if (S_ISREG(resource->st.st_mode)) {
        resource->kind = HTTP_RESOURCE_FILE;
    } else if (!S_ISDIR(resource->st.st_mode)) {
        set_none(resource, 403);
    } else if (path[n - 1] == '/') {
        open_index(resource, wanted, looking, path, n);
    } else {
        close(resource->fd);
        resource->fd = -1;
        resource->kind = HTTP_RESOURCE_DIRECTORY;
    }
}

void http_resource_open(struct http_resource *resource, const struct http_wanted *wanted,
                        struct http_looking *looking)
{
    static const struct http_try own = {true, {"", 0}};
    const struct http_location *location = wanted->location;
    char path[PATH_MAX];
    *resource = (struct http_resource){.status = 404, .fd = -1, .name = wanted->path};
    for (unsigned i = 0; i < HTTP_CODING_COUNT; i++)
        resource->siblings[i].fd = -1;
    looking->watched = looking->watch != NULL;
    looking->blocks = false;
    if (wanted->site->root_fd < 0 || wanted->path.n == 0)
        return;
    if (location->try_count == 0)
        open_try(resource, wanted, looking, &own, path);
    for (unsigned i = 0; i < location->try_count; i++) {
        open_try(resource, wanted, looking, &location->tries[i], path);
        if (resource->kind != HTTP_RESOURCE_NONE || resource->status != 404 || looking->blocks)
            break;
    }
    if (resource->kind == HTTP_RESOURCE_FILE && wanted->site->coding_count > 0)
        open_siblings(resource, wanted->site, path, looking);
    /* another name of the file may stand where nobody looks */
    if (resource->status == 503 ||
        (resource->kind == HTTP_RESOURCE_FILE && resource->st.st_nlink > 1))
        looking->watched = false;
}
