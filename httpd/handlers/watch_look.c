#include "httpd/handlers/watch_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "httpd/handlers/resource.h"

#define LINKS_MAX 40 /* as the kernel has it (path_resolution(7)) */

static struct http_folder *get_root(struct http_watch *watch, const struct http_site *site)
{
    if (site->id >= watch->root_count) {
        unsigned count = site->id + 1;
        struct http_folder **roots = keel_realloc(watch->roots, count * sizeof(void *));
        if (!roots)
            return NULL;
        memset(roots + watch->root_count, 0, (count - watch->root_count) * sizeof(void *));
        watch->roots = roots;
        watch->root_count = count;
    }
    struct http_folder *root = watch->roots[site->id];
    if (!root)
        root = watch->roots[site->id] = http_watch_folder(watch, site->root_fd);
    return root && root->watched.folder ? root : NULL;
}

/* The path of a name under the root, without links; false when it is too long. */
static bool path_of(const struct http_name *name, char out[PATH_MAX])
{
    size_t at = PATH_MAX - 1;
    out[at] = '\0';
    for (; name; name = name->folder->name) {
        size_t slash = out[at] != '\0';
        if (at < name->size + slash)
            return false;
        if (slash)
            out[--at] = '/';
        at -= name->size;
        memcpy(out + at, name->text, name->size);
    }
    memmove(out, out + at, PATH_MAX - at);
    return true;
}

/* The rest of a path that is being walked. */
struct walk {
    struct http_watch *watch;
    struct http_subject *subject;
    const struct http_site *site;
    struct http_folder *folder;
    struct http_name *name; /* the last one */
    char rest[2 * PATH_MAX];
    size_t at; /* in rest */
    unsigned links;
};

/* Puts what a link says in front of the rest. False: it leads nowhere. */
static bool follow_link(struct walk *walk, int fd)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(fd, "", text, sizeof text);
    if (n <= 0 || n == sizeof text || text[0] == '/' || ++walk->links > LINKS_MAX)
        return false;
    size_t rest = strlen(walk->rest + walk->at);
    if ((size_t)n + 1 + rest >= sizeof walk->rest)
        return false;
    memmove(walk->rest + n + 1, walk->rest + walk->at, rest + 1);
    memcpy(walk->rest, text, (size_t)n);
    walk->rest[n] = '/';
    walk->at = 0;
    return true;
}

enum step { STEP_ON, STEP_END, STEP_FAILED };

/* What the name is, that was not looked at before. */
static enum step enter(struct walk *walk)
{
    char path[PATH_MAX];
    struct stat st;
    if (!path_of(walk->name, path))
        return STEP_FAILED;
    int fd = http_open_cached(walk->watch->mounts, walk->site->root_fd, path, O_PATH | O_NOFOLLOW,
                              RESOLVE_NO_SYMLINKS);
    if (fd < 0) /* nothing: until something comes there */
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? STEP_END : STEP_FAILED;
    enum step step = STEP_END;
    if (fstat(fd, &st) != 0) {
        step = STEP_FAILED;
    } else if (S_ISLNK(st.st_mode)) {
        step = follow_link(walk, fd) ? STEP_ON : STEP_END;
    } else if (S_ISDIR(st.st_mode)) {
        struct http_folder *folder = http_watch_folder(walk->watch, fd);
        if (folder) {
            folder->name = walk->name;
            walk->name->below = folder;
            walk->folder = folder;
        }
        step = folder ? STEP_ON : STEP_FAILED;
    }
    close(fd);
    return step;
}

/* On the one reached; a root is always there. */
static bool depend_on_folder(struct walk *walk)
{
    struct http_name *name = walk->folder->name;
    return !name || http_watch_depend(walk->watch, walk->subject, name->folder, name);
}

/* One component. */
static enum step step(struct walk *walk, enum http_look how)
{
    char *p = walk->rest + walk->at;
    p += strspn(p, "/");
    size_t n = strcspn(p, "/");
    walk->at = (size_t)(p - walk->rest) + n;
    if (n == 0) /* it is the folder itself */
        return depend_on_folder(walk) ? STEP_END : STEP_FAILED;
    if (n == 1 && p[0] == '.')
        return STEP_ON;
    if (n == 2 && p[0] == '.' && p[1] == '.') {
        if (!walk->folder->name)
            return STEP_END;         /* out of the root: nobody follows there */
        if (!depend_on_folder(walk)) /* it must be there, though nothing in it is asked for */
            return STEP_FAILED;
        walk->folder = walk->folder->name->folder;
        return STEP_ON;
    }
    if (n > NAME_MAX)
        return STEP_END;
    walk->name = http_watch_name(walk->watch, walk->folder, (struct keel_str){p, n});
    if (!walk->name)
        return STEP_FAILED;
    bool last = how == HTTP_LOOK && walk->rest[walk->at] == '\0';
    if (walk->name->below && !last) {
        walk->folder = walk->name->below;
        return STEP_ON;
    }
    if (!http_watch_depend(walk->watch, walk->subject, walk->folder, walk->name)) {
        http_watch_settle(walk->watch, walk->folder, walk->name);
        return STEP_FAILED;
    }
    return last ? STEP_END : enter(walk);
}

bool http_watch_look(struct http_watch *watch, struct http_subject *subject,
                     const struct http_site *site, const char *path, enum http_look how)
{
    struct walk walk;
    size_t n = strlen(path);
    walk.watch = watch;
    walk.subject = subject;
    walk.site = site;
    walk.folder = get_root(watch, site);
    walk.at = walk.links = 0;
    if (!walk.folder || n >= sizeof walk.rest)
        return false;
    memcpy(walk.rest, path, n + 1);
    enum step result;
    do
        result = step(&walk, how);
    while (result == STEP_ON);
    if (result == STEP_END && how == HTTP_LOOK_LIST && walk.rest[walk.at] == '\0')
        return http_watch_depend(watch, subject, walk.folder, NULL);
    return result == STEP_END;
}
