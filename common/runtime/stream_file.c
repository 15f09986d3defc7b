/*
 * File ranges in the output of a stream: what the page cache has goes out at once; the rest is
 * read in a thread first, a slice at a time, so that a slow disk delays this stream alone.
 */
#include "common/runtime/stream_private.h"

#include "common/base/mem.h"
#include "common/runtime/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SLICE (64 * 1024)
#define READ_AHEAD (1024 * 1024) /* asked for behind it, so that the next ones are there */
#define PAGE 4096

/* keel_piece.waits */
enum {
    WAITS_UNKNOWN, /* the kernel says for each page */
    WAITS_NEVER,   /* it lives in memory */
    WAITS_EACH,    /* the file system cannot say: every read may wait */
    WAITS_ASKED,   /* the same, until the thread that reads has found out which it is */
};

/* A part of a file that is being read, or was. It may outlive its stream. */
struct keel_slice {
    struct keel_job job;
    struct keel_stream *stream; /* NULL: gone; freed when it was read */
    int fd;                     /* its own, because the stream's owner closes his */
    uint64_t offset;
    size_t size, done;
    int error; /* errno */
    bool reading;
    uint8_t waits;  /* WAITS_ASKED: to be found out; then what it is. WAITS_UNKNOWN: not asked */
    uint8_t *bytes; /* made by the thread: what waits for one takes no room */
};

static void slice_free(struct keel_slice *slice)
{
    close(slice->fd);
    keel_free(slice->bytes);
    keel_free(slice);
}

void keel_slice_drop(struct keel_stream_queue *q)
{
    struct keel_slice *slice = q->slice;
    q->slice = NULL;
    if (slice && slice->reading)
        slice->stream = NULL;
    else if (slice)
        slice_free(slice);
}

bool keel_stream_waits_for_file(const struct keel_stream *s)
{
    return s->output && s->output->slice && s->output->slice->reading;
}

/* Of a file of which no read can be made that must not wait. In a thread: a file server is asked.
 */
static uint8_t find_out(int file)
{
    struct statfs fs;
    if (fstatfs(file, &fs) != 0)
        return WAITS_EACH;
    /* an overlay hides whether what is below it is in memory; mostly it is a local disk */
    return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
                   fs.f_type == OVERLAYFS_SUPER_MAGIC
               ? WAITS_NEVER
               : WAITS_EACH;
}

static void run(struct keel_job *job)
{
    struct keel_slice *slice = KEEL_CONTAINER(job, struct keel_slice, job);
    if (slice->waits == WAITS_ASKED)
        slice->waits = find_out(slice->fd);
    if (!slice->bytes)
        slice->bytes = keel_malloc(SLICE);
    if (!slice->bytes) {
        slice->error = ENOMEM;
        return;
    }
    posix_fadvise(slice->fd, (off_t)slice->offset, READ_AHEAD, POSIX_FADV_WILLNEED);
    while (slice->done < slice->size) {
        ssize_t n = pread(slice->fd, slice->bytes + slice->done, slice->size - slice->done,
                          (off_t)(slice->offset + slice->done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            slice->error = errno;
        if (n <= 0)
            return;
        slice->done += (size_t)n;
    }
}

static void on_done(struct keel_job *job, int err)
{
    struct keel_slice *slice = KEEL_CONTAINER(job, struct keel_slice, job);
    struct keel_stream *s = slice->stream;
    slice->reading = false;
    if (!s) {
        slice_free(slice);
        return;
    }
    if (err) /* the pool is gone: from now on as without one */
        keel_slice_drop(s->output);
    keel_task_start(s->io.loop, &s->flush);
}

/* KEEL_EAGAIN: it is being read; 0: it cannot be, so read it here. */
static int start(struct keel_stream *s, const struct keel_piece *piece)
{
    struct keel_offload *pool = s->io.loop->files;
    struct keel_slice *slice = pool ? keel_calloc(1, sizeof *slice) : NULL;
    if (!slice)
        return 0;
    slice->stream = s;
    slice->offset = piece->offset;
    slice->size = piece->size < SLICE ? (size_t)piece->size : SLICE;
    slice->waits = piece->waits == WAITS_ASKED ? WAITS_ASKED : WAITS_UNKNOWN;
    slice->fd = fcntl(piece->file, F_DUPFD_CLOEXEC, 0);
    if (slice->fd >= 0 && keel_offload_start(pool, &slice->job, run, on_done) == 0) {
        slice->reading = true;
        s->output->slice = slice;
        return KEEL_EAGAIN;
    }
    if (slice->fd >= 0)
        close(slice->fd);
    keel_free(slice);
    return 0;
}

/* Bytes at the front of the piece that were read, KEEL_EAGAIN while they are, KEEL_ESYS with
 * s->error; 0: none were asked for. */
static ssize_t take(struct keel_stream *s, struct keel_piece *piece, const uint8_t **bytes)
{
    struct keel_slice *slice = s->output->slice;
    if (!slice)
        return 0;
    if (slice->reading)
        return KEEL_EAGAIN;
    if (slice->waits != WAITS_UNKNOWN)
        piece->waits = slice->waits;
    if (slice->done == 0) { /* the end of the file, before what was promised */
        s->error = (int16_t)(slice->error ? slice->error : ENODATA);
        return KEEL_ESYS;
    }
    uint64_t used = piece->offset - slice->offset;
    if (used >= slice->done) {
        keel_slice_drop(s->output);
        return 0;
    }
    *bytes = slice->bytes + used;
    return (ssize_t)(slice->done - used);
}

/* Reads what can be had without waiting. Bytes; 0: the end of the file; KEEL_EAGAIN: it would wait;
 * KEEL_ESYS with errno. */
static ssize_t read_cached(struct keel_piece *piece, uint64_t offset, uint8_t *out, size_t size)
{
    ssize_t n = -1;
    struct iovec iov = {out, size};
    if (piece->waits == WAITS_UNKNOWN) {
        n = preadv2(piece->file, &iov, 1, (off_t)offset, RWF_NOWAIT);
        if (n >= 0 || errno == EAGAIN || errno == EINTR)
            return n >= 0 ? n : KEEL_EAGAIN;
        piece->waits = WAITS_ASKED;
    }
    if (piece->waits != WAITS_NEVER)
        return KEEL_EAGAIN;
    do
        n = pread(piece->file, out, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : KEEL_ESYS;
}

/* Without a thread, whatever it takes. */
static ssize_t read_now(const struct keel_piece *piece, uint8_t *out, size_t size)
{
    ssize_t n;
    do
        n = pread(piece->file, out, size, (off_t)piece->offset);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : KEEL_ESYS;
}

ssize_t keel_stream_read_file(struct keel_stream *s, struct keel_piece *piece, uint8_t *out,
                              size_t size)
{
    const uint8_t *bytes;
    if (size > piece->size)
        size = (size_t)piece->size;
    ssize_t n = take(s, piece, &bytes);
    if (n > 0) {
        if ((size_t)n > size)
            n = (ssize_t)size;
        memcpy(out, bytes, (size_t)n);
        return n;
    }
    if (n < 0)
        return n;
    n = s->io.loop->files ? read_cached(piece, piece->offset, out, size) : KEEL_EAGAIN;
    if (n == KEEL_EAGAIN) {
        if (start(s, piece) == KEEL_EAGAIN)
            return KEEL_EAGAIN;
        n = read_now(piece, out, size);
    }
    if (n > 0)
        return n;
    s->error = (int16_t)(n == 0 ? ENODATA : errno);
    return KEEL_ESYS;
}

ssize_t keel_stream_take_file(struct keel_stream *s, struct keel_piece *piece, size_t size,
                              const uint8_t **bytes)
{
    uint8_t byte;
    ssize_t n = take(s, piece, bytes);
    if (n != 0) {
        uint64_t most = piece->size;
        return n > 0 && (uint64_t)n > most ? (ssize_t)most : n;
    }
    /* The first page and the last: those between them were read ahead with them, mostly. The end of
     * the file is sendfile's to meet. */
    if (!s->io.loop->files || piece->waits == WAITS_NEVER ||
        (read_cached(piece, piece->offset, &byte, 1) != KEEL_EAGAIN &&
         (size <= PAGE || piece->waits == WAITS_NEVER ||
          read_cached(piece, piece->offset + size - 1, &byte, 1) != KEEL_EAGAIN)))
        return 0;
    return start(s, piece);
}
