/*
 * Opens connections to a web server, asks once on each of them, and leaves them idle: how much
 * memory one costs is then to be seen in the server's process.
 *
 *     http_idle PORT COUNT plain|tls|h2c|h2 PATH    says "ready" when all are open, then waits to
 *                                                   be killed
 *
 * Its own side of TLS is freed after the response, without a close_notify, so that it needs little
 * memory itself.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETTINGS = 4, HEADERS = 1, DATA = 0, ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

struct client {
    int fd;
    SSL *ssl; /* NULL: plain */
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put(struct client *c, const void *bytes, size_t size)
{
    ssize_t n = c->ssl ? SSL_write(c->ssl, bytes, (int)size) : send(c->fd, bytes, size, 0);
    if (n != (ssize_t)size)
        fail("http_idle: send");
}

static size_t get(struct client *c, void *bytes, size_t size)
{
    ssize_t n = c->ssl ? SSL_read(c->ssl, bytes, (int)size) : recv(c->fd, bytes, size, 0);
    if (n <= 0)
        fail("http_idle: receive");
    return (size_t)n;
}

static void get_all(struct client *c, uint8_t *bytes, size_t size)
{
    for (size_t n = 0; n < size;)
        n += get(c, bytes + n, size - n);
}

static void ask_h1(struct client *c, const char *path)
{
    char text[16384];
    size_t got = 0, whole = 0;
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    put(c, text, (size_t)n);
    while (whole == 0 || got < whole) {
        if (got == sizeof text - 1)
            fail("http_idle: a response that is too long");
        got += get(c, text + got, sizeof text - 1 - got);
        text[got] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\ncontent-length:");
        if (end && length)
            whole = (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10);
    }
    if (strncmp(text, "HTTP/1.1 200", 12) != 0)
        fail("http_idle: not 200");
}

static size_t frame(uint8_t *out, unsigned type, unsigned flags, unsigned stream, size_t size)
{
    const uint8_t head[9] = {
        0, (uint8_t)(size >> 8), (uint8_t)size, (uint8_t)type, (uint8_t)flags, 0, 0,
        0, (uint8_t)stream};
    memcpy(out, head, sizeof head);
    return sizeof head;
}

/* RFC 9113, 3.4; the request is literals without an index and four bytes out of HPACK's table. */
static void ask_h2(struct client *c, const char *path)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", host[] = "localhost";
    uint8_t out[512], head[9], payload[16384];
    size_t n = sizeof preface - 1, length = strlen(path);
    memcpy(out, preface, n);
    n += frame(out + n, SETTINGS, 0, 0, 0);
    n += frame(out + n, HEADERS, END_STREAM | END_HEADERS, 1, 2 + 2 + length + 2 + sizeof host - 1);
    out[n++] = 0x82;                 /* :method GET */
    out[n++] = c->ssl ? 0x87 : 0x86; /* :scheme */
    out[n++] = 0x04;                 /* :path */
    out[n++] = (uint8_t)length;
    memcpy(out + n, path, length);
    n += length;
    out[n++] = 0x01; /* :authority */
    out[n++] = sizeof host - 1;
    memcpy(out + n, host, sizeof host - 1);
    put(c, out, n + sizeof host - 1);
    do {
        get_all(c, head, sizeof head);
        size_t size = (size_t)head[1] << 8 | head[2];
        if (head[0] || size > sizeof payload)
            fail("http_idle: a frame that is too long");
        get_all(c, payload, size);
        if (head[3] == SETTINGS && !(head[4] & ACK))
            put(c, out, frame(out, SETTINGS, ACK, 0, 0));
    } while (head[3] != DATA || !(head[4] & END_STREAM));
}

static int dial(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("http_idle: connect");
    return fd;
}

static void open_one(unsigned port, SSL_CTX *context, bool h2, const char *path)
{
    struct client c = {.fd = dial(port)};
    if (context) {
        c.ssl = SSL_new(context);
        if (!c.ssl || SSL_set_fd(c.ssl, c.fd) != 1 || SSL_connect(c.ssl) != 1)
            fail("http_idle: TLS");
    }
    if (h2)
        ask_h2(&c, path);
    else
        ask_h1(&c, path);
    SSL_free(c.ssl); /* the descriptor stays open */
}

int main(int argc, char **argv)
{
    SSL_CTX *context = NULL;
    if (argc != 5 || strlen(argv[4]) > 126)
        return 2;
    bool h2 = strncmp(argv[3], "h2", 2) == 0;
    if (strcmp(argv[3], "tls") == 0 || strcmp(argv[3], "h2") == 0) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
            (h2 && SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\2h2", 3) != 0))
            return 1;
    }
    for (unsigned long i = 0, count = strtoul(argv[2], NULL, 10); i < count; i++)
        open_one((unsigned)strtoul(argv[1], NULL, 10), context, h2, argv[4]);
    SSL_CTX_free(context);
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
