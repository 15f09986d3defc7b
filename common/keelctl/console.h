/*
 * The console of keelctl: a prompt with history and completion; one command a line.
 */
#ifndef KEEL_KEELCTL_CONSOLE_H
#define KEEL_KEELCTL_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

/* How commands are sent and answers shown, also outside of the console. */
struct keelctl_options {
    const char *socket; /* NULL: found by the daemon's name */
    bool json;          /* show replies as they came */
    bool wide;          /* all columns of tables */
    uint64_t timeout_ns;
};

/* The exit statuses. */
enum {
    KEELCTL_OK = 0,
    KEELCTL_REFUSED = 1, /* the daemon answered an error */
    KEELCTL_USAGE = 2,
    KEELCTL_UNREACHABLE = 3, /* no daemon, or no answer that can be read */
};

/* Sends one command and shows the answer. Returns an exit status. */
int keelctl_command(const struct keelctl_options *options, const char *daemon,
                    const char *const *words, int count);
/* Reads commands until `quit` or the end. daemon NULL: a line's first word names it. Without a
 * terminal on stdin: no prompt, no history. Returns the exit status of the last command. */
int keelctl_console(const struct keelctl_options *options, const char *daemon);

#endif
