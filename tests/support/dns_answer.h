/*
 * An answer of any server as data that can be compared: its header, and each section as a sorted
 * list of records in one form (names lower-cased and without pointers). Shares no code with dnsd,
 * whose judge it is.
 */
#ifndef KEEL_TESTS_DNS_ANSWER_H
#define KEEL_TESTS_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct answer_record {
    uint32_t at, size; /* in answer.bytes: owner, type, class, TTL, rdata */
    uint16_t owner_size;
};
enum answer_state {
    ANSWER_NONE,     /* silence */
    ANSWER_CLOSED,   /* the TCP connection was closed instead */
    ANSWER_BAD,      /* no well-formed message; `what` says why */
    ANSWER_COMPLETE, /* read to its last byte */
};
#define ANSWER_OPTIONS 16
struct answer {
    enum answer_state state;
    const char *what;
    size_t size;           /* of the message */
    uint16_t flags, rcode; /* the rcode with its extended bits */
    bool question;         /* as it was sent, to the bit */
    bool edns;
    uint16_t edns_size, edns_flags;
    uint8_t edns_version;
    unsigned option_count;
    struct {
        uint16_t code, size;
    } options[ANSWER_OPTIONS];
    unsigned counts[3]; /* records of each section, OPT excepted */
    struct answer_record *records;
    unsigned record_room;
    uint8_t *bytes;
    size_t used, room;
};

/* Reads a message that answers `query`, and sorts its sections. Keeps the answer's memory from one
 * call to the next. */
void answer_read(struct answer *a, const uint8_t *message, size_t size, const uint8_t *query,
                 size_t query_size);
void answer_free(struct answer *a);
/* Nothing differs that ought to be equal. */
bool answer_equal(const struct answer *ours, const struct answer *theirs);
/* One line of JSON without its braces: what differs. */
void answer_print(FILE *out, const struct answer *ours, const struct answer *theirs);

#endif
