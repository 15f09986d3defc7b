/*
 * The floor under a UDP server: a bare loop of recvmmsg and sendmmsg around an answer that is ready
 * before anybody asks.
 */
#ifndef KEEL_TESTS_BENCH_FLOOR_UDP_H
#define KEEL_TESTS_BENCH_FLOOR_UDP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Turns a message into its answer, in place: size octets in room; returns the answer's size. */
typedef size_t floor_answer(uint8_t *bytes, size_t size, size_t room);
/* Binds a socket of its own to `at`, whose port is set when it was 0, and calls on_bound, which may
 * be NULL. Serves until it is killed. */
void floor_serve(struct sockaddr_in *at, void (*on_bound)(const struct sockaddr_in *at),
                 floor_answer *answer);

#endif
