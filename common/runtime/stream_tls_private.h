/*
 * The inside of a stream's TLS side, for stream_tls.c and the BIO between OpenSSL and the
 * descriptor (stream_tls_bio.c). Not installed.
 */
#ifndef KEEL_RUNTIME_STREAM_TLS_PRIVATE_H
#define KEEL_RUNTIME_STREAM_TLS_PRIVATE_H

#include "common/runtime/stream_private.h"
#include "common/runtime/tls_private.h"

struct keel_tls {
    SSL *ssl;
    struct keel_tls_context *context;
    struct keel_stream *stream;
    uint8_t *out; /* ciphertext that the kernel did not take; NULL: none */
    size_t out_size, out_sent;
    size_t collected; /* bytes of ours in the loop's output buffer, inside an operation */
    bool held;        /* `out` is the end of the handshake: it leaves with what is written next */
    uint64_t last_write_ns;
    uint8_t small_left; /* small records still to come */
    uint8_t recvs_left; /* in this turn */
    bool eof;
    bool lost;      /* some of our records were: nothing can follow them */
    bool notified;  /* close_notify was made */
    int read_error; /* errno of a recv */
};

/* Moves what is collected behind the ciphertext that waits already. False: there is no room, and it
 * is lost. */
bool keel_tls_keep_output(struct keel_tls *tls, const uint8_t *bytes, size_t size);

#endif
