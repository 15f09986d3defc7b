/*
 * How long zones take from the disk to an image file, and from there when nothing has changed; and
 * what memory that takes. The zone is made: for each two names 2 A, 1 AAAA, 1 MX and 1 TXT record.
 *
 *     tests/bench/dns_load FOLDER [RECORDS [SMALL-ZONES]]
 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dnsd/serve/images.h"
#include "dnsd/serve/load.h"
#include "dnsd/zone/image_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "dns_load: %s\n", what);
        exit(1);
    }
}

static double seconds(uint64_t since)
{
    return (double)(keel_clock_monotonic() - since) / 1e9;
}

static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static const char head[] = "$TTL 3600\n@ SOA ns hostmaster 1 7200 1800 1209600 300\n@ NS ns\n"
                           "ns A 192.0.2.1\n";

static void make_zone(const char *path, unsigned records)
{
    FILE *f = fopen(path, "w");
    must(f, "cannot write the zone file");
    fputs(head, f);
    for (unsigned i = 0; i < records / 5; i++) {
        /* a fixed step spreads the names over the order */
        unsigned name = (unsigned)((uint64_t)i * 2654435761u % 100000000u);
        fprintf(f, "host%08u\tIN\tA\t10.%u.%u.%u\n", name, i >> 16 & 255, i >> 8 & 255, i & 255);
        fprintf(f, "host%08u\tIN\tAAAA\t2001:db8::%x:%x\n", name, i >> 16, i & 65535);
        fprintf(f, "www%08u\t600\tIN\tA\t10.%u.%u.%u\n", name, i >> 16 & 255, i >> 8 & 255,
                i & 255);
        fprintf(f, "www%08u\t600\tIN\tMX\t10 host%08u\n", name, name);
        fprintf(f, "www%08u\t600\tIN\tTXT\t\"v=spf1 mx -all\"\n", name);
    }
    must(fclose(f) == 0, "cannot write the zone file");
}

static void load_large(struct dns_images *images, const char *path)
{
    char name[DNS_IMAGES_NAME];
    struct dns_sources sources = {0};
    struct dns_image_map *map;
    struct dns_image_zone zone;
    struct dns_image *image;
    struct dns_name apex;
    struct keel_diag diag = {""};

    dns_name_from_text(&apex, KEEL_STR("large.bench"), NULL);
    uint64_t begin = keel_clock_monotonic();
    double spent = cpu();
    must(dns_load_zone(path, &apex, NULL, NULL, &image, &sources, &diag) == 0, diag.text);
    printf("read and compiled in %.2f s\n", seconds(begin));
    struct dns_image_part part = {image, sources.items, sources.count};
    must(dns_images_write(images, &part, 1, name, &diag) == 0, diag.text);
    printf("cold: %u records in %.2f s (CPU %.2f s), %.1f bytes each, peak %ld MiB\n",
           image->records, seconds(begin), cpu() - spent, (double)image->size / image->records,
           peak_mib());
    keel_free(image);

    begin = keel_clock_monotonic();
    must(dns_images_map(images, name, &map, &diag) == 0, diag.text);
    dns_image_file_zone(&map->file, 0, &zone);
    bool fresh = dns_images_fresh(&map->file, &zone, path);
    const struct dns_image *served = dns_image_file_image(&map->file, &zone, &diag);
    must(served, diag.text);
    printf("warm: %.3f s%s\n", seconds(begin), fresh ? "" : " (the file is too young to be sure)");
    begin = keel_clock_monotonic();
    must(dns_image_check(served, zone.size, &diag) == 0, diag.text);
    printf("checked throughout in %.3f s\n", seconds(begin));
    dns_image_map_release(map);
    dns_sources_fini(&sources);
}

static void load_small(struct dns_images *images, const char *folder, unsigned count)
{
    struct dns_image_part *parts = keel_calloc(count, sizeof *parts);
    struct dns_sources *sources = keel_calloc(count, sizeof *sources);
    char path[4096], name[DNS_IMAGES_NAME], text[64];
    struct keel_diag diag = {""};
    struct dns_name apex;
    must(parts && sources, "no memory");
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/z%u.zone", folder, i);
        FILE *f = fopen(path, "w");
        must(f, "cannot write a zone file");
        fprintf(f, "%s@ MX 10 mail\nmail A 192.0.2.2\nwww A 192.0.2.3\n", head);
        fclose(f);
    }
    uint64_t begin = keel_clock_monotonic();
    for (unsigned i = 0; i < count; i++) {
        struct dns_image *image;
        snprintf(path, sizeof path, "%s/z%u.zone", folder, i);
        snprintf(text, sizeof text, "z%u.bench", i);
        dns_name_from_text(&apex, keel_str(text), NULL);
        must(dns_load_zone(path, &apex, NULL, NULL, &image, &sources[i], &diag) == 0, diag.text);
        parts[i] = (struct dns_image_part){image, sources[i].items, sources[i].count};
    }
    double compiled = seconds(begin);
    must(dns_images_write(images, parts, count, name, &diag) == 0, diag.text);
    printf("cold: %u zones in %.2f s, of that %.2f s to write them\n", count, seconds(begin),
           seconds(begin) - compiled);
    for (unsigned i = 0; i < count; i++) {
        keel_free((void *)parts[i].image);
        dns_sources_fini(&sources[i]);
    }
    begin = keel_clock_monotonic();
    struct dns_image_map *map;
    unsigned fresh = 0;
    must(dns_images_map(images, name, &map, &diag) == 0, diag.text);
    for (unsigned i = 0; i < map->file.count; i++) {
        struct dns_image_zone zone;
        snprintf(path, sizeof path, "%s/z%u.zone", folder, i);
        dns_image_file_zone(&map->file, i, &zone);
        fresh += dns_images_fresh(&map->file, &zone, path);
        must(dns_image_file_image(&map->file, &zone, &diag) != NULL, diag.text);
    }
    printf("warm: %.3f s, %u of them fresh\n", seconds(begin), fresh);
    dns_image_map_release(map);
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/z%u.zone", folder, i);
        unlink(path);
    }
    keel_free(parts);
    keel_free(sources);
}

static bool keep_none(void *arg, const char *name)
{
    return false;
}

int main(int argc, char **argv)
{
    unsigned records = argc > 2 ? (unsigned)atoi(argv[2]) : 2500000;
    unsigned zones = argc > 3 ? (unsigned)atoi(argv[3]) : 100000;
    struct dns_images *images;
    struct keel_diag diag = {""};
    char path[4096];

    must(argc > 1, "usage: dns_load FOLDER [RECORDS [SMALL-ZONES]]");
    must(dns_images_open(&images, argv[1], &diag) == 0, diag.text);
    snprintf(path, sizeof path, "%s/large.zone", argv[1]);
    make_zone(path, records);
    load_large(images, path);
    unlink(path);
    if (zones > 0)
        load_small(images, argv[1], zones);
    dns_images_sweep(images, keep_none, NULL, &diag);
    dns_images_close(images);
    return 0;
}
