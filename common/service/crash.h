/*
 * Last words: a backtrace on the log's descriptor when a process dies of a signal, SIGABRT of the
 * master to a hung worker included.
 */
#ifndef KEEL_SERVICE_CRASH_H
#define KEEL_SERVICE_CRASH_H

/* Installs the handlers; `who` ("dnsd[2]") is copied and begins each line. */
void keel_crash_install(const char *who);
/* What ps shows: overwrites the argument strings of the process in place. argc and argv as main
 * got them. */
void keel_title_set(int argc, char **argv, const char *title);

#endif
