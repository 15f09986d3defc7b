#include "dnsd/serve/tools.h"

#include "common/base/mem.h"
#include "dnsd/serve/images.h"
#include "dnsd/serve/load.h"
#include "dnsd/zone/print.h"

#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return EXIT_FAILURE;
}

static int read_origin(struct dns_name *apex, const char *text)
{
    if (dns_name_from_text(apex, keel_str(text), NULL) == 0) {
        dns_name_lower(apex);
        return 0;
    }
    fprintf(stderr, "\"%s\" is not a domain name\n", text);
    return KEEL_EINVAL;
}

/* --- --check-zone --- */

static void count_warning(void *arg, const char *text)
{
    ++*(unsigned *)arg;
    fprintf(stderr, "warning: %s\n", text);
}

static int check_zone(char **arguments)
{
    struct keel_diag diag = {""};
    struct dns_image *image;
    char name[DNS_NAME_TEXT];
    struct dns_name apex;
    unsigned warnings = 0;
    if (read_origin(&apex, arguments[0]) != 0 ||
        dns_load_zone(arguments[1], &apex, count_warning, &warnings, &image, NULL, &diag) != 0)
        return diag.text[0] ? complain(diag.text) : EXIT_FAILURE;
    dns_name_to_text(name, apex.bytes);
    printf("%s serial %u: %u records, %u names, %u warning%s\n", name, image->serial,
           image->records, image->node_count, warnings, warnings == 1 ? "" : "s");
    keel_free(image);
    return EXIT_SUCCESS;
}

/* --- --print-zone --- */

static int write_out(void *arg, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, arg) == size ? 0 : KEEL_ESYS;
}

static int print_image(const struct dns_image *image)
{
    struct dns_view view = {.base = image};
    int err = dns_zone_print(&view, true, write_out, stdout);
    if (err == 0 && fflush(stdout) != 0)
        err = KEEL_ESYS;
    if (err == KEEL_ESYS)
        perror("cannot write");
    else if (err)
        complain(keel_strerror(err));
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The zone in a file of images. */
static int print_mapped(const struct dns_image_map *map, const struct dns_name *apex)
{
    struct dns_image_zone zone;
    struct keel_diag diag = {""};
    char name[DNS_NAME_TEXT];
    for (unsigned i = 0; i < map->file.count; i++) {
        dns_image_file_zone(&map->file, i, &zone);
        if (zone.apex_size != apex->size || memcmp(zone.apex, apex->bytes, apex->size) != 0)
            continue;
        const struct dns_image *image = dns_image_file_image(&map->file, &zone, &diag);
        return image ? print_image(image) : complain(diag.text);
    }
    dns_name_to_text(name, apex->bytes);
    fprintf(stderr, "there is no image of %s in it\n", name);
    return EXIT_FAILURE;
}

static void ignore_warning(void *arg, const char *text)
{
}

static int print_zone(char **arguments)
{
    struct dns_image_map *map;
    struct keel_diag diag = {""};
    struct dns_image *image;
    struct dns_name apex;
    if (read_origin(&apex, arguments[0]) != 0)
        return EXIT_FAILURE;
    if (dns_image_file_is_one(arguments[1])) {
        if (dns_image_map_path(arguments[1], &map, &diag) != 0)
            return complain(diag.text);
        int status = print_mapped(map, &apex);
        dns_image_map_release(map);
        return status;
    }
    if (dns_load_zone(arguments[1], &apex, ignore_warning, NULL, &image, NULL, &diag) != 0)
        return complain(diag.text);
    int status = print_image(image);
    keel_free(image);
    return status;
}

const struct keel_tool dns_tools[] = {
    {"check-zone", "ORIGIN FILE", 2, "check a zone file: what is wrong, or odd, with file and line",
     check_zone},
    {"print-zone", "ORIGIN FILE", 2, "print a zone file, or an image of the state directory",
     print_zone},
    {0},
};
