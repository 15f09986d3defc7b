#include "common/service/log_line.h"

#include <stdio.h>
#include <string.h>

/* One `%...` of a field format. */
struct conversion {
    char spec[32]; /* as printf wants it, stars resolved */
    char length;   /* 0, 'l', 'L' for ll, 'z', 'h' */
    char kind;     /* the letter; 0: malformed */
    int precision; /* -1: none */
    bool plain;    /* no flags and no width */
};

static const char *parse_number(const char *p, va_list *ap, int *out)
{
    if (*p == '*') {
        *out = va_arg(*ap, int);
        return p + 1;
    }
    *out = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        *out = *out < 1000 ? *out * 10 + (*p - '0') : *out;
    return p;
}

/* p is behind the `%`; returns behind the conversion. */
static const char *parse_conversion(const char *p, va_list *ap, struct conversion *c)
{
    char flags[8] = "", length[3] = "";
    size_t n = 0;
    int width = 0;
    *c = (struct conversion){.precision = -1};
    while (*p && strchr("-+ 0#", *p)) {
        if (n + 1 < sizeof flags)
            flags[n++] = *p;
        p++;
    }
    p = parse_number(p, ap, &width);
    if (*p == '.')
        p = parse_number(p + 1, ap, &c->precision);
    for (n = 0; *p && strchr("hlzjt", *p); p++) {
        if (n < 2)
            length[n++] = *p;
    }
    c->length = length[0] == 'l' && length[1] == 'l' ? 'L' : length[0];
    c->plain = !flags[0] && width == 0;
    c->kind = *p;
    if (c->precision >= 0)
        snprintf(c->spec, sizeof c->spec, "%%%s%d.%d%s%c", flags, width, c->precision, length,
                 c->kind);
    else if (width > 0)
        snprintf(c->spec, sizeof c->spec, "%%%s%d%s%c", flags, width, length, c->kind);
    else
        snprintf(c->spec, sizeof c->spec, "%%%s%s%c", flags, length, c->kind);
    return *p ? p + 1 : p;
}

/* Raw bytes to the running value; what does not fit is cut. */
static void put(struct log_line *line, const char *bytes, size_t n)
{
    size_t room = sizeof line->pool - 1 - line->pool_used;
    if (n > room) {
        n = room;
        line->cut = true;
    }
    memcpy(line->pool + line->pool_used, bytes, n);
    line->pool_used += n;
    line->pool[line->pool_used] = '\0';
}

static void put_string(struct log_line *line, const struct conversion *c, const char *text)
{
    if (!text)
        text = "-";
    put(line, text, c->precision >= 0 ? strnlen(text, (size_t)c->precision) : strlen(text));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the spec was checked when it was built */
static void put_signed(struct log_line *line, const struct conversion *c, va_list *ap)
{
    char text[64];
    if (c->length == 'L')
        snprintf(text, sizeof text, c->spec, va_arg(*ap, long long));
    else if (c->length == 'l' || c->length == 'j' || c->length == 'z' || c->length == 't')
        snprintf(text, sizeof text, c->spec, va_arg(*ap, long));
    else
        snprintf(text, sizeof text, c->spec, va_arg(*ap, int));
    put(line, text, strlen(text));
}

static void put_unsigned(struct log_line *line, const struct conversion *c, va_list *ap)
{
    char text[64];
    if (c->length == 'L')
        snprintf(text, sizeof text, c->spec, va_arg(*ap, unsigned long long));
    else if (c->length == 'l' || c->length == 'j' || c->length == 'z' || c->length == 't')
        snprintf(text, sizeof text, c->spec, va_arg(*ap, unsigned long));
    else
        snprintf(text, sizeof text, c->spec, va_arg(*ap, unsigned));
    put(line, text, strlen(text));
}

static void put_double(struct log_line *line, const struct conversion *c, va_list *ap)
{
    char text[400];
    snprintf(text, sizeof text, c->spec, va_arg(*ap, double));
    put(line, text, strlen(text));
}
#pragma GCC diagnostic pop

/* Appends one converted argument. False: an unknown conversion, so that the arguments behind it
 * cannot be found. */
static bool put_argument(struct log_line *line, const struct conversion *c, int error_number,
                         va_list *ap)
{
    char text[64];
    switch (c->kind) {
    case '%':
        put(line, "%", 1);
        return true;
    case 's':
        put_string(line, c, va_arg(*ap, const char *));
        return true;
    case 'd':
    case 'i':
        put_signed(line, c, ap);
        return true;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        put_unsigned(line, c, ap);
        return true;
    case 'f':
    case 'g':
    case 'e':
        put_double(line, c, ap);
        return true;
    case 'c':
        text[0] = (char)va_arg(*ap, int);
        put(line, text, 1);
        return true;
    case 'p':
        snprintf(text, sizeof text, "%p", va_arg(*ap, void *));
        put(line, text, strlen(text));
        return true;
    case 'm':
        put_string(line, c, strerrordesc_np(error_number));
        return true;
    default:
        return false;
    }
}

/* inf and nan are no JSON numbers; neither is 007. */
static bool is_number(const struct conversion *c, const char *value)
{
    return c->plain && c->kind && strchr("diufg", c->kind) &&
           ((value[0] >= '0' && value[0] <= '9') ||
            (value[0] == '-' && value[1] >= '0' && value[1] <= '9'));
}

/* One word of the format, up to a blank. False: stop. */
static bool take_word(struct log_line *line, const char **format, int error_number, va_list *ap)
{
    const char *p = *format;
    size_t name = strcspn(p, "=% ");
    bool named = p[name] == '=';
    struct log_field *field = &line->fields[line->count];
    unsigned pieces = 0;
    struct conversion c = {.kind = 0};
    bool known = true;
    field->name = named ? p : "detail";
    field->name_size = named ? name : 6;
    field->value = line->pool + line->pool_used;
    line->pool[line->pool_used] = '\0';
    p += named ? name + 1 : 0;
    while (*p && *p != ' ' && known) {
        pieces++;
        if (*p == '%') {
            p = parse_conversion(p + 1, ap, &c);
            known = put_argument(line, &c, error_number, ap);
        } else {
            size_t n = strcspn(p, "% ");
            put(line, p, n);
            p += n;
            c.kind = 0;
        }
    }
    field->size = (size_t)(line->pool + line->pool_used - field->value);
    field->number = pieces == 1 && is_number(&c, field->value);
    if (line->pool_used + 1 < sizeof line->pool)
        line->pool_used++; /* keep its NUL */
    line->count++;
    *format = p;
    return known;
}

void log_fields_take(struct log_line *line, const char *fields, int error_number, va_list ap)
{
    va_list args;
    va_copy(args, ap);
    while (fields && *fields) {
        if (*fields == ' ') {
            fields++;
            continue;
        }
        if (line->count == LOG_FIELDS_MAX - 1) { /* the last is for "suppressed" */
            line->cut = true;
            break;
        }
        if (!take_word(line, &fields, error_number, &args))
            break;
    }
    va_end(args);
}

void log_fields_add_number(struct log_line *line, const char *name, uint64_t value)
{
    char text[24];
    if (line->count >= LOG_FIELDS_MAX)
        return;
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    if (line->pool_used + (size_t)n + 1 > sizeof line->pool) {
        line->cut = true;
        return;
    }
    line->fields[line->count++] = (struct log_field){
        .name = name,
        .name_size = strlen(name),
        .value = memcpy(line->pool + line->pool_used, text, (size_t)n + 1),
        .size = (size_t)n,
        .number = true,
    };
    line->pool_used += (size_t)n + 1;
}
