/*
 * Offload: a few threads for file work that may block, so that the loop never does.
 *
 * A job runs in a thread and its end is delivered on the loop. Between keel_offload_start and
 * on_done the job's memory belongs to the pool.
 */
#ifndef KEEL_RUNTIME_OFFLOAD_H
#define KEEL_RUNTIME_OFFLOAD_H

#include "common/base/list.h"
#include "common/runtime/loop.h"

#include <sys/types.h>

struct keel_offload; /* the pool of one loop */

/* Embedded. */
struct keel_job {
    struct keel_list node;
    void (*run)(struct keel_job *job); /* in a thread: touches nothing but the job */
    /* on the loop; KEEL_OK it ran, KEEL_ECANCELED the pool was freed before it did */
    void (*on_done)(struct keel_job *job, int err);
    int state; /* private */
};

/* Returns new; NULL when memory or descriptors are out. Threads start with the first jobs, up to
 * `threads` (0: 4); up to `queue` jobs (0: 256) wait for one. */
struct keel_offload *keel_offload_new(struct keel_loop *loop, unsigned threads, unsigned queue);
/* Waits for the running jobs; then every on_done is called, the waiting ones' with
 * KEEL_ECANCELED. Not from on_done. */
void keel_offload_free(struct keel_offload *pool);
/* 0: on_done will be called. KEEL_EBUSY: the queue is full. KEEL_ESYS: no thread can be made.
 * KEEL_ECANCELED: the pool is being freed. */
int keel_offload_start(struct keel_offload *pool, struct keel_job *job,
                       void (*run)(struct keel_job *job),
                       void (*on_done)(struct keel_job *job, int err));
/* True: it had not begun, and neither run nor on_done will be called. False: too late. */
bool keel_offload_cancel(struct keel_offload *pool, struct keel_job *job);
/* Jobs under way: waiting, running, or with on_done to come. */
unsigned keel_offload_busy(const struct keel_offload *pool);

/* From now on, until it is freed, the pool reads the files that streams of its loop send, where the
 * page cache does not have them. A queue that is too short makes the loop read. */
void keel_offload_serve_streams(struct keel_offload *pool);

/* A read from a file at an offset. Embedded; zeroed before the first use. */
struct keel_file_read {
    struct keel_job job;
    struct keel_offload *pool;
    struct keel_task task; /* brings a cached read's end */
    int fd;                /* stays open until on_read */
    void *buffer;          /* borrowed until on_read */
    size_t size, done;
    off_t offset;
    int error;   /* errno when on_read gets KEEL_ESYS */
    bool cached; /* it never left the loop */
    void (*on_read)(struct keel_file_read *read, int err);
};
/* Reads `size` bytes, or up to the end of the file: `done` says how many. What the page cache has
 * is read at once and on_read comes when the running callback ends; else a thread reads. err of
 * on_read: 0, KEEL_ESYS, KEEL_ECANCELED. Returns as keel_offload_start. */
int keel_offload_read(struct keel_offload *pool, struct keel_file_read *read, int fd, off_t offset,
                      void *buffer, size_t size,
                      void (*on_read)(struct keel_file_read *read, int err));
/* True: on_read will not be called. */
bool keel_offload_read_cancel(struct keel_offload *pool, struct keel_file_read *read);

#endif
