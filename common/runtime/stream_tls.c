/*
 * TLS below a stream: records in with a recv or two, records out with one send.
 *
 * OpenSSL reaches the descriptor through a BIO of ours. Reading asks the kernel only while a turn's
 * allowance lasts; writing collects records in the loop's output buffer, which leaves at the end of
 * each operation. Only ciphertext that the kernel did not take is kept on the heap.
 */
#include "common/runtime/stream_tls_private.h"

#include "common/base/mem.h"
#include "common/service/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#define RECVS_PER_TURN 4
#define ENCRYPT_PER_SEND (64 * 1024)
#define ENCRYPT_PER_TURN (256 * 1024)
#define RECORD 16384
/* After a pause, records that fit a packet, so that the first bytes can be used when they arrive;
 * once a window is open, whole ones, which cost least. */
#define SMALL_RECORD 1369
#define SMALL_RECORDS 3
#define PAUSE (1 * KEEL_NS_PER_S)
/* The end of a handshake that is held back; ENCRYPT_PER_SEND leaves room for it in a send. */
#define HOLD_MOST 8192
/* What the records of one send can grow to. */
_Static_assert(KEEL_LOOP_OUTPUT >= ENCRYPT_PER_SEND + 16384 + HOLD_MOST, "it holds a send");
_Static_assert(KEEL_LOOP_SCRATCH >= ENCRYPT_PER_SEND, "the input buffer holds its plaintext");

/* ---- Life ---- */

/* Whom the server's certificate must be for. */
static bool expect_peer(SSL *ssl, const char *server_name, const struct keel_addr *addr)
{
    char text[KEEL_ADDR_TEXT];
    unsigned char binary[16];
    if (!server_name) {
        keel_addr_format_host(text, sizeof text, addr);
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), text) == 1;
    }
    /* RFC 6066, 3: literal addresses are not sent as names. */
    if (inet_pton(AF_INET, server_name, binary) == 1 ||
        inet_pton(AF_INET6, server_name, binary) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, server_name) == 1 && SSL_set_tlsext_host_name(ssl, server_name) == 1;
}

static SSL *ssl_new(struct keel_tls *tls, bool client, const char *server_name,
                    const struct keel_addr *addr)
{
    SSL *ssl = SSL_new(tls->context->rules[0]->ssl);
    BIO *bio = ssl ? BIO_new(tls->context->method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, tls);
    SSL_set_bio(ssl, bio, bio);
    if (!client) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (expect_peer(ssl, server_name, addr))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

int keel_stream_tls_start(struct keel_stream *s, struct keel_tls_context *context, bool client,
                          const char *server_name, const struct keel_addr *addr)
{
    struct keel_loop *loop = s->io.loop;
    KEEL_ASSERT(client == context->client, "a client context connects, a server's accepts");
    if (!loop->output)
        loop->output = keel_malloc(KEEL_LOOP_OUTPUT);
    struct keel_tls *tls = loop->output ? keel_calloc(1, sizeof *tls) : NULL;
    if (!tls)
        return KEEL_ENOMEM;
    tls->stream = s;
    tls->context = keel_tls_context_ref(context);
    ERR_clear_error();
    tls->ssl = ssl_new(tls, client, server_name, addr);
    if (!tls->ssl) {
        ERR_clear_error();
        keel_tls_context_free(context);
        keel_free(tls);
        return KEEL_ETLS;
    }
    s->tls = tls;
    return 0;
}

void keel_stream_tls_free(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    s->tls = NULL;
    SSL_free(tls->ssl);
    keel_tls_context_free(tls->context);
    keel_free(tls->out);
    keel_free(tls);
}

/* ---- One operation: begin, OpenSSL, end ---- */

static void begin(struct keel_tls *tls)
{
    tls->collected = 0;
    if (ERR_peek_error() != 0) /* clearing what is clear costs more than looking */
        ERR_clear_error();
}

/* Sends: 0 when all left, KEEL_EAGAIN, KEEL_ESYS. */
static int send_bytes(struct keel_stream *s, const uint8_t *bytes, size_t size, size_t *sent)
{
    *sent = 0;
    ssize_t n;
    do
        n = send(keel_stream_fd(s), bytes, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        s->error = (int16_t)errno;
        return KEEL_ESYS;
    }
    if (n > 0)
        *sent = (size_t)n;
    return *sent == size ? 0 : KEEL_EAGAIN;
}

static int send_waiting(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    size_t sent;
    tls->held = false;
    if (!tls->out)
        return 0;
    int err = send_bytes(s, tls->out + tls->out_sent, tls->out_size - tls->out_sent, &sent);
    tls->out_sent += sent;
    if (tls->out_sent < tls->out_size)
        return err;
    keel_free(tls->out);
    tls->out = NULL;
    tls->out_size = tls->out_sent = 0;
    return 0;
}

/* What the operation wrote leaves, or waits. 0, KEEL_EAGAIN, KEEL_ESYS. */
static int end(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    uint8_t *bytes = s->io.loop->output;
    size_t sent = 0;
    if (tls->collected == 0)
        return tls->out ? KEEL_EAGAIN : 0;
    int err = tls->out ? KEEL_EAGAIN : send_bytes(s, bytes, tls->collected, &sent);
    if (err == KEEL_EAGAIN && !keel_tls_keep_output(tls, bytes + sent, tls->collected - sent)) {
        s->error = ENOMEM;
        err = KEEL_ESYS;
    }
    tls->collected = 0;
    return err;
}

static void log_failure(struct keel_stream *s, const char *what)
{
    char reason[256], peer[KEEL_ADDR_TEXT];
    keel_tls_error_text(reason, sizeof reason);
    if (!keel_log_enabled(KEEL_LOG_DEBUG))
        return;
    keel_addr_format(peer, sizeof peer, &s->peer);
    keel_debug("tls", "failed", "step=%s peer=%s reason=%s", what, peer, reason);
}

/* What a result <= 0 of OpenSSL means. */
static int outcome(struct keel_stream *s, int result, const char *what)
{
    struct keel_tls *tls = s->tls;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return KEEL_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return KEEL_EOF;
    case SSL_ERROR_SYSCALL:
        if (tls->read_error == 0)
            return KEEL_EOF;
        s->error = (int16_t)tls->read_error;
        return KEEL_ESYS;
    default:
        if (tls->eof && SSL_in_init(tls->ssl)) {
            ERR_clear_error();
            return KEEL_EOF;
        }
        log_failure(s, what);
        return KEEL_ETLS;
    }
}

void keel_stream_tls_turn(struct keel_stream *s)
{
    s->tls->recvs_left = RECVS_PER_TURN;
}

int keel_stream_tls_handshake(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    int err = send_waiting(s);
    if (err == KEEL_ESYS)
        return err;
    begin(tls);
    int result = SSL_do_handshake(tls->ssl);
    err = result == 1 ? 0 : outcome(s, result, "handshake");
    if (err == 0) /* a stapled response has been sent: its copy would stay for good */
        SSL_set_tlsext_status_ocsp_resp(tls->ssl, NULL, 0);
    /* Our last words (a server's ticket, a client's Finished) leave at the end of the callback,
     * together with the first data if there are any by then. */
    if (err == 0 && !tls->out && tls->collected > 0 && tls->collected <= HOLD_MOST &&
        keel_tls_keep_output(tls, s->io.loop->output, tls->collected)) {
        tls->collected = 0;
        tls->held = true;
        return 0;
    }
    int sent = end(s); /* also when it failed: the alert */
    if (sent == KEEL_ESYS && (err == 0 || err == KEEL_EAGAIN))
        return KEEL_ESYS;
    return err;
}

bool keel_stream_tls_holds(const struct keel_stream *s)
{
    return s->tls->held;
}

/* What is held goes to the front of the next operation's output. */
static void release_held(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    tls->held = false;
    memcpy(s->io.loop->output, tls->out, tls->out_size);
    tls->collected = tls->out_size;
    keel_free(tls->out);
    tls->out = NULL;
    tls->out_size = 0;
}

ssize_t keel_stream_tls_read(struct keel_stream *s, uint8_t *bytes, size_t size, bool *more)
{
    struct keel_tls *tls = s->tls;
    size_t got = 0;
    int err = 0;
    if (tls->lost) {
        s->error = ENOMEM;
        return KEEL_ESYS;
    }
    begin(tls);
    while (got < size) {
        int n = SSL_read(tls->ssl, bytes + got, (int)(size - got));
        if (n <= 0) {
            err = outcome(s, n, "read");
            break;
        }
        got += (size_t)n;
    }
    int sent = end(s);
    if (sent == KEEL_ESYS && (err == 0 || err == KEEL_EAGAIN))
        err = KEEL_ESYS;
    /* An answer of the TLS layer itself (a key update) that waits. */
    if (sent == KEEL_EAGAIN && !tls->held)
        s->flags |= KEEL_ST_BLOCKED;
    /* The end of the stream, or an error, comes again at the next call. */
    *more = err != KEEL_EAGAIN;
    return got > 0 ? (ssize_t)got : err;
}

/* ---- Writing ---- */

static size_t record_size(struct keel_tls *tls)
{
    if (tls->small_left == 0)
        return RECORD;
    tls->small_left--;
    return SMALL_RECORD;
}

/* The next plaintext: in place when it lies in one run, else gathered in the loop's input buffer,
 * which nobody uses while the queue is flushed. One record's, but of a file the whole records that
 * `left`, the rest of the send, has room for: they cost one read. */
static ssize_t next_plaintext(struct keel_stream *s, size_t most, size_t left,
                              const uint8_t **bytes)
{
    struct keel_stream_queue *q = s->output;
    uint8_t *buffer = s->io.loop->input;
    struct keel_piece *file = keel_queue_front_file(q);
    if (file) {
        *bytes = buffer;
        if (most == RECORD)
            most = (left + RECORD - 1) / RECORD * RECORD;
        return keel_stream_read_file(s, file, buffer, most);
    }
    struct iovec iov[64];
    size_t total, n = 0;
    unsigned count = keel_queue_iovec(q, iov, 64, most, &total);
    if (count == 1) {
        *bytes = iov[0].iov_base;
        return (ssize_t)total;
    }
    for (unsigned i = 0; i < count; i++) {
        memcpy(buffer + n, iov[i].iov_base, iov[i].iov_len);
        n += iov[i].iov_len;
    }
    *bytes = buffer;
    return (ssize_t)n;
}

/* Encrypts up to a send's worth. 0, KEEL_ETLS, KEEL_ESYS, or KEEL_EAGAIN: a file is being read. */
static int encrypt(struct keel_stream *s, size_t *done)
{
    struct keel_tls *tls = s->tls;
    struct keel_stream_pool *pool = s->io.loop->pool;
    *done = 0;
    while (s->output && s->output->size > 0 && *done < ENCRYPT_PER_SEND) {
        const uint8_t *bytes;
        ssize_t size = next_plaintext(s, record_size(tls), ENCRYPT_PER_SEND - *done, &bytes);
        if (size < 0)
            return (int)size;
        for (const uint8_t *behind = bytes + size; bytes < behind;) {
            int n = SSL_write(tls->ssl, bytes, (int)(behind - bytes)); /* a record at a time */
            if (n <= 0) {
                int err = outcome(s, n, "write");
                return err == KEEL_ESYS ? err : KEEL_ETLS;
            }
            bytes += n;
            *done += (size_t)n;
            keel_queue_consume(pool, s->output, (size_t)n);
            if (s->flags & KEEL_ST_CLOSING)
                return 0;
        }
    }
    return 0;
}

int keel_stream_tls_flush(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    size_t total = 0;
    bool held = tls->held && tls->out_size <= HOLD_MOST && s->output && s->output->size > 0;
    int err = held ? 0 : send_waiting(s);
    if (err || !s->output)
        return err;
    uint64_t now = keel_loop_now(s->io.loop);
    if (now - tls->last_write_ns > PAUSE)
        tls->small_left = SMALL_RECORDS;
    tls->last_write_ns = now;
    while (s->output->size > 0) {
        size_t done;
        if (total >= ENCRYPT_PER_TURN)
            return KEEL_EAGAIN; /* the others' turn */
        begin(tls);
        if (tls->held)
            release_held(s);
        err = encrypt(s, &done);
        int sent = end(s);
        if (err && err != KEEL_EAGAIN)
            return err;
        if (err || sent)
            return sent ? sent : err;
        if (s->flags & KEEL_ST_CLOSING)
            return KEEL_EAGAIN;
        total += done;
    }
    return 0;
}

int keel_stream_tls_shutdown(struct keel_stream *s)
{
    struct keel_tls *tls = s->tls;
    int err = send_waiting(s);
    if (err || tls->notified)
        return err;
    tls->notified = true;
    begin(tls);
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
    return end(s);
}

size_t keel_stream_tls_pending(const struct keel_stream *s)
{
    return s->tls->out_size - s->tls->out_sent;
}

SSL *keel_stream_ssl(const struct keel_stream *s)
{
    return s->tls ? s->tls->ssl : NULL;
}
