#include "httpd/handlers/link_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "httpd/handlers/resource.h"

#define DEPTH_MAX 64
#define LINKS_MAX 40 /* as the kernel has it (path_resolution(7)) */

/* A path that is being walked. */
struct walk {
    int folders[DEPTH_MAX]; /* folders[0] is the root, which is the caller's */
    unsigned depth;         /* of the last one */
    int fd;                 /* the last component, when that is no folder; else -1 */
    uid_t owner;            /* of what was reached last */
    char rest[2 * PATH_MAX];
    size_t at;
    /* links that are being followed: the one whose target is reached last comes first */
    struct {
        uid_t owner;
        size_t tail; /* what follows the link in the path: bytes */
    } links[LINKS_MAX];
    unsigned link_count, followed;
};

/* Has a link led to what was reached last? Then both have one owner. */
static bool check_links(struct walk *walk)
{
    size_t left = strlen(walk->rest + walk->at);
    while (walk->link_count > 0 && walk->links[walk->link_count - 1].tail >= left)
        if (walk->links[--walk->link_count].owner != walk->owner)
            return false;
    return true;
}

static int follow(struct walk *walk, int fd, uid_t owner)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(fd, "", text, sizeof text);
    size_t left = strlen(walk->rest + walk->at);
    if (n <= 0)
        return n < 0 ? errno : ENOENT;
    if (text[0] == '/')
        return EXDEV;
    while (n > 1 && text[n - 1] == '/')
        n--;
    if (n == sizeof text || (size_t)n + left >= sizeof walk->rest)
        return ENAMETOOLONG;
    if (walk->followed++ == LINKS_MAX)
        return ELOOP;
    memmove(walk->rest + n, walk->rest + walk->at, left + 1); /* it begins with '/', or is empty */
    memcpy(walk->rest, text, (size_t)n);
    walk->at = 0;
    walk->links[walk->link_count].owner = owner;
    walk->links[walk->link_count++].tail = left;
    return 0;
}

/* Goes to a component of the folder reached. 0 or errno. */
static int enter(struct walk *walk, const char *name)
{
    struct stat st;
    int fd = http_open_beneath(walk->folders[walk->depth], name, O_PATH | O_NOFOLLOW,
                               RESOLVE_NO_SYMLINKS);
    int error = fd < 0 || fstat(fd, &st) != 0 ? errno : 0;
    if (!error && S_ISLNK(st.st_mode)) {
        error = follow(walk, fd, st.st_uid);
    } else if (!error && S_ISDIR(st.st_mode)) {
        error = walk->depth + 1 < DEPTH_MAX ? 0 : ENAMETOOLONG;
        walk->owner = st.st_uid;
        if (!error) {
            walk->folders[++walk->depth] = fd;
            return 0;
        }
    } else if (!error) {
        /* the very file that was looked at, or another try */
        struct stat now;
        walk->owner = st.st_uid;
        walk->fd = http_open_beneath(walk->folders[walk->depth], name, O_RDONLY | O_NOFOLLOW,
                                     RESOLVE_NO_SYMLINKS);
        if (walk->fd < 0 || fstat(walk->fd, &now) != 0)
            error = errno;
        else if (now.st_ino != st.st_ino || now.st_dev != st.st_dev || now.st_uid != st.st_uid)
            error = EAGAIN;
    }
    if (fd >= 0)
        close(fd);
    return error;
}

static int up(struct walk *walk)
{
    struct stat st;
    if (walk->depth == 0)
        return EXDEV;
    close(walk->folders[walk->depth--]);
    if (fstat(walk->folders[walk->depth], &st) != 0)
        return errno;
    walk->owner = st.st_uid;
    return 0;
}

/* 0 or errno. */
static int walk_all(struct walk *walk)
{
    for (;;) {
        char *p = walk->rest + walk->at, name[NAME_MAX + 1];
        size_t slashes = strspn(p, "/"), n = strcspn(p + slashes, "/");
        if (walk->fd >= 0 && slashes > 0)
            return ENOTDIR;
        if (n == 0)
            return 0;
        if (n > NAME_MAX)
            return ENAMETOOLONG;
        memcpy(name, p + slashes, n);
        name[n] = '\0';
        walk->at += slashes + n;
        int error = 0;
        if (strcmp(name, "..") == 0)
            error = up(walk);
        else if (strcmp(name, ".") != 0)
            error = enter(walk, name);
        if (error)
            return error;
        if (!check_links(walk))
            return EACCES;
    }
}

int http_link_owner_open(int root, const char *path)
{
    struct walk walk;
    size_t n = strlen(path);
    if (n >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    walk.folders[0] = root;
    walk.depth = walk.link_count = walk.followed = 0;
    walk.fd = -1;
    walk.at = 0;
    memcpy(walk.rest, path, n + 1);
    struct stat st;
    int error = fstat(root, &st) != 0 ? errno : 0;
    walk.owner = st.st_uid;
    if (!error)
        error = walk_all(&walk);
    if (!error && walk.fd < 0) {
        walk.fd = http_open_beneath(walk.folders[walk.depth], ".", O_RDONLY, RESOLVE_NO_SYMLINKS);
        error = walk.fd < 0 ? errno : 0;
    }
    while (walk.depth > 0)
        close(walk.folders[walk.depth--]);
    if (error && walk.fd >= 0)
        close(walk.fd);
    errno = error;
    return error ? -1 : walk.fd;
}
