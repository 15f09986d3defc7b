/*
 * How OpenSSL reaches a stream's descriptor: reading asks the kernel, while a turn's allowance
 * lasts; writing collects in the loop's output buffer.
 */
#include "common/runtime/stream_tls_private.h"

#include "common/base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Ciphertext that waits for the peer. It is that much only for one that makes us answer (key
 * updates) and does not read the answers. */
#define WAITING_MOST (512 * 1024)

static int bio_read(BIO *bio, char *out, int size)
{
    struct keel_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->eof || size <= 0)
        return 0;
    if (tls->recvs_left == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t n = recv(keel_stream_fd(tls->stream), out, (size_t)size, 0);
    tls->recvs_left--;
    if (n > 0) {
        if (n < size) /* that was all: no second call to be told so */
            tls->recvs_left = 0;
        return (int)n;
    }
    if (n == 0) {
        tls->eof = true;
        return 0;
    }
    if (errno == EAGAIN || errno == EINTR) {
        tls->recvs_left = 0;
        BIO_set_retry_read(bio);
    } else {
        tls->read_error = errno;
    }
    return -1;
}

bool keel_tls_keep_output(struct keel_tls *tls, const uint8_t *bytes, size_t size)
{
    size_t waiting = tls->out_size - tls->out_sent;
    uint8_t *grown = waiting + size <= WAITING_MOST ? keel_malloc(waiting + size) : NULL;
    if (!grown) {
        tls->lost = true;
        return false;
    }
    if (waiting > 0)
        memcpy(grown, tls->out + tls->out_sent, waiting);
    memcpy(grown + waiting, bytes, size);
    keel_free(tls->out);
    tls->out = grown;
    tls->out_size = waiting + size;
    tls->out_sent = 0;
    return true;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct keel_tls *tls = BIO_get_data(bio);
    struct keel_loop *loop = tls->stream->io.loop;
    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    if ((size_t)size > KEEL_LOOP_OUTPUT - tls->collected) {
        /* A chain of many certificates: rare enough for the heap. */
        if (!keel_tls_keep_output(tls, loop->output, tls->collected))
            return -1;
        tls->collected = 0;
        if ((size_t)size > KEEL_LOOP_OUTPUT)
            return keel_tls_keep_output(tls, (const uint8_t *)bytes, (size_t)size) ? size : -1;
    }
    memcpy(loop->output + tls->collected, bytes, (size_t)size);
    tls->collected += (size_t)size;
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct keel_tls *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_FLUSH)
        return 1;
    if (command == BIO_CTRL_EOF)
        return tls->eof;
    return 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *keel_stream_tls_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "keel stream");
    if (!method)
        return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
    return method;
}
