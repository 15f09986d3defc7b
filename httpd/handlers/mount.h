/*
 * Which file systems are local: their metadata, once in memory, is looked at without waiting for
 * anybody, and every change to them is this kernel's and can be watched (inotify).
 */
#ifndef HTTPD_HANDLERS_MOUNT_H
#define HTTPD_HANDLERS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_mount_kind {
    HTTP_MOUNT_ABSENT,
    HTTP_MOUNT_OTHER,
    HTTP_MOUNT_LOCAL,
    HTTP_MOUNT_MEMORY, /* local, and on no disk */
};

/* What was found out, for a few mounts; all zero: nothing yet. */
struct http_mounts {
    struct {
        uint64_t id;
        enum http_mount_kind kind;
    } known[8];
    unsigned count, next;
};
/* Does the file behind the descriptor (O_PATH will do) lie on a local file system? False when that
 * cannot be found out. Waits for no file system. */
bool http_mount_is_local(struct http_mounts *mounts, int fd);
/* And is it all in memory (tmpfs), so that no look at it waits? */
bool http_mount_is_memory(struct http_mounts *mounts, int fd);
/* Mounts have changed. */
void http_mounts_forget(struct http_mounts *mounts);

/* What this text of /proc/self/mountinfo says of a mount. */
enum http_mount_kind http_mount_in_text(const char *text, size_t size, uint64_t id);

#endif
