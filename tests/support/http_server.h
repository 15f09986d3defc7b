/*
 * httpd in a test: its worker over socket pairs, without processes.
 */
#ifndef TESTS_SUPPORT_HTTP_SERVER_H
#define TESTS_SUPPORT_HTTP_SERVER_H

#include "common/service/host.h"
#include "httpd/serve/settings.h"
#include "tests/support/h2_client.h"

extern struct keel_loop *loop;
extern struct keel_host *host;
extern void *settings;
extern struct keel_metrics metrics;
extern char folder[]; /* of its files */

/* Reads a configuration into `settings`. */
int configure(const char *text, struct keel_diag *diag);
/* A new folder; files are put into it before serve. */
void server_folder(void);
void server_file(const char *name, const char *text);
/* Serves by the configuration, in which "%s" is the folder. prepare, which may be NULL, may change
 * the settings before. */
void server_start(const char *text, void (*prepare)(struct http_settings *settings));
void server_stop(void);
/* For `prepare`: the scripted handler (script_module.h) answers in the first location, before
 * files.
 */
void server_use_script(struct http_settings *settings);

/* The same, and its answers and the files pass the filters, a list that ends with filter NULL. */
void server_use_filters(struct http_settings *settings, const struct http_filter_use *filters);

/* The client's end of a new connection. */
int client(void);
/* Turns of the loop, a millisecond each at most. */
void turns(unsigned n);
void send_text(int fd, const char *text, size_t size);
/* Reads what comes until the server closes or nothing comes any more, into `received`. */
const char *answer(int fd);
/* Both. */
const char *exchange(int fd, const char *text);
/* Sends each text to `most` connections: on the first one the first allocation fails, on the next
 * one the second, and so on. */
void server_starve(const char *const *texts, size_t count, unsigned most);
/* Both sides speak HTTP/2 until nothing comes any more. */
void talk(struct h2_client *h2, int fd);
/* How often `what` stands in text. */
unsigned count(const char *text, const char *what);

#define RECEIVED_MAX (1 << 21)
extern char received[RECEIVED_MAX];
extern size_t received_size;
extern bool closed;

#endif
