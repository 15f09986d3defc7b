/*
 * Files written whole: what a short write, an interrupted call or a crash may do is met here once.
 */
#ifndef KEEL_RUNTIME_FILE_H
#define KEEL_RUNTIME_FILE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All of these: 0; KEEL_ENOSPC (a full disk, or a quota) or KEEL_ESYS with errno. They block. */

/* All bytes, at the descriptor's position; or at an offset. */
int keel_file_write(int fd, const void *bytes, size_t size);
int keel_file_write_at(int fd, const void *bytes, size_t size, uint64_t offset);

/* The folder that the file lies in is on the disk: only then is the file's name. */
int keel_file_sync_folder(const char *path);
/* The path names a file with these bytes, and never one with half of them: they are written to
 * PATH.new first. durable: they and the name are on the disk. Else PATH.new is not there, and
 * PATH is as it was, unless the last step failed, which makes the name durable. One at a time for a
 * path. KEEL_ENOMEM too. */
int keel_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, bool durable);

/* A new descriptor (CLOEXEC) of a file in memory with these bytes, at whose start it stands; or a
 * negative error. */
int keel_file_in_memory(const char *name, const void *bytes, size_t size);

#endif
