/*
 * What the files of the stream share: the output queue, and the TLS side. Not installed.
 */
#ifndef KEEL_RUNTIME_STREAM_PRIVATE_H
#define KEEL_RUNTIME_STREAM_PRIVATE_H

#include "common/runtime/loop_private.h"
#include "common/runtime/stream.h"

/* Memory for copied output; full ones of KEEL_CHUNK_SIZE are kept in the loop's pool. */
#define KEEL_CHUNK_SIZE 16384
struct keel_chunk {
    struct keel_chunk *next; /* in the pool */
    uint32_t capacity;
    uint32_t used; /* appended so far */
    uint32_t live; /* of these, not sent yet */
    uint8_t data[];
};

/* A run of output: copied (chunk), borrowed, or a range of a file (bytes NULL). */
struct keel_piece {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t offset; /* file */
    int file;
    uint8_t waits; /* file: what is known of its file system (stream_file.c) */
    struct keel_chunk *chunk;
    void (*release)(void *arg);
    void *arg;
};

#define KEEL_QUEUE_INLINE 8
struct keel_stream_queue {
    struct keel_stream_queue *next; /* in the pool */
    struct keel_piece *pieces;      /* inline_pieces, or heap when it had to grow */
    uint32_t first, end, capacity;
    struct keel_chunk *tail;  /* where copies are appended; NULL: none */
    uint64_t size;            /* bytes of all pieces */
    uint64_t files;           /* bytes of files that left since it was last empty */
    struct keel_slice *slice; /* of the file at the front, read by a thread; NULL: none */
    struct keel_piece inline_pieces[KEEL_QUEUE_INLINE];
};

/* A queue of the pool: nothing is allocated while the pool has one. NULL: no memory. */
struct keel_stream_queue *keel_queue_new(struct keel_stream_pool *pool);
/* Releases what is left, then gives the memory back. */
void keel_queue_free(struct keel_stream_pool *pool, struct keel_stream_queue *q);
/* 0 or KEEL_ENOMEM; then nothing (copy: maybe a part) is queued and release was not called. */
int keel_queue_copy(struct keel_stream_pool *pool, struct keel_stream_queue *q, const void *bytes,
                    size_t size);
int keel_queue_borrow(struct keel_stream_queue *q, const void *bytes, size_t size,
                      void (*release)(void *arg), void *arg);
int keel_queue_file(struct keel_stream_queue *q, int file, uint64_t offset, uint64_t size,
                    void (*release)(void *arg), void *arg);
/* The memory at the front, up to the first file range, and `most` bytes of it at most; returns the
 * number of entries. */
unsigned keel_queue_iovec(const struct keel_stream_queue *q, struct iovec *iov, unsigned max,
                          size_t most, size_t *bytes);
/* The file range at the front; NULL when memory is. */
struct keel_piece *keel_queue_front_file(const struct keel_stream_queue *q);
/* n bytes of the front left. Calls release functions, which may append to the queue. */
void keel_queue_consume(struct keel_stream_pool *pool, struct keel_stream_queue *q, size_t n);
/* The queue will wait for its peer: gives back memory that it does not need for that. */
void keel_queue_settle(struct keel_stream_pool *pool, struct keel_stream_queue *q);

/* The TLS side of a stream: s->tls. All of it works on the descriptor directly, with at most a few
 * recv and one send for each call of the loop. */
struct keel_tls_context;
/* Makes s->tls. 0, KEEL_ENOMEM or KEEL_ETLS. */
int keel_stream_tls_start(struct keel_stream *s, struct keel_tls_context *context, bool client,
                          const char *server_name, const struct keel_addr *addr);
void keel_stream_tls_free(struct keel_stream *s);
/* The descriptor is readable (or may be): the next calls may recv again. */
void keel_stream_tls_turn(struct keel_stream *s);
/* 0 when done, KEEL_EAGAIN, KEEL_EOF, KEEL_ESYS (s->error), KEEL_ETLS. */
int keel_stream_tls_handshake(struct keel_stream *s);
/* After the handshake: something of it is to leave with the next flush. */
bool keel_stream_tls_holds(const struct keel_stream *s);
/* Fills as much as there is. Bytes (> 0); KEEL_EAGAIN, KEEL_EOF, KEEL_ESYS, KEEL_ETLS when none. In
 * *more whether another call at once may give something. */
ssize_t keel_stream_tls_read(struct keel_stream *s, uint8_t *bytes, size_t size, bool *more);
/* Encrypts and sends from the queue. 0 when everything left; KEEL_EAGAIN: poll for writing;
 * KEEL_ESYS (s->error), KEEL_ETLS. */
int keel_stream_tls_flush(struct keel_stream *s);
/* close_notify, once; then the same results. */
int keel_stream_tls_shutdown(struct keel_stream *s);
/* Ciphertext that waits. */
size_t keel_stream_tls_pending(const struct keel_stream *s);
/* stream_file.c: reads from the file range at the front into out. Bytes; KEEL_EAGAIN: a thread
 * reads, and the stream is flushed again behind it; KEEL_ESYS with s->error (ENODATA: the file is
 * shorter than promised). */
ssize_t keel_stream_read_file(struct keel_stream *s, struct keel_piece *piece, uint8_t *out,
                              size_t size);
/* Before sendfile of `size` bytes: 0, it will not wait for a disk; or so many bytes, which were
 * read by a thread and are to be sent instead; or the errors above. */
ssize_t keel_stream_take_file(struct keel_stream *s, struct keel_piece *piece, size_t size,
                              const uint8_t **bytes);
/* A thread reads for it: there is nothing to send until that ends. */
bool keel_stream_waits_for_file(const struct keel_stream *s);
/* The file at the front is another one from now on. */
void keel_slice_drop(struct keel_stream_queue *q);

/* stream.c: ends it for this reason as soon as none of its callbacks runs. */
void keel_stream_fail(struct keel_stream *s, enum keel_stream_end why, int error);
/* stream.c: polls for what the state asks for. */
void keel_stream_update(struct keel_stream *s);
/* stream_output.c: sends what can be sent now; after keel_stream_finish and the last byte, FIN. */
void keel_stream_flush(struct keel_stream *s);
void keel_stream_drop_output(struct keel_stream *s);
/* stream_input.c: reads and delivers. */
void keel_stream_read(struct keel_stream *s);
/* After our FIN: reads and drops, so that the peer gets everything and no reset. */
void keel_stream_drain(struct keel_stream *s);
/* KEEL_ST_OFFER: what was kept, and what OpenSSL holds. */
void keel_stream_offer(struct keel_stream *s);
void keel_stream_drop_input(struct keel_stream *s);

/* State, in keel_stream.flags. */
enum {
    KEEL_ST_CONNECTING = 1 << 0, /* connect is under way */
    KEEL_ST_HANDSHAKE = 1 << 1,  /* TLS handshake is under way */
    KEEL_ST_CLIENT = 1 << 2,     /* made by keel_stream_connect */
    KEEL_ST_PAUSED = 1 << 3,     /* by the owner */
    KEEL_ST_FULL = 1 << 4,       /* the owner left input_limit bytes unused */
    KEEL_ST_EOF = 1 << 5,        /* the peer sends no more */
    KEEL_ST_BLOCKED = 1 << 6,    /* waits for the descriptor to be writable */
    KEEL_ST_HIGH = 1 << 7,       /* the owner was told to stop writing */
    KEEL_ST_OFFER = 1 << 8,      /* kept input is to be offered again */
    KEEL_ST_FINISH = 1 << 9,     /* closes once the output left */
    KEEL_ST_FIN = 1 << 10,       /* our FIN is sent; input is read and dropped */
    KEEL_ST_CLOSING = 1 << 11,   /* closes when the last of its callbacks returns */
    KEEL_ST_CLOSED = 1 << 12,    /* only on_close is left */
    KEEL_ST_PIPE = 1 << 13,      /* not a socket: read and writev */
};

#endif
