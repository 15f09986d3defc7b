/*
 * The client's side of an HTTP/2 connection, in memory: nghttp2, which nobody here wrote.
 */
#ifndef KEEL_TESTS_H2_CLIENT_H
#define KEEL_TESTS_H2_CLIENT_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H2_ANSWERS 160

struct h2_answer {
    int32_t id;
    unsigned status;
    char head[1024]; /* "name: value\n" */
    char text[64];   /* the first bytes of the body */
    size_t size;     /* of the body */
    uint32_t sum;    /* of its bytes, each with its place */
    bool ended;      /* all came */
    bool closed;
    uint32_t error; /* of the reset, once closed */
};

struct h2_client {
    nghttp2_session *session;
    struct h2_answer answers[H2_ANSWERS];
    unsigned count;
    unsigned goaways;
    uint32_t goaway_error;
    int32_t goaway_last;
    unsigned pings; /* acknowledged ones */
    bool failed;    /* the server broke the protocol */
};

/* window: of each stream, 0: the default; hold: no WINDOW_UPDATE is sent by itself. */
void h2_client_init(struct h2_client *client, uint32_t window, bool hold);
void h2_client_fini(struct h2_client *client);
/* Queues a request. extra: one more field "name: value", or NULL; body: or NULL. Returns where its
 * answer will be. */
struct h2_answer *h2_client_ask(struct h2_client *client, const char *method, const char *path,
                                const char *extra, const char *body, size_t body_size);
/* What it has to send, up to size bytes; 0: nothing. */
size_t h2_client_output(struct h2_client *client, uint8_t *out, size_t size);
void h2_client_input(struct h2_client *client, const uint8_t *bytes, size_t size);
/* What h2_answer.sum is of a body whose byte number i is (uint8_t)(i * 7 + i / 251). */
uint32_t h2_sum(size_t size);
static inline uint8_t h2_byte(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

#endif
