#include "common/service/crash.h"

#include "common/service/log.h"

#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char crash_who[64]; /* written once, before any handler can run */

static void say(int fd, const char *text)
{
    ssize_t n = write(fd, text, strlen(text));
    (void)n;
}

static const char *signal_text(int number)
{
    switch (number) {
    case SIGSEGV:
        return " died of SIGSEGV\n";
    case SIGBUS:
        return " died of SIGBUS\n";
    case SIGFPE:
        return " died of SIGFPE\n";
    case SIGILL:
        return " died of SIGILL\n";
    default:
        return " was aborted (SIGABRT)\n";
    }
}

/* Only calls that are safe in a handler, once backtrace() has loaded its library. */
static void on_crash(int number)
{
    void *frames[64];
    int fd = keel_log_fd();
    if (fd < 0)
        fd = STDERR_FILENO;
    say(fd, crash_who);
    say(fd, signal_text(number));
    say(fd, "backtrace:\n");
    backtrace_symbols_fd(frames, backtrace(frames, 64), fd);
    raise(number); /* SA_RESETHAND: now with its default */
}

void keel_crash_install(const char *who)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    void *frame;
    snprintf(crash_who, sizeof crash_who, "%s", who);
    backtrace(&frame, 1);
#ifndef KEEL_SANITIZE /* the sanitizer says more */
    struct sigaction sa = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &sa, NULL);
#else
    (void)numbers;
    (void)on_crash;
#endif
}

void keel_title_set(int argc, char **argv, const char *title)
{
    prctl(PR_SET_NAME, title, 0, 0, 0);
    /* the kernel lays the strings out one behind the other */
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++)
        end = argv[i] + strlen(argv[i]) + 1;
    size_t room = (size_t)(end - argv[0]);
    if (room == 0)
        return;
    size_t n = strlen(title) < room ? strlen(title) : room - 1;
    memset(argv[0], 0, room);
    memcpy(argv[0], title, n);
}
