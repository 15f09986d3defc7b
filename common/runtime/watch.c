#include "common/runtime/watch.h"

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/service/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define READ_SIZE 16384 /* a few hundred events */

/* A folder that the system watches for us. */
struct keel_watched_folder {
    struct keel_list users; /* keel_watched */
    int wd;                 /* -1: the system watches it no more */
    bool telling;           /* its users are being told: it stays, even without any */
};

struct keel_watch {
    struct keel_watch_options options;
    int fd;
    struct keel_io io;
    struct keel_table folders; /* by wd */
    int mounts;                /* an epoll descriptor, or -1 */
    int mountinfo;             /* which it waits for */
    struct keel_io mounts_io;
    bool told; /* that a limit is reached */
};

static uint64_t hash_of(int wd)
{
    return (uint64_t)wd * UINT64_C(0x9e3779b97f4a7c15);
}

static int is_wd(const void *value, const void *key, size_t key_size)
{
    return ((const struct keel_watched_folder *)value)->wd == *(const int *)key;
}

static struct keel_watched_folder *find(const struct keel_watch *watch, int wd)
{
    return keel_table_find(&watch->folders, hash_of(wd), &wd, sizeof wd, is_wd);
}

/* Without users it goes. */
static void settle(struct keel_watch *watch, struct keel_watched_folder *folder)
{
    if (folder->telling || !keel_list_empty(&folder->users))
        return;
    if (folder->wd >= 0) {
        keel_table_remove(&watch->folders, hash_of(folder->wd), folder);
        inotify_rm_watch(watch->fd, folder->wd);
    }
    keel_free(folder);
}

/* Tells all users. Each may remove itself and others, and add new ones, which are not told. */
static void tell(struct keel_watch *watch, struct keel_watched_folder *folder, const char *name)
{
    struct keel_list users;
    keel_list_init(&users);
    if (!keel_list_empty(&folder->users)) {
        keel_list_insert_after(&folder->users, &users);
        keel_list_remove(&folder->users);
    }
    folder->telling = true;
    while (!keel_list_empty(&users)) {
        struct keel_watched *w = KEEL_CONTAINER(users.next, struct keel_watched, node);
        keel_list_remove(&w->node);
        if (name)
            keel_list_push_back(&folder->users, &w->node);
        else
            w->folder = NULL;
        watch->options.on_event(watch->options.arg, w, name);
    }
    folder->telling = false;
    settle(watch, folder);
}

static void hear(struct keel_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        watch->options.on_lost(watch->options.arg);
        return;
    }
    struct keel_watched_folder *folder = find(watch, event->wd);
    if (!folder)
        return; /* what was on its way when the watch was removed */
    if (event->mask & IN_IGNORED) {
        keel_table_remove(&watch->folders, hash_of(folder->wd), folder);
        folder->wd = -1;
        tell(watch, folder, NULL);
    } else {
        tell(watch, folder, event->len > 0 ? event->name : "");
    }
}

static void on_ready(struct keel_io *io, short what)
{
    struct keel_watch *watch = KEEL_CONTAINER(io, struct keel_watch, io);
    alignas(struct inotify_event) char bytes[READ_SIZE];
    ssize_t n = read(watch->fd, bytes, sizeof bytes);
    for (ssize_t at = 0; n > 0 && at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
        hear(watch, event);
        at += (ssize_t)(sizeof *event + event->len);
    }
}

static void on_mounts(struct keel_io *io, short what)
{
    struct keel_watch *watch = KEEL_CONTAINER(io, struct keel_watch, mounts_io);
    struct epoll_event event;
    /* the kernel says it once, to who asks first: that was the loop */
    epoll_wait(watch->mounts, &event, 1, 0);
    watch->options.on_lost(watch->options.arg);
}

/* The table of mounts is always readable; EPOLLPRI says that it changed. An epoll descriptor of its
 * own waits for that alone, and is readable when it came. */
static void watch_mounts(struct keel_watch *watch)
{
    struct epoll_event event = {.events = EPOLLPRI};
    watch->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    watch->mounts = watch->mountinfo >= 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (watch->mounts >= 0 &&
        epoll_ctl(watch->mounts, EPOLL_CTL_ADD, watch->mountinfo, &event) == 0)
        keel_io_start(&watch->mounts_io, watch->options.loop, watch->mounts, KEEL_READ,
                      KEEL_PRIORITY_CONTROL, watch->options.name, on_mounts);
}

int keel_watch_new(const struct keel_watch_options *options, struct keel_watch **out)
{
    struct keel_watch *watch = keel_calloc(1, sizeof *watch);
    *out = NULL;
    if (!watch)
        return KEEL_ENOMEM;
    watch->options = *options;
    watch->mounts = watch->mountinfo = -1;
    keel_table_init(&watch->folders);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0 || keel_io_start(&watch->io, options->loop, watch->fd, KEEL_READ,
                                       KEEL_PRIORITY_CONTROL, options->name, on_ready) != 0) {
        int reason = errno;
        keel_warning("watch", "folders cannot be watched", "for=%s reason=%m%s", options->name,
                     reason == EMFILE ? " limit=fs.inotify.max_user_instances" : "");
        keel_watch_free(watch);
        errno = reason;
        return KEEL_ESYS;
    }
    if (options->mounts)
        watch_mounts(watch);
    *out = watch;
    return 0;
}

void keel_watch_free(struct keel_watch *watch)
{
    size_t cursor = 0;
    struct keel_watched_folder *folder;
    if (!watch)
        return;
    while ((folder = keel_table_next(&watch->folders, &cursor))) {
        KEEL_ASSERT(!folder->telling, "a watch was freed by a callback of its own");
        keel_list_for_safe (node, &folder->users)
            *KEEL_CONTAINER(node, struct keel_watched, node) = (struct keel_watched){0};
        keel_free(folder);
    }
    keel_table_fini(&watch->folders);
    keel_io_stop(&watch->io);
    keel_io_stop(&watch->mounts_io);
    const int fds[] = {watch->fd, watch->mounts, watch->mountinfo};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    keel_free(watch);
}

static int reached_limit(struct keel_watch *watch, const char *limit)
{
    if (!watch->told)
        keel_warning("watch", "no more folders can be watched", "for=%s folders=%zu limit=%s",
                     watch->options.name, watch->folders.count, limit);
    watch->told = true;
    errno = ENOSPC;
    return KEEL_ELIMIT;
}

/* The folder that the system now watches as wd. NULL: no memory. */
static struct keel_watched_folder *get(struct keel_watch *watch, int wd)
{
    struct keel_watched_folder *folder = find(watch, wd);
    if (folder)
        return folder;
    folder = keel_malloc(sizeof *folder);
    if (folder) {
        *folder = (struct keel_watched_folder){.wd = wd};
        keel_list_init(&folder->users);
    }
    if (folder && keel_table_add(&watch->folders, hash_of(wd), folder) == 0)
        return folder;
    keel_free(folder);
    inotify_rm_watch(watch->fd, wd);
    return NULL;
}

int keel_watch_add(struct keel_watch *watch, struct keel_watched *w, const char *path)
{
    KEEL_ASSERT(!w->folder, "one keel_watched watches one folder");
    if (watch->options.max > 0 && watch->folders.count >= watch->options.max)
        return reached_limit(watch, "its own");
    int wd = inotify_add_watch(watch->fd, path, watch->options.events | IN_ONLYDIR);
    if (wd < 0)
        return errno == ENOSPC ? reached_limit(watch, "fs.inotify.max_user_watches") : KEEL_ESYS;
    w->folder = get(watch, wd);
    if (!w->folder)
        return KEEL_ENOMEM;
    keel_list_push_back(&w->folder->users, &w->node);
    return 0;
}

int keel_watch_add_fd(struct keel_watch *watch, struct keel_watched *w, int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return keel_watch_add(watch, w, path);
}

void keel_watch_remove(struct keel_watch *watch, struct keel_watched *w)
{
    struct keel_watched_folder *folder = w->folder;
    if (!folder)
        return;
    keel_list_remove(&w->node);
    *w = (struct keel_watched){0};
    settle(watch, folder);
}

unsigned keel_watch_count(const struct keel_watch *watch)
{
    return (unsigned)watch->folders.count;
}
