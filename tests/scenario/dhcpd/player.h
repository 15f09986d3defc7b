/*
 * One scenario being played, and its messages. Private to the player of DHCP scenarios.
 */
#ifndef KEEL_TESTS_SCENARIO_DHCPD_PLAYER_H
#define KEEL_TESTS_SCENARIO_DHCPD_PLAYER_H

#include "dhcpd/engine/engine.h"
#include "dhcpd/serve/settings.h"
#include "tests/support/dhcp_memory_store.h"

#define PLAY_WORDS 40
#define PLAY_CLIENTS 64
#define PLAY_VARIABLES 64
#define PLAY_STATES 24

/* A client, with the fields of all its messages. */
struct client {
    char name[32], fields[512];
};
struct variable {
    char name[32];
    uint32_t value;
};

struct state {
    char name[32];
    struct keel_buf lines;
};

struct player {
    const char *file;
    int line;
    char wrong[1024]; /* what failed; empty: nothing */
    unsigned steps;
    struct keel_fake_clock clock;
    struct keel_prng prng;
    struct memory_store store;
    struct keel_conf *conf;
    struct dhcp_settings *settings;
    struct dhcp_engine *engine;
    struct client clients[PLAY_CLIENTS];
    unsigned client_count;
    struct variable variables[PLAY_VARIABLES];
    unsigned variable_count;
    struct state states[PLAY_STATES];
    unsigned state_count;
    uint32_t xid;
    /* of the message at hand */
    struct dhcp_header header;
    struct dhcp_input input;
    uint8_t request[2048], reply[2048], relay[300];
    size_t relay_size;
    struct dhcp_decision decision;
    struct dhcp_message answer;
};

/* Notes what went wrong, with file and line; the first one counts. */
void player_fail(struct player *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Splits at blanks, in place, up to a '#'; '...' keeps blanks. Returns how many of PLAY_WORDS. */
unsigned player_split(char *line, char **words);
/* An address as it stands in a scenario: 192.0.2.1, or a $NAME that has a value. */
uint32_t player_address(struct player *p, const char *text);
/* "CLIENT MESSAGE FIELDS -> REPLY FIELDS": builds the message, gives it to the engine and compares
 * what comes of it. */
void player_message(struct player *p, struct client *c, char **words, unsigned count);

#endif
