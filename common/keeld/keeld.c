/*
 * keeld: runs a protocol that comes as a module, as if it were a daemon of its own.
 */
#include "common/service/daemon.h"
#include "common/service/manifest.h"
#include "common/service/module.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static int usage(FILE *out, int status)
{
    fprintf(out,
            "keeld - runs a protocol module as a daemon\n\n"
            "Usage: keeld MODULE [options of the daemon]\n\n"
            "MODULE is a path with a slash, or a name: keeld echo loads\n"
            "%s/echo.so. keeld MODULE --help lists the options.\n",
            KEEL_MODULEDIR);
    return status;
}

/* The path to load: absolute, because workers and the next binary start from it too. Links stay, so
 * that an upgrade follows one that was changed meanwhile. False when it is too long. */
static bool module_path(const char *module, char *path, size_t size)
{
    char folder[PATH_MAX] = "";
    int n;
    if (!strchr(module, '/'))
        n = snprintf(path, size, "%s/%s.so", KEEL_MODULEDIR, module);
    else if (module[0] == '/' || !getcwd(folder, sizeof folder))
        n = snprintf(path, size, "%s", module);
    else
        n = snprintf(path, size, "%s/%s", folder, module);
    return n >= 0 && (size_t)n < size;
}

/* The core starts its processes with the arguments that keel_main got. Those begin with the module,
 * so a process with a manifest finds it there; the one that a person started finds it behind
 * "keeld". */
int main(int argc, char **argv)
{
    static char path[PATH_MAX];
    const struct keel_protocol *protocol;
    struct keel_diag diag = {""};
    if (!getenv(KEEL_MANIFEST_ENV)) {
        if (argc < 2)
            return usage(stderr, EXIT_USAGE);
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
            return usage(stdout, EXIT_SUCCESS);
        if (strcmp(argv[1], "--version") == 0) {
            printf("keeld (keel %s, module ABI %d.%d)\n", KEEL_VERSION, KEEL_ABI_MAJOR,
                   KEEL_ABI_MINOR);
            return EXIT_SUCCESS;
        }
        if (argv[1][0] == '-')
            return usage(stderr, EXIT_USAGE);
        if (!module_path(argv[1], path, sizeof path)) {
            fprintf(stderr, "keeld: the path of the module is too long\n");
            return EXIT_USAGE;
        }
        argc--;
        argv++;
        argv[0] = path;
    }
    if (keel_module_load(argv[0], &protocol, &diag) != 0) {
        fprintf(stderr, "keeld: %s\n", diag.text);
        return EXIT_FAILURE;
    }
    return keel_main(argc, argv, protocol);
}
