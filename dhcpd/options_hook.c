#include "dhcpd/options.h"

#define SECONDS(n) ((int64_t)(n)*1000000000)

const struct keel_option dhcp_hook_rows[] = {
    {.name = "command",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST,
     .help =
         "A program and its arguments, { \"/path\", \"argument\" }; no shell looks at them. What "
         "happened stands in its environment. Its input and output are /dev/null."},
    {.name = "module",
     .type = KEEL_OPT_PATH,
     .help =
         "In place of a command: a shared object that is told of the events. File and directory "
         "must belong to root, or to who runs dhcpd, and be writable by nobody else."},
    {.name = "argument", .type = KEEL_OPT_STRING, .def = "", .help = "Given to the module."},
    {.name = "events",
     .type = KEEL_OPT_STRING,
     .flags = KEEL_OPT_LIST | KEEL_OPT_REQUIRED,
     .help = "Of granted, renewed, released, declined, expired and deleted."},
    {.name = "concurrency",
     .type = KEEL_OPT_INT,
     .def = "4",
     .min = 1,
     .max = 64,
     .help = "How many of the command may run at a time. Events of one address are told one after "
             "the other, in their order."},
    {.name = "queue",
     .type = KEEL_OPT_INT,
     .def = "1000",
     .min = 1,
     .max = 100000,
     .help = "How many events may wait for the command; those beyond are dropped and counted."},
    {.name = "timeout",
     .type = KEEL_OPT_DURATION,
     .def = "10s",
     .min = SECONDS(1),
     .max = SECONDS(3600),
     .help = "How long the command may run; then it gets SIGTERM, and 5 s later SIGKILL."},
    {.name = "write",
     .type = KEEL_OPT_PATH,
     .flags = KEEL_OPT_LIST,
     .help = "Files and folders that hooks may write to. They may read whatever the daemon's user "
             "may."},
    {.type = KEEL_OPT_END},
};
