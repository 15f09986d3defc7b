/*
 * The control socket as its parts see it. Private to service/.
 */
#ifndef KEEL_SERVICE_CONTROL_SERVER_H
#define KEEL_SERVICE_CONTROL_SERVER_H

#include "common/runtime/accept.h"
#include "common/service/control.h"
#include "common/service/master.h"

struct keel_control {
    struct keel_master *master;
    int fd;
    bool listening; /* and its path is ours */
    char path[108];
    struct keel_acceptor acceptor;
    struct keel_list clients;
    unsigned client_count;
    struct keel_list asks;
    uint32_t next_id;
};

struct keel_control_client {
    struct keel_stream stream;
    struct keel_list node;
    struct keel_control *control;
    bool closed;      /* the stream is gone; freed when the last request is answered */
    unsigned waiting; /* requests under way */
};

/* control_request.c: one request line, parsed. */
struct keel_control_request {
    json_t *root; /* owns name and args */
    const char *command;
    json_t *args; /* an array of strings; maybe empty */
};
/* Longest request line. */
#define KEEL_CONTROL_LINE 65536
/* Strict: an object with "command" (a string) and maybe "args" (an array of strings), nothing
 * else. KEEL_EINVAL with diag. Free with keel_control_request_fini. */
int keel_control_parse(const void *line, size_t size, struct keel_control_request *request,
                       struct keel_diag *diag);
void keel_control_request_fini(struct keel_control_request *request);

/* control.c */
/* Sends a whole reply; takes it, and NULL says that there is no memory. */
void keel_control_send(struct keel_control_client *client, json_t *reply);
/* One request less is under way: there is room for the next. May free the client. */
void keel_control_answered(struct keel_control_client *client);
/* Answers a client: takes result (NULL: null). */
void keel_control_ok(struct keel_control_client *client, json_t *result);
void keel_control_fail(struct keel_control_client *client, const char *error);
/* A client that waits for the end of a reload or upgrade, or (next) of the reload behind it; it is
 * answered by settle. */
int keel_control_wait(struct keel_control_client *client, bool next);
struct keel_master *keel_control_master(const struct keel_control_client *client);

/* control_ask.c */
/* Sends the request to the workers that its scope names; their replies answer the client. */
void keel_control_ask_workers(struct keel_control_client *client,
                              const struct keel_control_request *request,
                              enum keel_command_scope scope);
/* The socket ends: whoever waits is told. */
void keel_control_end_asks(struct keel_control *control);

/* master_command.c: runs one request. */
void keel_master_command(struct keel_control_client *client,
                         const struct keel_control_request *request);

#endif
