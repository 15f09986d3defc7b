/*
 * How fast a client is while it is waited for: bytes against time, window after window.
 */
#ifndef HTTPD_REQUEST_RATE_H
#define HTTPD_REQUEST_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* What a client owes. */
struct http_least {
    uint64_t rate;      /* bytes a second; 0: nothing */
    uint64_t window_ns; /* over so long */
};
/* All zero: it is not waited for. */
struct http_rate {
    uint64_t since_ns;  /* it is waited for; 0: it is not */
    uint64_t waited_ns; /* before that, in this window */
    uint64_t bytes;     /* that came in this window */
};

static inline void http_rate_wait(struct http_rate *rate, uint64_t now_ns)
{
    if (rate->since_ns == 0)
        rate->since_ns = now_ns;
}
/* It is not the client that lets us wait now. */
static inline void http_rate_pause(struct http_rate *rate, uint64_t now_ns)
{
    if (rate->since_ns > 0)
        rate->waited_ns += now_ns - rate->since_ns;
    rate->since_ns = 0;
}
/* So many bytes came. False: a window is over, and there were too few in it. */
static inline bool http_rate_take(struct http_rate *rate, const struct http_least *least,
                                  uint64_t now_ns, uint64_t n)
{
    if (rate->since_ns > 0) {
        rate->waited_ns += now_ns - rate->since_ns;
        rate->since_ns = now_ns;
    }
    rate->bytes += n;
    if (rate->waited_ns < least->window_ns)
        return true;
    bool enough = rate->bytes >= least->rate * (rate->waited_ns / 1000000) / 1000;
    rate->waited_ns = rate->bytes = 0;
    return enough;
}

#endif
