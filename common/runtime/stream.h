/*
 * A byte stream: TCP, unix or a pipe pair, plain or TLS, one object that hides which.
 *
 * Reading: the owner is handed bytes and says how many it used; only the rest is kept.
 * Writing: pieces queue up (copied, borrowed, or a file range) and leave in one system call when
 * the callback ends. The stream polls for writing only after the kernel said "full".
 * An idle stream holds no buffer.
 */
#ifndef KEEL_RUNTIME_STREAM_H
#define KEEL_RUNTIME_STREAM_H

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/runtime/loop.h"
#include "common/runtime/timer.h"

struct keel_stream;
struct keel_tls_context; /* runtime/tls.h */
struct keel_tls;
struct keel_stream_queue; /* output that the kernel did not take, or is being collected */

/* Why a stream ended. */
enum keel_stream_end {
    KEEL_END_PEER,    /* the peer closed, or everything was sent after keel_stream_finish */
    KEEL_END_RESET,   /* the peer reset it, or a read or write failed: errno in `error` (ENOMEM:
                         memory was out; ENODATA: a file was shorter than promised) */
    KEEL_END_TIMEOUT, /* its deadline passed */
    KEEL_END_TLS,     /* the TLS handshake or record layer failed */
    KEEL_END_CONNECT, /* an outgoing connection could not be made: errno in `error` */
    KEEL_END_LOCAL,   /* the owner or the drain deadline closed it */
};

/* What the owner does with it; one static record per use. */
struct keel_stream_ops {
    const char *name; /* for the lag table: "http" */
    /* Bytes arrived. Returns how many were used, 0..size; the rest is offered again together with
     * the next bytes. Bytes not used count against input_limit: when that many wait, reading
     * pauses until keel_stream_resume. `bytes` is valid during the call only. */
    size_t (*on_data)(struct keel_stream *s, const uint8_t *bytes, size_t size);
    /* The peer will send no more (half close); NULL: finish our side too once the output left. */
    void (*on_eof)(struct keel_stream *s);
    /* Connected (keel_stream_connect), and for TLS the handshake is done. May be NULL. Not called
     * for a plain keel_stream_start, which is open when it returns. */
    void (*on_open)(struct keel_stream *s);
    /* The output queue fell below its low watermark after keel_stream_write said so. May be NULL.
     */
    void (*on_drained)(struct keel_stream *s);
    /* The deadline passed. NULL: close. If it neither finishes nor sets a deadline: closed. Not
     * called during a handshake or after keel_stream_finish: those are closed. */
    void (*on_deadline)(struct keel_stream *s);
    /* The last callback, exactly once for each stream; the stream is unusable and its descriptor
     * closed. The owner may free the memory that embeds it. Never NULL. */
    void (*on_close)(struct keel_stream *s, enum keel_stream_end why);
};

struct keel_stream {
    struct keel_poll io; /* the descriptor is io.ev.ev_fd */
    const struct keel_stream_ops *ops;
    struct keel_deadline deadline;
    struct keel_task flush;           /* collected output leaves when the callback ends */
    uint8_t *input;                   /* bytes the owner has not used yet; heap, usually NULL */
    struct keel_stream_queue *output; /* NULL when everything left */
    struct keel_tls *tls;             /* NULL: plain */
    uint32_t input_size;
    uint32_t input_limit;
    struct keel_addr peer;
    int16_t error; /* errno of KEEL_END_RESET or KEEL_END_CONNECT */
    uint16_t linger_ms;
    uint16_t high_k, low_k;  /* watermarks of the output, KiB */
    uint16_t flags;          /* private: state, paused, finishing, tls ... */
    uint8_t input_power : 5; /* input has room for 1 << this; 0: none */
    uint8_t interest : 3;    /* what io polls for */
    uint8_t depth : 5;       /* callbacks of this stream that are running */
    uint8_t end : 3;         /* enum keel_stream_end, once it is closing */
};

#define KEEL_STREAM_INPUT_LIMIT 65536 /* default input_limit */

/* Takes fd (nonblocking, connected). tls NULL: plain; else the server side of a handshake begins.
 * peer may be NULL. 0, or an error, and then fd is still the caller's and no callback comes. */
int keel_stream_start(struct keel_stream *s, struct keel_loop *loop, int fd,
                      const struct keel_stream_ops *ops, const struct keel_addr *peer,
                      struct keel_tls_context *tls);
/* Connects to addr (TCP); on_open or on_close follows, within timeout_ns (0: the kernel's), never
 * before it returns: KEEL_END_CONNECT, or KEEL_END_TLS. local may be NULL. With tls: client
 * handshake; server_name (or else addr) is what the certificate must be for, and a name goes out
 * as SNI. What is written before on_open waits for it. 0; KEEL_ENOMEM or KEEL_ETLS, and then no
 * callback comes. */
int keel_stream_connect(struct keel_stream *s, struct keel_loop *loop, const struct keel_addr *addr,
                        const struct keel_addr *local, const struct keel_stream_ops *ops,
                        uint64_t timeout_ns, struct keel_tls_context *tls, const char *server_name);
int keel_stream_connect_unix(struct keel_stream *s, struct keel_loop *loop, const char *path,
                             const struct keel_stream_ops *ops, uint64_t timeout_ns);

/* Copies. 0; KEEL_EAGAIN when the queue is above the high watermark (the bytes are queued all the
 * same; stop producing until on_drained); KEEL_ENOMEM (the stream will close); KEEL_EOF when it is
 * finished or closing (nothing is queued). */
int keel_stream_write(struct keel_stream *s, const void *bytes, size_t size);
/* Borrows until release(arg) is called, once, also when the stream closes and when this fails.
 * release may be NULL for static bytes. */
int keel_stream_write_borrowed(struct keel_stream *s, const void *bytes, size_t size,
                               void (*release)(void *arg), void *arg);
/* A range of a file by sendfile (plain) or read (TLS), in slices. Takes nothing: file must stay
 * open until release(arg). If the file is shorter than promised the stream closes (RESET). */
int keel_stream_write_file(struct keel_stream *s, int file, uint64_t offset, uint64_t size,
                           void (*release)(void *arg), void *arg);
/* Bytes waiting to leave. */
size_t keel_stream_pending(const struct keel_stream *s);
/* Watermarks of the output queue; default 256 KiB and 64 KiB. In KiB: high is rounded up, low down;
 * less than 64 MiB. */
void keel_stream_watermarks(struct keel_stream *s, size_t high, size_t low);

/* Stops and restarts reading (backpressure). resume offers kept input again when the running
 * callback ends (called inside on_data: only when on_data used something). */
void keel_stream_pause(struct keel_stream *s);
void keel_stream_resume(struct keel_stream *s);

/* Closes (on_deadline first) after_ns from now, up to KEEL_DEADLINE_TICK later; 0 clears. Not
 * extended by traffic: the owner decides what counts. */
void keel_stream_deadline(struct keel_stream *s, uint64_t after_ns);

/* Sends what is queued, then FIN (TLS: close_notify), then reads and drops until the peer closes
 * or linger_ns passed, then on_close. Input is not delivered any more. No reset reaches the peer
 * because of unread input (with linger_ns 0 one may). At most 65 s. A peer that stops reading is
 * the deadline's business. */
void keel_stream_finish(struct keel_stream *s, uint64_t linger_ns);
/* Now: drops the queue. on_close is called before it returns unless the stream is inside a
 * callback of its own; then right after that callback. */
void keel_stream_close(struct keel_stream *s);

/* The protocol chosen by ALPN ("h2", "http/1.1"); empty when none or plain. Borrows. */
struct keel_str keel_stream_alpn(const struct keel_stream *s);
/* The name the client asked for by SNI; empty when none. Borrows. */
struct keel_str keel_stream_server_name(const struct keel_stream *s);
bool keel_stream_is_tls(const struct keel_stream *s);
/* What the handshake agreed on. False: plain, or it is not done. The texts are OpenSSL's, static.
 */
struct keel_tls_session {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_128_GCM_SHA256" */
    bool resumed;        /* from a ticket */
};
bool keel_stream_tls_session(const struct keel_stream *s, struct keel_tls_session *out);
/* The tag of the certificate (struct keel_tls_certificate) whose rules the client came under; -1:
 * plain. */
int keel_stream_tls_tag(const struct keel_stream *s);
/* The subject of the certificate that the peer showed and that was verified: writes it to out as
 * RFC 4514 has it, in UTF-8, without a NUL. Returns its size; 0: there is none, or it does not fit.
 */
size_t keel_stream_peer_subject(const struct keel_stream *s, char *out, size_t size);
static inline int keel_stream_fd(const struct keel_stream *s)
{
    return s->io.ev.ev_fd;
}

#endif
